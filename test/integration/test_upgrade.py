"""An extension that is updated from any released version equals one that is made anew, and reads what it stored.

Equal is what pg_dump --binary-upgrade writes, which is the whole definition
of every member: functions with their costs, operators, aggregates, tables,
comments, privileges.
"""

import itertools
import re
import subprocess

import psycopg
import pytest

from demo.servers.checkout import CHECKOUT
from demo.servers.postgres import below, pg_config_path

EXTENSIONS = ("topk", "topk_pipeline")

# What differs between two databases and is no definition: OIDs, transaction numbers, values of sequences, a dump's token.
INCIDENTAL = re.compile(r"^SELECT pg_catalog\.(binary_upgrade_set_next|setval).*$|^UPDATE pg_catalog\.pg_class\nSET relfrozenxid[^;]*;$"
                        r"|(?<=, )'{\d+(,\d+)*}'|^\\(un)?restrict .*$", re.MULTILINE)

KEEP = """
    CREATE SCHEMA kept;
    CREATE TABLE kept.summary AS
    SELECT n % 10 AS id, topk_agg('item ' || n % (n % 50 + 1), 20) AS summary FROM generate_series(1, 10000) AS n GROUP BY 1"""
READ = "SELECT id, summary::text FROM kept.summary ORDER BY id"


def version_of(extension):
    control = (CHECKOUT / "extension" / f"{extension}.control").read_text()
    return re.search(r"^default_version = '(.*)'$", control, re.MULTILINE)[1]


def older_versions():
    """(extension, version) of every script that a release froze: all but the current one's."""
    for extension in EXTENSIONS:
        for script in sorted((CHECKOUT / "extension").glob(f"{extension}--*.sql")):
            version = script.stem.removeprefix(f"{extension}--")
            if "--" not in version and version != version_of(extension):
                yield extension, version


@pytest.fixture
def server(postgres):
    """Databases with an extension in some version, and scripts of versions that no release has."""
    created = []

    class Server:
        share = below(postgres.folder / "root", pg_config_path("sharedir")) / "extension"

        def add_script(self, name, text):
            created.append(self.share / name)
            created[-1].write_text(text)

        def install(self, extension, version):
            name = f"upgrade_{next(numbers)}"
            with psycopg.connect(postgres.dsn, autocommit=True) as admin:
                admin.execute(f"CREATE DATABASE {name}")
            created.append(psycopg.connect(postgres.dsn_of(name), autocommit=True))
            created[-1].execute(f"CREATE EXTENSION {extension} VERSION '{version}' CASCADE")
            return created[-1]

        def definition(self, connection):
            dump = subprocess.run([postgres.bindir / "pg_dump", "--schema-only", "--binary-upgrade", "--exclude-schema=kept"],
                                  env=postgres.env(connection.info.dbname), check=True, capture_output=True, text=True).stdout
            tables = connection.execute("SELECT extname, array_agg(c::regclass::text ORDER BY c::regclass::text) FROM pg_extension,"
                                        " unnest(extconfig) AS c GROUP BY 1 ORDER BY 1").fetchall()
            return sorted(INCIDENTAL.sub("", dump).split("\n--\n-- Name: ")) + [f"dumped with data: {tables}"]

    numbers = itertools.count(1)
    yield Server()
    for thing in created:
        if isinstance(thing, psycopg.Connection):
            name = thing.info.dbname
            thing.close()
            with psycopg.connect(postgres.dsn, autocommit=True) as admin:
                admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        else:
            thing.unlink()


def differences(server, extension, old, new):
    """What is different in an update from a version made anew."""
    fresh = server.install(extension, new)
    updated = server.install(extension, old)
    updated.execute(KEEP)
    before = updated.execute(READ).fetchall()
    assert len(before) == 10
    updated.execute(f"ALTER EXTENSION {extension} UPDATE TO '{new}'")
    assert updated.execute(READ).fetchall() == before
    return set(server.definition(updated)) ^ set(server.definition(fresh))


@pytest.mark.parametrize("extension, version", older_versions())
def test_update_equals_new(server, extension, version):
    assert differences(server, extension, version, version_of(extension)) == set()


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_new_equals_new(server, extension):
    first, second = (server.definition(server.install(extension, version_of(extension))) for _ in range(2))
    assert first == second


# ---- no release is older than the first one: a step made up for the test shows what the comparison sees ----

STEP = {
    "FUNCTION public.topk_share": """
        CREATE FUNCTION topk_share(summary topk_summary, item text) RETURNS float8 LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
        RETURN topk_estimate(summary, item) / topk_total(summary)::float8;""",
    "COST 17": "ALTER FUNCTION topk_size(topk_summary) COST 17;",
    "COMMENT ON FUNCTION public.topk_k": "COMMENT ON FUNCTION topk_k(topk_summary) IS 'another';",
    "REVOKE": "REVOKE EXECUTE ON FUNCTION topk_error(topk_summary) FROM PUBLIC;",
    "AGGREGATE public.topk_agg": "DROP AGGREGATE topk_agg(text);",
    "OPERATOR public.<": "ALTER OPERATOR < (topk_summary, topk_summary) SET (RESTRICT = scalargtsel);",
    "CAST": "DROP CAST (topk_summary AS jsonb);",
    "TABLE": "CREATE TABLE topk_table (item text);",
    "dumped with data": "CREATE TABLE topk_settings (item text); SELECT pg_extension_config_dump('topk_settings', '');",
}


@pytest.mark.parametrize("forgotten", [None, *STEP])
def test_what_an_update_forgets_is_seen(server, forgotten):
    version = version_of("topk")
    script = (CHECKOUT / "extension" / f"topk--{version}.sql").read_text()
    server.add_script("topk--next.sql", script + "".join(STEP.values()))
    server.add_script(f"topk--{version}--next.sql", "".join(text for name, text in STEP.items() if name != forgotten))
    found = differences(server, "topk", version, "next")
    assert any(forgotten in entry for entry in found) if forgotten else found == set()
