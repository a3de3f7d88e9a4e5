#!/usr/bin/env python3
"""topk-query over DynamoDB Local.

    bench/query.py [latency] [hot] [many]

latency   GetWindow of 7 days, one call after the other, in turn of 200 keys: with the cache off, with the default one and a
          single key, and beside both the least that any client can do, the Query itself over a kept-alive connection
hot       one key, 64 connections, 10 seconds: answers a second of the program's own CPU time, and its memory before and after
many      30 days of 200 entities: GetWindowMany beside its slowest BatchGetItem

Needs h2load (Debian: nghttp2-client).
"""

import http.client
import json
import os
import random
import re
import socket
import statistics
import struct
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

from demo.servers.process import free_port, memory  # noqa: E402
from demo.stack import Stack, exit_on_signals  # noqa: E402

TODAY = int(time.time()) // 86400
KEYS = 200
DAYS = 30
WEEK = 7 * 86400
METHOD = "/murmur.v1.QueryService/"
QUERY_HEADERS = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "DynamoDB_20120810.Query", "X-Amz-Date": "20260101T000000Z",
                 "Authorization": "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/dynamodb/aws4_request, "
                                  "SignedHeaders=host;x-amz-date, Signature=0"}


def fill(dynamodb, table):
    """30 rows for each of 200 keys, of 32 items each."""
    generator = random.Random(1)
    client = dynamodb.client()

    def row(key, ago):
        items = sorted(((f"product-{number}".encode(), generator.randrange(1, 10 ** 6)) for number in generator.sample(range(2000), 32)),
                       key=lambda pair: (-pair[1], pair[0]))
        value = struct.pack("<II", 32, 32) + b"".join(struct.pack("<QI", count, len(item)) + item for item, count in items)
        return {"PutRequest": {"Item": {"pk": {"S": f"key-{key}"}, "sk": {"N": str(TODAY - ago)}, "v": {"B": value}, "ver": {"N": "1"},
                                        "ttl": {"N": "9999999999"}, "total": {"N": "99999999"}, "error": {"N": "9"},
                                        "pipeline": {"S": "bench"}, "updated_at": {"N": str(int(time.time()))}}}}

    rows = [row(key, ago) for key in range(KEYS) for ago in range(DAYS)]
    for start in range(0, len(rows), 25):
        client.batch_write_item(RequestItems={table: rows[start:start + 25]})


class Connection:
    """POSTs over one kept-alive connection, with next to no work of its own."""

    def __init__(self, port, path, headers):
        self.path, self.headers = path, headers
        self.connection = http.client.HTTPConnection("127.0.0.1", port)
        self.connection.connect()
        self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, message):
        """The seconds that it took."""
        body = json.dumps(message)
        started = time.perf_counter()
        self.connection.request("POST", self.path, body, self.headers)
        response = self.connection.getresponse()
        answer = response.read()
        seconds = time.perf_counter() - started
        if response.status != 200:
            sys.exit(f"status {response.status}: {answer[:200]}")
        return seconds


class Service:
    def __init__(self, stack, table, *arguments):
        self.port = free_port()
        self.daemon = stack.daemon("topk-query", ["--listen", f"127.0.0.1:{self.port}", "--ddb-table", table, *arguments], ready="msg=started")

    def connection(self, name):
        return Connection(self.port, METHOD + name, {"Content-Type": "application/json"})

    def cpu_seconds(self):
        fields = Path(f"/proc/{self.daemon.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self):
        return memory(self.daemon.pid) // 1024


def report(name, seconds):
    cuts = statistics.quantiles(seconds, n=100)
    print(f"{name:44} {len(seconds):6,} calls   p50 {cuts[49] * 1000:6.2f} ms   p99 {cuts[98] * 1000:6.2f} ms", flush=True)


def latency(stack, table):
    calls = 2000
    query = Connection(stack.dynamodb().port, "/", QUERY_HEADERS)
    plain = Service(stack, table, "--cache-ttl", "0").connection("GetWindow")
    cached = Service(stack, table)

    def bare(key):
        return {"TableName": table, "KeyConditionExpression": "pk = :key AND sk BETWEEN :first AND :last",
                "ExpressionAttributeValues": {":key": {"S": f"key-{key}"}, ":first": {"N": str(TODAY - 6)}, ":last": {"N": str(TODAY)}}}

    for connection, message in ((query, bare), (plain, lambda key: {"entity": f"key-{key}", "durationSeconds": WEEK})):
        for call in range(calls):  # Java gets warm
            connection.ask(message(call % KEYS))
    report("the Query itself", [query.ask(bare(call % KEYS)) for call in range(calls)])
    report("GetWindow of 7 days, no cache", [plain.ask({"entity": f"key-{call % KEYS}", "durationSeconds": WEEK}) for call in range(calls)])
    connection = cached.connection("GetWindow")
    report("GetWindow of 7 days, one key, cached for 1 s", [connection.ask({"entity": "key-1", "durationSeconds": WEEK}) for call in range(calls)])


def drive(service, folder, name, content_type, body, *options):
    """64 connections for 10 seconds, each with one request after the other."""
    data = Path(folder) / "request"
    data.write_bytes(body)
    cpu, before, started = service.cpu_seconds(), service.memory(), time.monotonic()
    output = subprocess.run(["h2load", "--duration=10", "--clients=64", "--max-concurrent-streams=1", "--threads=1", f"--data={data}",
                             f"--header=content-type: {content_type}", "--header=te: trailers", *options,
                             f"http://127.0.0.1:{service.port}{METHOD}GetWindow"], capture_output=True, text=True, check=True).stdout
    seconds = time.monotonic() - started
    cpu = service.cpu_seconds() - cpu
    answers = int(re.search(r"(\d+) succeeded", output)[1])
    failed = int(re.search(r"(\d+) failed", output)[1])
    print(f"{name:28} {answers / seconds:8,.0f} answers/s   {answers / cpu:8,.0f} a second of CPU   {failed} failed   "
          f"memory {before:,} kB before, {service.memory():,} kB after", flush=True)


def hot(stack, table):
    service = Service(stack, table)
    connection = service.connection("GetWindow")
    for _ in range(100):
        connection.ask({"entity": "key-1", "durationSeconds": WEEK})
    message = b"\x0a\x05key-1\x10\x80\xf5\x24"  # entity, duration_seconds = 604800
    text = json.dumps({"entity": "key-1", "durationSeconds": WEEK}).encode()
    for _ in range(2):
        drive(service, stack.folder, "Connect, JSON, HTTP/1.1", "application/json", text, "--h1")
        drive(service, stack.folder, "Connect, protobuf, HTTP/2", "application/proto", message)
        drive(service, stack.folder, "gRPC", "application/grpc", struct.pack(">BI", 0, len(message)) + message)


def many(stack, table):
    service = Service(stack, table, "--cache-ttl", "0", "--log-level", "debug", "--request-timeout", "20s")
    connection = service.connection("GetWindowMany")
    entities = [f"key-{key}" for key in range(KEYS)]
    seconds = [connection.ask({"entities": entities, "durationSeconds": DAYS * 86400}) for _ in range(10)][5:]
    slowest = [float(text) for text in re.findall(r"msg=read .*requests=60 .*slowest_seconds=(\S+)", service.daemon.log())][5:]
    for whole, batch in zip(seconds, slowest):
        print(f"30 days of 200 entities   {whole * 1000:7.1f} ms   slowest of 60 BatchGetItem {batch * 1000:7.1f} ms   ratio {whole / batch:.2f}",
              flush=True)


BENCHMARKS = {function.__name__: function for function in (latency, hot, many)}


def main(names):
    if not set(names) <= set(BENCHMARKS):
        sys.exit(__doc__)
    exit_on_signals()
    with Stack() as stack:
        table = stack.dynamodb().create_table("bench")
        fill(stack.dynamodb(), table)
        for name in names or BENCHMARKS:
            BENCHMARKS[name](stack, table)


if __name__ == "__main__":
    main(sys.argv[1:])
