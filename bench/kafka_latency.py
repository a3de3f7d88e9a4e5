#!/usr/bin/env python3
"""How long a record takes from the producer to being visible in SQL.

    bench/kafka_latency.py

idle    one record every 50 ms or so, which the producer sends at once
10,000  that many records a second, over 4 partitions; the producer waits for company (linger) 1 ms

The clock of a record runs from produce() to the end of the first query that
sees its partition's position behind it; the queries follow each other at
once.  Every transaction is durable (PostgreSQL's defaults).
"""

import random
import statistics
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import psycopg  # noqa: E402
from confluent_kafka import Producer  # noqa: E402

from demo.stack import Stack, exit_on_signals  # noqa: E402

PARTITIONS = 4
IDLE_RECORDS = 400
RATE = 10_000
RATE_SECONDS = 12
WARM_UP = 0.25  # of the records of each run, which are not looked at: the broker compiles its code
TICK = 0.001


class Run:
    """Records that are sent, when, and the delays of those that were seen."""

    def __init__(self, stack, connection, name, linger_ms):
        self.connection, self.topic = connection, stack.kafka().create_topic(name, PARTITIONS)
        self.producer = Producer({"bootstrap.servers": stack.kafka().brokers, "linger.ms": linger_ms, "log_level": 0})
        connection.execute("SELECT topk_pipeline.create(%s)", [name])
        self.feeder = stack.daemon("topk-kafka-feeder", ["--topic", self.topic, "--pipeline", name, "--group", name],
                                   ready="partitions assigned")
        self.sent = [[] for _ in range(PARTITIONS)]
        self.delays = []
        self.finished = False

    def send(self, number):
        partition = number % PARTITIONS
        self.sent[partition].append(time.monotonic())
        self.producer.produce(self.topic, f'{{"entity_id":"product-{number % 1000}"}}', partition=partition)

    def watch(self):
        seen = [0] * PARTITIONS
        while not self.finished or sum(seen) < sum(map(len, self.sent)):
            rows = self.connection.execute("SELECT shard::int, position FROM topk_pipeline.source_position WHERE source = %s",
                                           [self.topic], prepare=True).fetchall()
            now = time.monotonic()
            for partition, position in rows:
                self.delays += [now - then for then in self.sent[partition][seen[partition]:position]]
                seen[partition] = position
            time.sleep(TICK / 2)

    def report(self, name, send):
        watcher = threading.Thread(target=self.watch)
        watcher.start()
        send()
        self.producer.flush()
        self.finished = True
        watcher.join()
        assert self.feeder.terminate() == 0, self.feeder.log()
        delays = self.delays[int(len(self.delays) * WARM_UP):]
        cuts = statistics.quantiles(delays, n=100)
        print(f"{name:16} {len(delays):7,} records   p50 {cuts[49] * 1000:5.1f} ms   p99 {cuts[98] * 1000:5.1f} ms   "
              f"longest {max(delays) * 1000:5.1f} ms", flush=True)


def idle(run):
    for number in range(IDLE_RECORDS):
        run.send(number)
        run.producer.poll(0)
        time.sleep(random.uniform(0.03, 0.07))


def busy(run):
    started = time.monotonic()
    sent = 0
    while sent < RATE * RATE_SECONDS:
        due = min(RATE * RATE_SECONDS, int((time.monotonic() - started) * RATE))
        for number in range(sent, due):
            run.send(number)
        sent = max(sent, due)
        run.producer.poll(0)
        time.sleep(TICK)


def main():
    exit_on_signals()
    with Stack() as stack:
        connection = psycopg.connect(stack.postgres(settings={"fsync": "on"}).dsn, autocommit=True)
        connection.execute("CREATE EXTENSION IF NOT EXISTS topk_pipeline CASCADE")
        for name, linger_ms, rate, send in (("idle", 0, "idle", idle), ("busy", 1, f"{RATE:,} records/s", busy)):
            run = Run(stack, connection, name, linger_ms)
            run.report(rate, lambda run=run, send=send: send(run))


if __name__ == "__main__":
    main()
