"""topk-kafka-feeder --id-field: an event counts once, however often and from wherever it comes."""

import itertools
import json
import random
import re
from datetime import datetime, timezone
from pathlib import Path

from edition import edition
from kafka_feed import PIPELINE, event, metric, now_ms, wait_until
from proxy import CuttingProxy

CHECKOUT = Path(__file__).resolve().parents[2]
BY_ID = ["--id-field", "/id"]

KILLS = edition(8, 200)
KILL_EVENTS = edition(40_000, 1_000_000)
CUTS = edition(5, 300)

ids = itertools.count(1)


def send_twice(feed, count, partitions=4, entities=1000):
    """Events with ids, a third of them twice: at once or at the end, elsewhere, with the same time or a later one."""
    later = []
    for number in range(count):
        entity = f"e{int(random.paretovariate(0.3)) % entities}"
        value = event(entity, id=f"id-{next(ids)}")
        sent_at = now_ms()
        feed.send(value, number % partitions, time_ms=sent_at)
        feed.sent[entity] += 1
        if number % 3 == 0:
            copy = (value, random.randrange(partitions), None, sent_at + random.choice([0, 1, 5000]))
            if number % 2:
                feed.send(*copy)
            else:
                later.append(copy)
    for copy in later:
        feed.send(*copy)
    assert feed.producer.flush(60) == 0
    feed.deliveries = getattr(feed, "deliveries", 0) + count + (count + 2) // 3


def duplicates(feed):
    return feed.database.query("SELECT duplicates FROM topk_pipeline.status WHERE pipeline = %s", PIPELINE)[0][0]


def check_once(feed):
    """Every record was dealt with, every event is counted once, every other record is a duplicate."""
    feed.await_position(feed.deliveries)
    assert feed.position() == feed.deliveries
    assert feed.total() == sum(feed.sent.values())
    assert feed.counted() == feed.sent
    assert duplicates(feed) == feed.deliveries - sum(feed.sent.values())


def tell(feed, faults):
    feed.tell(f"{faults}, {duplicates(feed):,} copies passed over")


def test_a_producer_that_sends_twice_is_counted_once(feed):
    feeder = feed.start(*BY_ID, "--metrics-addr", "127.0.0.1:0")
    send_twice(feed, 3000)
    check_once(feed)
    wait_until(lambda: metric(feeder, "topk_feeder_records_counted_total") == 3000)
    assert metric(feeder, "topk_feeder_records_duplicate_total") == 1000
    assert feeder.terminate() == 0
    assert "records=4000 rejected=0 duplicates=1000" in feeder.log()


def test_the_same_ids_in_two_topics_are_counted_once(feed, kafka, database, daemon):
    """As when a topic is mirrored from another cluster: both are read at the same time, with small batches."""
    other = kafka.create_topic(f"{feed.topic}-mirrored", partitions=4)
    feeders = [feed.start(*BY_ID, "--batch-records", "100"),
               feed.start(*BY_ID, "--batch-records", "100", "--topic", other, "--group", other)]
    for number in range(4000):
        value = event(f"e{number % 100}", id=number)
        feed.send(value, number % 4)
        feed.producer.produce(other, value, partition=random.randrange(4), timestamp=now_ms())
        feed.sent[f"e{number % 100}"] += 1
    assert feed.producer.flush(60) == 0
    feed.deliveries = 8000
    check_once(feed)
    assert [feeder.terminate() for feeder in feeders] == [0, 0]
    kafka.delete_topic(other)


def test_kill_9_amid_records_that_come_twice(feed):
    arguments = [*BY_ID, "--batch-records", "300", "--batch-ms", "0"]
    feeders = {member: feed.start_static(*arguments, member=member, ready=None) for member in "ab"}
    amid_work = 0
    for number in range(KILLS):
        member = "ab"[number % 2]
        if number % 4 > 0:
            feeders[member].wait_for("partitions assigned")
        before = feed.position()
        send_twice(feed, KILL_EVENTS // KILLS)
        if number % 4 > 0:
            wait_until(lambda before=before: feed.position() > before)
        feeders[member].kill()
        amid_work += before < feed.position() < feed.deliveries
        feeders[member] = feed.start_static(*arguments, member=member, ready=None)
    assert amid_work >= KILLS // 4, "the kills came too late to mean anything"
    check_once(feed)
    tell(feed, f"{KILLS} kill -9, {amid_work} of them amid work")


def test_the_connection_is_cut_amid_records_that_come_twice(feed, postgres):
    proxy = CuttingProxy(postgres.port, requests=(3000, 60_000), answers=(1500, 2500))
    dsn = feed.database.dsn.replace(f"port={postgres.port}", f"port={proxy.port}")
    feeder = feed.start(*BY_ID, "--batch-records", "100", "--batch-ms", "0", TOPK_DSN=dsn, ready=None)
    while proxy.cuts < CUTS:
        send_twice(feed, 6000)
        check_once(feed)
    proxy.close()
    resolved = feeder.log().count("batch was committed, though its answer was lost")
    tell(feed, f"{proxy.cuts} connections cut, {resolved} of them between a commit and its answer")


BAD_IDS = [
    # the event's field, what a person reads in the detail
    ({}, "id is missing; it must be a string or an integer"),
    ({"id": None}, "id is null"),
    ({"id": ""}, "id is 0 bytes long"),
    ({"id": "x" * 1001}, "id is 1001 bytes long; 1 to 1000 are allowed"),
    ({"id": "é" * 501}, "id is 1002 bytes long"),
    ({"id": "a\0b"}, "id holds a NUL character"),
    ({"id": 1.5}, "id is a number with a fraction or exponent"),
    ({"id": True}, "id is a boolean"),
    ({"id": ["a"]}, "id is an array"),
    ({"id": {"a": 1}}, "id is an object"),
]


def test_an_event_without_a_usable_id_is_rejected(feed):
    feed.start(*BY_ID)
    for fields, _ in BAD_IDS:
        feed.send(event("bad", **fields))
        feed.send(event("good", id="x" * 1000))
    feed.send('{"entity_id":7,"id":"once"}')
    feed.producer.flush()
    feed.await_position(2 * len(BAD_IDS) + 1)
    rows = feed.database.query("SELECT reason, detail FROM topk_pipeline.rejected_record ORDER BY position")
    assert [reason for reason, _ in rows] == ["bad_id"] * len(BAD_IDS) + ["wrong_type"]
    for (_, detail), (_, words) in zip(rows, BAD_IDS):
        assert words in detail
    assert feed.counted() == {"good": 1}
    # a producer that mends its event sends it again: the rejected one did not use up the id
    feed.send(event("mended", id="once"))
    feed.producer.flush()
    wait_until(lambda: feed.counted() == {"good": 1, "mended": 1})


def test_rejected_events_are_replayed_by_id(feed):
    """The producer changes its events; before the mapping follows, some are sent again, and some more after the replay."""
    changed = [json.dumps({"product": f"p{number % 10}", "id": f"c-{number}"}) for number in range(300)]
    feeder = feed.start(*BY_ID)
    for number, value in enumerate(changed):
        feed.send(value, number % 4)
    feed.producer.flush()
    feed.await_position(300)
    assert feed.database.query("SELECT reason, records FROM topk_pipeline.rejected_by_reason") == [("missing_entity", 300)]
    assert feeder.terminate() == 0
    feed.start(*BY_ID, "--entity-field", "/product")
    for number, value in enumerate(changed[:100]):
        feed.send(value, number % 4)
    feed.producer.flush()
    feed.await_position(400)
    assert feed.database.query("SELECT * FROM topk_pipeline.replay(%s, entity => '/product', id => '/id')", PIPELINE) == [(200, 100, 0)]
    for number, value in enumerate(changed[200:]):
        feed.send(value, number % 4)
    feed.producer.flush()
    feed.await_position(500)
    assert feed.counted() == {f"p{number}": 30 for number in range(10)}
    assert duplicates(feed) == 200


# ---- a real event ----

DOCUMENTATION = (CHECKOUT / "docs" / "kafka.md").read_text()


def segment_event(now):
    """The track event of docs/kafka.md, of now."""
    text = re.search(r"```json\n(.*?)```", DOCUMENTATION, re.DOTALL)[1]
    return re.sub(r'(?<="timestamp": ")[^"]*', now.strftime("%Y-%m-%dT%H:%M:%S.123Z"), text)


def test_a_segment_track_event_needs_no_rewriting(feed):
    now = datetime.now(timezone.utc)
    value = segment_event(now)
    options = re.search(r"^    (--entity-field .*)$", DOCUMENTATION, re.MULTILINE)[1].split()
    assert len(options) == 8
    feed.start(*options)
    feed.send(value, key="97980cfea0067", time_ms=now_ms() - 86_400_000)
    feed.send(value, 1, key="97980cfea0067")
    feed.send(value.replace("ajs-next-track-", "other-"), 2)
    feed.producer.flush()
    feed.await_position(3)
    assert feed.database.query("SELECT * FROM topk_pipeline.rejected_record") == []
    assert feed.database.query(
        "SELECT window_start::date, item, estimate FROM topk_pipeline.window_summary, topk_top(summary)") == [
        (now.date(), json.loads(value)["properties"]["product_id"], 4)]
    assert duplicates(feed) == 1
