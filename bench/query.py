#!/usr/bin/env python3
"""topk-query over DynamoDB Local.

    bench/query.py [latency] [hot] [many] [--other PROGRAM]

latency   GetWindow of 7 days, one call after the other: fresh reads of 200 keys in turn, and one key as clients ask for it; beside
          them the least that any server can do, the requests to DynamoDB over a kept-alive connection
hot       one key, 64 connections, 10 seconds: answers a second of the program's own CPU time, and its memory before and after
many      30 days of 200 entities: GetWindowMany beside its slowest BatchGetItem

With --other, latency and hot are measured of another server of murmur.v1.QueryService, too, in turns with ours, on the same rows: it is
started with DDB_ENDPOINT, DDB_TABLE, AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and GRPC_ADDR in its environment.

Needs h2load (Debian: nghttp2-client).
"""

import argparse
import http.client
import json
import os
import random
import re
import statistics
import struct
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

import grpc  # noqa: E402

from demo.servers.process import free_port, listening, memory  # noqa: E402
from demo.stack import Stack, exit_on_signals  # noqa: E402

TODAY = int(time.time()) // 86400
KEYS = 200
DAYS = 30
WEEK = 7 * 86400
METHOD = "/murmur.v1.QueryService/"
CALLS = 200
ROUNDS = 35


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

    def ask(self, message):
        self.connection.request("POST", self.path, json.dumps(message), self.headers)
        response = self.connection.getresponse()
        answer = response.read()
        if response.status != 200:
            sys.exit(f"status {response.status}: {answer[:200]}")


class Service:
    """topk-query, or another program that takes the same environment."""

    def __init__(self, stack, table, *arguments, program="topk-query"):
        self.name = Path(program).name
        self.port = free_port()
        self.daemon = stack.daemon(program, arguments, {"GRPC_ADDR": f"127.0.0.1:{self.port}", "DDB_TABLE": table})
        self.daemon.process.wait_until(lambda: listening(self.port))

    def connection(self, name):
        return Connection(self.port, METHOD + name, {"Content-Type": "application/json"})

    def cpu_seconds(self):
        fields = Path(f"/proc/{self.daemon.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self):
        return memory(self.daemon.pid) // 1024


def servers(stack, table, other):
    return [Service(stack, table)] + ([Service(stack, table, program=str(Path(other).resolve()))] if other else [])


# ---- latency ----

def by_grpc(server):
    call = grpc.insecure_channel(f"127.0.0.1:{server.port}").unary_unary(METHOD + "GetWindow")
    return lambda key, fresh: call(window_request(key, fresh), timeout=10)


def by_connect(server):
    connection = server.connection("GetWindow")
    return lambda key, fresh: connection.ask({"entity": f"key-{key}", "durationSeconds": WEEK, "freshRead": fresh})


def by_dynamodb(stack, operation, make):
    """The request itself, signed with nothing: DynamoDB Local does not look."""
    connection = Connection(stack.dynamodb().port, "/", {
        "Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"DynamoDB_20120810.{operation}", "X-Amz-Date": "20260101T000000Z",
        "Authorization": "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/dynamodb/aws4_request, "
                         "SignedHeaders=host;x-amz-date, Signature=0"})
    return lambda key: connection.ask(make({"S": f"key-{key}"}))


def window_request(key, fresh=False):
    """A GetWindowRequest of 7 days in protobuf."""
    entity = f"key-{key}".encode()
    return b"\x0a" + bytes([len(entity)]) + entity + b"\x10\x80\xf5\x24" + (b"\x18\x01" if fresh else b"")


def run(ask, calls=CALLS):
    """Milliseconds of calls one after the other."""
    milliseconds = []
    for call in range(calls):
        started = time.perf_counter()
        ask(call % KEYS)
        milliseconds.append((time.perf_counter() - started) * 1000)
    return milliseconds


def latency(stack, table, other):
    def query(key):
        return {"TableName": table, "KeyConditionExpression": "pk = :key AND sk BETWEEN :first AND :last",
                "ExpressionAttributeValues": {":key": key, ":first": {"N": str(TODAY - 6)}, ":last": {"N": str(TODAY)}}}

    def batch(key):
        return {"RequestItems": {table: {"Keys": [{"pk": key, "sk": {"N": str(TODAY - ago)}} for ago in range(7)]}}}

    asks = {("DynamoDB Local", "Query itself"): by_dynamodb(stack, "Query", query),
            ("DynamoDB Local", "BatchGetItem itself"): by_dynamodb(stack, "BatchGetItem", batch)}
    running = servers(stack, table, other)
    for protocol, open_client in (("gRPC", by_grpc), ("Connect", by_connect)):
        clients = [(server.name, open_client(server)) for server in running]
        for name, client in clients:
            asks[name, f"fresh, {protocol}"] = lambda key, client=client: client(key, True)
        for name, client in clients:
            asks[name, f"one key, {protocol}"] = lambda key, client=client: client(1, False)
    for ask in asks.values():
        run(ask, 1000)  # Java gets warm
    figures = {name: [] for name in asks}
    generator = random.Random(1)
    for _ in range(ROUNDS):  # in short turns, in any order: what else the machine does, and who went before, meets all of them
        for name in generator.sample(list(asks), len(asks)):
            figures[name] += run(asks[name])
    for (server, question), milliseconds in figures.items():
        cuts = statistics.quantiles(milliseconds, n=100)
        print(f"{server:16} {question:20} p50 {cuts[49]:6.3f} ms   p99 {cuts[98]:6.3f} ms   of {ROUNDS * CALLS:,} calls", flush=True)


# ---- many clients ----

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
    print(f"{service.name:12} {name:26} {answers / seconds:8,.0f} answers/s   {answers / cpu:8,.0f} a second of CPU   {failed} failed   "
          f"memory {before:,} kB before, {service.memory():,} kB after", flush=True)


def hot(stack, table, other):
    message = window_request(1)
    text = json.dumps({"entity": "key-1", "durationSeconds": WEEK}).encode()
    for service in servers(stack, table, other) * 2:
        drive(service, stack.folder, "Connect, JSON, HTTP/1.1", "application/json", text, "--h1")
        drive(service, stack.folder, "Connect, protobuf, HTTP/2", "application/proto", message)
        drive(service, stack.folder, "gRPC", "application/grpc", struct.pack(">BI", 0, len(message)) + message)


def many(stack, table, _other):
    service = Service(stack, table, "--cache-ttl", "0", "--log-level", "debug", "--request-timeout", "20s")
    connection = service.connection("GetWindowMany")
    entities = [f"key-{key}" for key in range(KEYS)]
    seconds = []
    for _ in range(10):
        started = time.perf_counter()
        connection.ask({"entities": entities, "durationSeconds": DAYS * 86400})
        seconds.append(time.perf_counter() - started)
    slowest = [float(text) for text in re.findall(r"msg=read .*requests=60 .*slowest_seconds=(\S+)", service.daemon.log())]
    for whole, batch in list(zip(seconds, slowest))[5:]:
        print(f"30 days of 200 entities   {whole * 1000:7.1f} ms   slowest of 60 BatchGetItem {batch * 1000:7.1f} ms   ratio {whole / batch:.2f}",
              flush=True)


BENCHMARKS = {function.__name__: function for function in (latency, hot, many)}


def main():
    parser = argparse.ArgumentParser(usage=__doc__, add_help=False)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--other")
    arguments = parser.parse_args()
    if not set(arguments.names) <= set(BENCHMARKS):
        sys.exit(__doc__)
    exit_on_signals()
    with Stack() as stack:
        table = stack.dynamodb().create_table("bench")
        fill(stack.dynamodb(), table)
        for name in arguments.names or BENCHMARKS:
            BENCHMARKS[name](stack, table, arguments.other)


if __name__ == "__main__":
    main()
