#!/usr/bin/env python3
"""How one topk-kafka-feeder's speed and memory follow the number of entities, of partitions, and of keys in a batch.

    bench/kafka_scale.py [RECORDS [entities|partitions|keys ...]]

Each row is the median of 3 drains of a topic (as in kafka_drain.py), and says how
many times slower it is than the fastest row of its group.
"""

import statistics
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import psycopg  # noqa: E402

from bench.support.feeder import drain, produce  # noqa: E402
from demo.stack import Stack, exit_on_signals  # noqa: E402

GROUPS = {
    "entities": [10_000, 100_000, 1_000_000, 10_000_000],
    "partitions": [1, 4, 16, 64],
    "keys": [1, 10, 100, 1000],
}
DEFAULTS = {"entities": 100_000, "partitions": 4, "keys": 1}
RUNS = 3


def measure(stack, connection, records, name, value):
    """Median records a second, and the peak memory in MB."""
    kafka = stack.kafka()
    shape = {**DEFAULTS, name: value}
    topic = kafka.create_topic(f"{name}-{value}", shape["partitions"])
    produce(kafka.brokers, topic, records, **shape)
    options = ["--key-field", "/tenant"] if name == "keys" else []
    runs = [drain(stack, connection, topic, records, f"{name}_{value}_{run}", *options) for run in range(RUNS)]
    kafka.delete_topic(topic)
    return records / statistics.median(seconds for seconds, *_ in runs), max(memory for *_, memory in runs)


def main(records=3_000_000, *groups):
    exit_on_signals()
    with Stack() as stack:
        connection = psycopg.connect(stack.postgres(settings={"fsync": "on"}).dsn, autocommit=True)
        connection.execute("CREATE EXTENSION IF NOT EXISTS topk_pipeline CASCADE")
        print(f"{int(records):,} records of 100 bytes; unless said otherwise "
              + ", ".join(f"{value:,} {name}" for name, value in DEFAULTS.items()))
        for name in groups or GROUPS:
            rows = [(value, *measure(stack, connection, int(records), name, value)) for value in GROUPS[name]]
            best = max(rate for _, rate, _ in rows)
            for value, rate, memory in rows:
                print(f"{value:12,} {name:10} {rate:9,.0f} records/s   {best / rate:4.2f} times slower than the fastest   "
                      f"{memory:.0f} MB", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
