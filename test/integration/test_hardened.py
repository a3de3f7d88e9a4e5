"""How the programs are linked: position-independent, read-only after relocation, no executable stack, checked calls."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
# make dist leaves an archive there, too.
PROGRAMS = [*sorted(path for path in (CHECKOUT / "build").glob("topk-*") if os.access(path, os.X_OK)), CHECKOUT / "topk.so"]


def readelf(option, path):
    return subprocess.run(["readelf", "-W", option, path], capture_output=True, text=True, check=True).stdout


@pytest.fixture(params=[path for path in PROGRAMS if path.is_file()], ids=lambda path: path.name)
def program(request):
    return request.param


def test_it_is_loaded_at_a_random_address(program):
    assert "Type:                              DYN" in readelf("-h", program)


def test_its_relocations_are_read_only(program):
    assert "GNU_RELRO" in readelf("-l", program)
    assert "NOW" in readelf("-d", program)


def test_its_stack_is_not_executable(program):
    stack = next(line for line in readelf("-l", program).splitlines() if "GNU_STACK" in line)
    assert " RW " in stack and "E" not in stack.split()[-2]


def test_its_stack_is_guarded_and_its_copies_are_checked(program):
    symbols = readelf("--dyn-syms", program)
    assert "__stack_chk_fail" in symbols
    if program.name != "topk.so":  # it copies nothing whose size the compiler does not know
        assert "_chk@" in symbols


def test_every_library_is_documented():
    """packaging/sbom.py fails when docs/dependencies.md does not list what a program is linked with."""
    bill = subprocess.run([CHECKOUT / "packaging" / "sbom.py", *PROGRAMS], capture_output=True, text=True)
    assert (bill.returncode, bill.stderr) == (0, "")
    assert {"libpq5", "librdkafka1", "topk-ddb-sync"} <= {part["name"] for part in json.loads(bill.stdout)["components"]}


@pytest.mark.parametrize("daemon", ["kafka-feeder", "ddb-sync", "query"])
def test_its_image_has_the_libraries(daemon):
    """Debian's packages know what they need; docker/daemons.Dockerfile has to be told."""
    stages = dict(re.findall(r"^FROM \S+ AS (\S+)\n(.*?)(?=^FROM|\Z)", (CHECKOUT / "docker" / "daemons.Dockerfile").read_text(), re.M | re.S))
    installed = set((stages["daemon"] + stages[daemon]).split()) | {"libc6"}
    libraries = re.findall(r"\(NEEDED\).*\[(.+)\]", readelf("-d", CHECKOUT / "build" / f"topk-{daemon}"))
    for library in libraries:
        owners = subprocess.run(["dpkg-query", "--search", f"*/{library}"], capture_output=True, text=True, check=True).stdout
        assert installed & set(re.findall(r"^([^:]+):", owners, re.M)), f"{library} is in none of the packages that {daemon} installs"
    assert len(libraries) > 3


def test_there_are_programs():
    assert {"topk-kafka-feeder", "topk-ddb-sync", "topk-lambda-feeder", "topk.so"} <= {path.name for path in PROGRAMS}
