"""A streaming standby answers everything that reads, and refuses what writes."""

import signal
import subprocess
import time

import psycopg
import pytest

from demo.servers.postgres import clean_environment
from demo.servers.process import Process, free_port

READS = ["SELECT * FROM topk_pipeline.top('p', days => 7)",
         "SELECT topk_total(topk_pipeline.summary('p', days => 7))",
         "SELECT * FROM topk_pipeline.top_keys('p', days => 7)",
         "SELECT pipeline, key, bucket, summary::text FROM topk_pipeline.window_summary ORDER BY key, bucket",
         "SELECT pipeline, windows, records, rejected FROM topk_pipeline.status",
         "SELECT source, shard, position FROM topk_pipeline.source_status",
         "SELECT key, bucket, version FROM topk_pipeline.mirror_status",
         "SELECT * FROM topk_pipeline.rejected_by_reason",
         "SELECT topk_top(topk_agg(n::text, 10), 3) FROM generate_series(1, 1000) AS n"]


@pytest.fixture
def standby(postgres, tmp_path):
    """A connection string for any database on a standby of the server."""
    data = postgres.folder / "standby"
    port = free_port()
    as_user = ["setpriv", "--reuid", postgres.user, "--regid", postgres.user, "--clear-groups"] if postgres.user else []
    # It makes the directory, whose parent belongs to who runs the tests.
    subprocess.run(["install", "-d", "-m", "700", *(["-o", postgres.user] if postgres.user else []), data], check=True)
    subprocess.run([*as_user, postgres.bindir / "pg_basebackup", "--pgdata", data, "--write-recovery-conf", "--checkpoint=fast", "--no-sync"],
                   env={**clean_environment(), **postgres.env()}, cwd="/", check=True)
    process = Process("standby", [str(postgres.bindir / "postgres"), "-D", str(data), "-p", str(port)], tmp_path / "log",
                      env=clean_environment(), user=postgres.user, death_signal=signal.SIGQUIT)
    process.start(lambda: subprocess.run([postgres.bindir / "pg_isready", "-q"], env={**clean_environment(), **postgres.env(), "PGPORT": str(port)}).returncode == 0)
    yield lambda name: postgres.dsn_of(name).replace(f"port={postgres.port}", f"port={port}")
    process.stop(signal.SIGQUIT)


def caught_up(database, replica):
    [(written,)] = database.query("SELECT pg_current_wal_lsn()")
    deadline = time.monotonic() + 30
    while replica.execute("SELECT pg_last_wal_replay_lsn() < %s", (written,)).fetchone()[0]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_standby_answers(database, standby):
    database.query("SELECT topk_pipeline.create('p')")
    database.query("""SELECT topk_pipeline.ingest('p', 'test', '{0}', '{NULL}', '{3}', '{global,eu}',
        ARRAY[topk_pipeline.bucket('p'), topk_pipeline.bucket('p') - 1], '{2,1}',
        ARRAY[topk_build('{a,b}', '{2,1}', 1000), topk_build('{c}', '{1}', 1000)])""")
    with psycopg.connect(standby(database.name), autocommit=True) as replica:
        caught_up(database, replica)
        assert replica.execute("SELECT pg_is_in_recovery()").fetchone() == (True,)
        for statement in READS:
            answer = replica.execute(statement).fetchall()
            assert answer == database.query(statement), statement
        assert replica.execute(READS[0]).fetchall() == [("a", 2, 2, 2), ("b", 1, 1, 1)]

        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            replica.execute("SELECT topk_pipeline.expire()")
