#!/usr/bin/env python3
"""The memory of one topk-kafka-feeder that is never idle, minute by minute.

    bench/kafka_memory.py [MINUTES]

A topic of 10 million records, each of an entity of its own, is read over and over by one process:
when it is at the end, its positions are set back to the beginning, and one more record tells it so.
"""

import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import psycopg  # noqa: E402
from confluent_kafka import Producer  # noqa: E402

from demo.servers.process import memory  # noqa: E402
from demo.stack import Stack, exit_on_signals  # noqa: E402

PARTITIONS = 4
RECORDS = 10_000_000
PIPELINE = "memory"


def event(number):
    return (f'{{"entity_id":"product-{number:08}","user_id":"user-{number % 50_000:05}",'
            f'"source":"kafka","n":"{number:020}"}}')


def produce(producer, topic, records):
    for number in range(records):
        producer.produce(topic, event(number), partition=number % PARTITIONS)
        if number % 10_000 == 0:
            producer.poll(0)
    producer.flush()


def resident(pid):
    """MB now, and at the peak."""
    return [memory(pid, field) / (1 << 20) for field in ("VmRSS", "VmHWM")]


def main(minutes=10):
    exit_on_signals()
    with Stack() as stack:
        postgres, kafka = stack.postgres(settings={"fsync": "on"}), stack.kafka()
        connection = psycopg.connect(postgres.dsn, autocommit=True)
        connection.execute("CREATE EXTENSION IF NOT EXISTS topk_pipeline CASCADE")
        connection.execute("SELECT topk_pipeline.create(%s)", [PIPELINE])
        topic = kafka.create_topic("memory", PARTITIONS)
        producer = Producer({"bootstrap.servers": kafka.brokers, "linger.ms": 50,
                             "queue.buffering.max.messages": 1_000_000, "log_level": 0})
        produce(producer, topic, RECORDS)
        end, read = RECORDS, 0
        feeder = stack.daemon("topk-kafka-feeder", ["--topic", topic, "--pipeline", PIPELINE, "--group", PIPELINE])
        started = time.monotonic()
        for minute in range(1, minutes + 1):
            while time.monotonic() < started + 60 * minute:
                time.sleep(0.1)
                (position,) = connection.execute("SELECT sum(position) FROM topk_pipeline.source_position").fetchone()
                if position == end:
                    read += end
                    connection.execute("SELECT topk_pipeline.reset_position(%s, %s, shard, 0) FROM topk_pipeline.source_position",
                                       [PIPELINE, topic])
                    produce(producer, topic, 1)
                    end += 1
            now, peak = resident(feeder.pid)
            print(f"minute {minute:3}: {now:4.0f} MB, peak {peak:4.0f} MB, {read / 1e6:,.0f} million records", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
