"""What docs/operations.md promises, as far as no other test shows it."""

import os
import subprocess
import time

import pytest
from confluent_kafka.admin import NewPartitions

from ddb import TODAY
from edition import edition
from kafka_feed import PIPELINE, answer, wait_until

FULL_SECONDS = edition(0, 60)  # how long the disk stays full


def test_a_restored_database_reads_again_what_came_after_the_backup(feed, postgres):
    feed.send_events(1000)
    assert feed.start("--once", ready=None).wait(30) == 0
    original, backup = feed.database, f"{feed.database.name}_backup"
    original.close()
    postgres._run("createdb", "--template", original.name, backup)
    feed.send_events(1000)
    assert feed.start("--once", ready=None).wait(30) == 0
    feed.check_exact()

    feed.database = type(original)(postgres, backup)
    try:
        assert feed.position() == 1000
        feed.start()
        feed.check_exact()
    finally:
        feed.database.close()
        feed.database = original
        postgres._run("dropdb", "--force", backup)


def test_feeders_of_two_groups_count_nothing_twice(feed):
    feeders = [feed.start("--group", f"{feed.topic}-{number}", "--batch-records", "100") for number in range(2)]
    for _ in range(20):
        feed.send_events(500)
    feed.check_exact()
    # both were assigned before the first record came, so the one that lost the race to it learns that sooner or later
    wait_until(lambda: any("feeders of different consumer groups" in feeder.log() for feeder in feeders))
    assert all(feeder.process.running() for feeder in feeders)


@pytest.fixture
def deleted(feed, kafka):
    """Deletes the topic, and returns when it is gone."""
    def delete():
        kafka.delete_topic(feed.topic)
        wait_until(lambda: feed.topic not in kafka.admin.list_topics(timeout=10).topics)
    return delete


@pytest.fixture
def made_anew(feed, kafka, deleted):
    """Counts 100 records, deletes the topic and makes it anew, with fewer or more records in each partition."""
    def make(records):
        feed.send_events(100)
        assert feed.start("--once", ready=None).wait(30) == 0
        deleted()
        kafka.create_topic(feed.topic, partitions=4)
        feed.send_events(records)
    return make


def test_a_topic_made_anew_while_it_is_read(feed, kafka, deleted):
    """What was counted of the old one stays; nothing of the new one is passed over."""
    feeder = feed.start()
    feed.send_events(100)
    feed.check_exact()
    deleted()
    time.sleep(1)
    kafka.create_topic(feed.topic, partitions=4)
    feed.send_events(400)
    assert feeder.wait(30) == 1
    assert "the topic was made anew" in feeder.log()
    assert feed.position() == 100

    feed.start("--on-lost-position", "oldest")
    wait_until(lambda: feed.counted() == feed.sent)
    assert feed.position() == 400


def test_a_topic_deleted_while_it_is_read(feed, kafka, deleted):
    feeder = feed.start("--on-lost-position", "oldest")
    feed.send_events(100)
    feed.check_exact()
    deleted()
    feeder.wait_for("topic was deleted while it was read")
    feeder.wait_for("topic does not exist, waiting for it")
    kafka.create_topic(feed.topic)
    feed.send_events(400)
    wait_until(lambda: feed.counted() == feed.sent)
    assert feeder.log().count("topic was deleted") == 1
    assert feeder.terminate() == 0


def test_a_topic_that_is_made_later(feed, kafka, deleted):
    deleted()
    feeder = feed.start(ready="topic does not exist, waiting for it")
    kafka.create_topic(feed.topic)
    feed.send_events(100)
    feed.check_exact()
    assert "deleted" not in feeder.log()


@pytest.mark.parametrize("records, words", [(40, "Offset out of range"), (200, "the record at offset 24 is of ")])
def test_a_topic_made_anew(feed, made_anew, records, words):
    """Also when it is longer than the old one, so that the stored positions are in it."""
    made_anew(records)
    feeder = feed.start(ready=None)
    assert feeder.wait(60) == 1
    assert "the topic was made anew" in feeder.log() and words in feeder.log()
    assert feed.position() == 100

    feed.database.query("DELETE FROM topk_pipeline.source_position WHERE source = %s", feed.topic)
    feed.start()
    wait_until(lambda: feed.counted() == feed.sent)
    assert feed.position() == records


def test_a_longer_topic_made_anew_is_accepted_if_told_so(feed, made_anew):
    made_anew(200)
    feeder = feed.start("--on-lost-position", "oldest")
    wait_until(lambda: feed.counted() == feed.sent)
    assert feed.position() == 200
    for partition in range(4):
        assert f"going on with the oldest record\" partition={partition}" in feeder.log()


def test_a_position_whose_last_record_has_expired(feed):
    """Nobody can tell whether the topic is the same, and it most likely is."""
    feed.send_events(100)
    assert feed.start("--once", ready=None).wait(30) == 0
    feed.delete_records({partition: -1 for partition in range(4)})
    feed.start()
    feed.send_events(100)
    feed.check_exact()


@pytest.fixture
def small_disk(postgres, tmp_path):
    """A folder of 4 MB of its own that PostgreSQL may write to."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount")
    account = postgres.data.stat()
    folder = postgres.folder / "small_disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size=4m,mode=700,uid={account.st_uid},gid={account.st_gid}",
                    "topk-test", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_waited_for(feed, small_disk):
    feed.database.query(f"CREATE TABLESPACE small LOCATION '{small_disk}'")
    try:
        feed.database.query("ALTER TABLE topk_pipeline.slot SET TABLESPACE small")
        feeder = feed.start("--batch-records", "500")
        feed.send_events(1000)
        feed.check_exact()
        ballast = small_disk / "ballast"
        with open(ballast, "wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
            while True:
                file.write(bytes(8192))
        feed.send_events(20_000, entities=100_000)
        feeder.wait_for("level=warning .*No space left on device")
        time.sleep(FULL_SECONDS)
        ballast.unlink()
        freed = time.monotonic()
        feed.await_position(21_000)
        took = time.monotonic() - freed
        assert feed.total() == 21_000
        assert feeder.process.running()
        feeder.wait_for("works again")
        feed.tell(f"a disk full for {FULL_SECONDS} s", [took])
    finally:
        feed.database.query("ALTER TABLE topk_pipeline.slot SET TABLESPACE pg_default")
        feed.database.query("DROP TABLESPACE small")


def test_a_partition_that_is_added(feed, kafka):
    feed.start("-X", "topic.metadata.refresh.interval.ms=500")
    feed.send_events(40)
    feed.check_exact()
    kafka.admin.create_partitions([NewPartitions(feed.topic, 5)])[feed.topic].result(timeout=30)
    wait_until(lambda: len(feed.producer.list_topics(feed.topic, timeout=10).topics[feed.topic].partitions) == 5)
    feed.send_events(50, partitions=5)
    feed.check_exact()


def test_sigterm_while_kafka_is_away(feed, kafka):
    feeder = feed.start("--metrics-addr", "127.0.0.1:0")
    kafka.kill()
    try:
        feeder.wait_for("Kafka is away")
        wait_until(lambda: answer(feeder, "/readyz") == (503, "postgresql: reached\nkafka: not reached\n"))
        started = time.monotonic()
        assert feeder.terminate(timeout=60) == 0
        assert time.monotonic() - started < 20, "the unit's TimeoutStopSec is 30"
    finally:
        kafka.start()


def test_a_row_that_was_deleted_can_be_written_again(sync):  # noqa: F811
    sync.ingest({"a": 1})
    sync.once()
    sync.client.delete_item(TableName=sync.table, Key={"pk": {"S": "global"}, "sk": {"N": str(TODAY)}})
    sync.once()
    assert sync.row() is None
    sync.database.query("SELECT topk_pipeline.mirror_take_over(%s, 'global', %s, 0)", PIPELINE, TODAY)
    sync.once()
    assert sync.counts() == {"a": 1}
