"""The function's zip runs where there is nothing but a kernel; `make check-lambda-zip` builds it first.

One for another machine than this (make check-lambda-zip ZIP=lambda-arm64.zip) runs under qemu.
"""

import json
import os
import platform
import shutil
import stat
import subprocess
import time
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from lambda_function import EMULATOR, FIRST_SEQUENCE, LambdaFunction, events_of, kinesis_event, kinesis_record
from secrets_manager import SecretsManager
from test_lambda_feeder import ACCESS, PIPELINE, REGION, SECRET_ARN, SUCCESS, Feed, aggregated, role  # noqa: F401
from test_security import authority, folder, secure_postgres  # noqa: F401

CHECKOUT = Path(__file__).resolve().parents[2]
ZIP = CHECKOUT / os.environ.get("LAMBDA_ZIP", "build/lambda.zip")
MOST_BYTES = 5 * 1024 * 1024

MACHINES = {62: "x86_64", 183: "aarch64"}  # as ELF numbers them

pytestmark = pytest.mark.skipif("LAMBDA_ZIP" not in os.environ, reason="make check-lambda-zip builds the zip")


@pytest.fixture
def root(tmp_path):
    """A root with the function where Lambda puts it, the emulator, and what the kernel has."""
    root = tmp_path / "root"
    for name in ("var/task", "dev", "proc", "tmp"):
        (root / name).mkdir(parents=True)
    with zipfile.ZipFile(ZIP) as archive:
        for member in archive.infolist():
            path = Path(archive.extract(member, root / "var/task"))
            path.chmod(stat.S_IMODE(member.external_attr >> 16))
    os.mknod(root / "dev/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    os.link(EMULATOR, root / "emulator") if same_device(EMULATOR, root) else (root / "emulator").write_bytes(EMULATOR.read_bytes())
    (root / "emulator").chmod(0o755)
    subprocess.run(["mount", "-t", "proc", "proc", root / "proc"], check=True)
    yield root
    subprocess.run(["umount", "--lazy", root / "proc"], check=True)


def same_device(a, b):
    return os.stat(a).st_dev == os.stat(b).st_dev


@pytest.fixture
def command(root):
    """How the program is called in its root."""
    program = "/var/task/bootstrap"
    machine = MACHINES[int.from_bytes((root / program[1:]).read_bytes()[18:20], "little")]
    if machine == platform.machine():
        return [program]
    qemu = shutil.which(f"qemu-{machine}-static")
    assert qemu, "Debian's package qemu-user-static is needed"
    shutil.copy(qemu, root / "qemu")
    return ["/qemu", program]


@pytest.fixture
def start(database, root, command, tmp_path):
    """start(env): the function in its root."""
    database.query("SELECT topk_pipeline.create(%s)", PIPELINE)
    functions = []

    def start(env):
        functions.append(LambdaFunction(command, env, tmp_path,
                                        emulator=["chroot", str(root), "/emulator"]))
        return functions[-1]

    yield start
    for function in functions:
        function.close()


def counted(database):
    return Counter(dict(database.query("SELECT item, estimate FROM topk_pipeline.top(%s, 99, days => 2)", PIPELINE)))


def test_the_zip_is_one_static_program(root, command):
    assert ZIP.stat().st_size <= MOST_BYTES
    with zipfile.ZipFile(ZIP) as archive:
        assert archive.namelist() == ["bootstrap"]
    program = root / "var/task/bootstrap"
    assert program.stat().st_mode & 0o111 == 0o111
    headers = subprocess.run(["readelf", "--program-headers", "--dynamic", program], capture_output=True, text=True, check=True).stdout
    assert "INTERP" not in headers and "NEEDED" not in headers
    assert subprocess.run(["chroot", root, *command, "--version"], capture_output=True, text=True).stdout \
        .startswith("topk-lambda-feeder ")


def test_the_zip_counts_in_an_empty_root(start, database):
    function = start(database.env())
    assert function.invoke(kinesis_event(*events_of(["a", "b"] * 50)["Records"],
                                         kinesis_record(aggregated({"entity_id": "a"}, {"entity_id": "c"}), FIRST_SEQUENCE + 100))) == SUCCESS
    assert function.invoke(events_of(["a", "b"] * 50)) == SUCCESS
    assert counted(database) == Counter(a=51, b=50, c=1)
    assert function.metrics()[1]["Duplicates"] == 100


def test_a_full_event_is_counted_in_16_megabytes(start, command, database):
    """10,000 records, as large as Lambda hands them over; again and again, for what a batch leaves behind."""
    if len(command) > 1:
        pytest.skip("the memory would be that of qemu")
    function = start(database.env())
    for batch in range(4):
        event = events_of([f"product-{number % 5000}" for number in range(10_000)], FIRST_SEQUENCE + 10_000 * batch)
        assert function.invoke(json.dumps(event, separators=(",", ":")).encode()) == SUCCESS
    assert function.memory() <= 16 * 1024


def test_the_zip_speaks_tls_and_finds_names(start, root, database, secure_postgres, authority, role):  # noqa: F811
    """To PostgreSQL and to Secrets Manager; with the certificates where provided.al2023 has them."""
    (root / "etc/pki/tls/certs").mkdir(parents=True)
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n")
    (root / "etc/nsswitch.conf").write_text("hosts: files myhostname dns\n")
    (root / "etc/pki/tls/certs/ca-bundle.crt").write_bytes(authority.certificate.read_bytes())
    manager = SecretsManager(*ACCESS, REGION, certificate=authority.sign("localhost"))
    manager.secrets[SECRET_ARN] = "geheim-1"
    env = {"PGHOST": "localhost", "PGPORT": str(secure_postgres.port), "PGDATABASE": database.name, "PGUSER": role,
           "PGSSLMODE": "verify-full", "PGSSLROOTCERT": "/etc/pki/tls/certs/ca-bundle.crt", "TOPK_SECRET_ARN": SECRET_ARN,
           "AWS_ENDPOINT_URL_SECRETS_MANAGER": manager.url, "AWS_ACCESS_KEY_ID": ACCESS[0],
           "AWS_SECRET_ACCESS_KEY": ACCESS[1], "AWS_SESSION_TOKEN": ACCESS[2]}
    function = start(env)
    assert function.invoke(events_of(["a"])) == SUCCESS
    assert database.query("SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = %s", role) == [(True,)]
    assert counted(database) == Counter(a=1)
    manager.close()


def test_the_zip_gives_the_batch_back_when_a_name_is_not_found(start, database):
    """In time, though there is neither a file of hosts nor a name server."""
    function = start({**database.env(), "PGHOST": "db.internal"})
    function.invoke({"Records": []})
    started = time.monotonic()
    assert len(function.invoke(events_of(["a"] * 3))["batchItemFailures"]) == 3
    assert time.monotonic() - started < 6
    assert "could not translate host name" in function.log()
