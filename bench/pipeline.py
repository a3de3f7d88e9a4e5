#!/usr/bin/env python3
"""What the claims about topk_pipeline are made with.

    bench/pipeline.py [feeders] [changed] [ids] [rates]

feeders  8 feeders of one window beside 1, and beside 8 that update one row
changed  finding the one window that changed among a million beside among 100
ids      what it costs to count each record once by its id
rates    the same with a batch a second, into a table of ids that is new, and into one that has grown

Every transaction is durable.  Machines are noisy: only ratios mean something.
"""

import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import psycopg  # noqa: E402

from demo.stack import Stack, exit_on_signals  # noqa: E402

SECONDS = 5
FEEDERS = 8
COUNTERS = 1000
WINDOWS = 1_000_000
CLAIMS = 200
BATCHES = {1000: 200, 10_000: 20}
RATES = (1000, 10_000)
RATE_SECONDS = 30
GROWN = 3_000_000


# ---- feeders of one window ----

SETUP = """

SELECT topk_pipeline.create('feeders', counters => {counters});
CREATE TABLE batch AS
SELECT nr, topk_agg('product-' || (random() ^ 4 * 20000)::int, {counters}) AS summary
FROM generate_series(1, 20000) AS i, LATERAL (SELECT i % 20 AS nr) AS batches GROUP BY nr;
CREATE TABLE one_row (id int PRIMARY KEY, summary topk_summary) WITH (fillfactor = 50);
ALTER TABLE one_row ALTER COLUMN summary SET STORAGE EXTERNAL;
INSERT INTO one_row VALUES (1, topk_empty({counters}));
"""
INGEST = r"""
\set next :position + 1
\set nr random(0, 19)
SELECT topk_pipeline.ingest('feeders', :run, ARRAY[:client_id::text], ARRAY[nullif(:position, 0)::bigint], ARRAY[:next::bigint],
    ARRAY['global'], ARRAY[20000::bigint], ARRAY[1000::bigint], ARRAY[summary]) FROM batch WHERE nr = :nr;
\set position :next
"""
ONE_ROW = r"""
\set nr random(0, 19)
UPDATE one_row SET summary = topk_merge(one_row.summary, b.summary) FROM batch AS b WHERE nr = :nr AND id = 1;
"""
WAITING = """
SELECT CASE WHEN wait_event_type = 'Lock' THEN wait_event END FROM pg_stat_activity
WHERE application_name = 'pgbench' AND state = 'active'"""


def pgbench(postgres, script, clients, name):
    """Transactions a second, and the shares of the time that clients waited for which locks."""
    samples = Counter()
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file, psycopg.connect(postgres.dsn, autocommit=True) as watcher:
        file.write(script)
        file.flush()
        process = subprocess.Popen(
            [postgres.bindir / "pgbench", "--no-vacuum", f"--client={clients}", f"--time={SECONDS}", f"--file={file.name}",
             "--protocol=prepared", "--define=position=0", f"--define=run={name}"],
            env={**os.environ, **postgres.env()}, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        reader = threading.Thread(target=lambda: setattr(process, "output", process.communicate()))
        reader.start()
        while reader.is_alive():
            samples.update(lock for lock, in watcher.execute(WAITING))
            time.sleep(0.01)
    output, errors = process.output
    if process.returncode or "failed transactions: 0 " not in output:
        sys.exit(output + errors)
    rate = float(re.search(r"tps = ([\d.]+)", output)[1])
    return rate, {lock: number / samples.total() for lock, number in samples.items() if lock}


def feeders(postgres, connection):
    connection.execute(SETUP.format(counters=COUNTERS))
    print(f"feeders of one window, batches of 1,000 records, {COUNTERS} counters")
    alone = {}
    for name, script in (("slots", INGEST), ("one row", ONE_ROW)):
        for clients in (1, FEEDERS):
            rate, waiting = pgbench(postgres, script, clients, f"'{name} {clients}'")
            alone.setdefault(name, rate)
            waits = ", ".join(f"{share:.1%} {lock}" for lock, share in waiting.items())
            print(f"  {name:8} {clients} feeders {rate:8,.0f} commits/s   {rate / alone[name]:.2f} of 1 feeder   "
                  f"waiting for locks: {waits or 'never'}")
    (slots,) = connection.execute("SELECT slots FROM topk_pipeline.status WHERE pipeline = 'feeders'").fetchone()
    print(f"  slots of the window: {slots}")


# ---- the changed window ----

FILL = """
INSERT INTO topk_pipeline.slot (pipeline_id, bucket, key, summary, records, last_ingest_at, changed_at)
SELECT pipeline_id, 20000, 'key-' || i, topk_build(ARRAY['a'], ARRAY[1], 100), 1, now(), CASE WHEN i <= %s THEN now() END
FROM topk_pipeline.pipeline, generate_series(1, %s) AS i WHERE name = %s"""
CHANGE = """
SELECT topk_pipeline.ingest(%s, 'bench', '{}', '{}', '{}', ARRAY[%s], '{20000}', '{1}', ARRAY[topk_build(ARRAY[%s], ARRAY[1], 100)])"""
CLAIM = "SELECT key, bucket, version FROM topk_pipeline.mirror_claim(%s, '0', %s)"


def claim(connection, pipeline, at_most):
    """Milliseconds of one claim, without its commit."""
    with connection.transaction():
        started = time.perf_counter()
        claimed = connection.execute(CLAIM, [pipeline, at_most]).fetchall()
        seconds = time.perf_counter() - started
    for key, bucket, version in claimed:
        connection.execute("SELECT topk_pipeline.mirror_done(%s, %s, %s, %s)", [pipeline, key, bucket, version])
    return len(claimed), seconds * 1000


def changed(_postgres, connection):
    connection.execute("SET synchronous_commit = off")
    sizes = {"few": (0, 100), "many": (0, WINDOWS), "all": (10_000, 10_000)}
    for name, (dirty, windows) in sizes.items():
        connection.execute("SELECT topk_pipeline.create(%s, counters => 100)", [name])
        connection.execute(FILL, [dirty, windows, name])
    connection.execute("VACUUM ANALYZE topk_pipeline.slot")

    times = {"few": [], "many": []}
    for turn in range(CLAIMS):
        for name in times:
            connection.execute(CHANGE, [name, f"key-{turn * 7919 % sizes[name][1] + 1}", f"item-{turn}"])
            number, milliseconds = claim(connection, name, 100)
            assert number == 1
            times[name].append(milliseconds)
    few, many = map(statistics.median, times.values())
    print("mirror_claim, without its commit (median)")
    print(f"  1 window that changed among 100 {few:6.2f} ms   among {WINDOWS:,} {many:6.2f} ms   ratio {many / few:.2f}")
    number, milliseconds = claim(connection, "all", 100)
    assert number == 100
    print(f"  100 windows of 10,000 that changed {milliseconds:6.2f} ms, {milliseconds / 100:.2f} ms each")
    connection.execute("RESET synchronous_commit")


# ---- ids ----

# As Kinesis has them (they grow), and as Segment does (random).
IDS = {
    "none": "NULL::text",
    "kinesis": "'arn:aws:kinesis:us-east-1:123456789012:stream/clicks/shardId-000000000000/4959033827149025660855969253836157'"
               " || lpad(({batch} * {size} + i)::text, 22, '0')",
    "uuid": "gen_random_uuid()::text",
}
RECORDS = "CREATE TABLE IF NOT EXISTS records (ids text[], id_times timestamptz[], keys text[], buckets bigint[], items text[], weights bigint[])"
MAKE = """
INSERT INTO records SELECT array_agg({id}), array_agg(now()), array_agg('global'::text), array_agg(20000::bigint),
       array_agg('product-' || (random() ^ 4 * 20000)::int), array_agg(1::bigint)
FROM generate_series(1, {size}) AS i"""
OFFER = """
SELECT * FROM topk_pipeline.ingest_records('ids', 'bench', '{}', '{}', '{}',
    (SELECT ids FROM records), (SELECT id_times FROM records), (SELECT keys FROM records),
    (SELECT buckets FROM records), (SELECT items FROM records), (SELECT weights FROM records))"""
ROWS = "SELECT count(*) FROM topk_pipeline.seen_record"
SIZE = "SELECT coalesce(sum(pg_total_relation_size(inhrelid)), 0)::bigint FROM pg_inherits WHERE inhparent = 'topk_pipeline.seen_record'::regclass"
WAL = "SELECT pg_current_wal_insert_lsn() - '0/0'"


def make(connection, expression, batch, size):
    """A batch of records, to be offered."""
    connection.execute("TRUNCATE records")
    connection.execute(MAKE.format(id=expression.format(batch=batch, size=size), size=size))


def offer(connection):
    """How many of them are counted, and in how many seconds."""
    started = time.perf_counter()
    counted, *_ = connection.execute(OFFER).fetchone()
    return counted, time.perf_counter() - started


def ids(_postgres, connection):
    print("counting records by id, ms a batch (median)")
    connection.execute(RECORDS)
    for size, batches in BATCHES.items():
        without = None
        for kind, expression in IDS.items():
            first, again, wal = [], [], 0
            connection.execute(f"SELECT topk_pipeline.create('ids', counters => {COUNTERS})")
            (before,) = connection.execute(SIZE).fetchone()
            for batch in range(batches):
                make(connection, expression, batch, size)
                (lsn,) = connection.execute(WAL).fetchone()
                for times, expected in ((first, size), (again, size if kind == "none" else 0)):
                    counted, seconds = offer(connection)
                    times.append(seconds)
                    assert counted == expected, f"{counted} of {size} counted"
                    if times is first:
                        wal += connection.execute(WAL).fetchone()[0] - lsn
            once, twice = (statistics.median(times) * 1000 for times in (first, again))
            without = without or once
            (after,) = connection.execute(SIZE).fetchone()
            print(f"  {size:6,} records, ids {kind:8} {once:7.1f} ms  {once / without:5.2f} of that without ids   "
                  f"redelivered {twice:7.1f} ms   {(after - before) / size / batches:4.0f} bytes a record, "
                  f"{wal / size / batches:4.0f} of WAL")
            connection.execute("SELECT topk_pipeline.drop('ids')")


class Batches:
    """Numbers of batches of whatever size, so that ids grow as those of Kinesis do."""

    def __init__(self):
        self.end = 0

    def next(self, size):
        number = -(-self.end // size)
        self.end = (number + 1) * size
        return number


def paced(connection, size, batches):
    """A batch of new records each second; the seconds each took, sorted."""
    times = []
    due = time.monotonic()
    for _ in range(RATE_SECONDS):
        make(connection, IDS["kinesis"], batches.next(size), size)
        time.sleep(max(0, due - time.monotonic()))
        due += 1
        counted, seconds = offer(connection)
        assert counted == size
        times.append(seconds)
    return sorted(times)


def rates(_postgres, connection):
    print(f"a batch a second for {RATE_SECONDS} s, ids of Kinesis")
    connection.execute(RECORDS)
    connection.execute(f"SELECT topk_pipeline.create('ids', counters => {COUNTERS})")
    batches = Batches()
    for when in ("new", "grown"):
        for size in RATES:
            (rows_before,), (bytes_before,) = (connection.execute(query).fetchone() for query in (ROWS, SIZE))
            (lsn,) = connection.execute(WAL).fetchone()
            times = paced(connection, size, batches)
            (rows,), (size_after,) = (connection.execute(query).fetchone() for query in (ROWS, SIZE))
            wal = int(connection.execute(WAL).fetchone()[0] - lsn)
            rows -= rows_before
            print(f"  {size:6,} records/s, {rows_before:9,} rows before   {rows / RATE_SECONDS:6,.0f} rows/s   "
                  f"{(size_after - bytes_before) / 1e6 / RATE_SECONDS:5.2f} MB/s, {wal / 1e6 / RATE_SECONDS:5.2f} of WAL   ms a batch: median {statistics.median(times) * 1000:5.1f}, "
                  f"most {times[-1] * 1000:5.1f}")
        if when == "new":
            for _ in range(GROWN // RATES[-1]):
                make(connection, IDS["kinesis"], batches.next(RATES[-1]), RATES[-1])
                offer(connection)
    connection.execute("SELECT topk_pipeline.drop('ids')")


PARTS = {part.__name__: part for part in (feeders, changed, ids, rates)}


def main(names):
    exit_on_signals()
    with Stack() as stack:
        postgres = stack.postgres(settings={"fsync": "on", "max_wal_size": "4GB"})
        with psycopg.connect(postgres.dsn, autocommit=True) as connection:
            connection.execute("CREATE EXTENSION IF NOT EXISTS topk_pipeline CASCADE")
            for name in names or PARTS:
                PARTS[name](postgres, connection)


if __name__ == "__main__":
    main(sys.argv[1:])
