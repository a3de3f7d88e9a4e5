"""A server process that cannot outlive its parent, its log, and a free port.

Knows nothing of what the process serves.
"""

import itertools
import os
import random
import re
import signal
import socket
import subprocess
import time
from pathlib import Path


class ServerFailed(Exception):
    """A server did not start; the message ends with the last lines of its log."""


# Below those that Linux gives to connections and to servers that ask for port 0, so that none of these takes a
# port between the time it is found free and the time its server binds it.
PORTS = range(10000, 32768)
candidates = itertools.cycle(random.sample(PORTS, len(PORTS)))


def free_port():
    """A port of loopback that no server listens on, and that was not given before."""
    for port in candidates:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def listening(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def run(command, **options):
    """Run a command to its end, silently unless it fails."""
    outcome = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             text=True, **options)
    if outcome.returncode != 0:
        raise ServerFailed(f"{' '.join(map(str, command))} ended with {outcome.returncode}:\n{outcome.stdout}")


class Process:
    """One child, writing to a log file, that dies with its parent even by kill -9.

    setpriv (util-linux) sets the parent-death signal after it has dropped
    privileges; one set before would be lost with them.
    """

    def __init__(self, name, command, log, env=None, user=None, death_signal=signal.SIGKILL):
        self.name = name
        self.command = command
        self.log = log
        self.env = env
        self.user = user
        self.death_signal = death_signal
        self.child = None

    def start(self, ready, timeout=60):
        """Start, and return as soon as ready() is true."""
        wrapper = ["setpriv", "--pdeathsig", signal.Signals(self.death_signal).name[3:]]
        if self.user:
            wrapper += ["--reuid", self.user, "--regid", self.user, "--clear-groups"]
        with open(self.log, "ab") as log:
            self.child = subprocess.Popen(wrapper + ["--"] + self.command, env=self.env, cwd="/",
                                          stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                          start_new_session=True)
        try:
            self.wait_until(ready, timeout)
        except BaseException:  # a signal too: nobody else knows of the child yet
            self.kill()
            raise

    def wait_until(self, ready, timeout=60):
        """Wait until ready() is true; ServerFailed when the process ends before, or takes too long."""
        deadline = time.monotonic() + timeout
        while not ready():
            if not self.running():
                raise ServerFailed(f"{self.name} ended with {self.child.returncode}:\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise ServerFailed(f"{self.name} was not ready in {timeout} s:\n{self.log_tail()}")
            time.sleep(0.05)

    def running(self):
        return self.child is not None and self.child.poll() is None

    def stop(self, stop_signal=signal.SIGTERM, timeout=20):
        """Ask the process to end; kill it when it does not."""
        if self.running():
            self.child.send_signal(stop_signal)
            try:
                self.child.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self):
        """kill -9 the process and all its children, which may have left its process group."""
        if self.child is None:
            return
        victims = [self.child.pid] + children(self.child.pid)
        for pid in victims:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.child.wait()
        while any(os.path.exists(f"/proc/{pid}") for pid in victims):
            time.sleep(0.01)

    def log_tail(self, lines=30):
        with open(self.log, errors="replace") as log:
            return "".join(log.readlines()[-lines:])


def memory(pid, field="VmRSS"):
    """Bytes that a process holds now (VmRSS), held at the most (VmHWM) or shares with none (RssAnon); ProcessLookupError if it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        status = ""
    found = re.search(rf"^{field}:\s+(\d+) kB", status, re.MULTILINE)
    if found is None:
        raise ProcessLookupError(f"process {pid} has ended")
    return int(found[1]) * 1024


def children(pid):
    """All descendants of a process, whichever of its threads started them."""
    own = []
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            own += [int(word) for word in listing.read_text().split()]
        except OSError:  # it has just ended
            pass
    return own + [descendant for child in own for descendant in children(child)]
