"""A pipeline survives pg_dump and restore, and goes on where it was."""

import subprocess

import psycopg
import pytest

TABLES = ("pipeline", "slot", "source_position", "rejected_record", "seen_record", "duplicate_count",
          "dead_letter_position", "mirror")


@pytest.fixture
def restored(postgres, database):
    """restored() dumps the database and gives a connection to a restored copy of it."""
    name = f"{database.name}_restored"
    connections = []

    def restore():
        def run(program, *arguments, **options):
            return subprocess.run([postgres.bindir / program, *arguments], env=postgres.env(name), check=True, **options)

        run("createdb", name)
        dump = run("pg_dump", database.name, stdout=subprocess.PIPE).stdout
        run("psql", "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", input=dump, stdout=subprocess.DEVNULL)
        connections.append(psycopg.connect(postgres.dsn_of(name), autocommit=True))
        return connections[0]

    yield restore
    for connection in connections:
        connection.close()
    with psycopg.connect(postgres.dsn, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


INGEST = """
    SELECT topk_pipeline.ingest('p', 'kafka:clicks', '{0}', ARRAY[%s::bigint], ARRAY[%s::bigint],
        '{global}', '{20000}', '{2}', ARRAY[topk_build('{a,b}', '{1,1}', 1000)],
        '{0}', '{5}', '{2026-11-24 10:00:00Z}', '{invalid JSON}', '{NULL}', ARRAY['key']::bytea[], ARRAY['{']::bytea[],
        '{1}', ARRAY['header']::bytea[], ARRAY['value']::bytea[])"""
INGEST_RECORDS = """
    SELECT * FROM topk_pipeline.ingest_records('p', 'kinesis:clicks', '{}', '{}', '{}', '{r1,r2,r2}',
        ARRAY[now(), now(), now() - interval '20 hours'], '{global,global,global}', '{20000,20000,20000}', '{a,b,b}', '{1,1,1}')"""
SENT = """
    SELECT topk_pipeline.dead_letters_sent('p', 'kafka:clicks', '{0}', ARRAY[rejected_id])
      FROM topk_pipeline.dead_letters('p', 'kafka:clicks', '{0}')"""
CLAIM = "SELECT version FROM topk_pipeline.mirror_claim('p', '0')"


def test_dump_and_restore(database, restored):
    database.query("SELECT topk_pipeline.create('p')")
    database.query(INGEST, None, 10)
    assert database.query(INGEST_RECORDS) == [(2, 1, 0)]
    assert len(database.query(SENT)) == 1
    [(version,)] = database.query(CLAIM)
    database.query("SELECT topk_pipeline.mirror_done('p', 'global', 20000, %s)", version)
    before = {table: database.query(f"SELECT t::text FROM topk_pipeline.{table} AS t ORDER BY 1") for table in TABLES}
    assert all(before.values())

    copy = restored()
    for table in TABLES:
        assert copy.execute(f"SELECT t::text FROM topk_pipeline.{table} AS t ORDER BY 1").fetchall() == before[table]

    # ids are still known, in the partitions that came along, and expire with them
    assert copy.execute(INGEST_RECORDS).fetchall() == [(0, 3, 0)]
    copy.execute("SELECT topk_pipeline.prepare_seen(p, now() - interval '3 days', now() - interval '3 days') FROM topk_pipeline.pipeline AS p")
    assert copy.execute("SELECT id_partitions FROM topk_pipeline.expire()").fetchall() == [(1,)]

    # every sequence goes on behind what was given out
    assert copy.execute(CLAIM).fetchall() == []
    assert copy.execute(SENT).fetchall() == []
    copy.execute(INGEST, (10, 20))
    assert len(copy.execute(SENT).fetchall()) == 1
    [(next_version,)] = copy.execute(CLAIM).fetchall()
    assert next_version > version
    copy.execute("SELECT topk_pipeline.create('q')")
    assert copy.execute("SELECT count(*), count(DISTINCT writer) FROM topk_pipeline.pipeline").fetchone() == (2, 2)
    assert copy.execute("SELECT count(*) FROM topk_pipeline.rejected_record").fetchone() == (2,)
    with pytest.raises(psycopg.Error) as error:
        copy.execute(INGEST, (10, 20))
    assert error.value.sqlstate == "TK001"
    copy.execute("SELECT topk_pipeline.drop('p')")
    copy.execute("DROP EXTENSION topk CASCADE")
    assert copy.execute("SELECT relname FROM pg_class WHERE relnamespace = 'topk_pipeline'::regnamespace").fetchall() == []


def test_grants_are_dumped(database, restored):
    database.query("CREATE ROLE topk_dump_writer")
    try:
        database.query("GRANT USAGE ON SCHEMA topk_pipeline TO topk_dump_writer")
        database.query("GRANT EXECUTE ON FUNCTION topk_pipeline.ingest TO topk_dump_writer")
        copy = restored()
        may = "SELECT has_function_privilege('topk_dump_writer', p.oid, 'EXECUTE') FROM pg_proc AS p WHERE proname = %s"
        assert copy.execute(may, ("ingest",)).fetchall() == [(True,)]
        assert copy.execute(may, ("mirror_claim",)).fetchall() == [(False,)]
        copy.execute("DROP OWNED BY topk_dump_writer")
    finally:
        database.query("DROP OWNED BY topk_dump_writer")
        database.query("DROP ROLE topk_dump_writer")
