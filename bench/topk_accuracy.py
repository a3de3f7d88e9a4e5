#!/usr/bin/env python3
"""How accurate topk_agg and topk_merge are, beside exact SQL over the same rows.

    bench/topk_accuracy.py [--scale FRACTION]

The streams are the same in every run.  found: of the true top 10 and 32, how
many the summary's own top 10 and 32 hold.  Errors are means over the true top
32 (max: the largest) of what one takes for an item's weight: its lower bound,
the middle, or its upper bound; an item that is not listed has the bounds 0 and
E.  width: mean of upper - lower over all listed items.  bad: violations of the
guarantees (an item outside its bounds, an unlisted item above E, (k + 1) E > N,
a wrong total), counted over all items; must be 0, else the exit status is 1.
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import psycopg  # noqa: E402

from bench.support import streams  # noqa: E402
from demo.stack import Stack, exit_on_signals  # noqa: E402

ROWS = 10_000_000
HURTING_ROWS = 4_000_000
PARTS = 100
KS = (32, 100, 1000)

# What one summary says against what is true, in table "truth" (item, weight).
COMPARE = """
WITH listed AS MATERIALIZED (
    SELECT *, row_number() OVER () AS rank FROM topk_top(%(summary)s, %(k)s)
), compared AS MATERIALIZED (
    SELECT weight, rank, topk_error(%(summary)s) AS error,
           row_number() OVER (ORDER BY weight DESC, rank) AS true_rank,
           coalesce(lower_bound, 0) AS low, coalesce(upper_bound, topk_error(%(summary)s)) AS high
    FROM truth LEFT JOIN listed USING (item)
), top AS (
    SELECT * FROM compared WHERE true_rank <= 32
)
SELECT (SELECT count(*) FROM compared
        WHERE rank <= 10 AND weight >= (SELECT min(weight) FROM top WHERE true_rank <= 10)) AS top10,
       (SELECT count(*) FROM compared WHERE rank <= 32 AND weight >= (SELECT min(weight) FROM top)) AS top32,
       (SELECT avg(weight - low) FROM top) AS lower_error,
       (SELECT avg(abs(weight - (low + high) / 2)) FROM top) AS middle_error,
       (SELECT avg(high - weight) FROM top) AS upper_error,
       (SELECT max(weight - low) FROM top) AS lower_max,
       (SELECT avg(upper_bound - lower_bound) FROM listed) AS width,
       topk_error(%(summary)s)::float8 / topk_total(%(summary)s) AS share,
       (SELECT count(*) FROM compared WHERE weight NOT BETWEEN low AND high)
         + (SELECT count(*) FROM listed WHERE item NOT IN (SELECT item FROM truth))
         + ((topk_k(%(summary)s) + 1) * topk_error(%(summary)s) > topk_total(%(summary)s))::int
         + (topk_total(%(summary)s) <> (SELECT sum(weight) FROM truth))::int AS bad
"""

HEADER = ("stream          k parts  found 10  32   error: lower   middle    upper      max"
          "      width    E/N %  bad")


def summarize(connection, table, k, parts):
    """The summary of a table, as stored bytes: of one stream, or merged from intervals of it."""
    connection.execute("DROP TABLE IF EXISTS summary")
    if parts == 1:
        query = f"SELECT topk_agg(item, {k}) AS summary FROM {table}"
    else:
        query = f"""SELECT topk_merge(part) AS summary
                    FROM (SELECT topk_agg(item, {k}) AS part FROM {table}, (SELECT count(*) FROM {table}) AS rows
                          GROUP BY id * {parts}::bigint / count) AS parts"""
    connection.execute(f"CREATE UNLOGGED TABLE summary AS {query}")


def compare(connection, name, table, ks=KS):
    connection.execute("DROP TABLE IF EXISTS truth")
    connection.execute(f"CREATE UNLOGGED TABLE truth AS SELECT item, count(*) AS weight FROM {table} GROUP BY item")
    connection.execute("ANALYZE truth")
    bad = 0
    for k in ks:
        for parts in (1, PARTS):
            summarize(connection, table, k, parts)
            query = COMPARE % {"summary": "(SELECT summary FROM summary)", "k": k}
            top10, top32, lower, middle, upper, largest, width, share, wrong = connection.execute(query).fetchone()
            print(f"{name:13} {k:4} {parts:5} {top10:9} {top32:3} {lower:14,.1f} {middle:8,.1f} {upper:8,.1f} "
                  f"{largest:8,} {width:10,.1f} {100 * share:8.4f} {wrong:4}", flush=True)
            bad += wrong
    return bad


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--scale", type=float, default=1, help="fraction of the rows, for a short trial")
    rows, hurting = (int(count * parser.parse_args().scale) for count in (ROWS, HURTING_ROWS))

    exit_on_signals()
    with Stack() as stack:
        postgres = stack.postgres(settings={"shared_buffers": "1GB", "max_wal_size": "4GB"})
        connection = psycopg.connect(postgres.dsn, autocommit=True)
        connection.execute("CREATE EXTENSION topk")
        connection.execute("SET work_mem = '1GB'")
        # Workers would make parts of one stream, and different ones in each run.
        connection.execute("SET max_parallel_workers_per_gather = 0")
        print(f"{rows:,} rows (adversaries {hurting:,}, flights 336,776)\n{HEADER}", flush=True)
        bad = 0
        for exponent in (0.8, 1.1, 1.5):
            table = streams.zipf(connection, f"zipf_{exponent * 10:.0f}", rows, exponent)
            bad += compare(connection, f"Zipf {exponent}", table)
        table = streams.ascending(connection, "rarest_first", "zipf_11")
        bad += compare(connection, "rarest first", table)
        bad += compare(connection, "all distinct", streams.distinct(connection, "all_distinct", rows))
        for k in KS:
            for name, *shape in (("late", 32, 1), ("late bursts", 32), ("late burst", 1)):
                table = streams.late(connection, f"{name.replace(' ', '_')}_{k}", hurting, k, *shape)
                bad += compare(connection, name, table, (k,))
        for column in ("dest", "tailnum"):
            bad += compare(connection, f"flights {column}"[:13], streams.flights(connection, column, column))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
