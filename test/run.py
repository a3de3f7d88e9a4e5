#!/usr/bin/env python3
"""Runs the tests, all or the suites that are named, and counts them.

    build/venv/bin/python test/run.py [--only PATTERN] [style] [unit] [fuzz] [sql] [docs] [isolation] [integration]

A suite is a function that runs its tests and reports each.  What failed is
shown with what is needed to understand it; the last line is
`N passed, N failed`.
"""

import argparse
import fnmatch
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import compose
import docs as documentation
import psycopg
import pytest
import versions
import watch

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "test" / "fuzz")]

from demo.servers.postgres import pg_config_path  # noqa: E402
from demo.stack import Stack, exit_on_signals  # noqa: E402
import topk_text  # noqa: E402


MOST_LINES = 800


class Tally:
    """Counts what is reported, and prints the failures, and what was slow as a sign of life."""

    def __init__(self):
        self.passed = self.failed = 0

    def report(self, name, passed, detail="", seconds=0):
        if passed:
            self.passed += 1
        else:
            self.failed += 1
        if not passed or seconds >= 1:
            print(f"{'ok    ' if passed else 'not ok'}  {name}  ({seconds:.1f} s)", flush=True)
        if not passed:
            print(f"{detail.rstrip()}\n", flush=True)


def style(tally, _stack, only):
    """Every C file is as `make format` leaves it, and no file is too long."""
    sources = [path for folder in CHECKOUT.iterdir() if folder.name != "build" for path in sorted(folder.glob("**/*.[ch]"))]
    output = run([CHECKOUT / "build" / "venv" / "bin" / "clang-format", "--dry-run", *sources])
    passed = output.returncode == 0 and not output.stderr and sources
    tally.report(f"style: {len(sources)} C files are formatted", passed, output.stderr[-4000:])
    written = [path for folder in CHECKOUT.iterdir() if folder.name != "build" for path in sorted(folder.glob("**/*"))
               if path.suffix in (".c", ".h", ".py", ".sh", ".sql", ".md", ".js", ".css") and path.is_file()]
    long = [f"{path}: {lines} lines" for path in written if (lines := path.read_text().count("\n")) > MOST_LINES]
    tally.report(f"style: {len(written)} files have at most {MOST_LINES} lines", written and not long, "\n".join(long))


def unit(tally, _stack, only):
    """test/unit/*_test.c: programs that print TAP, built with the sanitizers."""
    for name in chosen(CHECKOUT / "test" / "unit", "*_test.c", only):
        started = time.monotonic()
        output = run([CHECKOUT / "build" / "unit" / name])
        tap(tally, name, output, time.monotonic() - started)


def tap(tally, program, output, seconds):
    """Report each line of TAP, and the program itself: that it ended well and ran what it planned."""
    planned = seen = 0
    for line in output.stdout.splitlines():
        if plan := re.match(r"1\.\.(\d+)", line):
            planned = int(plan[1])
        elif point := re.match(r"(not )?ok\b[ \d]*(?:- )?(.*)", line):
            seen += 1
            tally.report(f"{program}: {point[2]}", not point[1], output.stdout[-4000:])
    tally.report(f"{program}: runs to its end", output.returncode == 0 and 0 < seen == planned,
                 f"status {output.returncode} after {seen} of {planned} tests\n"
                 f"{output.stdout[-2000:]}{output.stderr[-6000:]}", seconds)


def sql(tally, stack, only):
    """pg_regress: sql/*.sql, in alphabetical order, against expected/."""
    names = chosen(CHECKOUT / "sql", "*.sql", only)
    regress(tally, stack, "regress/pg_regress", names, CHECKOUT)


def docs(tally, stack, only):
    """README.md and docs/*.md: their SQL prints what they show; and all links lead somewhere."""
    folder = CHECKOUT / "docs"
    for path in [CHECKOUT / "README.md", *(folder / f"{name}.md" for name in chosen(folder, "*.md", only))]:
        for what, problem in documentation.check(path, stack.postgres()):
            tally.report(f"{path.name}: {what}", not problem, problem)
    for path in sorted([*CHECKOUT.glob("*.md"), *folder.glob("*.md")]):
        broken = documentation.broken_links(path)
        tally.report(f"{path.relative_to(CHECKOUT)}: links lead somewhere", not broken, "\n".join(broken))
    for what, problem in [*versions.check(), *watch.check(), *compose.check()]:
        tally.report(what, not problem, problem)


def isolation(tally, stack, only):
    """pg_isolation_regress: test/isolation/specs/*.spec against expected/ beside it."""
    folder = CHECKOUT / "test" / "isolation"
    names = chosen(folder / "specs", "*.spec", only)
    regress(tally, stack, "isolation/pg_isolation_regress", names, folder)


def regress(tally, stack, program, names, inputdir):
    if not names:
        return
    outputdir = CHECKOUT / "build" / program.partition("/")[0]
    outputdir.mkdir(exist_ok=True)
    diffs = outputdir / "regression.diffs"
    diffs.unlink(missing_ok=True)
    output = run([pg_config_path("pgxs").parents[1] / "test" / program, f"--inputdir={inputdir}",
                  f"--outputdir={outputdir}", f"--bindir={pg_config_path('bindir')}",
                  "--dbname=regression", *names],
                 env={**os.environ, **stack.postgres().env()})
    verdicts = {name: (verdict, int(milliseconds)) for name, verdict, milliseconds in
                re.findall(r"^(?:test )?(\S+)\s+\.\.\. (ok|FAILED).*?(\d+) ms$", output.stdout, re.MULTILINE)}
    for name in names:
        verdict, milliseconds = verdicts.get(name, ("not run", 0))
        tally.report(f"{program.partition('/')[2]}: {name}", verdict == "ok",
                     diff_of(diffs, name) or verdict, milliseconds / 1000)
    if output.returncode != 0 and len(verdicts) < len(names):
        print(output.stdout + output.stderr)


def diff_of(diffs, name):
    """The part of regression.diffs that concerns one test."""
    if not diffs.exists():
        return ""
    parts = re.split(r"^(?=diff )", diffs.read_text(errors="replace"), flags=re.MULTILINE)
    return "".join(part for part in parts if f"/{name}.out" in part.partition("\n")[0])


def fuzz(tally, stack, only):
    """The corpora of test/fuzz: each target still holds on what fuzzing has found worth keeping."""
    for corpus in sorted((CHECKOUT / "test" / "fuzz" / "corpus").iterdir()):
        if not fnmatch.fnmatch(corpus.name, only or "*"):
            continue
        inputs = sorted(corpus.iterdir())
        if corpus.name == "topk_text":
            passed, detail = replay_text(stack, inputs)
        else:
            output = run([CHECKOUT / "build" / "fuzz" / "replay" / corpus.name, *inputs])
            passed, detail = output.returncode == 0, output.stderr[-4000:]
        tally.report(f"fuzz: {corpus.name} on {len(inputs)} inputs", passed and inputs, detail)


def replay_text(stack, inputs):
    try:
        topk_text.replay(stack.postgres().dsn, [path.read_text() for path in inputs])
    except (AssertionError, psycopg.Error) as error:
        return False, str(error)
    return True, ""


def integration(tally, stack, only):
    """pytest on test/integration, whose fixtures start servers of their own."""

    class Reporter:
        @staticmethod
        def pytest_runtest_logreport(report):
            if report.when == "call" and not report.skipped or report.failed:
                tally.report(report.nodeid.rpartition("/")[2], report.passed,
                             f"{report.longreprtext}\n{report.capstdout}{report.capstderr}", report.duration)
                if os.environ.get("SOAK") and report.passed:
                    print(report.capstdout, end="", flush=True)

        @staticmethod
        def pytest_collectreport(report):
            if report.failed:
                tally.report(report.nodeid, False, report.longreprtext)

    select = ["-k", only] if only else []
    status = pytest.main(["-p", "no:terminal", "-p", "no:cacheprovider", f"--basetemp={stack.folder / 'pytest'}", *select,
                          str(CHECKOUT / "test" / "integration")], plugins=[Reporter])
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED):
        tally.report("pytest: runs to its end", False, str(status))


def chosen(folder, pattern, only):
    names = sorted(path.stem for path in folder.glob(pattern))
    return [name for name in names if fnmatch.fnmatch(name, only or "*")]


def run(command, env=None):
    return subprocess.run(command, env=env, cwd=CHECKOUT, capture_output=True, text=True, errors="replace")


SUITES = {suite.__name__: suite for suite in (style, unit, fuzz, sql, docs, isolation, integration)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("suites", nargs="*", metavar="|".join(SUITES))
    parser.add_argument("--only", metavar="PATTERN", help="of names; for integration as pytest -k has it")
    options = parser.parse_args()
    if not set(options.suites) <= set(SUITES):
        parser.error("no such suite")
    exit_on_signals()
    tally = Tally()
    with Stack() as stack:
        for name in options.suites or SUITES:
            started, passed, failed = time.monotonic(), tally.passed, tally.failed
            SUITES[name](tally, stack, options.only)
            print(f"{name:12}{tally.passed - passed:5} passed{tally.failed - failed:5} failed"
                  f"{time.monotonic() - started:7.1f} s", flush=True)
    print(f"{tally.passed} passed, {tally.failed} failed")
    return 1 if tally.failed or not tally.passed else 0


if __name__ == "__main__":
    sys.exit(main())
