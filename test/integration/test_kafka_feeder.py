"""topk-kafka-feeder against a real broker and a real database."""

import json
import os
import random
import re
import statistics
import threading
import time
from collections import Counter
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

import psycopg
import pytest
from confluent_kafka import Producer

from blackhole import BlackHole
from demo.servers.process import memory
from edition import edition
from kafka_feed import PIPELINE, answer, event, lag, metric, wait_until
from proxy import CuttingProxy

CHECKOUT = Path(__file__).resolve().parents[2]

KILLS = edition(20, 200)
KILL_RECORDS = edition(1_000_000, 5_000_000)
REBALANCES = edition(4, 500)
ZOMBIES = edition(1, 50)
RESTARTS = edition(1, 34)  # of PostgreSQL, in each of three ways
CUTS = edition(10, 1000)
BLACKHOLES = edition(1, 20)
OUTAGE = edition(8, 60)  # seconds
KEYED_RECORDS, KEYS = edition((30_000, 3_000), (1_000_000, 1_000_000))


# ---- counting ----

def test_counts_are_exact_and_follow_later_records(feed):
    feed.send_events(2000)
    feed.start()
    feed.check_exact()
    feed.send_events(500)
    feed.check_exact()


def test_windows_are_days_of_event_time(feed):
    today = datetime.now(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
    expected = {}
    for days, count in {0: 5, 1: 4, 7: 3, 29: 2}.items():
        day = today - timedelta(days=days)
        expected[day] = count
        for number in range(count):
            # the last millisecond of a past day belongs to it
            when = day + timedelta(days=1, milliseconds=-1) if days else day
            feed.send(event(f"of-day-{days}"), number % 4, time_ms=int(when.timestamp() * 1000))
    feed.producer.flush()
    feed.start()
    feed.await_position(14)
    assert dict(feed.database.query("SELECT window_start, records FROM topk_pipeline.window_summary")) == expected


def test_fields_are_found_by_pointer(feed):
    when = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(days=2)
    for tenant, product, quantity in [("a", "p1", 3), ("a", "p2", 1), ("b", "p1", 7)]:
        feed.send(json.dumps({"type": "track", "messageId": "m", "tenant": tenant,
                              "timestamp": when.isoformat(),
                              "properties": {"product_id": product, "quantity": quantity, "x": 1e300}}))
    feed.producer.flush()
    feed.start("--entity-field", "/properties/product_id", "--key-field", "/tenant",
               "--weight-field", "/properties/quantity", "--time-field", "/timestamp")
    feed.await_position(3)
    rows = feed.database.query("SELECT key, item, estimate, window_start::date FROM topk_pipeline.window_summary, "
                               "topk_top(summary) ORDER BY 1, 2")
    assert rows == [("a", "p1", 3, when.date()), ("a", "p2", 1, when.date()), ("b", "p1", 7, when.date())]


@pytest.mark.parametrize("by_id", [[], ["--id-field", "/id"]], ids=["summaries", "records"])
def test_many_keys_take_bounded_memory(feed, by_id):
    """Each key of a batch has a summary of its own, but a batch ends when they take --batch-bytes."""
    sent = Counter()
    for number in range(KEYED_RECORDS):
        key, entity = f"k{random.randrange(KEYS)}", f"e{random.randrange(100)}"
        feed.send(event(entity, tenant=key, id=number), number % 4)
        sent[key, entity] += 1
    feed.producer.flush()
    feeder = feed.start("--key-field", "/tenant", *by_id, "--metrics-addr", "127.0.0.1:0")
    feed.await_position(KEYED_RECORDS, timeout=600)
    assert Counter({(key, entity): count for key, entity, count in feed.database.query(
        "SELECT key, item, sum(lower_bound)::int FROM topk_pipeline.window_summary, topk_top(summary, 1000) GROUP BY 1, 2")}) == sent
    assert metric(feeder, "topk_feeder_batches_total") < KEYED_RECORDS / 500
    assert memory(feeder.pid, "VmHWM") < 256 << 20


def test_once_drains_what_is_there_and_ends(feed):
    feed.send_events(3000, partitions=2)
    assert feed.start("--once", ready=None).wait(30) == 0
    feed.check_exact()
    assert feed.start("--once", ready=None).wait(30) == 0
    feed.check_exact()


def test_a_record_in_the_quiet_is_visible_at_once(feed):
    feed.start()
    delays = []
    for number in range(30):
        time.sleep(0.05)
        sent = time.monotonic()
        feed.send(event("e"))
        feed.producer.flush()
        wait_until(lambda: feed.position() > number)
        delays.append(time.monotonic() - sent)
    assert sorted(delays)[15] < 0.1, delays


def test_records_are_read_while_a_batch_is_committed(feed):
    """What comes meanwhile is the next batch: one, not one for each time something was read."""
    feeder = feed.start("--metrics-addr", "127.0.0.1:0", "--batch-ms", "0")
    feed.send_events(1)
    feed.check_exact()
    with psycopg.connect(feed.database.dsn) as other:
        other.execute("LOCK TABLE topk_pipeline.source_position")
        feed.send_events(1)
        wait_until(lambda: feed.database.query("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") == [(1,)])
        feed.send_events(20_000)
        wait_until(lambda: lag(feeder) == 20_001, what="the lag behind a lock")
        time.sleep(0.5)  # what has been fetched is still to be parsed
    feed.check_exact()
    wait_until(lambda: metric(feeder, "topk_feeder_records_counted_total") == 20_002)
    assert metric(feeder, "topk_feeder_batches_total") <= 4


def test_batches_keep_their_limits(feed):
    feeder = feed.start("--metrics-addr", "127.0.0.1:0", "--batch-records", "1000", "--batch-ms", "60s")
    feed.send_events(1)  # at once; from now on only full ones
    feed.check_exact()
    feed.send_events(20_500)
    feed.await_position(20_001)
    assert feed.position() == 20_001
    time.sleep(0.5)  # some of the rest is there by now, all of it unless the machine is busy
    assert feeder.terminate() == 0
    left = 20_501 - feed.position()
    assert left < 500, "what has been fetched is committed at the end"

    feeder = feed.start("--metrics-addr", "127.0.0.1:0", "--batch-ms", "500ms")
    feed.check_exact()
    started = time.monotonic()
    for _ in range(40):
        feed.send_events(5)
        time.sleep(0.05)
    feed.check_exact()
    wait_until(lambda: metric(feeder, "topk_feeder_records_counted_total") == left + 200)
    assert metric(feeder, "topk_feeder_batches_total") <= (time.monotonic() - started) / 0.5 + 1 + (left > 0)


# ---- exactly once, whatever happens ----

def test_kill_9_at_random_moments(feed):
    """KILLS times, two feeders in turn, while records flow over 4 partitions; small batches, so that a kill finds work under way."""
    arguments = ["--batch-records", "300", "--batch-ms", "0"]
    feeders = {member: feed.start_static(*arguments, member=member, ready=None) for member in "ab"}
    amid_work = 0
    for number in range(KILLS):
        member = "ab"[number % 2]
        if number % 4 > 0:
            feeders[member].wait_for("partitions assigned")
        before = feed.position()
        sending = threading.Thread(target=feed.send_events, args=[KILL_RECORDS // KILLS])
        sending.start()
        if number % 4 > 0:
            wait_until(lambda: feed.position() > before)
        time.sleep(random.uniform(0, 0.1))
        feeders[member].kill()
        amid_work += feed.position() > before and sending.is_alive()
        sending.join()
        feeders[member] = feed.start_static(*arguments, member=member, ready=None)
    assert amid_work >= KILLS // 4, "the kills came too late to mean anything"
    feed.check_exact()
    feed.tell(f"{KILLS} kill -9, {amid_work} of them amid work")


def test_two_feeders_and_one_dies_or_leaves_and_comes_back(feed):
    """Until partitions were moved from a living feeder REBALANCES times; one in four goes by kill -9, and is missed 6 s later."""
    arguments = ["--batch-records", "500"]
    feeders = [feed.start(*arguments), feed.start(*arguments)]
    deaths = 0
    while (moved := sum(feeder.log().count("partitions revoked") for feeder in feed.started)) < REBALANCES:
        feed.send_events(5000)
        leaver = feeders[deaths % 2]
        if deaths % 4 == 0:
            leaver.kill()
        else:
            assert leaver.terminate() == 0, leaver.log()
        feed.send_events(5000)
        feeders[deaths % 2] = feed.start(*arguments)
        deaths += 1
    feed.check_exact()
    feed.tell(f"{moved} rebalances by {(deaths + 3) // 4} kill -9 and {deaths - (deaths + 3) // 4} SIGTERM")


def test_a_feeder_that_was_thought_dead_changes_nothing(feed):
    refused = 0
    for _ in range(ZOMBIES):
        before = feed.position()
        zombie = feed.start("--batch-records", "200")
        feed.send_events(20_000)
        wait_until(lambda before=before: feed.position() > before)
        with stopped(zombie):
            heir = feed.start()
            feed.check_exact()
            feed.send_events(1000)
        feed.send_events(1000)
        feed.check_exact()
        refused += "batch dropped" in zombie.log()
        for feeder in (zombie, heir):
            assert feeder.terminate() == 0, feeder.log()
    feed.tell(f"{ZOMBIES} feeders stopped beyond the session timeout, {refused} of them with a batch that was then refused")


def test_records_of_transactions(feed, kafka):
    """Those that were aborted do not count, and the marks of a transaction's end, which have offsets, are passed."""
    producer = Producer({"bootstrap.servers": kafka.brokers, "transactional.id": feed.topic, "log_level": 0})
    producer.init_transactions(30)
    feeder = feed.start("--metrics-addr", "127.0.0.1:0")
    for number in range(6):
        producer.begin_transaction()
        for partition in range(4):
            for _ in range(25):
                producer.produce(feed.topic, event("kept" if number % 2 else "aborted"), partition=partition)
        assert producer.flush(30) == 0
        producer.commit_transaction(30) if number % 2 else producer.abort_transaction(30)
        feed.sent["kept"] += 100 * (number % 2)
    wait_until(lambda: feed.database.query("SELECT position FROM topk_pipeline.source_status") == [(6 * 26,)] * 4, what="the end")
    wait_until(lambda: lag(feeder) == 0, what="no lag")
    assert feed.counted() == feed.sent
    # in the quiet all of it expires, the marks too
    assert feeder.terminate() == 0
    feed.delete_records({partition: -1 for partition in range(4)})
    assert feed.start("--once", ready=None).wait(30) == 0
    assert feed.counted() == feed.sent


def test_an_open_transaction_holds_up_its_partition(feed, kafka):
    producer = Producer({"bootstrap.servers": kafka.brokers, "transactional.id": feed.topic, "log_level": 0})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(feed.topic, event("aborted"), partition=0)
    assert producer.flush(30) == 0
    feed.send_events(40)
    feeder = feed.start("--metrics-addr", "127.0.0.1:0")
    feed.await_position(30)
    wait_until(lambda: lag(feeder) == 11, what="the lag of its partition")
    assert feed.position() == 30
    producer.abort_transaction(30)
    wait_until(lambda: feed.counted() == feed.sent, what="the end")
    wait_until(lambda: lag(feeder) == 0, what="no lag")


@contextmanager
def stopped(daemon):
    os.kill(daemon.pid, 19)
    try:
        yield
    finally:
        os.kill(daemon.pid, 18)


@pytest.mark.parametrize("how", ["fast", "immediate", "kill"])
def test_postgresql_is_restarted_amid_work(feed, postgres, how):
    feeder = feed.start("--batch-records", "200", "--batch-ms", "0")
    took = []
    for _ in range(RESTARTS):
        before = feed.position()
        feed.send_events(20_000)
        wait_until(lambda before=before: feed.position() > before)
        postgres.kill() if how == "kill" else postgres.stop(how)
        feed.send_events(1000)
        time.sleep(1)
        postgres.start()
        took.append(feed.check_exact())
        assert took[-1] < 15
    assert feeder.process.running()
    feed.tell(f"{RESTARTS} times {how}", took)


def test_partitions_move_while_postgresql_is_away(feed, postgres):
    stays, goes = feed.start(), feed.start()
    feed.send_events(4000)
    postgres.stop("immediate")
    feed.send_events(4000)
    assert goes.terminate() == 0
    time.sleep(3)  # for the group to give its partitions to the other
    postgres.start()
    feed.send_events(4000)
    feed.check_exact()
    assert stays.process.running()


def test_an_outage_of_postgresql_that_is_longer_than_kafka_has_patience(feed, postgres):
    """With batches that are full, nothing is read for longer than max.poll.interval.ms; the feeder stays in the group."""
    feeder = feed.start("--batch-records", "200", "--batch-ms", "0", "-X", "max.poll.interval.ms=6000")
    feed.send_events(20_000)
    feed.await_position(1)
    postgres.stop("fast")
    feed.send_events(20_000)
    time.sleep(OUTAGE)
    postgres.start()
    feed.check_exact()
    assert "partitions revoked" not in feeder.log()
    assert feeder.log().count("partitions assigned") == 1
    assert feeder.process.running()


def test_the_connection_is_cut_at_any_byte_of_a_commit(feed, postgres):
    """Also between a commit and its answer, so that nobody knows whether it was done."""
    proxy = CuttingProxy(postgres.port, requests=(3000, 60_000), answers=(1500, 2500))
    dsn = feed.database.dsn.replace(f"port={postgres.port}", f"port={proxy.port}")
    feeder = feed.start("--batch-records", "100", "--batch-ms", "0", TOPK_DSN=dsn, ready=None)
    while proxy.cuts < CUTS:
        feed.send_events(20_000)
        feed.check_exact()
    proxy.close()
    resolved = feeder.log().count("batch was committed, though its answer was lost")
    assert resolved > 0
    feed.tell(f"{proxy.cuts} connections cut, {resolved} of them between a commit and its answer")


@pytest.fixture
def blackhole(postgres):
    if os.geteuid() != 0:
        pytest.skip("only root can make a network namespace")
    blackhole = BlackHole(postgres.port)
    yield blackhole
    blackhole.close()


def test_packets_to_postgresql_vanish(feed, postgres, blackhole):
    """No connection is closed, nothing is refused; both in the quiet and amid work."""
    dsn = feed.database.dsn.replace("host=127.0.0.1", f"host={blackhole.host}").replace(
        f"port={postgres.port}", f"port={blackhole.port}")
    feeder = feed.start("--batch-records", "200", "--batch-ms", "0", TOPK_DSN=dsn)
    noticed, took = [], []
    for number in range(BLACKHOLES):
        before = feed.position()
        log = len(feeder.log())
        feed.send_events(20_000 * (number % 2) + 1000)
        wait_until(lambda before=before: feed.position() > before)
        if number % 2 == 0:
            feed.check_exact()
        blackhole.silence()
        silent = time.monotonic()
        feed.send_events(1000)
        wait_until(lambda log=log: "dependency failed" in feeder.log()[log:])
        noticed.append(time.monotonic() - silent)
        time.sleep(random.uniform(0, 10))
        blackhole.speak()
        took.append(feed.check_exact())
        assert noticed[-1] < 10
        assert took[-1] < 15
    assert feeder.process.running()
    feed.tell(f"{BLACKHOLES} silences, noticed after p50 {statistics.median(noticed):.1f}, at most {max(noticed):.1f} s", took)


def test_the_broker_is_restarted_amid_work(feed, kafka):
    feeder = feed.start("--batch-records", "200")
    feed.send_events(20_000)
    kafka.kill()
    time.sleep(1)
    kafka.start()
    feed.send_events(1000)
    feed.check_exact()
    assert feeder.process.running()


def test_the_database_is_gone_when_the_feeder_starts(feed, postgres):
    """It is alive, and not ready."""
    def idle():
        status, text = answer(feeder, "/healthz")
        assert status == 200
        return float(re.fullmatch("ok: last progress (.*) s ago\n", text)[1])  # with one digit after the point

    feed.send_events(1000)
    postgres.stop("fast")
    feeder = feed.start("--metrics-addr", "127.0.0.1:0", ready="PostgreSQL")
    started = time.monotonic()
    wait_until(lambda: idle() + 0.1 < time.monotonic() - started, what="progress")
    assert answer(feeder, "/readyz") == (503, "postgresql: not reached\nkafka: not reached\n")
    postgres.start()
    feed.check_exact()
    wait_until(lambda: answer(feeder, "/readyz") == (200, "postgresql: reached\nkafka: reached\n"))


# ---- coming and going ----

def test_sigterm_commits_and_leaves_the_group(feed):
    """A member that did not leave would be waited for until its session ends."""
    session_seconds = 40
    arguments = ["-X", f"session.timeout.ms={session_seconds * 1000}"]
    feeder = feed.start(*arguments)
    feed.send_events(1000)
    feed.await_position(1)
    started = time.monotonic()
    assert feeder.terminate() == 0
    assert time.monotonic() - started < 3
    feed.send_events(1000)
    started = time.monotonic()
    feed.start(*arguments)
    feed.check_exact()
    assert time.monotonic() - started < session_seconds / 2


def test_sigterm_while_postgresql_is_away(feed, postgres):
    feeder = feed.start()
    postgres.stop("fast")
    feed.send_events(100)
    feeder.wait_for("PostgreSQL")
    assert feeder.terminate() == 0
    postgres.start()
    feed.start()
    feed.check_exact()


def test_a_stored_position_that_is_gone_stops_the_feeder(feed):
    feed.send_events(100)
    assert feed.start("--once", ready=None).wait(30) == 0
    feed.database.query("UPDATE topk_pipeline.source_position SET position = 1000 WHERE shard = '2'")
    feeder = feed.start(ready=None)
    assert feeder.wait(30) == 1
    assert "stored position is not in the topic any more" in feeder.log()
    assert "partition=2" in feeder.log() and "--on-lost-position=oldest" in feeder.log()


def test_the_loss_of_positions_is_accepted_if_told_so(feed):
    """Records of one partition expired unread; in two others the position is beyond the end, as when the topic is made anew."""
    feed.send_events(100)
    assert feed.start("--once", ready=None).wait(30) == 0
    feed.send_events(100)
    feed.delete_records({0: 40})
    feed.database.query("SELECT topk_pipeline.reset_position(%s, %s, shard, 1000) FROM unnest(ARRAY['2', '3']) AS shard",
                        PIPELINE, feed.topic)
    feeder = feed.start("--on-lost-position", "oldest")
    # 25 + 10 of partition 0, 50 of partition 1, and all of the other two again
    wait_until(lambda: feed.total() == 35 + 50 + 2 * (25 + 50), what="the total")
    assert feed.database.query("SELECT shard, position FROM topk_pipeline.positions(%s, %s, '{0,1,2,3}')", PIPELINE, feed.topic) == [
        (shard, 50) for shard in "0123"]
    for partition in (0, 2, 3):
        assert f"going on with the oldest record\" partition={partition}" in feeder.log()


@pytest.mark.parametrize("arguments, words", [
    (["--no-such-option"], "no-such-option"),
    (["--batch-records", "0"], "batch-records"),
    (["--entity-field", "entity_id"], "not a JSON Pointer"),
    (["-X", "no.such=1"], "no.such"),
    (["-X", "enable.auto.commit=true"], "positions are kept in PostgreSQL"),
    (["-X", "partition.assignment.strategy=cooperative-sticky"], "only range and roundrobin"),
    (["--metrics-addr", "nowhere"], "--metrics-addr: \"nowhere\" is not allowed; allowed are HOST:PORT and off"),
    (["--dsn", "nonsense"], "dsn"),
    (["--check-config", "--dsn", "nonsense"], "dsn"),
    (["--check-config", "-X", "no.such=1"], "no.such"),
    (["-X", "acks=0", "--dlq-topic", "x"], "a dead letter must not be lost"),
    (["--dlq-topic", "interactions", "--topic", "interactions"], "is the topic that is read"),
    (["--on-lost-position", "newest"], "allowed are stop, oldest"),
    (["--k", "10"], "publishes 32 items, not 10"),
])
def test_a_wrong_configuration_ends_with_2(feed, arguments, words):
    feeder = feed.start(*arguments, ready=None)
    assert feeder.wait(10) == 2
    assert words in feeder.log()


def test_a_configuration_is_checked_without_connecting(daemon):
    nowhere = {"TOPK_DSN": "host=127.0.0.1 port=1", "KAFKA_BROKERS": "127.0.0.1:1"}
    checked = daemon("topk-kafka-feeder", ["--check-config", "-X", "fetch.wait.max.ms=10"], env=nowhere)
    assert checked.wait(10) == 0
    assert "configuration is valid" in checked.log()


def test_a_missing_pipeline_ends_with_1_and_says_how_to_create_it(feed):
    feeder = feed.start("--pipeline", "other", ready=None)
    assert feeder.wait(10) == 1
    assert "topk_pipeline.create('other')" in feeder.log()


def test_metrics(feed):
    feeder = feed.start("--metrics-addr", "127.0.0.1:0")
    feed.send_events(100)
    feed.send("nonsense")
    feed.producer.flush()
    feed.await_position(101)
    wait_until(lambda: metric(feeder, "topk_feeder_records_counted_total") == 100)  # the answer comes after the commit
    text = answer(feeder, "/metrics")[1]
    assert 'topk_feeder_records_rejected_total{reason="invalid_json"} 1' in text
    assert f'kafka_consumergroup_lag{{consumergroup="{feed.topic}",topic="{feed.topic}",partition="0"}} ' in text
    assert answer(feeder, "/readyz") == (200, "postgresql: reached\nkafka: reached\n")
    assert answer(feeder, "/healthz")[0] == 200


def test_the_lag_is_told_while_nothing_is_committed(feed, postgres):
    """Whether a commit hangs, or PostgreSQL is away and the partitions are paused."""
    feeder = feed.start("--metrics-addr", "127.0.0.1:0")
    feed.send_events(100)
    feed.check_exact()
    wait_until(lambda: lag(feeder) == 0)
    with psycopg.connect(feed.database.dsn) as other:
        other.execute("LOCK TABLE topk_pipeline.source_position")
        feed.send_events(40)
        wait_until(lambda: lag(feeder) == 40, what="the lag behind a lock")
    wait_until(lambda: lag(feeder) == 0)
    postgres.stop("fast")
    for sent in (40, 80):
        feed.send_events(40)
        wait_until(lambda sent=sent: lag(feeder) == sent, what=f"a lag of {sent} while PostgreSQL is away")
    assert answer(feeder, "/readyz") == (503, "postgresql: not reached\nkafka: reached\n")
    postgres.start()
    feed.check_exact()
    wait_until(lambda: lag(feeder) == 0)


def test_the_documented_options_are_those_of_the_program(daemon):
    program = daemon("topk-kafka-feeder", ["--help=markdown"])
    assert program.wait(10) == 0
    assert program.log() in (CHECKOUT / "docs" / "kafka.md").read_text()
