"""Everything at once: Kafka and Kinesis feed one pipeline that is mirrored, queried and watched live, for as long as one likes.

Counts are exact, answers never go back, and no memory grows.  build/everything.log has the memory over time.

    make soak ONLY=everything [SOAK_SECONDS=3600]
"""

import http.client
import os
import random
import statistics
import threading
import time
from collections import Counter

import pytest

from ddb import CHECKOUT, PIPELINE
from demo.servers.process import children, memory
from edition import edition
from kafka_feed import event, wait_until
from lambda_function import FIRST_SEQUENCE, kinesis_event, kinesis_record
from query_service import Query, events
from runtime_api import RuntimeApi
from test_kafka_dead_letters import DeadLetters

SECONDS = edition(6, int(os.environ.get("SOAK_SECONDS", 3600)))
KAFKA_RATE, KINESIS_BATCH = 2000, 100  # records a second; records twice a second
TENANTS = [f"tenant-{number}" for number in range(5)]
ENTITIES = 100  # of each: all are published, so all are exact
K = ENTITIES
BAD = 200  # one in so many records of Kafka is no JSON
REPEATED = 10  # one in so many batches of Kinesis is delivered again
TICK = 0.1
SAMPLES = edition(3, 60)
MB = 1 << 20
GROWTH = 4.0, 1.1  # what may be more in the last quarter than in the second: MB, or so many times as much


class Sent:
    """What was sent so far; counted before it is on its way, so nobody may ever see more."""

    def __init__(self):
        self.counts = {tenant: Counter() for tenant in TENANTS}
        self.kafka = self.kinesis = self.bad = self.repeated = 0

    def choose(self):
        tenant, entity = random.choice(TENANTS), f"e{int(random.paretovariate(0.3)) % ENTITIES}"
        self.counts[tenant][entity] += 1
        return tenant, entity

    def total(self, tenant):
        return self.counts[tenant].total()


class Worker(threading.Thread):
    """Does its round again and again until it is told to end, or fails; .end() raises what went wrong."""

    def __init__(self, turn, pause):
        super().__init__(daemon=True)
        self.turn, self.pause, self.problem = turn, pause, None
        self.over = threading.Event()
        self.start()

    def run(self):
        try:
            due = time.monotonic()
            while not self.over.is_set():
                self.turn()
                due += self.pause
                self.over.wait(max(0, due - time.monotonic()))
        except BaseException as problem:
            self.problem = problem

    def check(self):
        if self.problem is not None:
            raise self.problem

    def end(self):
        self.over.set()
        self.join(30)
        self.check()


def kafka_round(feed, sent):
    def turn():
        for number in range(int(KAFKA_RATE * TICK)):
            if sent.kafka % BAD == BAD - 1:
                sent.bad += 1
                feed.send("{", number % 4)
            else:
                tenant, entity = sent.choose()
                feed.send(event(entity, tenant=tenant), number % 4)
            sent.kafka += 1
    return turn


def kinesis_round(api, sent):
    def turn():
        records = []
        for _ in range(KINESIS_BATCH):
            tenant, entity = sent.choose()
            records.append(kinesis_record({"entity_id": entity, "tenant": tenant}, FIRST_SEQUENCE + sent.kinesis))
            sent.kinesis += 1
        again = sent.kinesis // KINESIS_BATCH % REPEATED == 0
        for _ in range(1 + again):
            assert api.invoke(kinesis_event(*records)) == ("response", {"batchItemFailures": []})
        sent.repeated += KINESIS_BATCH if again else 0
    return turn


def reading_round(query, sent):
    """The total of each tenant never goes back, and is never more than what was sent."""
    seen = Counter()

    def turn():
        tenant = random.choice(TENANTS)
        status, answer = query.top(entity=tenant, days=2, n=K)
        assert status == 200, answer
        total = answer["total"] or 0
        assert seen[tenant] <= total <= sent.total(tenant), (tenant, seen[tenant], total, sent.total(tenant))
        seen[tenant] = total
    return turn


class Live:
    """A client of /v1/top/live, as the page is one: the newest list, and how many there were."""

    def __init__(self, query, tenant):
        self.connection = http.client.HTTPConnection("127.0.0.1", query.port, timeout=60)
        self.connection.request("GET", f"/v1/top/live?entity={tenant}&days=2&n={K}")
        self.stream = self.connection.getresponse()
        self.newest, self.lists = None, 0
        self.worker = Worker(self.follow, 0)

    def follow(self):
        [self.newest] = events(self.stream, 1)
        self.lists += 1

    def items(self):
        return {item["item"]: item["estimate"] for item in self.newest["items"]} if self.newest else {}


class Memory:
    """How much memory processes hold, in MB, sample by sample."""

    def __init__(self, log, pids, server):
        self.log, self.pids, self.server = log, pids, server
        self.samples = {name: [] for name in [*pids, "postgresql"]}
        self.started = time.monotonic()

    def sample(self):
        now = {name: memory(pid) for name, pid in self.pids.items()}
        # What the server's processes have for themselves; what they share does not grow.
        now["postgresql"] = sum(unshared(pid) for pid in [self.server, *children(self.server)])
        now = {name: held / MB for name, held in now.items()}
        for name, megabytes in now.items():
            self.samples[name].append(megabytes)
        with open(self.log, "a") as log:
            print(f"{time.monotonic() - self.started:6.0f} s", *(f"{name} {megabytes:.1f} MB" for name, megabytes in now.items()),
                  sep="  ", file=log)

    def grown(self):
        """{name: (then, now)} of who has more in the last quarter than in the second one."""
        found = {}
        for name, samples in self.samples.items():
            quarter = len(samples) // 4
            then, now = statistics.median(samples[quarter:2 * quarter]), statistics.median(samples[-quarter:])
            if now > max(then + GROWTH[0], then * GROWTH[1]):
                found[name] = then, now
        return found


def unshared(pid):
    try:
        return memory(pid, "RssAnon")
    except ProcessLookupError:
        return 0  # a backend that has just ended


@pytest.fixture
def api():
    api = RuntimeApi()
    yield api
    api.close()


@pytest.fixture
def dead_letters(kafka, topic):
    letters = DeadLetters(kafka, f"{topic}-dead")
    yield letters
    letters.close()


def test_everything_at_once(feed, database, table, dynamodb, daemon, postgres, api, dead_letters):
    log = CHECKOUT / "build" / "everything.log"
    log.write_text("")
    database.query("SELECT topk_pipeline.drop(%s)", PIPELINE)
    database.query("SELECT topk_pipeline.create(%s, k => %s)", PIPELINE, K)
    sent = Sent()
    mapping = {"TOPK_KEY_FIELD": "/tenant"}
    rows = {"DDB_TABLE": table, "DDB_ENDPOINT": dynamodb.endpoint, "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
    feeder = feed.start("--dlq-topic", dead_letters.name, **mapping)
    function = daemon("topk-lambda-feeder", env={"AWS_LAMBDA_RUNTIME_API": api.address, **database.env(), **mapping})
    mirror = daemon("topk-ddb-sync", env={**database.env(), **rows}, ready="msg=mirroring")
    patient = ["--request-timeout", "15s"]  # others may work on this machine too
    queries = {"query-dynamodb": Query(daemon, ["--topk-k", K, *patient], rows),
               "query-postgresql": Query(daemon, ["--store", "postgres", *patient], database.env())}
    for name, query in queries.items():
        wait_until(lambda: query.top(entity=TENANTS[0])[0] == 200, 30, f"{name}: its store")
    live = {name: Live(query, TENANTS[0]) for name, query in queries.items()}
    workers = [Worker(kafka_round(feed, sent), TICK), Worker(kinesis_round(api, sent), 0.5),
               *(Worker(reading_round(query, sent), TICK) for query in queries.values())]
    memory = Memory(log, {"kafka-feeder": feeder.pid, "lambda-feeder": function.pid, "ddb-sync": mirror.pid,
                          **{name: query.process.pid for name, query in queries.items()}}, postgres.process.child.pid)
    for _ in range(SAMPLES):
        time.sleep(SECONDS / SAMPLES)
        memory.sample()
        for worker in [*workers, *(one.worker for one in live.values())]:
            worker.check()
    for worker in workers:
        worker.end()
    assert feed.producer.flush(60) == 0

    check_counts(database, sent)
    for name, query in queries.items():
        for tenant in TENANTS:
            wait_until(lambda: counts(query, tenant) == sent.counts[tenant], 30, f"{name}: the counts of {tenant}")
        wait_until(lambda: live[name].items() == sent.counts[TENANTS[0]], 30, f"{name}: the live list")
        assert live[name].lists > 2
    assert dead_letters.size() == sent.bad
    assert SAMPLES < 8 or memory.grown() == {}
    with open(log, "a") as file:
        print(f"exact: {sent.kafka} records from Kafka, {sent.bad} of them rejected; {sent.kinesis} from Kinesis, {sent.repeated} of "
              f"them twice; live lists: {', '.join(f'{name} {one.lists}' for name, one in live.items())}", file=file)
    assert [process.terminate() for process in (feeder, mirror, *(query.process for query in queries.values()))] == [0] * 4


def counts(query, tenant):
    _, answer = query.top(entity=tenant, days=2, n=K)
    return {item["item"]: item["estimate"] for item in answer["items"]}


def check_counts(database, sent):
    """PostgreSQL has counted every record once."""
    wait_until(lambda: database.query("SELECT sum(position) FROM topk_pipeline.source_position") == [(sent.kafka,)], 60,
               "the end of the topic")
    for tenant in TENANTS:
        found = database.query("SELECT item, lower_bound, upper_bound FROM topk_pipeline.top(%s, %s, %s, 2)", PIPELINE, K, tenant)
        assert {item: lower for item, lower, _ in found} == sent.counts[tenant]
        assert all(lower == upper for _, lower, upper in found)
    assert database.query("SELECT records, duplicates, rejected FROM topk_pipeline.status") == [
        (sent.kafka - sent.bad + sent.kinesis, sent.repeated, sent.bad)]
    assert database.query("SELECT reason, records FROM topk_pipeline.rejected_by_reason") == [("invalid_json", sent.bad)]
    wait_until(lambda: database.query("SELECT sum(waiting) FROM topk_pipeline.dead_letter_status") == [(0,)], 30, "the last dead letter")
