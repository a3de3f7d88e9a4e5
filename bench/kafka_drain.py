#!/usr/bin/env python3
"""How fast one topk-kafka-feeder drains a topic, beside a bare consumer of the same topic.

    bench/kafka_drain.py [RECORDS]

Every transaction is durable (PostgreSQL's defaults).  Both clocks run from the
assignment of the partitions to the last record: read, or committed.
"""

import json
import random
import re
import resource
import subprocess
import sys
import tempfile
from datetime import datetime
from itertools import accumulate
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import psycopg  # noqa: E402
from confluent_kafka import Producer  # noqa: E402

from demo.stack import Stack, exit_on_signals  # noqa: E402

PARTITIONS = 4
ENTITIES = 100_000
REPLACED_RATE = 630  # records a second of the worker that this replaces
RUNS = 3


def produce(brokers, topic, records):
    """Records of about 100 bytes, entities by Zipf's law with exponent 1.1."""
    producer = Producer({"bootstrap.servers": brokers, "linger.ms": 50, "batch.num.messages": 100_000,
                         "queue.buffering.max.messages": 1_000_000, "log_level": 0})
    chance = random.Random(1)
    weights = list(accumulate((rank + 1) ** -1.1 for rank in range(ENTITIES)))
    entities = chance.choices(range(ENTITIES), cum_weights=weights, k=records)
    for number, entity in enumerate(entities):
        event = {"entity_id": f"product-{entity:06}", "user_id": f"user-{number % 50_000:05}",
                 "source": "kafka", "session": f"{number:020}"}
        producer.produce(topic, json.dumps(event, separators=(",", ":")), partition=number % PARTITIONS)
        if number % 10_000 == 0:
            producer.poll(0)
    producer.flush()


def build_consumer(folder):
    program = Path(folder) / "consume"
    flags = subprocess.check_output(["pkg-config", "--cflags", "--libs", "rdkafka"], text=True).split()
    subprocess.check_call(["cc", "-O2", "-o", program, ROOT / "bench/consume.c", *flags])
    return program


def time_of(log, message):
    return datetime.fromisoformat(re.search(rf"^ts=(\S+)Z .*msg={message}", log, re.MULTILINE)[1])


def drain(stack, connection, topic, records, run):
    """Seconds of one feeder that starts from nothing, its CPU seconds, and its peak memory in MB."""
    pipeline = f"drain_{run}"
    connection.execute("SELECT topk_pipeline.create(%s)", [pipeline])
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    feeder = stack.daemon("topk-kafka-feeder", ["--once", "--topic", topic, "--pipeline", pipeline,
                                                "--group", pipeline, "--metrics-addr", "off"])
    if feeder.wait(600) != 0:
        sys.exit(feeder.log())
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    (total,) = connection.execute("SELECT topk_total(topk_pipeline.summary(%s, days => 2))", [pipeline]).fetchone()
    assert total == records, f"{total} of {records} records counted"
    log = feeder.log()
    seconds = (time_of(log, "stopped") - time_of(log, '"partitions assigned"')).total_seconds()
    cpu = usage.ru_utime + usage.ru_stime - before.ru_utime - before.ru_stime
    return seconds, cpu, usage.ru_maxrss / 1024


def main(records=1_000_000):
    exit_on_signals()
    with Stack() as stack, tempfile.TemporaryDirectory() as folder:
        consumer = build_consumer(folder)
        postgres, kafka = stack.postgres(settings={"fsync": "on"}), stack.kafka()
        connection = psycopg.connect(postgres.dsn, autocommit=True)
        connection.execute("CREATE EXTENSION IF NOT EXISTS topk_pipeline CASCADE")
        topic = kafka.create_topic("drain", PARTITIONS)
        produce(kafka.brokers, topic, records)
        print(f"{records:,} records of 100 bytes, {ENTITIES:,} entities, {PARTITIONS} partitions")
        best = 0
        for run in range(RUNS):
            bare = records / float(subprocess.check_output(
                [consumer, kafka.brokers, topic, str(PARTITIONS), str(records)], text=True))
            seconds, cpu, memory = drain(stack, connection, topic, records, run)
            rate = records / seconds
            best = max(best, rate)
            print(f"bare consumer {bare:9,.0f} records/s   feeder {rate:9,.0f} records/s   "
                  f"ratio {rate / bare:.2f}   {cpu / records * 1e6:.2f} us CPU a record   "
                  f"{memory:.0f} MB")
        print(f"the feeder's best: {best:,.0f} records/s, {best / REPLACED_RATE:,.0f} times "
              f"the {REPLACED_RATE} records/s of the worker that it replaces")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
