"""topk-ddb-sync against a real PostgreSQL and AWS's DynamoDB Local."""

import json
import random
import re
import subprocess
import threading
import time
import urllib.error
import urllib.request

import pytest

from ddb import CHECKOUT, DAY, PIPELINE, PROGRAM, RETENTION, TODAY, clock, decode, encode, eventually, version
from dynamodb_proxy import (ERROR, SERVICE_ERROR, damage_answer, error, gateway_error, hold_answer, lose_answer,
                            server_error, throttle)
from signatures import age


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
                   "total": {"N": str(sum(counts.values()))}, "error": {"N": "500"}, "slacks": {"S": ""},
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


def test_a_damaged_answer_is_not_believed(sync, proxy):
    proxy.faults += [damage_answer]
    sync.ingest({"a": 1})
    done = sync.once(endpoint=proxy.endpoint)
    assert "x-amz-crc32" in done.log
    assert len(proxy.requests) == 2 and sync.status().mirrored == version(sync.row())


def test_a_throttled_row_holds_up_no_other(sync, proxy):
    def throttle_slow(handler):
        if b'"slow"' in handler.body:
            throttle(handler)
        else:
            handler.forward()

    worker = sync.start("--interval", "50ms", endpoint=proxy.endpoint)
    proxy.faults += [throttle_slow] * 1000
    sync.ingest({"a": 1}, key="slow")
    worker.wait_for("dependency=DynamoDB")
    for n in range(1, 6):
        committed = sync.ingest({"a": 1}, key="fast")
        sync.shows({"a": n}, key="fast")
        assert time.monotonic() - committed < 1
    assert sync.row(key="slow") is None
    proxy.faults.clear()
    sync.shows({"a": 1}, key="slow")


@pytest.mark.parametrize("off", ["+1d", "-1d", "+10m"])
def test_a_wrong_clock_is_corrected(sync, proxy, off):
    sync.ingest({"a": 1})
    done = sync.once(endpoint=proxy.endpoint, **clock(off))
    assert sync.counts() == {"a": 1} and len(proxy.requests) == 1  # the look at the table was refused, and repeated
    assert len(re.findall("level=warning .*clock is wrong", done.log)) == 1


@pytest.mark.parametrize("off", ["+1d", "-1d"])
def test_a_wrong_clock_is_corrected_by_a_row_too(sync, proxy, off):
    proxy.description = error(400, SERVICE_ERROR + "AccessDeniedException")
    sync.ingest({"a": 1})
    done = sync.once(endpoint=proxy.endpoint, **clock(off))
    assert sync.counts() == {"a": 1} and len(proxy.requests) == 2
    assert len(re.findall("level=warning .*clock is wrong", done.log)) == 1


def test_a_window_with_nothing_but_the_empty_item(sync):
    """The row can't hold it: it is empty, and says how much is not in it."""
    sync.ingest({"": 5})
    sync.once()
    row = sync.row()
    assert decode(row["v"]["B"]) == (32, [])
    assert (row["total"], row["error"]) == ({"N": "5"}, {"N": "5"})
    assert sync.run("--verify").status == 0
    sync.ingest({"": 5, "a": 1})
    sync.once()
    assert sync.counts() == {"a": 1} and sync.row()["error"] == {"N": "10"}


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
    proxy.secrets, proxy.region = {access: secret}, region
    sync.ingest({"ä \"quoted\"": 1}, key="a key, ü")
    sync.once(endpoint=proxy.endpoint, AWS_ACCESS_KEY_ID=access, AWS_SECRET_ACCESS_KEY=secret,
              AWS_REGION=region, **({"AWS_SESSION_TOKEN": token} if token else {}))
    sent, = proxy.requests
    assert sync.counts(key="a key, ü") == {"ä \"quoted\"": 1}
    assert sent.headers.get("X-Amz-Security-Token") == token
    assert sent.path == "/" and sent.headers["Host"] == proxy.endpoint.removeprefix("http://")
    assert abs(age(sent)) < 60


# ---- the documentation ----

def test_the_documented_options_are_the_programs():
    table = subprocess.run([PROGRAM, "--help=markdown"], capture_output=True, text=True, check=True).stdout
    assert table in (CHECKOUT / "docs" / "ddb-sync.md").read_text()
