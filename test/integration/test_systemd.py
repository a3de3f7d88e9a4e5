"""The units, and what the daemons tell systemd (Type=notify)."""

import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
DAEMONS = sorted(path.name.partition("@")[0] for path in (CHECKOUT / "packaging" / "systemd").glob("*@.service"))
PIPELINE = "recently_interacted"
ANYWHERE = {"GRPC_ADDR": "127.0.0.1:0"}
NOBODY = {"PGHOST": "127.0.0.1", "PGPORT": "9"}

# Of systemd's own measure, 0 to 100.
EXPOSURE = 15


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """What make install-daemons installs below a prefix."""
    prefix = tmp_path_factory.mktemp("prefix")
    built = [f"--old-file=build/{program}" for program in DAEMONS]
    subprocess.run(["make", "--silent", *built, "install-daemons", f"prefix={prefix}"], cwd=CHECKOUT, check=True,
                   env={name: value for name, value in os.environ.items() if name != "MAKEFLAGS"})
    return prefix


def analyze(*arguments):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not here")
    done = subprocess.run(["systemd-analyze", *map(str, arguments)], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_there_are_units():
    assert DAEMONS == ["topk-ddb-sync", "topk-kafka-feeder", "topk-query"]


@pytest.mark.parametrize("program", DAEMONS)
def test_make_installs_program_and_unit(installed, program):
    version = subprocess.run([installed / "bin" / program, "--version"], capture_output=True, text=True, check=True)
    assert version.stdout.startswith(program)
    unit = (installed / "lib" / "systemd" / "system" / f"{program}@.service").read_text()
    assert f"ExecStart={installed}/bin/{program}\n" in unit


@pytest.mark.parametrize("program", DAEMONS)
def test_systemd_finds_nothing_wrong_with_the_unit(installed, program):
    status, said = analyze("verify", "--man=no", installed / "lib" / "systemd" / "system" / f"{program}@.service")
    assert (status, said) == (0, "")


@pytest.mark.parametrize("program", DAEMONS)
def test_the_unit_exposes_little(program):
    status, said = analyze("security", "--no-pager", "--offline=true", f"--threshold={EXPOSURE}",
                           CHECKOUT / "packaging" / "systemd" / f"{program}@.service")
    assert status == 0, said


class Notifications:
    """systemd's end of the notification socket; .env is for the program."""

    def __init__(self, address):
        self.env = {"NOTIFY_SOCKET": address}
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.socket.settimeout(20)

    def next(self):
        return self.socket.recv(100).decode()


@pytest.fixture(params=["path", "abstract"])
def notifications(request, tmp_path):
    notifications = Notifications(str(tmp_path / "notify") if request.param == "path" else f"@topk-test-{os.getpid()}")
    yield notifications
    notifications.socket.close()


@pytest.mark.parametrize("program", DAEMONS)
def test_systemd_is_told_of_start_and_stop(daemon, database, kafka, topic, dynamodb, table, notifications, program):
    database.query("SELECT topk_pipeline.create(%s)", PIPELINE)
    process = daemon(program, env={**notifications.env, "TOPK_DSN": database.dsn, "DDB_TABLE": table,
                                   "KAFKA_TOPIC": topic, "CONSUMER_GROUP": topic, **ANYWHERE})
    assert notifications.next() == "READY=1"
    process.wait_for("partitions assigned|msg=mirroring|msg=listening")
    os.kill(process.pid, signal.SIGTERM)
    assert notifications.next() == "STOPPING=1"
    assert process.wait(30) == 0


@pytest.mark.parametrize("program", DAEMONS)
def test_a_start_does_not_wait_for_postgresql(daemon, dynamodb, notifications, program):
    """Else systemd would end it when TimeoutStartSec is over."""
    process = daemon(program, env={**notifications.env, **NOBODY, **ANYWHERE})
    assert notifications.next() == "READY=1"
    assert process.terminate() == 0
