#!/usr/bin/env python3
"""How fast one topk-kafka-feeder drains a topic, beside others that read the same records.

    bench/kafka_drain.py [RECORDS]

bare    a consumer that looks into no record
parse   one that reads the entity of each, with the same parser, and does nothing with it
COPY    kcat | psql COPY: the values as text into a table with one column; as one types it, and tuned,
        with a queue in librdkafka that holds all records (queued.min.messages), so that it never stalls

Every transaction is durable (PostgreSQL's defaults).  The clocks of the first
two and of the feeder run from the assignment of the partitions to the last
record: read, or committed; that of COPY from the start of psql to its end.
"""

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import psycopg  # noqa: E402

from bench.support.feeder import drain, produce  # noqa: E402
from demo.stack import Stack, exit_on_signals  # noqa: E402

PARTITIONS = 4
ENTITIES = 100_000
REPLACED_RATE = 630  # records a second of the worker that this replaces
RUNS = 3


def consume(brokers, topic, records, *options):
    """Records a second of bench/consume.c."""
    program = ROOT / "build/bench/consume"
    return records / float(subprocess.check_output(
        [program, brokers, topic, str(PARTITIONS), str(records), *options], text=True))


def copy(postgres, connection, brokers, topic, records, *options):
    """Records a second of kcat | psql COPY, kcat with these options."""
    connection.execute("CREATE TABLE IF NOT EXISTS copied (value text); TRUNCATE copied")
    # kcat's messages can't hold the delimiters: so the values are text for COPY as they are
    kcat = subprocess.Popen(["kcat", "-C", "-q", "-b", brokers, "-t", topic, "-o", "beginning", "-e",
                             *options], stdout=subprocess.PIPE)
    started = time.monotonic()
    subprocess.check_call(["psql", "-qX", postgres.dsn, "-c", r"COPY copied FROM STDIN WITH (DELIMITER E'\x01')"], stdin=kcat.stdout)
    seconds = time.monotonic() - started
    assert kcat.wait() == 0
    assert connection.execute("SELECT count(*) FROM copied").fetchone() == (records,)
    return records / seconds


def main(records=1_000_000):
    exit_on_signals()
    with Stack() as stack:
        postgres, kafka = stack.postgres(settings={"fsync": "on"}), stack.kafka()
        connection = psycopg.connect(postgres.dsn, autocommit=True)
        connection.execute("CREATE EXTENSION IF NOT EXISTS topk_pipeline CASCADE")
        topic = kafka.create_topic("drain", PARTITIONS)
        produce(kafka.brokers, topic, records, ENTITIES, PARTITIONS)
        print(f"{records:,} records of 100 bytes, {ENTITIES:,} entities, {PARTITIONS} partitions")
        best = 0
        for run in range(RUNS):
            bare = consume(kafka.brokers, topic, records)
            parse = consume(kafka.brokers, topic, records, "parse")
            copied = copy(postgres, connection, kafka.brokers, topic, records)
            tuned = copy(postgres, connection, kafka.brokers, topic, records, "-X", "queued.min.messages=1000000")
            seconds, cpu, server, memory = drain(stack, connection, topic, records, run)
            rate = records / seconds
            best = max(best, rate)
            print(f"feeder {rate:9,.0f} records/s   {rate / bare:.2f} of bare {bare:9,.0f}   {rate / parse:.2f} of parse {parse:9,.0f}   "
                  f"{rate / copied:.2f} of COPY {copied:9,.0f}   {rate / tuned:.2f} of tuned {tuned:9,.0f}   us CPU a record: feeder {cpu / records * 1e6:.2f}, "
                  f"PostgreSQL {server / records * 1e6:.2f}   {memory:.0f} MB", flush=True)
        print(f"the feeder's best: {best:,.0f} records/s, {best / REPLACED_RATE:,.0f} times "
              f"the {REPLACED_RATE} records/s of the worker that it replaces")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
