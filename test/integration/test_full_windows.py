"""A window whose total comes near what 64 bits hold: what would go into it is rejected, and holds up no other record."""

import json

import pytest

from kafka_feed import PIPELINE, event, now_ms
from lambda_function import FIRST_SEQUENCE, LambdaFunction, kinesis_event, kinesis_record
from test_lambda_feeder import PROGRAM, SUCCESS

DAY_MS = 86_400_000
HEAVIEST = 10**12  # of one event
MAPPING = {"TOPK_KEY_FIELD": "/tenant", "TOPK_WEIGHT_FIELD": "/n"}


def fill(database, at, total):
    """A window of the tenant "heavy" that has this total already."""
    database.query("INSERT INTO topk_pipeline.slot (pipeline_id, bucket, key, summary, records, last_ingest_at) "
                   "SELECT p.pipeline_id, topk_pipeline.bucket(p.name, to_timestamp(%s / 1000.0)), 'heavy', "
                   "       topk_build(ARRAY['whale'], ARRAY[%s::bigint], p.counters), 1, now() "
                   "  FROM topk_pipeline.pipeline AS p", at, total)


def heavy(**fields):
    return event("whale", tenant="heavy", n=HEAVIEST, **fields)


def light(**fields):
    return event("minnow", tenant="light", n=1, **fields)


def check(database, at, total, rejected):
    """The full window is as it was, the other one has what came, and the rest was kept whole with its reason."""
    assert database.query("SELECT key, topk_total(summary)::bigint FROM topk_pipeline.window_summary "
                          "WHERE bucket = topk_pipeline.bucket(%s, to_timestamp(%s / 1000.0)) ORDER BY key",
                          PIPELINE, at) == [("heavy", total), ("light", rejected)]
    rows = database.query("SELECT (shard, position)::text, reason, detail, payload::jsonb ->> 'tenant' FROM topk_pipeline.rejected")
    assert len({position for position, *_ in rows}) == len(rows) == rejected
    for _, reason, detail, tenant in rows:
        assert (reason, tenant) == ("window_full", "heavy")
        assert "has no room for more: its total is 2^56, or above" in detail


@pytest.mark.parametrize("total", [2**56, 2**63 - 1 - HEAVIEST], ids=["just_full", "to_the_brim"])
@pytest.mark.parametrize("options", [[], ["--id-field", "/id"]], ids=["summaries", "records"])
def test_kafka_rejects_what_would_go_into_a_full_window(feed, options, total):
    at = now_ms() - DAY_MS
    fill(feed.database, at, total)
    feeder = feed.start(*options, **MAPPING)
    for number in range(100):
        feed.send(heavy(id=f"h{number}"), number % 4, time_ms=at)
        feed.send(light(id=f"l{number}"), number % 4, time_ms=at)
    assert feed.producer.flush(60) == 0
    feed.await_position(200)
    check(feed.database, at, total, 100)
    # whoever begins anew finds out anew
    assert feeder.terminate() == 0
    feed.start(*options, **MAPPING)
    feed.send(heavy(id="h100"), time_ms=at)
    feed.send(light(id="l100"), time_ms=at)
    assert feed.producer.flush(60) == 0
    feed.await_position(202)
    check(feed.database, at, total, 101)


def test_kafka_counts_into_a_window_that_has_room(feed):
    at = now_ms() - DAY_MS
    fill(feed.database, at, 2**56 - 1)
    feed.start(**MAPPING)
    feed.send(heavy(), time_ms=at)
    feed.send(light(), time_ms=at)
    assert feed.producer.flush(60) == 0
    feed.await_position(2)
    assert feed.database.query("SELECT key, topk_total(summary)::bigint FROM topk_pipeline.window_summary ORDER BY key") == [
        ("heavy", 2**56 - 1 + HEAVIEST), ("light", 1)]
    assert feed.database.query("SELECT * FROM topk_pipeline.rejected_record") == []


def test_lambda_rejects_what_would_go_into_a_full_window_once_it_is_delivered_again(database, tmp_path):
    at = now_ms() - DAY_MS
    database.query("SELECT topk_pipeline.create(%s)", PIPELINE)
    fill(database, at, 2**63 - 1 - HEAVIEST)
    function = LambdaFunction([PROGRAM], {**database.env(), **MAPPING}, tmp_path)
    batch = kinesis_event(*(kinesis_record(json.loads(light() if number % 2 else heavy()), FIRST_SEQUENCE + number,
                                           arrival=at / 1000) for number in range(20)))
    try:
        assert function.invoke(batch)["batchItemFailures"][0] == {"itemIdentifier": str(FIRST_SEQUENCE)}
        assert function.invoke(batch) == SUCCESS
        check(database, at, 2**63 - 1 - HEAVIEST, 10)
        assert "is full" in function.log()
    finally:
        function.close()
