#!/usr/bin/env python3
"""How fast topk's aggregates and functions are, beside count() and exact SQL.

    bench/topk_speed.py [--scale FRACTION] [--runs N] [--only BUILD,MERGE,GROUPS,ADD] [--streams NAME,NAME]

The statements that are compared take turns, and what is printed is the median
of their times and its ratio to count(item) in the same run: machines are noisy,
and only ratios mean something.  All tables are in shared memory; nothing spills.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import psycopg  # noqa: E402

from bench.support import streams  # noqa: E402
from demo.servers.process import memory  # noqa: E402
from demo.stack import Stack, exit_on_signals  # noqa: E402

ROWS = 10_000_000
DISTINCT_ROWS = 5_000_000
SMALL_ROWS = 100  # of a stored summary, or of a small group
DAYS = 1000
ADDS = 20_000

SETTINGS = {
    "shared_buffers": "3GB", "max_wal_size": "8GB", "autovacuum": "off", "jit": "off",
    "max_parallel_workers": "4", "max_worker_processes": "8",
}
SESSION = """
SET work_mem = '2GB';
SET parallel_setup_cost = 0;
SET min_parallel_table_scan_size = 0;
SET enable_sort = off;   -- groups are hashed, as the memory per group is to be seen
"""


class Server:
    def __init__(self, stack):
        self.dsn = stack.postgres(settings=SETTINGS).dsn
        self.connection = self.connect()
        self.connection.execute("CREATE EXTENSION topk; CREATE EXTENSION pg_prewarm")

    def connect(self):
        connection = psycopg.connect(self.dsn, autocommit=True)
        # A prepared plan would keep the number of workers that it was made with.
        connection.prepare_threshold = None
        connection.execute(SESSION)
        return connection

    def seconds(self, statement, workers=0):
        self.connection.execute(f"SET max_parallel_workers_per_gather = {workers}")
        start = time.perf_counter()
        self.connection.execute(statement).fetchall()
        return time.perf_counter() - start

    def medians(self, statements, runs, workers=0):
        """Seconds of each statement; they take turns, after one turn that does not count."""
        times = {statement: [] for statement in statements}
        for run in range(runs + 1):
            for statement in statements:
                times[statement].append(self.seconds(statement, workers))
        return [statistics.median(times[statement][1:]) for statement in statements]

    def peak_memory(self, statement, warm_up):
        """Bytes that a backend's peak (VmHWM) grows by over what it held before the statement.

        warm_up reads the same tables, so that their share of the server's
        buffers is in the process already.
        """
        with self.connect() as connection:
            connection.execute("SET max_parallel_workers_per_gather = 0")
            connection.execute(warm_up).fetchall()
            pid = connection.info.backend_pid
            Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak starts anew
            before = memory(pid, "VmHWM")
            connection.execute(statement).fetchall()
            return memory(pid, "VmHWM") - before


def build(server, tables, runs):
    print("\nBuilding: seconds, and the ratio to count(item)")
    print(f"{'stream':12} workers {'count':>7} {'k = 32':>14} {'k = 1000':>14} {'exact':>14}   k = 32 : exact")
    for name, table in tables.items():
        statements = [f"SELECT count(item) FROM {table}",
                      f"SELECT topk_agg(item, 32) FROM {table}",
                      f"SELECT topk_agg(item, 1000) FROM {table}",
                      f"SELECT item, count(*) FROM {table} GROUP BY item ORDER BY count(*) DESC LIMIT 32"]
        for workers in (0, 2):
            # ORDER BY ... LIMIT wants its sort.
            server.connection.execute("SET enable_sort = on")
            floor, *others = server.medians(statements, runs, workers)
            server.connection.execute("SET enable_sort = off")
            print(f"{name:12} {workers:7} {floor:7.3f} "
                  + " ".join(f"{seconds:7.3f} {seconds / floor:6.2f}" for seconds in others)
                  + f"   {others[0] / others[2]:14.3f}", flush=True)


def merge(server, runs):
    (count, rows, size) = server.connection.execute(
        "SELECT count(*), avg(topk_size(summary)), avg(pg_column_size(summary)) FROM small").fetchone()
    print(f"\nMerging {count:,} stored summaries, k = 32, of {SMALL_ROWS} rows each "
          f"({rows:.0f} items, {size:.0f} bytes)")
    read, merged = server.medians(["SELECT count(summary) FROM small", "SELECT topk_merge(summary) FROM small"], runs)
    print(f"topk_merge {merged:.3f} s, {count / merged:,.0f} summaries/s (count(summary) {read:.3f} s)", flush=True)


def groups(server, table, runs):
    for name, rows in ((f"groups of {SMALL_ROWS} rows", SMALL_ROWS), ("days", None)):
        (total,) = server.connection.execute(f"SELECT count(*) FROM {table}").fetchone()
        group = f"id / {rows}" if rows else f"id % {DAYS}"
        count = -(-total // rows) if rows else DAYS
        (distinct,) = server.connection.execute(
            f"SELECT avg(n) FROM (SELECT count(DISTINCT item) AS n FROM {table} WHERE {group} < 200 "
            f"GROUP BY {group}) AS groups").fetchone()

        def statement(aggregate):
            return f"SELECT count(value) FROM (SELECT {aggregate} AS value FROM {table} GROUP BY {group}) AS groups"
        floor, *seconds = server.medians([statement("count(item)"), statement("topk_agg(item, 32)"),
                                          statement("topk_agg(item, 1000)")], max(1, runs // 2))
        print(f"\nGROUP BY of {count:,} {name} ({distinct:.0f} distinct items each): count(item) {floor:.3f} s")
        for k, time_taken in zip((32, 1000), seconds):
            peak = server.peak_memory(statement(f"topk_agg(item, {k})"), f"SELECT count(item) FROM {table}")
            print(f"k = {k:4}: {time_taken:.3f} s, {time_taken / floor:.2f} of count; peak memory {peak / 1e6:.1f} MB, "
                  f"{peak / count:,.0f} bytes a group", flush=True)
    peak = server.peak_memory(statement("count(item)"), f"SELECT count(item) FROM {table}")
    print(f"(count(item) by days: peak memory {peak / 1e6:.1f} MB)")


def merge_days(server, table, runs):
    """1,000 stored days, merged by month: what a dashboard does."""
    server.connection.execute(f"CREATE UNLOGGED TABLE days AS SELECT id % {DAYS} AS day, topk_agg(item, 32) AS summary "
                              f"FROM {table} GROUP BY 1")
    (seconds,) = server.medians(["SELECT count(month) FROM (SELECT topk_merge(summary) AS month FROM days "
                                 "GROUP BY day / 30) AS months"], runs)
    peak = server.peak_memory("SELECT topk_merge(summary) FROM days GROUP BY day", "SELECT count(summary) FROM days")
    print(f"\n{DAYS} stored days merged by month: {1000 * seconds:.1f} ms; "
          f"GROUP BY day: peak memory {peak / 1e6:.1f} MB", flush=True)


def add(server, runs):
    """One topk_add on a stored summary, over and over in one statement: without the cost of a statement."""
    for k in (32, 1000):
        server.connection.execute(f"CREATE TEMP TABLE stored{k} AS SELECT topk_agg(item, {k}) AS summary FROM zipf_11")
        source = f"(SELECT summary FROM stored{k}) AS stored, generate_series(1, {ADDS}) AS number"
        read, added = server.medians([f"SELECT count(topk_size(summary)) FROM {source}",
                                      f"SELECT count(topk_add(summary, 'item-' || number)) FROM {source}"], runs)
        print(f"topk_add on a stored summary, k = {k}: {(added - read) / ADDS * 1e6:.1f} us")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--scale", type=float, default=1, help="fraction of the rows, for a short trial")
    parser.add_argument("--runs", type=int, default=5, help="the median of so many")
    parser.add_argument("--only", default="build,merge,groups,add", help="some of build,merge,groups,add")
    parser.add_argument("--streams", default="Zipf 1.1,Zipf 0.8,distinct", help="of build: %(default)s")
    options = parser.parse_args()
    rows, distinct_rows = int(ROWS * options.scale), int(DISTINCT_ROWS * options.scale)
    wanted = options.only.lower().split(",")

    exit_on_signals()
    with Stack() as stack:
        server = Server(stack)
        connection = server.connection
        tables = {"Zipf 1.1": streams.zipf(connection, "zipf_11", rows, 1.1)}
        # So that the planner knows how many groups there will be, as it would of columns.
        connection.execute(f"CREATE STATISTICS groups ON (id / {SMALL_ROWS}), (id % {DAYS}) FROM zipf_11")
        connection.execute("ANALYZE zipf_11")
        if "build" in wanted:
            make = {"Zipf 1.1": lambda: "zipf_11",
                    "Zipf 0.8": lambda: streams.zipf(connection, "zipf_08", rows, 0.8),
                    "distinct": lambda: streams.distinct(connection, "all_distinct", distinct_rows)}
            tables = {name: make[name]() for name in options.streams.split(",")}
        for table in tables.values():
            connection.execute("SELECT pg_prewarm(%s)", [table])
        print(f"{rows:,} rows of Zipf's law over 1,000,000 items, {distinct_rows:,} distinct; "
              f"median of {options.runs}")
        if "build" in wanted:
            build(server, tables, options.runs)
        if "merge" in wanted:
            connection.execute(f"CREATE UNLOGGED TABLE small AS SELECT topk_agg(item, 32) AS summary FROM zipf_11 "
                               f"GROUP BY id / {SMALL_ROWS}")
            connection.execute("VACUUM (ANALYZE, FREEZE) small")
            merge(server, options.runs)
        if "groups" in wanted:
            groups(server, "zipf_11", options.runs)
            merge_days(server, "zipf_11", options.runs)
        if "add" in wanted:
            print()
            add(server, options.runs)


if __name__ == "__main__":
    main()
