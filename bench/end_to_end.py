#!/usr/bin/env python3
"""From the producer, through Kafka, PostgreSQL and DynamoDB Local, to a row that a reader sees.

    bench/end_to_end.py

One record every 100 ms or so, in turn of 15 windows, so that each is idle for longer than the mirror's
interval. The feeder and the mirror run with their defaults, on a durable PostgreSQL. A row is readable
when a strongly consistent GetItem shows it; GetItems follow each other at once.
"""

import json
import random
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

import psycopg  # noqa: E402
from confluent_kafka import Producer  # noqa: E402
from ddb_sync import Mirror, report  # noqa: E402

from demo.stack import Stack, exit_on_signals  # noqa: E402

RECORDS = 450
WARM_UP = 100
WINDOWS = 15


def main():
    exit_on_signals()
    with Stack() as stack:
        connection = psycopg.connect(stack.postgres(settings={"fsync": "on"}).dsn, autocommit=True)
        connection.execute("CREATE EXTENSION IF NOT EXISTS topk_pipeline CASCADE")
        kafka = stack.kafka()
        topic = kafka.create_topic("end-to-end", 4)
        producer = Producer({"bootstrap.servers": kafka.brokers, "linger.ms": 0, "socket.nagle.disable": True, "log_level": 0})
        mirror = Mirror(stack, connection, "end-to-end")
        stack.daemon("topk-kafka-feeder", ["--topic", topic, "--group", topic, "--pipeline", mirror.name, "--key-field", "/tenant"],
                     ready="partitions assigned")
        mirror.start()
        delays, totals = [], {}
        for number in range(RECORDS):
            key = f"key-{number % WINDOWS}"
            totals[key] = totals.get(key, 0) + 1
            sent = time.monotonic()
            producer.produce(topic, json.dumps({"entity_id": f"item-{number}", "tenant": key}), partition=number % 4)
            while mirror.total(key) < totals[key]:
                pass
            delays.append(time.monotonic() - sent)
            producer.poll(0)
            time.sleep(random.uniform(0.06, 0.12))
        report("produce → row readable", delays[WARM_UP:])


if __name__ == "__main__":
    main()
