#!/usr/bin/env python3
"""The real servers around topk, for as long as they are needed and not longer.

    with Stack() as stack:
        postgres = stack.postgres()     # .dsn, .env(), .stop(mode), .start(), .kill()
        kafka = stack.kafka()           # .brokers, .create_topic(name, partitions), .kill(), .start()
        dynamodb = stack.dynamodb()     # .endpoint, .client(), .create_table(name)
        feeder = stack.daemon("topk-kafka-feeder", arguments, env)

or, from a shell, a command with the servers' addresses in its environment:

    build/venv/bin/python demo/stack.py postgres kafka -- psql

Everything listens on free loopback ports and lives in one temporary folder
that is gone afterwards, whatever ends the program.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from demo.servers.daemon import Daemon  # noqa: E402
from demo.servers.dynamodb import DynamoDB  # noqa: E402
from demo.servers.kafka import Kafka  # noqa: E402
from demo.servers.postgres import Postgres  # noqa: E402


class Stack:
    """Starts each server at most once, on demand; close() ends them all."""

    def __init__(self, folder=None):
        self.folder = Path(folder or tempfile.mkdtemp(prefix="topk-"))
        self.folder.mkdir(exist_ok=True)
        self.folder.chmod(0o755)  # the database server runs as another user
        self._guard = guard(self.folder)
        self._servers = {}
        self._daemons = []

    def postgres(self, **options):
        return self._server("postgres", Postgres, **options)

    def kafka(self):
        return self._server("kafka", Kafka)

    def dynamodb(self):
        return self._server("dynamodb", DynamoDB)

    def daemon(self, program, arguments=(), env=None, ready=None, timeout=30):
        """Start build/PROGRAM with the servers' addresses in its environment, and no port of its own."""
        environment = {**self.environment(), "METRICS_ADDR": "off", **(env or {})}
        daemon = Daemon(program, arguments, environment, self.folder, ready, timeout)
        self._daemons.append(daemon)
        return daemon

    def environment(self):
        """What a client of the running servers needs to find them."""
        return {name: value for server in self._servers.values() for name, value in server.env().items()}

    def close(self):
        for process in self._daemons + list(reversed(self._servers.values())):
            process.close()
        self._daemons.clear()
        self._servers.clear()
        shutil.rmtree(self.folder, ignore_errors=True)
        self._guard.stdin.close()
        self._guard.wait()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def _server(self, name, kind, **options):
        if name not in self._servers:
            folder = self.folder / name
            folder.mkdir()
            self._servers[name] = kind(folder, **options)
        return self._servers[name]


def guard(folder):
    """A process that removes the folder when we are gone, even by kill -9: then its input ends."""
    return subprocess.Popen(["sh", "-c", 'read -r _; [ -d "$1" ] && sleep 1 && rm -rf "$1"', "guard", folder],
                            stdin=subprocess.PIPE, start_new_session=True, cwd="/")


def exit_on_signals():
    """Make SIGTERM and SIGHUP unwind the program as an exception, as SIGINT does."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: sys.exit(128 + number))


def main(arguments):
    names, command = arguments, []
    if "--" in arguments:
        cut = arguments.index("--")
        names, command = arguments[:cut], arguments[cut + 1:]
    starters = {"postgres": Stack.postgres, "kafka": Stack.kafka, "dynamodb": Stack.dynamodb}
    if not names or not set(names) <= set(starters):
        sys.exit(f"usage: stack.py {'|'.join(starters)} ... [-- command ...]")
    exit_on_signals()
    with Stack() as stack:
        for name in names:
            starters[name](stack)
        environment = stack.environment()
        if command:
            return subprocess.run(command, env={**os.environ, **environment}).returncode
        for name, value in environment.items():
            print(f"export {name}={value}", flush=True)
        try:
            signal.pause()
        except KeyboardInterrupt:
            pass
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
