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

import json
import os
import random
import re
import resource
import subprocess
import sys
import time
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


def cpu_of_server(connection):
    """CPU seconds of all processes of the server so far, but for backends that have ended."""
    (postmaster,) = connection.execute("SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::int").fetchone()
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == postmaster:
            ticks += int(fields[11]) + int(fields[12])
        elif stat.parent.name == str(postmaster):
            ticks += sum(map(int, fields[11:15]))  # and its children that have ended
    return ticks / os.sysconf("SC_CLK_TCK")


def watch(feeder):
    """Wait for a feeder to end; the peak of its memory in MB."""
    peak = 0
    while feeder.process.running():
        status = Path(f"/proc/{feeder.pid}/status").read_text()
        if found := re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE):  # a process that has ended has no memory
            peak = int(found[1])
        time.sleep(0.01)
    if feeder.wait() != 0:
        sys.exit(feeder.log())
    return peak / 1024


def time_of(log, message):
    return datetime.fromisoformat(re.search(rf"^ts=(\S+)Z .*msg={message}", log, re.MULTILINE)[1])


def drain(stack, connection, topic, records, run):
    """Seconds of one feeder that starts from nothing, its and PostgreSQL's CPU seconds, and its peak memory in MB."""
    pipeline = f"drain_{run}"
    connection.execute("SELECT topk_pipeline.create(%s)", [pipeline])
    server_before = cpu_of_server(connection)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    feeder = stack.daemon("topk-kafka-feeder", ["--once", "--topic", topic, "--pipeline", pipeline,
                                                "--group", pipeline, "--metrics-addr", "off"])
    memory = watch(feeder)
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    server = cpu_of_server(connection) - server_before
    (total,) = connection.execute("SELECT topk_total(topk_pipeline.summary(%s, days => 2))", [pipeline]).fetchone()
    assert total == records, f"{total} of {records} records counted"
    log = feeder.log()
    seconds = (time_of(log, "stopped") - time_of(log, '"partitions assigned"')).total_seconds()
    cpu = usage.ru_utime + usage.ru_stime - before.ru_utime - before.ru_stime
    return seconds, cpu, server, memory


def main(records=1_000_000):
    exit_on_signals()
    with Stack() as stack:
        postgres, kafka = stack.postgres(settings={"fsync": "on"}), stack.kafka()
        connection = psycopg.connect(postgres.dsn, autocommit=True)
        connection.execute("CREATE EXTENSION IF NOT EXISTS topk_pipeline CASCADE")
        topic = kafka.create_topic("drain", PARTITIONS)
        produce(kafka.brokers, topic, records)
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
