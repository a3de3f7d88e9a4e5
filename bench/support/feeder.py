"""Topics full of events, and what it takes one topk-kafka-feeder to drain them."""

import json
import os
import random
import re
import resource
import sys
import time
from contextlib import suppress
from datetime import datetime
from itertools import accumulate
from pathlib import Path

from confluent_kafka import Producer

from demo.servers.process import memory


def produce(brokers, topic, records, entities, partitions, keys=1):
    """Records of about 100 bytes; entities by Zipf's law with exponent 1.1, and so many tenants."""
    producer = Producer({"bootstrap.servers": brokers, "linger.ms": 50, "batch.num.messages": 100_000,
                         "queue.buffering.max.messages": 1_000_000, "log_level": 0})
    chance = random.Random(1)
    weights = list(accumulate((rank + 1) ** -1.1 for rank in range(entities)))
    for number, entity in enumerate(chance.choices(range(entities), cum_weights=weights, k=records)):
        event = {"entity_id": f"product-{entity:08}", "tenant": f"{number % keys:04}", "user_id": f"user-{number % 50_000:05}",
                 "source": "kafka", "n": number}
        producer.produce(topic, json.dumps(event, separators=(",", ":")), partition=number % partitions)
        if number % 10_000 == 0:
            producer.poll(0)
    producer.flush()


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
        with suppress(ProcessLookupError):  # it has just ended
            peak = memory(feeder.pid, "VmHWM")
        time.sleep(0.01)
    if feeder.wait() != 0:
        sys.exit(feeder.log())
    return peak / (1 << 20)


def time_of(log, message):
    return datetime.fromisoformat(re.search(rf"^ts=(\S+)Z .*msg={message}", log, re.MULTILINE)[1])


def drain(stack, connection, topic, records, run, *options):
    """One feeder, with these options, that starts from nothing: seconds, its CPU seconds, PostgreSQL's, its peak memory in MB."""
    pipeline = f"drain_{run}"
    connection.execute("SELECT topk_pipeline.create(%s)", [pipeline])
    server_before = cpu_of_server(connection)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    feeder = stack.daemon("topk-kafka-feeder", ["--once", "--topic", topic, "--pipeline", pipeline,
                                                "--group", pipeline, "--metrics-addr", "off", *options])
    memory = watch(feeder)
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    server = cpu_of_server(connection) - server_before
    (total,) = connection.execute("SELECT sum(topk_total(summary)) FROM topk_pipeline.window_summary WHERE pipeline = %s",
                                  [pipeline]).fetchone()
    assert total == records, f"{total} of {records} records counted"
    log = feeder.log()
    seconds = (time_of(log, "stopped") - time_of(log, '"partitions assigned"')).total_seconds()
    cpu = usage.ru_utime + usage.ru_stime - before.ru_utime - before.ru_stime
    return seconds, cpu, server, memory
