"""topk-ddb-sync against a real PostgreSQL and AWS's DynamoDB Local."""

import json
import random
import re
import struct
import subprocess
import threading
import time
import urllib.error
import urllib.request
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from dynamodb_proxy import ERROR, SERVICE_ERROR, DynamoDBProxy, error, gateway_error, hold_answer, lose_answer, server_error, throttle

CHECKOUT = Path(__file__).resolve().parents[2]
PROGRAM = CHECKOUT / "build" / "topk-ddb-sync"
PIPELINE = "recently_interacted"
DAY = 86400
RETENTION = 30 * DAY
TODAY = int(time.time()) // DAY


def eventually(check, timeout=20):
    """The first true answer of check()."""
    deadline = time.monotonic() + timeout
    while True:
        answer = check()
        if answer or time.monotonic() > deadline:
            return answer
        time.sleep(0.02)


def decode(value):
    """The row's v: K and the pairs of item and count, in their order."""
    k, size = struct.unpack_from("<II", value)
    at, items = 8, []
    for _ in range(size):
        count, length = struct.unpack_from("<QI", value, at)
        at += 12 + length
        items.append((value[at - length:at], count))
    assert at == len(value), "bytes are left over"
    return k, items


def encode(k, counts):
    """What v must be for exact counts."""
    items = sorted(((item.encode(), count) for item, count in counts.items() if item), key=lambda pair: (-pair[1], pair[0]))[:k]
    return struct.pack("<II", k, len(items)) + b"".join(
        struct.pack("<QI", count, len(item)) + item for item, count in items)


class Sync:
    """A pipeline in a fresh database, a fresh table, and workers between them."""

    def __init__(self, database, table, dynamodb, daemon):
        self.database = database
        self.table = table
        self.dynamodb = dynamodb
        self.client = dynamodb.client()
        self.daemon = daemon
        database.query("SELECT topk_pipeline.create(%s)", PIPELINE)

    def ingest(self, counts, bucket=TODAY, key="global", summary=None):
        """One committed batch for one window; returns when it was committed."""
        self.database.query(
            "SELECT topk_pipeline.ingest(%s, 'test', '{}', '{}', '{}', ARRAY[%s::text], ARRAY[%s::bigint],"
            " ARRAY[%s::bigint], ARRAY[coalesce(topk_from_murmur(%s), topk_build(%s, %s, 1000))],"
            " '{}', '{}', '{}', '{}', '{}', '{}', '{}')",
            PIPELINE, key, bucket, sum(counts.values()), summary, list(counts), list(counts.values()))
        return time.monotonic()

    def environment(self, endpoint=None):
        return {**self.database.env(), "DDB_TABLE": self.table, "DDB_ENDPOINT": endpoint or self.dynamodb.endpoint,
                "METRICS_ADDR": "off", "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}

    def start(self, *arguments, endpoint=None, ready="msg=mirroring"):
        return self.daemon("topk-ddb-sync", arguments, self.environment(endpoint), ready)

    def run(self, *arguments, endpoint=None, **environment):
        """Run to its end: the exit status, and what it said."""
        done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=60,
                              env={**self.environment(endpoint), **environment})
        return SimpleNamespace(status=done.returncode, log=done.stderr, output=done.stdout)

    def once(self, **options):
        """Mirror what is changed."""
        done = self.run("--once", **options)
        assert done.status == 0, done.log
        return done

    def row(self, bucket=TODAY, key="global"):
        """The row's attributes as DynamoDB has them, or None."""
        return self.client.get_item(TableName=self.table, Key={"pk": {"S": key}, "sk": {"N": str(bucket)}},
                                    ConsistentRead=True).get("Item")

    def put_row(self, bucket=TODAY, key="global", **attributes):
        self.client.put_item(TableName=self.table, Item={"pk": {"S": key}, "sk": {"N": str(bucket)}, **attributes})

    def counts(self, bucket=TODAY, key="global"):
        row = self.row(bucket, key)
        return row and {item.decode(): count for item, count in decode(row["v"]["B"])[1]}

    def shows(self, counts, bucket=TODAY, key="global", timeout=20):
        """Wait until the row has these counts."""
        assert eventually(lambda: self.counts(bucket, key) == counts, timeout), self.row(bucket, key)

    def status(self, bucket=TODAY, key="global"):
        """The window's version, mirrored version, failures, problem."""
        rows = self.database.query(
            "SELECT version, mirrored_version, failures, problem FROM topk_pipeline.mirror_status"
            " WHERE pipeline = %s AND key = %s AND bucket = %s", PIPELINE, key, bucket)
        return SimpleNamespace(**dict(zip(("version", "mirrored", "failures", "problem"), rows[0])))


@pytest.fixture
def sync(database, table, dynamodb, daemon):
    return Sync(database, table, dynamodb, daemon)


@pytest.fixture
def proxy(dynamodb):
    with DynamoDBProxy(dynamodb.endpoint) as proxy:
        yield proxy


def version(row):
    return int(row["ver"]["N"])


# ---- the row ----

def test_row_is_exact_to_the_byte(sync):
    counts = {"": 500, "ß": 40, "a": 40, "B": 40, "b": 7, "top": 1000, **{f"tail-{n:03}": 3 for n in range(60)}}
    before = int(time.time())
    sync.ingest(counts)
    sync.once()
    row = sync.row()
    assert row["v"]["B"] == encode(32, counts)
    k, items = decode(row["v"]["B"])
    assert (k, len(items)) == (32, 32)
    assert [item for item, _ in items[:5]] == [b"top", b"B", b"a", "ß".encode(), b"b"], "highest first, ties by bytes"
    assert items[5] == (b"tail-000", 3) and items[-1] == (b"tail-026", 3)

    writer, = sync.database.query("SELECT writer::text FROM topk_pipeline.pipeline")[0]
    updated_at = int(row["updated_at"]["N"])
    assert before - 1 <= updated_at <= time.time()
    assert row == {"pk": {"S": "global"}, "sk": {"N": str(TODAY)}, "v": {"B": row["v"]["B"]},
                   "ver": {"N": str(sync.status().version)},
                   "ttl": {"N": str((TODAY + 1) * DAY + RETENTION)}, "pipeline": {"S": PIPELINE},
                   "total": {"N": str(sum(counts.values()))}, "error": {"N": "500"},
                   "updated_at": {"N": str(updated_at)}, "writer": {"S": writer}}
    assert sync.status().mirrored == version(row)


def test_total_and_error_are_left_out_when_unknown(sync):
    sync.ingest({"ignored": 1}, summary=encode(1000, {"a": 5, "b": 2}))
    sync.once()
    row = sync.row()
    assert row["v"]["B"] == encode(32, {"a": 5, "b": 2})
    assert set(row) == {"pk", "sk", "v", "ver", "ttl", "pipeline", "updated_at", "writer"}


def test_keys_of_any_text(sync):
    keys = ["tenant \"7\"\\", "ü/é\n", "x" * 2048]
    for place, key in enumerate(keys):
        sync.ingest({"item": place + 1}, key=key)
    sync.once()
    assert [sync.counts(key=key) for key in keys] == [{"item": 1}, {"item": 2}, {"item": 3}]


def test_a_request_is_one_conditional_put_and_nothing_else(sync, proxy):
    sync.ingest({"a": 1})
    sync.once(endpoint=proxy.endpoint)
    request, = proxy.requests
    body = json.loads(request.body)
    assert request.headers["X-Amz-Target"] == "DynamoDB_20120810.PutItem"
    assert body["TableName"] == sync.table
    assert body["ConditionExpression"] == "attribute_not_exists(ver) OR ver < :ver"
    assert body["ExpressionAttributeValues"] == {":ver": body["Item"]["ver"]}


# ---- when ----

def test_a_change_is_mirrored_at_once_when_idle(sync):
    sync.start("--interval", "30s")
    committed = sync.ingest({"a": 1})
    sync.shows({"a": 1})
    assert time.monotonic() - committed < 5, "it waited for the interval, not for the notification"


def test_a_window_is_written_once_an_interval(sync, proxy):
    sync.start("--interval", "1s", endpoint=proxy.endpoint)
    started = time.monotonic()
    total = 0
    while time.monotonic() - started < 4:
        sync.ingest({"a": 1, "b": 2})
        total += 1
        time.sleep(0.02)
    sync.shows({"a": total, "b": 2 * total})
    elapsed = time.monotonic() - started
    versions = [version(item) for item in proxy.puts()]
    assert total > 20 and 3 <= len(versions) <= elapsed + 1
    assert versions == sorted(set(versions)), "versions grow and never repeat"


def test_unchanged_bytes_are_not_written(sync, proxy):
    first = {f"item-{n:02}": 100 - n for n in range(32)}
    sync.start("--interval", "50ms", endpoint=proxy.endpoint)
    sync.ingest(first)
    sync.shows(first)
    for n in range(5):
        sync.ingest({f"low-{n}": 1})
        time.sleep(0.1)
    assert eventually(lambda: not sync.database.query(
        "SELECT 1 FROM topk_pipeline.mirror_status WHERE unmirrored_since IS NOT NULL")), "the changes were looked at"
    assert len(proxy.requests) == 1


def test_many_windows(sync, proxy):
    buckets = range(TODAY - 25, TODAY + 1)
    keys = [f"key-{n}" for n in range(10)]
    for bucket in buckets:
        for key in keys:
            sync.ingest({"a": bucket}, bucket, key)
    sync.once(endpoint=proxy.endpoint)
    assert len(proxy.requests) == len(buckets) * len(keys) == 260
    assert all(sync.counts(bucket, keys[0]) == {"a": bucket} for bucket in buckets)


# ---- failures of DynamoDB ----

def test_throttling_is_waited_for(sync, proxy):
    proxy.faults += [throttle, error(400, SERVICE_ERROR + "ThrottlingException"), server_error, gateway_error,
                     error(400, ERROR + "RequestLimitExceeded")]
    sync.ingest({"a": 1})
    done = sync.once(endpoint=proxy.endpoint)
    assert sync.counts() == {"a": 1}
    assert len(proxy.requests) == 6 and len({request.body for request in proxy.requests}) == 1
    assert len(re.findall(r"level=warning .*dependency=DynamoDB", done.log)) == 1
    assert len(re.findall(r"works again.* dependency=DynamoDB failures=5", done.log)) == 1


def test_a_lost_answer_is_no_failure(sync, proxy):
    proxy.faults += [lose_answer]
    sync.ingest({"a": 1})
    done = sync.once(endpoint=proxy.endpoint)
    first, second = proxy.puts()
    assert first == second, "the same version is tried again"
    assert sync.status().mirrored == version(sync.row()) and sync.status().failures == 0
    assert "could not be mirrored" not in done.log


def test_killed_between_put_and_done(sync, proxy):
    release = threading.Event()
    proxy.faults += [hold_answer(release)]
    sync.ingest({"a": 1})
    worker = sync.start(endpoint=proxy.endpoint)
    assert eventually(lambda: sync.row())
    worker.kill()
    release.set()
    assert sync.status().mirrored is None
    sync.once(endpoint=proxy.endpoint)
    first, second = proxy.puts()
    assert version(second) > version(first) and second["v"] == first["v"]
    assert sync.status().mirrored == version(sync.row()) == version(second)


def test_killed_at_random_moments_while_events_come(sync, proxy):
    truth = {TODAY: 0, TODAY - 1: 0, TODAY - 2: 0}
    for _ in range(10):
        worker = sync.start("--interval", "10ms", endpoint=proxy.endpoint, ready=None)
        until = time.monotonic() + random.uniform(0.02, 0.3)
        while time.monotonic() < until:
            for bucket in truth:
                truth[bucket] += 1
                sync.ingest({"a": 1}, bucket)
        worker.kill()
    sync.once(endpoint=proxy.endpoint)
    for bucket, total in truth.items():
        assert sync.counts(bucket) == {"a": total}
        assert sync.status(bucket).mirrored == version(sync.row(bucket)) and sync.status(bucket).failures == 0
    versions = [version(item) for item in proxy.puts()]
    assert len(versions) > 10 and len(set(versions)) == len(versions), "no version twice"


def test_dynamodb_away_and_back(sync, proxy):
    target, proxy.target = proxy.target, "http://127.0.0.1:9"
    proxy.faults += [lambda handler: setattr(handler, "close_connection", True)] * 3
    sync.ingest({"a": 1})
    worker = sync.start(endpoint=proxy.endpoint)
    worker.wait_for("dependency=DynamoDB")
    proxy.target = target
    sync.shows({"a": 1})
    worker.wait_for("works again.*dependency=DynamoDB")
    assert worker.terminate() == 0


def test_a_row_that_is_refused_does_not_stop_the_others(sync, proxy):
    def refuse_big(handler):
        if b'"big"' in handler.body:
            handler.answer(400, json.dumps({"__type": SERVICE_ERROR + "ValidationException", "message": "no"}).encode())
        else:
            handler.forward()

    proxy.faults += [refuse_big] * 2
    sync.ingest({"a": 1}, key="big")
    sync.ingest({"fits": 1}, key="small")
    done = sync.run("--once", endpoint=proxy.endpoint)
    assert done.status == 1
    assert sync.counts(key="small") == {"fits": 1} and sync.row(key="big") is None
    problems = sync.database.query("SELECT key, problem FROM topk_pipeline.mirror_status WHERE problem IS NOT NULL")
    assert [key for key, _ in problems] == ["big"] and "ValidationException" in problems[0][1]
    assert re.search(r"level=error .*could not be mirrored.* key=big .*ValidationException", done.log)


def test_a_row_beyond_400_kb_has_fewer_items_and_says_so(sync):
    sync.database.query("SELECT topk_pipeline.create('large', k => 100)")
    sync.database.query(
        "SELECT topk_pipeline.ingest('large', 'test', '{}', '{}', '{}', ARRAY['big'], ARRAY[%s]::bigint[], ARRAY[1]::bigint[],"
        " ARRAY[(SELECT topk_weighted_agg(repeat('x', 8000) || n, n, 1000) FROM generate_series(1, 100) AS n)],"
        " '{}', '{}', '{}', '{}', '{}', '{}', '{}')", TODAY)
    done = sync.run("--once", "--pipeline", "large")
    assert done.status == 0
    row = sync.row(key="big")
    k, items = decode(row["v"]["B"])
    assert k == 100 and 45 < len(items) < 55 and [count for _, count in items] == list(range(100, 100 - len(items), -1))
    assert int(row["error"]["N"]) == 100 - len(items), "the heaviest item that was left out"
    assert re.search(rf"level=warning .*fewer items.* key=big .*left_out={100 - len(items)} ", done.log)


@pytest.mark.parametrize("name, advice", [
    ("com.amazon.coral.service#UnrecognizedClientException", "AWS_ACCESS_KEY_ID"),
    ("com.amazon.coral.service#InvalidSignatureException", "clock"),
    ("com.amazon.coral.service#ExpiredTokenException", "renew"),
    ("com.amazon.coral.service#AccessDeniedException", "dynamodb:PutItem"),
])
def test_lasting_errors_end_with_advice(sync, proxy, name, advice):
    proxy.faults += [error(400, name)]
    sync.ingest({"a": 1})
    done = sync.run(endpoint=proxy.endpoint)
    assert done.status == 1 and len(proxy.requests) == 1
    assert re.search(rf"level=error .*{name.split('#')[1]}.*hint=.*{advice}", done.log)


def test_a_missing_table_ends_with_advice(sync):
    sync.ingest({"a": 1})
    done = sync.run("--ddb-table", "no-such-table")
    assert done.status == 1
    assert re.search(r"level=error .*ResourceNotFoundException.* table=no-such-table hint=.*create the table", done.log)


# ---- rows in the way ----

FOREIGN = {"v": {"B": encode(32, {"theirs": 9})}, "ver": {"N": str(10 ** 15)}}


@pytest.mark.parametrize("attributes", [FOREIGN, {**FOREIGN, "writer": {"S": "another"}}])
def test_a_foreign_row_is_reported_not_overwritten_and_can_be_taken_over(sync, attributes):
    sync.put_row(**attributes)
    sync.ingest({"ours": 1})
    sync.ingest({"ours": 2}, bucket=TODAY - 1)
    worker = sync.start("--interval", "50ms")
    worker.wait_for(rf"level=error .*could not be mirrored.* key=global bucket={TODAY} .*someone else")
    sync.shows({"ours": 2}, bucket=TODAY - 1)
    assert sync.counts() == {"theirs": 9}
    assert eventually(lambda: sync.status().failures > 1), "it is offered again"
    assert "someone else" in sync.status().problem and str(10 ** 15) in sync.status().problem

    sync.database.query("SELECT topk_pipeline.mirror_take_over(%s, 'global', %s, %s)", PIPELINE, TODAY, 10 ** 15)
    sync.shows({"ours": 1})
    assert version(sync.row()) > 10 ** 15
    assert eventually(lambda: sync.status().problem is None and sync.status().mirrored == version(sync.row()))


def test_a_foreign_row_with_a_lower_version_is_replaced_not_silently(sync):
    sync.database.query("SELECT setval('topk_pipeline.mirror_version', 1000)")
    sync.put_row(v={"B": encode(32, {"theirs": 9})}, ver={"N": "7"})
    sync.ingest({"ours": 1})
    done = sync.once()
    assert sync.counts() == {"ours": 1}
    assert re.search(r"level=warning .*was replaced.* key=global .*version 7", done.log)


def test_a_database_restored_from_an_older_backup_is_reported(sync, postgres):
    sync.ingest({"a": 1})
    sync.once()
    backup = sync.database.name + "_backup"
    sync.database.close()
    original = sync.database
    postgres._run("createdb", "--template", original.name, backup)
    for _ in range(20):
        sync.ingest({"a": 1})
        sync.once()
    ahead = version(sync.row())
    assert sync.counts() == {"a": 21}

    sync.database = type(original)(postgres, backup)
    try:
        sync.ingest({"a": 1, "since the restore": 1})
        worker = sync.start()
        worker.wait_for(r"level=error .*could not be mirrored.*older backup")
        assert sync.counts() == {"a": 21}, "not overwritten"
        assert eventually(lambda: "older backup" in (sync.status().problem or ""))
        sync.database.query("SELECT topk_pipeline.mirror_take_over(%s, 'global', %s, %s)", PIPELINE, TODAY, ahead)
        sync.shows({"a": 2, "since the restore": 1})
        assert worker.terminate() == 0
    finally:
        sync.database.close()
        sync.database = original
        original.close()
        postgres._run("dropdb", "--force", backup)


# ---- PostgreSQL ----

@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_restart_of_postgresql(sync, postgres, mode):
    worker = sync.start("--interval", "30s")
    sync.ingest({"a": 1})
    sync.shows({"a": 1})
    postgres.stop(mode)
    worker.wait_for("level=warning .*dependency=PostgreSQL")
    time.sleep(2)
    postgres.start()
    worker.wait_for("works again.*dependency=PostgreSQL")
    committed = sync.ingest({"a": 2}, bucket=TODAY - 1)
    sync.shows({"a": 2}, bucket=TODAY - 1)
    assert time.monotonic() - committed < 10, "it listens again"
    assert len(re.findall("level=warning", worker.log())) == 1, "an outage is logged once"
    assert worker.terminate() == 0


def test_what_changed_while_postgresql_was_lost_is_claimed_at_once(sync):
    worker = sync.start("--interval", "30s")
    sync.database.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'topk-ddb-sync'")
    sync.ingest({"a": 1})
    sync.shows({"a": 1}, timeout=10)
    assert worker.terminate() == 0


def test_waits_for_postgresql_at_start(sync, postgres):
    sync.ingest({"a": 1})
    postgres.stop()
    worker = sync.start(ready="level=warning .*dependency=PostgreSQL")
    postgres.start()
    sync.shows({"a": 1})
    assert worker.terminate() == 0


def test_one_worker_a_pipeline(sync):
    first = sync.start()
    second = sync.start(ready="another worker mirrors this pipeline")
    done = sync.run("--once")
    assert done.status == 1 and "another worker" in done.log
    sync.ingest({"a": 1})
    sync.shows({"a": 1})
    first.kill()
    second.wait_for("msg=mirroring")
    sync.ingest({"a": 1})
    sync.shows({"a": 2})
    assert second.log().count("another worker") == 1


@pytest.mark.parametrize("change, problem, advice", [
    ({"PGPASSWORD": "wrong"}, "28P01", "password"),
    ({"PGDATABASE": "no_such_database"}, "3D000", "database"),
    ({"PGDATABASE": "postgres"}, "is not installed", "CREATE EXTENSION topk_pipeline CASCADE"),
    ({"TOPK_PIPELINE": "no_such_pipeline"}, "42704", "topk_pipeline.create"),
    ({"PGSSLMODE": "perhaps"}, "sslmode", "--dsn"),
])
def test_lasting_errors_of_postgresql_end_with_advice(sync, change, problem, advice):
    done = sync.run(**change)
    assert done.status == 1
    errors = re.findall(r"level=error .*", done.log)
    assert len(errors) == 1 and problem in errors[0] and advice in errors[0].split("hint=")[1]
    assert sync.database.env()["PGPASSWORD"] not in done.log


def test_a_version_that_does_not_match(sync):
    sync.database.query("UPDATE pg_extension SET extversion = '0.9' WHERE extname = 'topk_pipeline'")
    done = sync.run()
    assert done.status == 1 and "ALTER EXTENSION topk_pipeline UPDATE" in done.log


def test_the_documented_grants_suffice(sync):
    role = f"mirror_of_{sync.database.name}"
    documented = "".join(re.findall(r"GRANT [^;]*\bTO mirror;", (CHECKOUT / "docs" / "pipeline.md").read_text()))
    sync.database.query(f"CREATE ROLE {role} LOGIN PASSWORD 'mirror'")
    try:
        sync.database.query(documented.replace("TO mirror;", f"TO {role};"))
        sync.ingest({"a": 1})
        sync.ingest({"ours": 1}, key="foreign")
        sync.put_row(key="foreign", **FOREIGN)
        worker = sync.start("--dsn", f"user={role} password=mirror")
        worker.wait_for("msg=expired")
        sync.shows({"a": 1})
        assert eventually(lambda: sync.status(key="foreign").failures)
        assert worker.terminate() == 0
    finally:
        sync.database.query(f"DROP OWNED BY {role}")
        sync.database.query(f"DROP ROLE {role}")


def test_what_the_session_is_called_and_how_it_is_kept_alive(sync):
    sync.start()
    def named(name):
        return sync.database.query("SELECT 1 FROM pg_stat_activity WHERE application_name = %s AND datname = current_database()", name)
    assert eventually(lambda: named("topk-ddb-sync"))
    sync.start("--dsn", "application_name=mine", ready="another worker")
    assert named("mine"), "what the user says beats the default"


# ---- the program ----

def test_once(sync, proxy):
    sync.ingest({"a": 1})
    sync.ingest({"b": 2}, bucket=TODAY - 3)
    sync.once(endpoint=proxy.endpoint)
    assert sync.counts() == {"a": 1} and sync.counts(TODAY - 3) == {"b": 2}
    sync.once(endpoint=proxy.endpoint)
    assert len(proxy.requests) == 2, "nothing changed, nothing is written"
    sync.ingest({"a": 1})
    sync.put_row(**FOREIGN)
    assert sync.run("--once").status == 1


def test_dry_run(sync, proxy):
    sync.ingest({"a": 1})
    done = sync.run("--dry-run", endpoint=proxy.endpoint)
    assert done.status == 0 and re.search(rf"would be written.* key=global bucket={TODAY}", done.log)
    assert not proxy.requests
    sync.once()
    assert sync.counts() == {"a": 1}, "the dry run claimed nothing"


@pytest.mark.parametrize("away", ["nothing", "PostgreSQL", "DynamoDB"])
def test_sigterm_ends_with_0(sync, postgres, away):
    endpoint = "http://127.0.0.1:9" if away == "DynamoDB" else None
    worker = sync.start(endpoint=endpoint)
    if away == "DynamoDB":
        sync.ingest({"a": 1})
        worker.wait_for("dependency=DynamoDB")
    if away == "PostgreSQL":
        postgres.stop()
        worker.wait_for("dependency=PostgreSQL")
    started = time.monotonic()
    try:
        assert worker.terminate() == 0
    finally:
        if away == "PostgreSQL":
            postgres.start()
    assert time.monotonic() - started < 2
    assert "msg=stopping signal=SIGTERM" in worker.log()


@pytest.mark.parametrize("arguments, said", [
    (["--interval=1"], "--interval"),
    (["--interval=1ms"], "10ms to 1h"),
    (["--nonsense"], "--nonsense"),
    (["--ddb-endpoint=localhost:8000"], "http://"),
    (["--ddb-endpoint=http://user:geheim@host"], "--ddb-endpoint"),
    (["--aws-region=us east"], "us-east-1"),
    (["--metrics-addr=9188"], "HOST:PORT"),
    (["--dsn=host=a b"], "--dsn"),
    (["--log-format=xml"], "logfmt, json"),
])
def test_configuration_errors_end_with_2(arguments, said):
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=10,
                          env={"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s", "PGHOST": "127.0.0.1", "PGPORT": "9"})
    assert done.returncode == 2 and said in done.stderr and "geheim" not in done.stderr


def test_missing_credentials_end_with_2():
    done = subprocess.run([PROGRAM], capture_output=True, text=True, timeout=10, env={"AWS_ACCESS_KEY_ID": "a"})
    assert done.returncode == 2 and "AWS_SECRET_ACCESS_KEY" in done.stderr


def test_expired_windows_are_deleted(sync):
    sync.ingest({"a": 1})
    sync.ingest({"old": 1}, bucket=TODAY - 31)
    worker = sync.start("--expire-interval", "1h")
    worker.wait_for("msg=expired windows=1 ")
    assert sync.database.query("SELECT bucket FROM topk_pipeline.window_summary") == [(TODAY,)]


def test_metrics_and_health(sync, proxy):
    worker = sync.start("--metrics-addr", "127.0.0.1:0", "--interval", "50ms", endpoint=proxy.endpoint)
    port = re.search(r"port=(\d+)", worker.wait_for("serving metrics")).group(1)

    def get(path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as answer:
            return answer.code, answer.read().decode()

    sync.ingest({"a": 1})
    sync.shows({"a": 1})
    assert eventually(lambda: "\ntopk_mirror_windows_written_total 1\n" in get("/metrics")[1])
    assert "\ntopk_mirror_active 1\n" in get("/metrics")[1]
    assert get("/healthz")[0] == 200 and get("/readyz")[0] == 200
    proxy.target = "http://127.0.0.1:9"
    sync.ingest({"a": 1})
    assert eventually(lambda: get("/readyz") == (503, "postgresql: reached\ndynamodb: not reached\n"))
    assert get("/healthz")[0] == 200


def test_json_log(sync):
    done = sync.once(**{"LOG_FORMAT": "json"})
    lines = [json.loads(line) for line in done.log.splitlines()]
    assert {"started", "mirroring", "stopped"} <= {line["msg"] for line in lines}
    assert all(line["program"] == "topk-ddb-sync" for line in lines)


# ---- the signature ----

@pytest.mark.parametrize("token", [None, "session/token+with=signs"])
@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
def test_the_signature_is_what_botocore_makes(sync, proxy, token, region):
    access, secret = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    sync.ingest({"ä \"quoted\"": 1}, key="a key, ü")
    proxy.faults += [lambda handler: handler.answer(200, b"{}")]
    sync.once(endpoint=proxy.endpoint, AWS_ACCESS_KEY_ID=access, AWS_SECRET_ACCESS_KEY=secret,
              AWS_REGION=region, **({"AWS_SESSION_TOKEN": token} if token else {}))
    sent, = proxy.requests
    headers = {name.lower(): value for name, value in sent.headers.items()}
    signed = re.search(r"SignedHeaders=([^,]*)", headers["authorization"]).group(1).split(";")
    assert {"host", "x-amz-date", "x-amz-target"} <= set(signed)
    assert ("x-amz-security-token" in signed) == (token is not None) == (headers.get("x-amz-security-token") == token and token is not None)
    assert set(signed) <= set(headers), "no header is signed that is not sent"
    assert sent.path == "/" and headers["host"] == proxy.endpoint.removeprefix("http://")

    auth = SigV4Auth(Credentials(access, secret), "dynamodb", region)
    request = AWSRequest("POST", proxy.endpoint + "/", data=sent.body, headers={name: headers[name] for name in signed})
    request.context["timestamp"] = headers["x-amz-date"]
    signature = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    assert f"Credential={access}/{headers['x-amz-date'][:8]}/{region}/dynamodb/aws4_request" in headers["authorization"]
    assert f"Signature={signature}" in headers["authorization"]
    sent_at = datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
    assert abs((datetime.now(timezone.utc) - sent_at).total_seconds()) < 60


# ---- the documentation ----

def test_the_documented_options_are_the_programs():
    table = subprocess.run([PROGRAM, "--help=markdown"], capture_output=True, text=True, check=True).stdout
    assert table in (CHECKOUT / "docs" / "ddb-sync.md").read_text()
