#!/usr/bin/env python3
"""How long topk-lambda-feeder takes from an invocation to its answer, and how much memory.

    make lambda.zip && bench/lambda.py

Under AWS's Runtime Interface Emulator, whose own part in it is a millisecond or so (more for the 5 MB of 10,000 records),
with the program of build/lambda.zip.  Every record is new: its id is looked for and kept.  Every
transaction is durable (PostgreSQL's defaults).

cold     a new emulator; its first invocation starts the program, which connects, and counts one record
warm     the next ones, of 1 to 10,000 records
memory   the most that the program ever took (VmHWM), after warm batches of up to that size
"""

import itertools
import json
import random
import statistics
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "test" / "integration")]

import psycopg  # noqa: E402

from demo.stack import Stack, exit_on_signals  # noqa: E402
from lambda_function import FIRST_SEQUENCE, LambdaFunction, events_of  # noqa: E402

PROGRAM = ROOT / "build" / "lambda" / "bootstrap"
ZIP = ROOT / "build" / "lambda.zip"
COLD_STARTS = 20
WARM = {1: 300, 100: 200, 1000: 60, 10_000: 20}  # records: invocations
ENTITIES = 20_000
SUCCESS = {"batchItemFailures": []}


class Events:
    """Batches of new records."""

    def __init__(self):
        self.next = FIRST_SEQUENCE
        self.entities = [f"product-{min(int(random.paretovariate(0.9)), ENTITIES)}" for _ in range(100_000)]

    def take(self, count):
        event = events_of(random.choices(self.entities, k=count), self.next)
        self.next += count
        return json.dumps(event, separators=(",", ":")).encode()


def timed(function, body):
    started = time.monotonic()
    answer = function.invoke(body)
    elapsed = time.monotonic() - started
    assert answer == SUCCESS, answer
    return elapsed * 1000


def show(what, times):
    times = sorted(times)
    print(f"{what:24} {statistics.median(times):8.1f} {times[int(len(times) * 0.95)]:8.1f} {times[-1]:8.1f}", flush=True)


def main():
    exit_on_signals()
    if not PROGRAM.exists():
        sys.exit("make lambda.zip first")
    events = Events()
    with Stack() as stack:
        postgres = stack.postgres(settings={"fsync": "on", "shared_buffers": "'256MB'"})
        with psycopg.connect(postgres.dsn, autocommit=True) as admin:
            admin.execute("CREATE EXTENSION topk_pipeline CASCADE")
            admin.execute("SELECT topk_pipeline.create('recently_interacted')")
            print(f"zip: {ZIP.stat().st_size} bytes")
            print(f"{'milliseconds':24} {'median':>8} {'95 %':>8} {'most':>8}")
            cold = []
            for _ in range(COLD_STARTS):
                function = LambdaFunction([PROGRAM], postgres.env(), stack.folder)
                cold.append(timed(function, events.take(1)))
                function.close()
            show("cold, 1 record", cold)
            function = LambdaFunction([PROGRAM], postgres.env(), stack.folder)
            timed(function, events.take(1))
            memories = {}
            for records, invocations in WARM.items():
                bodies = (events.take(records) for _ in itertools.count())
                timed(function, next(bodies))
                times = [timed(function, next(bodies)) for _ in range(invocations)]
                show(f"warm, {records:,} records", times)
                own = sorted(document["Duration"] for document in function.metrics()[-invocations:])
                print(f"{'  of that the program':24} {own[len(own) // 2]:8.1f} {own[int(len(own) * 0.95)]:8.1f} {own[-1]:8.1f}")
                memories[records] = function.memory()
            for records, kilobytes in memories.items():
                print(f"memory, {records:,} records: {kilobytes} kB")
            counted, duplicates = admin.execute("SELECT records, duplicates FROM topk_pipeline.status").fetchone()
            sent = COLD_STARTS + 1 + sum(records * (invocations + 1) for records, invocations in WARM.items())
            print(f"{counted} of {sent} records counted, {duplicates} duplicates")
            assert (counted, duplicates) == (sent, 0)
            function.close()


if __name__ == "__main__":
    main()
