"""topk-kafka-feeder --dlq-topic: rejected records get to the dead-letter topic, each at least once, whatever happens."""

import random
import re
import time
from collections import Counter
from contextlib import contextmanager

import psycopg
import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition

from edition import edition
from kafka_feed import PIPELINE, event, metric, now_ms, wait_until

KILLS = edition(4, 100)
BAD_A_KILL = 3000
SERVERS = edition(["database"], ["database", "broker"])


class DeadLetters:
    """The dead-letter topic of a feed, and what was read from it so far."""

    def __init__(self, kafka, name, config=None):
        self.kafka, self.name = kafka, kafka.create_topic(name, partitions=2, config=config)
        self.consumer = Consumer({"bootstrap.servers": kafka.brokers, "group.id": name, "enable.auto.commit": False})
        self.consumer.assign([TopicPartition(name, partition, 0) for partition in range(2)])
        self.messages = []

    def size(self):
        """How many records there are by now; None while a partition has no leader."""
        try:
            return sum(self.consumer.get_watermark_offsets(TopicPartition(self.name, partition))[1] for partition in range(2))
        except KafkaException:
            return None

    def read(self):
        """What has arrived by now, from the beginning."""
        deadline = time.monotonic() + 30
        while (size := self.size()) is None:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        while len(self.messages) < size:
            assert time.monotonic() < deadline
            message = self.consumer.poll(1)  # false, if its value is empty
            if message is not None:
                assert message.error() is None
                self.messages.append(message)
        return self.messages

    def values(self):
        return Counter(message.value() for message in self.read())

    def close(self):
        self.consumer.close()
        self.kafka.delete_topic(self.name)


@pytest.fixture
def dead_letters(kafka, feed):
    letters = DeadLetters(kafka, f"{feed.topic}-dead")
    feed.options = ["--dlq-topic", letters.name]
    yield letters
    letters.close()


def await_values(letters, expected):
    """Each of them at least once, and nothing else."""
    wait_until(lambda: set(letters.values()) >= expected, what="the last dead letter")
    assert set(letters.values()) == expected


def send_bad(feed, numbers, partitions=4):
    """A bad record and a good one for each number; the set of the bad ones."""
    for number in numbers:
        feed.send(f"bad {number}", number % partitions)
        feed.send(event("good"), number % partitions)
    assert feed.producer.flush(60) == 0
    return {f"bad {number}".encode() for number in numbers}


@contextmanager
def locked(database, mode):
    """The table that says how far dead letters were sent, locked: their feeder stands still there."""
    with psycopg.connect(database.dsn) as connection:
        connection.execute(f"LOCK TABLE topk_pipeline.dead_letter_position IN {mode} MODE")
        yield
        connection.rollback()


def waiting(database, function):
    return lambda: database.query("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE %s",
                                  f"%{function}(%")[0][0]


def test_bad_records_get_there_as_they_were(feed, dead_letters):
    feeder = feed.start("--metrics-addr", "127.0.0.1:0", "-X", "fetch.max.bytes=1000000", *feed.options)
    headers = [("trace", b"\x00\xff"), ("x-topk-reason", b"mine"), ("none", None)]
    sent_at = now_ms()
    feed.send(b"caf\xe9", 3, key=b"key \xff", headers=headers, time_ms=sent_at)
    feed.send(event("good"), 3, headers=headers)
    feed.send(None, 3, key=b"")
    feed.send(b"", 3)
    feed.producer.flush()
    wait_until(lambda: len(dead_letters.read()) == 3)
    bad, tombstone, empty = sorted(dead_letters.read(), key=lambda m: int(dict(m.headers())["x-topk-offset"]))
    assert (bad.key(), bad.value()) == (b"key \xff", b"caf\xe9")
    assert bad.headers() == headers + [
        ("x-topk-pipeline", PIPELINE.encode()), ("x-topk-topic", feed.topic.encode()), ("x-topk-partition", b"3"),
        ("x-topk-offset", b"0"), ("x-topk-time", str(sent_at).encode()), ("x-topk-reason", b"invalid_utf8"),
        ("x-topk-detail", b"at byte 3: 0xe9 is not UTF-8")]
    assert (tombstone.key(), tombstone.value()) == (b"", None)
    assert (empty.key(), empty.value()) == (None, b"")
    assert dict(tombstone.headers())["x-topk-reason"] == b"empty_value"
    assert feed.counted() == {"good": 1}
    wait_until(lambda: metric(feeder, "topk_feeder_dead_letters_total") == 3)
    # they stay where they were, too
    assert feed.database.query("SELECT count(*) FROM topk_pipeline.rejected_record") == [(3,)]
    wait_until(lambda: feed.database.query("SELECT shard, waiting FROM topk_pipeline.dead_letter_status") == [("3", 0)])
    assert feeder.terminate() == 0


def test_what_was_rejected_before_there_was_a_topic_is_sent(feed, dead_letters):
    expected = send_bad(feed, range(10))
    assert feed.start("--once", ready=None).wait(30) == 0
    assert dead_letters.read() == []
    assert feed.start("--once", *feed.options, ready=None).wait(30) == 0
    assert dead_letters.values() == Counter(expected)
    assert feed.start("--once", *feed.options, ready=None).wait(30) == 0
    assert dead_letters.values() == Counter(expected)


def test_kill_9_between_the_commit_and_the_dead_letter(feed, dead_letters):
    feeder = feed.start_static(*feed.options)
    with locked(feed.database, "ACCESS EXCLUSIVE"):
        expected = send_bad(feed, range(40))
        feed.await_position(2)
        wait_until(waiting(feed.database, "dead_letters"))
        feeder.kill()
        assert dead_letters.read() == []
    assert feed.database.query("SELECT count(*) > 0 FROM topk_pipeline.rejected_record") == [(True,)]
    feed.start_static(*feed.options)
    await_values(dead_letters, expected)
    assert sum(dead_letters.values().values()) == 40, "none had been sent, so none comes twice"


def test_kill_9_between_the_dead_letter_and_its_report(feed, dead_letters):
    feeder = feed.start_static(*feed.options)
    with locked(feed.database, "SHARE"):
        expected = send_bad(feed, range(4))
        wait_until(waiting(feed.database, "dead_letters_sent"))
        before = dead_letters.values()
        assert before
        feeder.kill()
        # its session would go on alone once the lock is released
        feed.database.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    assert feed.start_static("--once", *feed.options, ready=None).wait(30) == 0
    await_values(dead_letters, expected)
    assert all(dead_letters.values()[value] > count for value, count in before.items()), "at least once is what is promised"


def test_kill_9_at_random_moments(feed, dead_letters):
    arguments = ["--batch-records", "50", "--batch-ms", "0", *feed.options]
    feeders = {member: feed.start_static(*arguments, member=member, ready=None) for member in "ab"}
    expected = set()
    amid_work = 0
    for number in range(KILLS):
        member = "ab"[number % 2]
        if number % 4 > 0:
            feeders[member].wait_for("partitions assigned")
        before = feed.position()
        expected |= send_bad(feed, range(BAD_A_KILL * number, BAD_A_KILL * (number + 1)))
        if number % 4 > 0:
            wait_until(lambda before=before: feed.position() > before)
            time.sleep(random.uniform(0, 0.03))
        feeders[member].kill()
        amid_work += before < feed.position() < 2 * BAD_A_KILL * (number + 1)
        feeders[member] = feed.start_static(*arguments, member=member, ready=None)
    assert amid_work >= KILLS // 4, "the kills came too late to mean anything"
    feed.await_position(2 * BAD_A_KILL * KILLS)
    await_values(dead_letters, expected)
    assert feed.counted() == {"good": BAD_A_KILL * KILLS}
    twice = sum(count > 1 for count in dead_letters.values().values())
    print(f"{KILLS} kill -9, {amid_work} of them amid work, {BAD_A_KILL * KILLS:,} bad records: all in the dead-letter topic, {twice:,} of them more than once")


def test_partitions_move_between_feeders(feed, dead_letters):
    """Each sends what it rejected; what one leaves behind, the next one sends."""
    expected = send_bad(feed, range(200))
    first = feed.start(*feed.options)
    second = feed.start(*feed.options)
    expected |= send_bad(feed, range(200, 400))
    assert first.terminate() == 0
    expected |= send_bad(feed, range(400, 600))
    await_values(dead_letters, expected)
    assert second.terminate() == 0


@pytest.mark.parametrize("away", SERVERS)
def test_a_server_is_restarted_amid_dead_letters(feed, dead_letters, kafka, postgres, away):
    feeder = feed.start("--batch-records", "100", *feed.options)
    expected = send_bad(feed, range(4000))
    feed.await_position(1)
    if away == "broker":
        kafka.kill()
        kafka.start()
    else:
        postgres.kill()
        postgres.start()
    expected |= send_bad(feed, range(4000, 4100))
    await_values(dead_letters, expected)
    assert feeder.process.running()


def test_a_dead_letter_that_is_too_large_holds_up_no_other(feed, kafka):
    letters = DeadLetters(kafka, f"{feed.topic}-small", config={"max.message.bytes": "2000"})
    feeder = feed.start("--metrics-addr", "127.0.0.1:0", "--dlq-topic", letters.name)
    for number in range(30):
        feed.send("x" * 3000 if number % 3 == 0 else f"bad {number}")
    feed.producer.flush()
    await_values(letters, {f"bad {number}".encode() for number in range(30) if number % 3})
    wait_until(lambda: metric(feeder, "topk_feeder_dead_letters_refused_total") == 10)
    assert metric(feeder, "topk_feeder_dead_letters_total") == 20
    refused = re.findall(r'dead letter refused by the broker.* partition=0 offset=(\d+)', feeder.log())
    assert refused == [str(number) for number in range(0, 30, 3)]
    assert feed.database.query("SELECT count(*) FROM topk_pipeline.rejected_record") == [(30,)]
    # when there is room for them, they can be sent again, as all that is kept
    letters.close()
    letters = DeadLetters(kafka, f"{feed.topic}-large")
    feed.database.query("DELETE FROM topk_pipeline.dead_letter_position")
    assert feeder.terminate() == 0
    assert feed.start("--once", "--dlq-topic", letters.name, ready=None).wait(30) == 0
    assert len(letters.read()) == 30
    letters.close()


def test_a_dead_letter_topic_that_is_missing_is_waited_for(feed, kafka):
    name = f"{feed.topic}-late"
    feeder = feed.start("--dlq-topic", name, ready="dead-letter topic does not exist, waiting for it")
    expected = send_bad(feed, range(10))
    feed.await_position(20)  # counting goes on meanwhile
    letters = DeadLetters(kafka, name)
    await_values(letters, expected)
    assert feeder.terminate() == 0
    letters.close()


@pytest.mark.skipif(edition(True, False), reason="it takes half a minute")
def test_a_dead_letter_topic_that_stays_missing_ends_with_1(feed):
    feeder = feed.start("--dlq-topic", f"{feed.topic}-never", ready=None)
    assert feeder.wait(60) == 1
    assert "dead-letter topic does not exist" in feeder.log() and "--dlq-topic" in feeder.log()


def test_a_role_without_the_grant_ends_with_1(feed, dead_letters):
    feed.database.query("CREATE ROLE topk_dead_letters LOGIN PASSWORD 'letters'")
    try:
        feed.database.query("GRANT USAGE ON SCHEMA topk_pipeline TO topk_dead_letters")
        feed.database.query("GRANT EXECUTE ON FUNCTION topk_pipeline.settings, topk_pipeline.positions, topk_pipeline.ingest "
                            "TO topk_dead_letters")
        env = {"TOPK_DSN": f"{feed.database.dsn} user=topk_dead_letters password=letters"}
        expected = send_bad(feed, range(4))
        feeder = feed.start(*feed.options, ready=None, **env)
        assert feeder.wait(30) == 1
        assert "permission denied for function dead_letters" in feeder.log()
        feed.database.query("GRANT EXECUTE ON FUNCTION topk_pipeline.dead_letters, topk_pipeline.dead_letters_sent TO topk_dead_letters")
        feed.start("--once", *feed.options, ready=None, **env).wait(30)
        await_values(dead_letters, expected)
    finally:
        feed.database.query("DROP OWNED BY topk_dead_letters")
        feed.database.query("DROP ROLE topk_dead_letters")
