"""topk-lambda-feeder under AWS's Runtime Interface Emulator, with a real database."""

import json
import os
import queue
import random
import re
import signal
import socket
import time
from collections import Counter
from pathlib import Path

import psycopg
import pytest
from aws_kinesis_agg.aggregator import RecordAggregator
from confluent_kafka import Producer

from edition import edition
from lambda_function import FIRST_SEQUENCE, SHARD, STREAM, LambdaFunction, events_of, kinesis_event, kinesis_record
from proxy import CuttingProxy, Proxy
from runtime_api import RuntimeApi
from secrets_manager import SecretsManager

CHECKOUT = Path(__file__).resolve().parents[2]
PROGRAM = CHECKOUT / "build" / "topk-lambda-feeder"
PIPELINE = "recently_interacted"
SUCCESS = {"batchItemFailures": []}

THAWS = edition(4, 100)
CUTS = edition(20, 500)
INVOCATIONS = edition(300, int(os.environ.get("INVOCATIONS", 100_000)))


class Feed:
    """A pipeline, and the function that feeds it."""

    def __init__(self, database, folder):
        self.database, self.folder = database, folder
        self.functions = []
        database.query("SELECT topk_pipeline.create(%s)", PIPELINE)

    def start(self, database_env=None, timeout=30, **env):
        database_env = self.database.env() if database_env is None else database_env
        self.functions.append(LambdaFunction([PROGRAM], {**database_env, **env}, self.folder, timeout))
        return self.functions[-1]

    def counted(self):
        """What the pipeline says of the last two days (midnight may fall into a test)."""
        return Counter(dict(self.database.query(
            "SELECT item, lower_bound FROM topk_pipeline.top(%s, 1000, days => 2)", PIPELINE)))

    def rejected(self):
        return self.database.query("SELECT source, shard, position, reason, detail, payload "
                                   "FROM topk_pipeline.rejected ORDER BY position, rejected_at")

    def status(self, column):
        return self.database.query(f"SELECT {column} FROM topk_pipeline.status")[0][0]

    def close(self):
        for function in self.functions:
            function.close()


@pytest.fixture
def feed(database, tmp_path):
    feed = Feed(database, tmp_path)
    yield feed
    feed.close()


@pytest.fixture
def runtime(stack, daemon):
    """start(env) runs the program at a Runtime API that it may be killed at: (api, daemon)."""
    apis = []

    def start(env):
        apis.append(RuntimeApi())
        return apis[-1], daemon("topk-lambda-feeder", env={"AWS_LAMBDA_RUNTIME_API": apis[-1].address, **env})

    yield start
    for api in apis:
        api.close()


# ---- counting ----

def test_counts_are_exact(feed):
    function = feed.start()
    assert function.invoke(events_of(["a", "b", "a"])) == SUCCESS
    assert function.invoke(events_of(["b", "c"] * 500, FIRST_SEQUENCE + 3)) == SUCCESS
    assert function.invoke({"Records": []}) == SUCCESS
    assert feed.counted() == Counter(a=2, b=501, c=500)
    assert feed.status("records") == 1003 and feed.status("duplicates") == 0


def test_one_entity_from_kafka_and_kinesis_has_one_count(feed, kafka, topic, daemon):
    producer = Producer({"bootstrap.servers": kafka.brokers})
    for number in range(30):
        producer.produce(topic, json.dumps({"entity_id": "p-1" if number % 3 else "p-2", "source": "kafka"}), partition=0)
    assert producer.flush(30) == 0
    feeder = daemon("topk-kafka-feeder", ["--topic", topic, "--group", topic, "--once"],
                    env={"TOPK_DSN": feed.database.dsn})
    assert feed.start().invoke(events_of(["p-1"] * 5 + ["p-3"] * 7)) == SUCCESS
    assert feeder.wait(30) == 0
    assert feed.database.query("SELECT * FROM topk_pipeline.top(%s, days => 2)", PIPELINE) == [
        ("p-1", 25, 25, 25), ("p-2", 10, 10, 10), ("p-3", 7, 7, 7)]


def test_the_window_is_that_of_the_arrival_or_of_the_event(feed):
    day = 86400
    yesterday = (int(time.time()) // day - 1) * day
    assert feed.start().invoke(kinesis_event(
        kinesis_record({"entity_id": "early"}, FIRST_SEQUENCE, arrival=yesterday + 0.001),
        kinesis_record({"entity_id": "late"}, FIRST_SEQUENCE + 1, arrival=yesterday + day - 0.001))) == SUCCESS
    assert feed.start(TOPK_TIME_FIELD="/at", TOPK_ENTITY_FIELD="/product/id", TOPK_WEIGHT_FIELD="/n",
                      TOPK_KEY_FIELD="/tenant").invoke(kinesis_event(
        kinesis_record({"product": {"id": "x"}, "n": 5, "tenant": "t", "at": yesterday * 1000 - 1}, FIRST_SEQUENCE + 2)
    )) == SUCCESS
    assert feed.database.query("SELECT key, extract(epoch FROM window_start)::bigint, item, lower_bound "
                               "FROM topk_pipeline.window_summary, topk_top(summary, 9) ORDER BY 1, 2, 3") == [
        ("global", yesterday, "early", 1), ("global", yesterday, "late", 1), ("t", yesterday - day, "x", 5)]


def test_what_is_delivered_again_counts_once(feed):
    function = feed.start()
    records = [kinesis_record({"entity_id": f"e{number % 5}"}, FIRST_SEQUENCE + number) for number in range(100)]
    for low, high in ((0, 60), (40, 100), (0, 100), (99, 100)):
        assert function.invoke(kinesis_event(*records[low:high])) == SUCCESS
    # a second copy within a batch, and a batch that is bisected and out of order
    assert function.invoke(kinesis_event(*records[50:], *records[:50], *records)) == SUCCESS
    assert feed.counted() == Counter({f"e{number}": 20 for number in range(5)})
    assert feed.status("duplicates") == 20 + 100 + 1 + 200
    # the same numbers in another shard or stream are other records
    assert function.invoke(kinesis_event(
        kinesis_record({"entity_id": "e0"}, FIRST_SEQUENCE, shard="shardId-000000000001"),
        kinesis_record({"entity_id": "e0"}, FIRST_SEQUENCE, stream=STREAM + "2"),
        # but one who reads the stream with a rate of its own reads the same stream
        kinesis_record({"entity_id": "e0"}, FIRST_SEQUENCE, stream=STREAM + "/consumer/app:1600000000"))) == SUCCESS
    assert feed.counted()["e0"] == 22


def test_an_id_in_the_event_beats_that_of_kinesis(feed):
    function = feed.start(TOPK_ID_FIELD="/messageId")
    event = {"entity_id": "a", "messageId": "m-1"}
    assert function.invoke(kinesis_event(kinesis_record(event, 1), kinesis_record(event, 2),
                                         kinesis_record({"entity_id": "a"}, 3))) == SUCCESS
    assert feed.counted() == Counter(a=1)
    assert [row[2:4] for row in feed.rejected()] == [(3, "bad_id")]


# ---- the producer library's aggregates ----

def aggregated(*events, keys=("pk",)):
    """One record as the Kinesis Producer Library packs several."""
    aggregator = RecordAggregator()
    for number, event in enumerate(events):
        aggregator.add_user_record(keys[number % len(keys)], event if isinstance(event, bytes) else json.dumps(event).encode())
    return aggregator.clear_and_get().get_contents()[2]


def test_aggregates_are_taken_apart(feed):
    function = feed.start()
    packed = aggregated(*({"entity_id": f"e{number % 3}"} for number in range(30)), b"nonsense", keys=("k1", "k2"))
    event = kinesis_event(kinesis_record(packed, FIRST_SEQUENCE), kinesis_record({"entity_id": "e0"}, FIRST_SEQUENCE + 1))
    assert function.invoke(event) == SUCCESS
    assert function.invoke(event) == SUCCESS
    assert feed.counted() == Counter(e0=11, e1=10, e2=10)
    assert feed.rejected() == [("interactions", SHARD, FIRST_SEQUENCE, "invalid_json",
                                "at byte 1: lexical error: invalid string in json text.", "nonsense")]
    assert feed.database.query("SELECT convert_from(message_key, 'UTF8') FROM topk_pipeline.rejected_record") == [("k1",)]
    assert feed.status("duplicates") == 32


def test_what_only_looks_like_an_aggregate_is_a_record(feed):
    packed = aggregated({"entity_id": "e"}, {"entity_id": "f"})
    broken = [packed[:-1] + bytes([packed[-1] ^ 1]), packed[:20], b"\xf3\x89\x9a\xc2", packed[4:], packed + b"x"]
    assert feed.start().invoke(kinesis_event(
        *(kinesis_record(data, FIRST_SEQUENCE + number) for number, data in enumerate(broken)),
        kinesis_record({"entity_id": "g"}, FIRST_SEQUENCE + 9))) == SUCCESS
    assert feed.counted() == Counter(g=1)
    assert [row[3] for row in feed.rejected()] == ["invalid_utf8"] * len(broken) or \
        {row[3] for row in feed.rejected()} <= {"invalid_utf8", "invalid_json"}
    assert len(feed.rejected()) == len(broken)


# ---- what can't be used ----

def without(record, *path):
    copy = json.loads(json.dumps(record))
    part = copy
    for name in path[:-1]:
        part = part[name]
    del part[path[-1]]
    return copy


def replaced(record, *path_and_value):
    *path, value = path_and_value
    copy = json.loads(json.dumps(record))
    part = copy
    for name in path[:-1]:
        part = part[name]
    part[path[-1]] = value
    return copy


def holding(record, data):
    """The same record with other data."""
    return replaced(record, "kinesis", "data", kinesis_record(data)["kinesis"]["data"])


# What becomes of a good record, and why it is rejected then.

POISON = {
    "no object": (lambda good: 5, "bad_record"),
    "null": (lambda good: None, "bad_record"),
    "a string": (lambda good: 'kinesis "quoted" \u00e9', "bad_record"),
    "an array": (lambda good: [[1, {"kinesis": {}}], 2], "bad_record"),
    "an empty object": (lambda good: {}, "bad_record"),
    "no kinesis": (lambda good: without(good, "kinesis"), "bad_record"),
    "kinesis is a number": (lambda good: replaced(good, "kinesis", 1), "bad_record"),
    "kinesis is an array": (lambda good: replaced(good, "kinesis", [good["kinesis"]]), "bad_record"),
    "of another source": (lambda good: replaced(good, "eventSource", "aws:sqs"), "bad_record"),
    "of no source": (lambda good: without(good, "eventSource"), "bad_record"),
    "no data": (lambda good: without(good, "kinesis", "data"), "bad_record"),
    "data is a number": (lambda good: replaced(good, "kinesis", "data", 7), "bad_record"),
    "data is an object": (lambda good: replaced(good, "kinesis", "data", {"entity_id": "x"}), "bad_record"),
    "base64 of a wrong length": (lambda good: replaced(good, "kinesis", "data", "YWJ"), "invalid_base64"),
    "base64 for URLs": (lambda good: replaced(good, "kinesis", "data", "YW-_"), "invalid_base64"),
    "base64 with a line break": (lambda good: replaced(good, "kinesis", "data", "YWJj\nYWJj"), "invalid_base64"),
    "base64 with padding inside": (lambda good: replaced(good, "kinesis", "data", "YQ==YQ=="), "invalid_base64"),
    "base64 with a NUL": (lambda good: replaced(good, "kinesis", "data", "YWJ\0"), "invalid_base64"),
    "empty data": (lambda good: replaced(good, "kinesis", "data", ""), "empty_value"),
    "no sequence number": (lambda good: without(good, "kinesis", "sequenceNumber"), "bad_id"),
    "a sequence number that is a number": (lambda good: replaced(good, "kinesis", "sequenceNumber", 5), "bad_id"),
    "a sequence number of letters": (lambda good: replaced(good, "kinesis", "sequenceNumber", "49x"), "bad_id"),
    "a sequence number below 0": (lambda good: replaced(good, "kinesis", "sequenceNumber", "-1"), "bad_id"),
    "a sequence number of 130 digits": (lambda good: replaced(good, "kinesis", "sequenceNumber", "9" * 130), "bad_id"),
    "no stream": (lambda good: without(good, "eventSourceARN"), "bad_id"),
    "an empty stream": (lambda good: replaced(good, "eventSourceARN", ""), "bad_id"),
    "a stream with spaces": (lambda good: replaced(good, "eventSourceARN", "arn: \n"), "bad_id"),
    "a stream of 10,000 bytes": (lambda good: replaced(good, "eventSourceARN", "a" * 10_000), "bad_id"),
    "no event id": (lambda good: without(good, "eventID"), "bad_id"),
    "an event id without a shard": (lambda good: replaced(good, "eventID", str(FIRST_SEQUENCE)), "bad_id"),
    "a shard of 1,000 bytes": (lambda good: replaced(good, "eventID", "s" * 1000 + ":1"), "bad_id"),
    "a shard that is no ASCII": (lambda good: replaced(good, "eventID", "sh\u00e4rd:1"), "bad_id"),
    "no arrival time": (lambda good: without(good, "kinesis", "approximateArrivalTimestamp"), "bad_time"),
    "an arrival time that is text": (lambda good: replaced(good, "kinesis", "approximateArrivalTimestamp", "now"), "bad_time"),
    "an arrival before 1970": (lambda good: replaced(good, "kinesis", "approximateArrivalTimestamp", -1), "bad_time"),
    "an arrival of 1e300": (lambda good: replaced(good, "kinesis", "approximateArrivalTimestamp", 1e300), "bad_time"),
    "an arrival in the far future": (lambda good: replaced(good, "kinesis", "approximateArrivalTimestamp", 9e10), "too_far_in_future"),
    "data that is nonsense": (lambda good: holding(good, b"nonsense"), "invalid_json"),
    "data that is random": (lambda good: holding(good, random.Random(7).randbytes(1000)), "invalid_utf8"),
    "data that is deeply nested": (lambda good: holding(good, b"[" * 100_000), "invalid_json"),
    "data that is no object": (lambda good: holding(good, [1]), "not_an_object"),
    "an entity with a NUL": (lambda good: holding(good, {"entity_id": "a\0b"}), "nul_character"),
    "an entity that is a number": (lambda good: holding(good, {"entity_id": 5}), "wrong_type"),
    "no entity": (lambda good: holding(good, {"entity": "x"}), "missing_entity"),
    "an entity of 10,000 bytes": (lambda good: holding(good, {"entity_id": "x" * 10_000}), "too_long"),
}

NO_EVENT = {
    "nothing": b"",
    "random bytes": random.Random(11).randbytes(10_000),
    "a NUL": b"\0",
    "half of an event": json.dumps(kinesis_event(kinesis_record({"entity_id": "poison"}))).encode()[:-40],
    "more than an event": json.dumps(kinesis_event(kinesis_record({"entity_id": "poison"}))).encode() + b"}",
    "an array": b"[]",
    "a string": b'"Records"',
    "no Records": b'{"records":[]}',
    "Records that is an object": b'{"Records":{"0":{}}}',
    "Records that is null": b'{"Records":null}',
    "Records that is replaced": b'{"Records":[],"Records":5}',
    "deep nesting": b'{"Records":[' + b"[" * 3_000_000,
    "deep nesting elsewhere": b'{"x":' + b'{"x":' * 1_000_000,
    "an event of the gateway": b'{"httpMethod":"GET","path":"/"}',
}


def test_a_record_that_can_not_be_used_is_kept_and_its_neighbours_are_counted(feed):
    """One after the other between two good ones, and then all together once more."""
    function = feed.start()
    expected, nameless, whole, events = Counter(), Counter(), set(), []
    for number, (name, (spoil, reason)) in enumerate(POISON.items()):
        sequence = FIRST_SEQUENCE + 10 * number
        poison = spoil(kinesis_record({"entity_id": "poison"}, sequence + 1))
        expected[reason] += 1
        if reason == "bad_id" or not isinstance(poison, dict) or not isinstance(poison.get("kinesis"), dict):
            nameless[reason] += 1
        if reason == "bad_record":
            whole.add(json.dumps(poison))
        events.append(kinesis_event(kinesis_record({"entity_id": "good"}, sequence), poison,
                                    kinesis_record({"entity_id": "good"}, sequence + 2)))
        assert function.invoke(events[-1]) == SUCCESS, name
        assert feed.counted() == Counter(good=2 * number + 2), name
        assert Counter(row[3] for row in feed.rejected()) == expected, name
    assert len(POISON) >= 30
    # what is rejected is kept as it came
    kept = feed.database.query("SELECT convert_from(payload, 'UTF8') FROM topk_pipeline.rejected_record "
                               "WHERE reason = 'bad_record'")
    assert {json.dumps(json.loads(text)) for text, in kept} == whole
    assert "poison" not in function.log()
    # delivered again: only those without an id are kept twice
    assert function.invoke(kinesis_event(*(record for event in events for record in event["Records"]))) == SUCCESS
    assert feed.counted() == Counter(good=2 * len(POISON))
    assert Counter(row[3] for row in feed.rejected()) == expected + nameless


def test_what_is_no_event_of_kinesis_is_an_error(feed):
    function = feed.start()
    for name, event in NO_EVENT.items():
        assert function.invoke(event)["errorType"] == "InvalidEvent", name
    assert function.invoke(events_of(["a"])) == SUCCESS
    assert feed.counted() == Counter(a=1)


def test_as_much_as_lambda_sends(feed):
    """6 MB: in few records, in many, and in aggregates of tiny ones."""
    function = feed.start()
    entity = "x" * 8000
    assert function.invoke(events_of([f"{number}{entity}" for number in range(500)])) == SUCCESS
    assert function.invoke(events_of([f"e{number % 10}" for number in range(10_000)], FIRST_SEQUENCE + 1000)) == SUCCESS
    tiny = aggregated(*({"entity_id": f"t{number % 7}"} for number in range(20_000)))
    assert len(tiny) < 1024 * 1024
    event = kinesis_event(*(kinesis_record(tiny, FIRST_SEQUENCE + 20_000 + number) for number in range(5)))
    assert function.invoke(event) == SUCCESS
    assert feed.status("records") == 500 + 10_000 + 100_000
    assert feed.counted()["t0"] == 5 * 2858


# ---- PostgreSQL away, slow, cut off; the function frozen and killed ----

def numbers(answer):
    return [int(item["itemIdentifier"]) for item in answer["batchItemFailures"]]


def test_the_database_is_away(feed, postgres):
    """Everything is given back, the lowest number first, as a number: 9 comes before 10."""
    function = feed.start()
    sequences = [10, 9, FIRST_SEQUENCE, 2**128, 8, 2**64, 2**63 - 1, *range(100, 193)]
    event = kinesis_event(*(kinesis_record({"entity_id": "a"}, sequence) for sequence in sequences))
    postgres.stop("immediate")
    try:
        for most in (6, 3):  # seconds; the start tries by itself before
            started = time.monotonic()
            assert numbers(function.invoke(event)) == sorted(sequences)
            assert time.monotonic() - started < most
        assert function.metrics()[-1]["Failed"] == 100
        # one that can't be named: the invocation fails
        assert function.invoke(kinesis_event(kinesis_record({"entity_id": "poison"}), without(kinesis_record({"entity_id": "poison"}), "kinesis", "sequenceNumber")))["errorType"] == "BatchFailed"
    finally:
        postgres.start()
    assert function.invoke(event) == SUCCESS
    assert feed.counted() == Counter(a=100)
    assert "PostgreSQL" in function.log()


def test_the_database_does_not_answer(feed):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        function = feed.start({**feed.database.env(), "PGPORT": str(silent.getsockname()[1])})
        function.invoke({"Records": []})  # so that the start has tried before
        started = time.monotonic()
        answer = function.invoke(events_of(["a"] * 100))
        assert time.monotonic() - started < 3
        assert numbers(answer) == list(range(FIRST_SEQUENCE, FIRST_SEQUENCE + 100))


def test_the_answer_comes_before_the_deadline(feed):
    """While a batch waits for a lock; what becomes of it then is for the ids to settle."""
    function = feed.start(timeout=3)
    assert function.invoke(events_of(["a"])) == SUCCESS
    with psycopg.connect(feed.database.dsn) as other:
        other.execute("LOCK TABLE topk_pipeline.slot")
        started = time.monotonic()
        assert numbers(function.invoke(events_of(["a", "a"], FIRST_SEQUENCE + 1))) == [FIRST_SEQUENCE + 1, FIRST_SEQUENCE + 2]
        assert 1.5 < time.monotonic() - started < 2.9
    assert function.invoke(events_of(["a", "a"], FIRST_SEQUENCE + 1)) == SUCCESS
    assert feed.counted() == Counter(a=3)


def test_connections_are_cut_at_any_byte(feed, postgres):
    """Also between a commit and its answer.  The function mends it, or gives the batch back; AWS delivers it again."""
    proxy = CuttingProxy(postgres.port, requests=(2500, 60_000), answers=(1500, 2500))
    function = feed.start({**feed.database.env(), "PGPORT": str(proxy.port)})
    sent = Counter()
    sequence = FIRST_SEQUENCE
    while proxy.cuts < CUTS:
        entities = [f"e{random.randrange(20)}" for _ in range(50)]
        event = events_of(entities, sequence)
        while function.invoke(event) != SUCCESS:
            pass
        sequence += len(entities)
        sent.update(entities)
    proxy.close()
    assert feed.counted() == sent


class Sleeper(Proxy):
    """One whose connections can fall silent, as after a freeze behind a NAT gateway."""

    generation = 0

    def silence(self):
        """From now on nothing goes through the connections there are, and nobody is told."""
        self.generation += 1

    def _pump(self, source, sink, left):
        generation = self.generation
        try:
            while data := source.recv(65536):
                if generation == self.generation:
                    sink.sendall(data)
            if generation == self.generation:
                sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def test_a_thaw_with_a_dead_connection_is_mended_within_the_invocation(feed, postgres, runtime):
    """The server has ended the connection, or forgotten it without a word."""
    sleeper = Sleeper(postgres.port)
    api, program = runtime({**feed.database.env(), "PGPORT": str(sleeper.port)})
    assert api.invoke(events_of(["a"])) == ("response", SUCCESS)
    for number in range(1, THAWS + 1):
        os.kill(program.pid, signal.SIGSTOP)
        if number % 2:
            feed.database.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                                "WHERE application_name = 'topk-lambda-feeder'")
        else:
            sleeper.silence()
        time.sleep(1.1)
        os.kill(program.pid, signal.SIGCONT)
        started = time.monotonic()
        assert api.invoke(events_of(["a"], FIRST_SEQUENCE + number)) == ("response", SUCCESS)
        assert time.monotonic() - started < 2.5
    assert feed.counted() == Counter(a=THAWS + 1)


def test_a_kill_at_any_moment_loses_and_doubles_nothing(feed, postgres, runtime):
    """Overlapping batches, a third of them delivered twice, while the program is killed and its connections are cut."""
    proxy = CuttingProxy(postgres.port, requests=(5_000, 60_000), answers=(5_000, 60_000))
    env = {**feed.database.env(), "PGPORT": str(proxy.port), "TOPK_METRICS": "off"}
    api, program = runtime(env)
    entities = [f"e{int(random.paretovariate(0.5)) % 500}" for _ in range(INVOCATIONS * 10)]
    start = time.time()
    kills = deliveries = 0
    low = 0
    while low < len(entities):
        high = min(low + random.randint(1, 20), len(entities))
        event = kinesis_event(*(kinesis_record({"entity_id": entities[number]}, FIRST_SEQUENCE + number, arrival=start)
                                for number in range(max(0, low - random.randint(0, 10)), high)))
        copies = 2 if random.random() < 0.3 else 1
        while copies > 0:
            name = api.send(event)
            deliveries += 1
            if deliveries % 50 == 25:
                time.sleep(random.random() * 0.006)
                program.kill()
                kills += 1
                program.process.start(lambda: True)
                while not api.events.empty():
                    time.sleep(0.001)
                if api.answers[name].empty():
                    try:
                        answer = api.answer(name, timeout=0.3)
                    except queue.Empty:
                        continue  # it died with the batch: AWS delivers it again
                else:
                    answer = api.answer(name)
            else:
                answer = api.answer(name)
            copies -= answer == ("response", SUCCESS)
            del api.answers[name]
        low = high
    proxy.close()
    print(f"{deliveries} deliveries of {len(entities)} records, {kills} kills, {proxy.cuts} cuts")
    assert kills > 0 and proxy.cuts > 0
    assert feed.status("records") == len(entities)
    assert feed.database.query("SELECT sum(weight)::bigint FROM (SELECT topk_total(topk_pipeline.summary(%s, days => 2)) AS weight) s",
                               PIPELINE) == [(len(entities),)]
    assert feed.counted() == Counter(entities)


# ---- PostgreSQL's password ----

REGION = "eu-central-1"
SECRET_ARN = f"arn:aws:secretsmanager:{REGION}:123456789012:secret:topk-AbCdEf"
ACCESS = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "IQoJb3JpZ2luX2VjEXAMPLETOKEN/+==")


@pytest.fixture
def secrets():
    manager = SecretsManager(*ACCESS, REGION)
    yield manager
    manager.close()


@pytest.fixture
def role(database):
    """A role with a password that is only in the secret."""
    name = f"role_{database.name}"
    database.query(f"CREATE ROLE {name} LOGIN PASSWORD 'geheim-1'")
    database.query(f"GRANT USAGE ON SCHEMA topk_pipeline TO {name}")
    database.query(f"GRANT EXECUTE ON FUNCTION topk_pipeline.settings, topk_pipeline.ingest_records, topk_pipeline.full_windows TO {name}")
    yield name
    database.query(f"DROP OWNED BY {name}; DROP ROLE {name}")


def role_env(database, role, **env):
    """The environment without a password."""
    return {**{name: value for name, value in database.env().items() if name != "PGPASSWORD"}, "PGUSER": role, **env}


def secret_env(database, secrets, role):
    return role_env(database, role, TOPK_SECRET_ARN=SECRET_ARN, AWS_ENDPOINT_URL_SECRETS_MANAGER=secrets.url,
                    AWS_ACCESS_KEY_ID=ACCESS[0], AWS_SECRET_ACCESS_KEY=ACCESS[1], AWS_SESSION_TOKEN=ACCESS[2])


def shows_no_secret(program):
    return not any(secret in program.log() for secret in ("geheim", *ACCESS))


def test_the_password_from_secrets_manager_also_after_it_was_rotated(feed, secrets, role):
    env = secret_env(feed.database, secrets, role)
    del env["PGUSER"]
    secrets.secrets[SECRET_ARN] = json.dumps({"username": role, "password": "geheim-1", "host": "ignored"})
    secrets.failures = [(400, "ThrottlingException"), (503, "InternalServiceError")]
    function = feed.start(env)
    assert function.invoke(events_of(["a"])) == SUCCESS
    assert function.invoke(events_of(["a"], FIRST_SEQUENCE + 1)) == SUCCESS
    assert secrets.requests == 3  # two that failed, and one for all invocations
    feed.database.query(f"ALTER ROLE {role} PASSWORD 'geheim-2'")
    secrets.secrets[SECRET_ARN] = "geheim-2"
    feed.database.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", role)
    time.sleep(1.1)
    assert function.invoke(events_of(["a"], FIRST_SEQUENCE + 2)) == SUCCESS
    assert secrets.requests == 4
    assert feed.counted() == Counter(a=3)
    assert shows_no_secret(function)


def test_a_secret_that_can_not_be_used_gives_the_batch_back(feed, secrets, role):
    function = feed.start(secret_env(feed.database, secrets, role))
    for secret, hint in ((None, "HTTP status 400, ResourceNotFoundException"), ('{"password":5}', "it has no password"),
                         ("", "it has no password"), ("geheim-falsch", "password authentication failed")):
        if secret is not None:
            secrets.secrets[SECRET_ARN] = secret
        assert numbers(function.invoke(events_of(["a"]))) == [FIRST_SEQUENCE]
        assert hint in function.log()
    secrets.secrets[SECRET_ARN] = "geheim-1"
    assert function.invoke(events_of(["a"])) == SUCCESS
    assert shows_no_secret(function)
    # signed with another key
    function = feed.start({**secret_env(feed.database, secrets, role), "AWS_SECRET_ACCESS_KEY": "other"})
    assert numbers(function.invoke(events_of(["a"]))) == [FIRST_SEQUENCE]
    assert "InvalidSignatureException" in function.log()


def test_the_password_from_a_file_or_the_environment(feed, role, tmp_path):
    path = tmp_path / "password"
    path.write_text("geheim-1\nnot this\n")
    function = feed.start(role_env(feed.database, role, TOPK_PASSWORD_FILE=str(path)))
    assert function.invoke(events_of(["a"])) == SUCCESS
    assert feed.start(role_env(feed.database, role, PGPASSWORD="geheim-1")).invoke(events_of(["a"])) == SUCCESS
    path.unlink()
    broken = feed.start(role_env(feed.database, role, TOPK_PASSWORD_FILE=str(path)))
    assert numbers(broken.invoke(events_of(["a"]))) == [FIRST_SEQUENCE]
    assert "No such file" in broken.log() and "check TOPK_PASSWORD_FILE" in broken.log()
    assert shows_no_secret(function)


# ---- Lambda's side ----

def test_a_stop_waits_for_the_batch_under_way(feed, runtime):
    api, program = runtime(feed.database.env())
    assert api.invoke(events_of(["a"])) == ("response", SUCCESS)
    with psycopg.connect(feed.database.dsn) as other:
        other.execute("LOCK TABLE topk_pipeline.slot")
        name = api.send(events_of(["a"], FIRST_SEQUENCE + 1))
        time.sleep(0.3)
        os.kill(program.pid, signal.SIGTERM)
        time.sleep(0.3)
        assert program.process.running()
    assert api.answer(name) == ("response", SUCCESS)
    assert program.wait(5) == -signal.SIGTERM
    assert feed.counted() == Counter(a=2)


def test_an_answer_that_lambda_refuses_becomes_an_error(feed, runtime):
    api, program = runtime(feed.database.env())
    api.statuses.append(413)
    kind, error = api.invoke(events_of(["a"]))
    assert kind == "error" and error["errorType"] == "AnswerRefused"
    assert api.invoke(events_of(["a"])) == ("response", SUCCESS)
    assert feed.counted() == Counter(a=1)
    api.statuses.extend([403, 403])
    api.send(events_of(["a"]))
    assert program.wait(5) == 1


def test_a_wrong_option_is_reported_to_lambda(runtime):
    api, program = runtime({"TOPK_ENTITY_FIELD": "entity"})
    assert program.wait(5) == 2
    assert "not a JSON Pointer" in program.log()
    assert api.start_errors == [({"errorType": "Configuration", "stackTrace": [],
                                  "errorMessage": "an environment variable is wrong: the function's log names it"},
                                 "Topk.Configuration")]
    api, program = runtime({"TOPK_DSN": "geheim"})
    assert program.wait(5) == 1
    assert api.start_errors[0][1] == "Topk.StartFailed" and "geheim" not in program.log()


def test_what_only_a_person_can_mend_gives_the_batch_back(database, runtime):
    """And as soon as it is mended, the function goes on."""
    api, program = runtime({**database.env(), "TOPK_K": "32"})
    assert numbers(api.invoke(events_of(["a"]))[1]) == [FIRST_SEQUENCE]
    assert 'pipeline \\"recently_interacted\\" does not exist' in program.log()
    database.query("SELECT topk_pipeline.create(%s, k => 7)", PIPELINE)
    assert numbers(api.invoke(events_of(["a"]))[1]) == [FIRST_SEQUENCE]
    assert "leave TOPK_K out" in program.log()
    database.query("SELECT topk_pipeline.drop(%s)", PIPELINE)
    database.query("SELECT topk_pipeline.create(%s)", PIPELINE)
    assert api.invoke(events_of(["a"])) == ("response", SUCCESS)


def test_metrics_and_log(feed):
    function = feed.start(LOG_LEVEL="debug")
    event = kinesis_event(*events_of(["a", "b", "a"])["Records"], kinesis_record(b"geheim", FIRST_SEQUENCE + 5, arrival=time.time() - 9))
    assert function.invoke(event) == SUCCESS
    assert function.invoke(event) == SUCCESS
    first, second = function.metrics()
    directive = first["_aws"]["CloudWatchMetrics"][0]
    assert directive["Namespace"] == "topk" and directive["Dimensions"] == [["Pipeline", "FunctionName"]]
    assert {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]} == {
        "Records": "Count", "Counted": "Count", "Duplicates": "Count", "Rejected": "Count", "Failed": "Count",
        "Duration": "Milliseconds", "Age": "Milliseconds"}
    assert abs(first["_aws"]["Timestamp"] - time.time() * 1000) < 60_000
    assert (first["Pipeline"], first["FunctionName"]) == (PIPELINE, "topk")
    assert [first[name] for name in ("Records", "Counted", "Duplicates", "Rejected", "Failed")] == [4, 3, 0, 1, 0]
    assert [second[name] for name in ("Records", "Counted", "Duplicates", "Rejected", "Failed")] == [4, 0, 4, 0, 0]
    assert 9000 <= first["Age"] < 60_000 and first["Duration"] < 30_000
    line = re.search('msg="batch counted, but for the records that are rejected" records=4 .*', function.log())[0]
    assert re.search("request_id=[0-9a-f-]{36}", line)
    assert "geheim" not in function.log()


def test_requests_carry_their_trace_into_the_log(feed, runtime):
    api, program = runtime({**feed.database.env(), "LOG_LEVEL": "debug", "TOPK_METRICS": "off"})
    assert api.invoke(events_of(["a"])) == ("response", SUCCESS)
    program.wait_for(r'trace_id="?Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=1')
    assert "_aws" not in program.log()


def test_the_documented_options_are_those_of_the_program(daemon):
    program = daemon("topk-lambda-feeder", ["--help=markdown"])
    assert program.wait(10) == 0
    assert program.log() in (CHECKOUT / "docs" / "lambda.md").read_text()
