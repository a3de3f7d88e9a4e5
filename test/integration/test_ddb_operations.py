"""What is done once: --create-table, --import and the cut-over from Murmur, --verify, --take-over."""

import re
import struct

import pytest
from confluent_kafka import Producer

from dynamodb_proxy import SERVICE_ERROR, error, gateway_error, server_error, throttle
from ddb import DAY, PIPELINE, RETENTION, TODAY, encode, version

MURMUR = {"ver": {"N": "12345"}, "ttl": {"N": "1"}}


# ---- --create-table ----

def test_create_table(sync, dynamodb):
    table = sync.table + "-new"
    done = sync.run("--create-table", "--ddb-table", table)
    assert done.status == 0 and 'msg="table created"' in done.log
    try:
        client = dynamodb.client()
        assert client.describe_time_to_live(TableName=table)["TimeToLiveDescription"] == {
            "TimeToLiveStatus": "ENABLED", "AttributeName": "ttl"}
        done = sync.run("--create-table", "--ddb-table", table)
        assert done.status == 0 and "existed already" in done.log
        sync.ingest({"a": 1})
        assert sync.run("--once", "--ddb-table", table).status == 0
        assert client.scan(TableName=table)["Count"] == 1
    finally:
        dynamodb.delete_table(table)


def test_create_table_enables_ttl_of_a_table_that_exists(sync, dynamodb):
    assert sync.run("--create-table").status == 0
    assert dynamodb.client().describe_time_to_live(TableName=sync.table)["TimeToLiveDescription"]["TimeToLiveStatus"] == "ENABLED"


@pytest.mark.parametrize("keys", [("pk", "S", "sk", "S"), ("id", "S", "sk", "N"), ("pk", "S", None, None)])
def test_a_table_with_other_keys_is_refused(sync, dynamodb, keys):
    name = sync.table + "-other"
    pairs = [(attribute, kind, role) for attribute, kind, role in zip(keys[::2], keys[1::2], ("HASH", "RANGE")) if attribute]
    dynamodb.client().create_table(
        TableName=name, BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": attribute, "AttributeType": kind} for attribute, kind, _ in pairs],
        KeySchema=[{"AttributeName": attribute, "KeyType": role} for attribute, _, role in pairs])
    try:
        done = sync.run("--create-table", "--ddb-table", name)
        assert done.status == 1 and re.search("level=error .*other keys than pk.*hint=", done.log)
        sync.ingest({"a": 1})
        sync.ingest({"a": 1}, TODAY - 1)
        done = sync.run("--ddb-table", name)
        assert done.status == 1 and re.search("level=error .*hint=\"the table must have the partition key pk \\(S\\)", done.log)
        assert dynamodb.client().scan(TableName=name)["Count"] == 0
    finally:
        dynamodb.delete_table(name)


def test_a_table_that_may_not_be_described_is_written_all_the_same(sync, proxy):
    proxy.description = error(400, SERVICE_ERROR + "AccessDeniedException", "not authorized to perform: dynamodb:DescribeTable")
    sync.ingest({"a": 1})
    done = sync.once(endpoint=proxy.endpoint)
    assert re.search("level=info .*keys are not checked.*dynamodb:DescribeTable", done.log)
    assert sync.counts() == {"a": 1}


def test_a_table_that_can_not_be_described_yet_is_waited_for(sync, proxy):
    failures = iter([throttle, server_error, gateway_error])
    proxy.description = lambda handler: next(failures, type(handler).forward)(handler)
    sync.ingest({"a": 1})
    worker = sync.start(endpoint=proxy.endpoint)
    sync.shows({"a": 1})
    assert next(failures, None) is None
    assert worker.terminate() == 0


# ---- --import ----

def test_import(sync):
    """30 days, twice; the rows stay as they were until they are written, and then say the same."""
    truth = {day: {f"p-{day}": 1000 + day, "every day": 500, "ü": 3} for day in range(30)}
    for day, counts in truth.items():
        sync.put_row(TODAY - day, v={"B": encode(32, counts)}, **MURMUR)
    sync.put_row(TODAY - 31, v={"B": encode(32, {"old": 1})}, **MURMUR)
    sync.put_row(TODAY + 1, v={"B": encode(32, {"early": 1})}, **MURMUR)
    done = sync.run("--import")
    assert done.status == 0 and "msg=imported windows=30 imported_before=0 outside_retention=2 written_by_topk=0 failed=0" in done.log
    done = sync.run("--import")
    assert done.status == 0 and "windows=0 imported_before=30 " in done.log
    assert all(sync.counts(TODAY - day) == counts and version(sync.row(TODAY - day)) == 12345 for day, counts in truth.items())

    sync.once()
    for day, counts in truth.items():
        row = sync.row(TODAY - day)
        assert row["v"]["B"] == encode(32, counts) and version(row) > 12345
        assert int(row["ttl"]["N"]) == (TODAY - day + 1) * DAY + RETENTION
        assert "total" not in row and "error" not in row, "unknown"
    top = sync.database.query("SELECT item, lower_bound, upper_bound FROM topk_pipeline.top(%s, days => 30, n => 1)", PIPELINE)
    assert top == [("every day", 15000, None)], "the bounds that hold, and no others"
    done = sync.run("--import")
    assert "written_by_topk=30" in done.log and "windows=0 imported_before=0 " in done.log


def test_rows_that_can_not_be_imported_are_reported(sync):
    good = encode(32, {"a": 1})
    sync.put_row(v={"B": good}, key="good", **MURMUR)
    for key, value in {"cut": good[:-1], "long": good + b"x", "count": struct.pack("<II", 32, 9), "empty": b""}.items():
        sync.put_row(v={"B": value}, key=key, **MURMUR)
    sync.put_row(key="none", **MURMUR)
    sync.put_row(key="text", v={"S": "x"}, **MURMUR)
    done = sync.run("--import")
    assert done.status == 1 and "windows=1 " in done.log and "failed=6" in done.log
    assert set(re.findall("could not be imported.* key=(\\w+) bucket", done.log)) == {"cut", "long", "count", "empty", "none", "text"}


def test_a_row_that_was_written_after_its_import_is_reported(sync):
    sync.put_row(v={"B": encode(32, {"a": 1})}, **MURMUR)
    assert sync.run("--import").status == 0
    sync.put_row(v={"B": encode(32, {"a": 2})}, **{**MURMUR, "ver": {"N": "12346"}})
    done = sync.run("--import")
    assert done.status == 1 and re.search("could not be imported.*version 12345, and has version 12346 now", done.log)


def test_a_known_total_gives_bounds(sync):
    """Murmur's own counters on a stream of which the truth is known: the bounds hold."""
    truth, counters = {}, {}
    for n in range(2000):
        item = f"item-{min(n * 7919 % 97, n * 31 % 13)}"
        truth[item] = truth.get(item, 0) + 1
        if item in counters or len(counters) < 8:
            counters[item] = counters.get(item, 0) + 1
        else:
            counters = {other: count - 1 for other, count in counters.items() if count > 1}
    sync.database.query("SELECT topk_pipeline.import_window(%s, 'global', %s, %s, 1, 2000)", PIPELINE, TODAY, encode(8, counters))
    rows = sync.database.query("SELECT item, lower_bound, upper_bound FROM topk_pipeline.top(%s, n => 8)", PIPELINE)
    (total, error), = sync.database.query("SELECT topk_total(s), topk_error(s) FROM topk_pipeline.summary(%s) AS s", PIPELINE)
    assert len(rows) == len(counters) and total == 2000
    assert all(lower <= truth[item] <= upper for item, lower, upper in rows)
    assert all(count <= error for item, count in truth.items() if item not in counters)
    with pytest.raises(Exception, match="less than the sum of the counts"):
        sync.database.query("SELECT topk_pipeline.import_window(%s, 'k', %s, %s, 1, 1)", PIPELINE, TODAY, encode(8, counters))


def test_the_cut_over(sync, kafka, topic, daemon):
    """As docs/ddb-sync.md has it: Murmur's worker stops at its offsets, we go on from them; no record is lost or counted twice."""
    producer = Producer({"bootstrap.servers": kafka.brokers, "log_level": 0})

    def send(numbers):
        for n in numbers:
            producer.produce(topic, f'{{"entity_id":"p-{n % 5}"}}', partition=0)
        producer.flush(30)

    send(range(100))  # what Murmur's worker counted, and committed as its offset
    sync.put_row(v={"B": encode(32, {f"p-{n}": 20 for n in range(5)})}, **MURMUR)
    sync.put_row(TODAY - 1, v={"B": encode(32, {"yesterday": 7})}, **MURMUR)
    send(range(100, 130))  # what comes while nobody counts

    assert sync.run("--import").status == 0
    for partition in range(4):
        sync.database.query("SELECT topk_pipeline.reset_position(%s, %s, %s, %s)", PIPELINE, topic, str(partition),
                            100 if partition == 0 else 0)
    worker = sync.start()
    feeder = daemon("topk-kafka-feeder", ["--topic", topic, "--group", topic, "--pipeline", PIPELINE],
                    sync.database.env(), ready="partitions assigned")
    send(range(130, 150))
    sync.shows({f"p-{n}": 30 for n in range(5)}, timeout=30)
    assert sync.counts(TODAY - 1) == {"yesterday": 7}
    assert feeder.terminate() == 0 and worker.terminate() == 0


# ---- --verify ----

def test_verify(sync):
    for key in range(250):
        sync.ingest({"a": key + 1}, key=f"key-{key}")
    sync.once()
    done = sync.run("--verify")
    assert done.status == 0 and "msg=verified windows=250 different=0 not_yet_mirrored=0" in done.log

    sync.ingest({"a": 1}, key="pending")
    sync.client.delete_item(TableName=sync.table, Key={"pk": {"S": "key-1"}, "sk": {"N": str(TODAY)}})
    good = sync.row(key="key-2")
    for key, change in {"key-2": {"v": {"B": encode(32, {"b": 1})}}, "key-3": {"ver": {"N": "999999"}},
                        "key-4": {"writer": {"S": "me"}}, "key-5": {"ttl": {"N": "5"}}}.items():
        row = sync.row(key=key)
        sync.client.put_item(TableName=sync.table, Item={**row, **change})
    done = sync.run("--verify")
    assert done.status == 1 and "windows=251 different=5 not_yet_mirrored=1" in done.log
    assert dict(re.findall('a row differs" key=(\\S+) .*problem="([^"]*)"', done.log)) == {
        "key-1": "there is no row", "key-2": "the row has another value", "key-3": "the row has another version",
        "key-4": "the row was written by someone else", "key-5": "the row has another ttl"}

    assert sync.run("--verify", "--take-over").status == 0
    sync.once()
    done = sync.run("--verify")
    assert done.status == 0 and "windows=251 different=0 not_yet_mirrored=0" in done.log
    assert sync.row(key="key-2")["v"] == good["v"] and version(sync.row(key="key-3")) > 999999


def test_verify_beside_a_worker(sync):
    worker = sync.start("--interval", "50ms")
    for n in range(60):
        sync.ingest({"a": 1}, key=f"key-{n % 7}")
        if n % 20 == 19:
            assert sync.run("--verify").status == 0
    assert worker.terminate() == 0


# ---- --take-over ----

def test_take_over(sync, postgres):
    """Rows of someone else, and rows from before a restore."""
    sync.put_row(v={"B": encode(32, {"theirs": 9})}, ver={"N": str(10 ** 15)})
    sync.ingest({"ours": 1})
    writer, = sync.database.query("SELECT writer::text FROM topk_pipeline.pipeline")[0]
    sync.put_row(TODAY - 1, v={"B": encode(32, {"lost": 9})}, ver={"N": str(10 ** 15 + 5)}, writer={"S": writer})
    sync.ingest({"restored": 1}, TODAY - 1)
    assert sync.run("--once").status == 1
    assert sync.counts() == {"theirs": 9} and sync.counts(TODAY - 1) == {"lost": 9}
    done = sync.run("--once", "--take-over")
    assert done.status == 0 and len(re.findall("level=warning .*taken over", done.log)) == 2
    assert sync.counts() == {"ours": 1} and sync.counts(TODAY - 1) == {"restored": 1}
    assert sync.run("--verify").status == 0
