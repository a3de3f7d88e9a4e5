#!/usr/bin/env python3
"""topk-ddb-sync between a durable PostgreSQL and DynamoDB Local.

    bench/ddb_sync.py [idle] [busy] [many] [throttled] [memory]

idle        commit → row readable, one change every 100 ms or so, in turn of 10 windows
busy        10,000 records a second into one window: requests a million records, commit → row readable
many        10,000 changed windows, beside bench/ddb_put.c, which puts the same rows ready made
throttled   the same, with every other request throttled by a proxy; without throttling through the same proxy
memory      1,000,000 windows of which 100 change: the program's peak memory

A row is readable when a strongly consistent GetItem shows it; GetItems follow
each other at once.
"""

import base64
import http.client
import json
import random
import re
import socket
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

import psycopg  # noqa: E402
from support.throttling import ThrottlingProxy  # noqa: E402

from demo.servers import process  # noqa: E402
from demo.stack import Stack, exit_on_signals  # noqa: E402

TODAY = int(time.time()) // 86400
BATCHES_A_SECOND = 50
RATE = 10_000
WINDOWS = 10_000
CONCURRENCY = 32


class Reader:
    """GetItem over one connection, with next to no work of its own."""

    HEADERS = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "DynamoDB_20120810.GetItem", "X-Amz-Date": "20260101T000000Z",
               "Authorization": "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/dynamodb/aws4_request, "
                                "SignedHeaders=host;x-amz-date, Signature=0"}

    def __init__(self, port, table):
        self.connection = http.client.HTTPConnection("127.0.0.1", port)
        self.connection.connect()
        self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.table = table

    def total(self, key):
        body = json.dumps({"TableName": self.table, "Key": {"pk": {"S": key}, "sk": {"N": str(TODAY)}}, "ConsistentRead": True})
        self.connection.request("POST", "/", body, self.HEADERS)
        item = json.loads(self.connection.getresponse().read()).get("Item")
        return int(item["total"]["N"]) if item else 0


class Mirror:
    """A pipeline and a table of their own."""

    def __init__(self, stack, connection, name):
        self.stack, self.connection, self.name = stack, connection, name
        self.table = stack.dynamodb().create_table(name)
        self.client = stack.dynamodb().client()
        self.total = Reader(stack.dynamodb().port, self.table).total
        connection.execute("SELECT topk_pipeline.create(%s)", [name])

    def ingest(self, key, counts):
        self.connection.execute(
            "SELECT topk_pipeline.ingest(%s, 'bench', '{}', '{}', '{}', ARRAY[%s::text], ARRAY[%s::bigint], ARRAY[%s::bigint],"
            " ARRAY[topk_build(%s, %s, 1000)], '{}', '{}', '{}', '{}', '{}', '{}', '{}')",
            [self.name, key, TODAY, sum(counts.values()), list(counts), list(counts.values())], prepare=True)
        return time.monotonic()

    def fill(self, windows, note="item"):
        """Change so many windows: 40 items each, of which 32 are published."""
        self.connection.execute(
            "WITH summary AS (SELECT n, topk_weighted_agg(%s || '-' || i || '-' || n, (100 - i)::bigint, 1000) AS s"
            " FROM generate_series(1, %s) AS n, generate_series(1, 40) AS i GROUP BY n)"
            " SELECT topk_pipeline.ingest(%s, 'bench', '{}', '{}', '{}', array_agg('key-' || n), array_agg(%s::bigint),"
            " array_agg(1::bigint), array_agg(s), '{}', '{}', '{}', '{}', '{}', '{}', '{}') FROM summary",
            [note, windows, self.name, TODAY])
        self.connection.execute("ANALYZE topk_pipeline.slot")

    def start(self, *arguments, endpoint=None):
        return self.stack.daemon("topk-ddb-sync", ["--pipeline", self.name, "--ddb-table", self.table, "--metrics-addr", "127.0.0.1:0",
                                                   "--expire-interval", "0", *arguments],
                                 {"DDB_ENDPOINT": endpoint} if endpoint else {}, ready="msg=mirroring")

    def unmirrored(self):
        return self.connection.execute("SELECT topk_pipeline.mirror_oldest(%s)", [self.name]).fetchone()[0] is not None

    def once(self, endpoint=None):
        """Mirror what is changed; the seconds from start to end."""
        started = time.monotonic()
        worker = self.stack.daemon("topk-ddb-sync", ["--pipeline", self.name, "--ddb-table", self.table, "--once",
                                                     "--concurrency", CONCURRENCY], {"DDB_ENDPOINT": endpoint} if endpoint else {})
        if worker.wait(170) != 0:
            sys.exit(worker.log()[-2000:])
        return time.monotonic() - started


def metric(worker, name):
    port = re.search(r"serving metrics.*port=(\d+)", worker.log()).group(1)
    text = urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()
    return sum(float(value) for value in re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE))


def report(name, delays):
    cuts = statistics.quantiles(delays, n=100)
    print(f"{name:28} {len(delays):6,} changes   p50 {cuts[49] * 1000:6.1f} ms   p99 {cuts[98] * 1000:6.1f} ms   "
          f"longest {max(delays) * 1000:6.1f} ms", flush=True)


def idle(stack, connection):
    mirror = Mirror(stack, connection, "idle")
    worker = mirror.start()
    delays, totals = [], {}
    for number in range(450):
        key = f"key-{number % 15}"  # each is idle for longer than the interval
        totals[key] = totals.get(key, 0) + 1
        committed = mirror.ingest(key, {f"item-{number}": 1})
        while mirror.total(key) < totals[key]:
            pass
        delays.append(time.monotonic() - committed)
        time.sleep(random.uniform(0.06, 0.12))
    report("idle: commit → readable", delays[100:])  # the server compiles its code before
    worker.terminate()


def busy(stack, connection):
    mirror = Mirror(stack, connection, "busy")
    worker = mirror.start()
    commits, delays, stop = [], [], threading.Event()

    def watch():
        seen = 0
        while not stop.is_set():
            total = mirror.total("global")
            now = time.monotonic()
            while seen < len(commits) and commits[seen][0] <= total:
                delays.append(now - commits[seen][1])
                seen += 1
            time.sleep(0.005)

    watcher = threading.Thread(target=watch)
    watcher.start()
    records = RATE // BATCHES_A_SECOND
    items = [f"product-{int(random.paretovariate(1.1))}" for _ in range(100_000)]
    started, sent = time.monotonic(), 0
    while sent < 60 * RATE:
        counts = {}
        for item in random.choices(items, k=records):
            counts[item] = counts.get(item, 0) + 1
        at = mirror.ingest("global", counts)
        sent += records
        commits.append((sent, at))
        time.sleep(max(0, started + sent / RATE - time.monotonic()))
    time.sleep(2)
    stop.set()
    watcher.join()
    requests = metric(worker, "topk_mirror_requests_total")
    report("busy: commit → readable", delays[len(delays) // 4:])
    print(f"{'busy: requests':28} {requests / sent * 1e6:6.0f} a million records, at {sent / (commits[-1][1] - started):,.0f} a second; "
          f"{metric(worker, 'topk_mirror_consumed_write_units_total'):.0f} write units for {requests:.0f} requests", flush=True)
    worker.terminate()


def ready_made(mirror):
    """PutItem of each row that the mirror has, under a condition that holds."""
    lines = []
    for page in mirror.client.get_paginator("scan").paginate(TableName=mirror.table):
        for item in page["Items"]:
            version = item["ver"]["N"]
            item["v"] = {"B": base64.b64encode(item["v"]["B"]).decode()}
            item["ver"] = {"N": str(int(version) + 1_000_000)}
            lines.append(json.dumps({"TableName": mirror.table, "Item": item,
                                     "ConditionExpression": "attribute_not_exists(ver) OR ver < :ver",
                                     "ExpressionAttributeValues": {":ver": item["ver"]}, "ReturnValues": "ALL_OLD",
                                     "ReturnValuesOnConditionCheckFailure": "ALL_OLD", "ReturnConsumedCapacity": "TOTAL"}))
    return "\n".join(lines)


def put(mirror, bodies):
    done = subprocess.run([ROOT / "build" / "bench" / "ddb_put", mirror.stack.dynamodb().endpoint, str(CONCURRENCY)],
                          input=bodies, capture_output=True, text=True, check=True)
    return float(done.stdout)


def many(stack, connection):
    """In turn, so that the server is as warm for one as for the other, and has as many rows to replace; the first round warms it up."""
    mirror = Mirror(stack, connection, "many")
    plain = stack.dynamodb().create_table("many-plain")
    times = []
    for turn in range(6):
        mirror.fill(WINDOWS, f"turn-{turn}")
        mirrored = mirror.once()
        times.append((mirrored, put(mirror, ready_made(mirror).replace('"many"', f'"{plain}"'))))
    times = times[1:]
    mirrored, least = (statistics.median(column) for column in zip(*times))
    print(f"{'10,000 changed windows':28} {mirrored:5.2f} s   the least client {least:5.2f} s   ratio {mirrored / least:4.2f}   "
          f"(all: {', '.join(f'{a:.2f}/{b:.2f}' for a, b in times)})", flush=True)


def throttled(stack, connection):
    mirror = Mirror(stack, connection, "throttled")
    with ThrottlingProxy(stack.dynamodb().port) as proxy:
        times = {}
        for share in (0, 0, 0.5):
            mirror.fill(WINDOWS, f"share-{share}-{len(times)}")
            proxy.share = share
            times[share] = mirror.once(proxy.endpoint)
    stale = mirror.connection.execute("SELECT count(*) FROM topk_pipeline.mirror_status WHERE pipeline = %s AND"
                                      " (unmirrored_since IS NOT NULL OR mirrored_version IS NULL)", [mirror.name]).fetchone()[0]
    verified = stack.daemon("topk-ddb-sync", ["--pipeline", mirror.name, "--ddb-table", mirror.table, "--verify"]).wait(120) == 0
    print(f"{'throttled at 50 %':28} {times[0.5]:5.2f} s   not throttled {times[0]:5.2f} s   ratio {times[0.5] / times[0]:4.2f}   "
          f"{stale} stale, {'all rows equal' if verified else 'ROWS DIFFER'}", flush=True)


def memory(stack, connection):
    mirror = Mirror(stack, connection, "memory")
    connection.execute(
        "INSERT INTO topk_pipeline.slot (pipeline_id, bucket, key, summary, records, last_ingest_at)"
        " SELECT pipeline_id, %s, 'cold-' || n, topk_build('{a}'), 1, now() FROM topk_pipeline.pipeline, generate_series(1, 1000000) AS n"
        " WHERE name = 'memory'", [TODAY])
    connection.execute("ANALYZE topk_pipeline.slot")
    worker = mirror.start()
    for turn in range(10):
        mirror.fill(100, f"turn-{turn}")
        while mirror.unmirrored():
            time.sleep(0.05)
    print(f"{'memory':28} {process.memory(worker.pid, 'VmHWM') / (1 << 20):5.1f} MB at most, with 1,000,000 windows of which 100 changed 10 times", flush=True)
    worker.terminate()


BENCHMARKS = {function.__name__: function for function in (idle, busy, many, throttled, memory)}


def main(names):
    exit_on_signals()
    with Stack() as stack:
        connection = psycopg.connect(stack.postgres(settings={"fsync": "on"}).dsn, autocommit=True)
        connection.execute("CREATE EXTENSION IF NOT EXISTS topk_pipeline CASCADE")
        for name in names or BENCHMARKS:
            BENCHMARKS[name](stack, connection)


if __name__ == "__main__":
    main(sys.argv[1:])
