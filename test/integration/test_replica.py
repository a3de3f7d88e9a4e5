"""A streaming standby answers everything that reads, and refuses what writes; daemons that write look for the primary."""

import shutil
import signal
import subprocess
import time

import psycopg
import pytest

from demo.servers.postgres import clean_environment
from demo.servers.process import Process, free_port
from proxy import Proxy

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
    """The port of a standby of the server."""
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
    yield port
    process.stop(signal.SIGQUIT)
    shutil.rmtree(data)


@pytest.fixture
def at_port(postgres, database):
    """at_port(port): a connection string for the test's database there."""
    return lambda port: database.dsn.replace(f"port={postgres.port}", f"port={port}")


def caught_up(database, replica):
    [(written,)] = database.query("SELECT pg_current_wal_lsn()")
    deadline = time.monotonic() + 30
    while replica.execute("SELECT pg_last_wal_replay_lsn() < %s", (written,)).fetchone()[0]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_standby_answers(database, standby, at_port):
    database.query("SELECT topk_pipeline.create('p')")
    database.query("""SELECT topk_pipeline.ingest('p', 'test', '{0}', '{NULL}', '{3}', '{global,eu}',
        ARRAY[topk_pipeline.bucket('p'), topk_pipeline.bucket('p') - 1], '{2,1}',
        ARRAY[topk_build('{a,b}', '{2,1}', 1000), topk_build('{c}', '{1}', 1000)])""")
    with psycopg.connect(at_port(standby), autocommit=True) as replica:
        caught_up(database, replica)
        assert replica.execute("SELECT pg_is_in_recovery()").fetchone() == (True,)
        for statement in READS:
            answer = replica.execute(statement).fetchall()
            assert answer == database.query(statement), statement
        assert replica.execute(READS[0]).fetchall() == [("a", 2, 2, 2), ("b", 1, 1, 1)]

        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            replica.execute("SELECT topk_pipeline.expire()")


def test_a_feeder_that_reached_a_standby_looks_for_the_primary(feed, postgres, standby, at_port):
    """As when a name still leads to the server that was the primary before."""
    proxy = Proxy(standby)
    feeder = feed.start(TOPK_DSN=at_port(proxy.port))
    feed.send_events(100)
    feeder.wait_for("read-only transaction")
    proxy.target = postgres.port
    feed.check_exact()
    assert feeder.process.running()
    proxy.close()


def test_a_mirror_that_reached_a_standby_looks_for_the_primary(sync, postgres, standby):
    proxy = Proxy(standby)
    sync.ingest({"a": 1})
    worker = sync.start(ready="during recovery", PGPORT=str(proxy.port))
    proxy.target = postgres.port
    sync.shows({"a": 1})
    assert worker.process.running()
    proxy.close()


def test_a_feeder_is_given_all_servers(feed, postgres, standby, at_port):
    dsn = at_port(f"{standby},{postgres.port}").replace("host=127.0.0.1", "host=127.0.0.1,127.0.0.1")
    feed.start(TOPK_DSN=f"{dsn} target_session_attrs=read-write")
    feed.send_events(100)
    feed.check_exact()
