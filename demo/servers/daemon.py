"""One of this repository's daemons, run as a child and watched by its log."""

import os
import re
import signal
import time
from pathlib import Path

from .checkout import CHECKOUT
from .process import Process, ServerFailed

BUILD = CHECKOUT / "build"


class Daemon:
    """A running daemon: .log() is its log so far, .wait_for(pattern) waits for a line of it."""

    def __init__(self, program, arguments=(), env=None, folder="/tmp", ready=None, timeout=30):
        """Start build/PROGRAM, or a program elsewhere by its whole path; with ready (a regular expression), return once its log has such a line."""
        log = Path(folder) / f"{Path(program).name}-{time.monotonic_ns()}.log"
        log.touch()
        self.process = Process(program, [str(BUILD / program), *map(str, arguments)], log,
                               env={**os.environ, **(env or {})})
        self.process.start(lambda: True)
        if ready:
            self.wait_for(ready, timeout)

    @property
    def pid(self):
        # setpriv becomes the program itself.
        return self.process.child.pid

    def log(self):
        return self.process.log.read_text(errors="replace")

    def wait_for(self, pattern, timeout=30):
        """The first line of the log that the regular expression is found in."""
        deadline = time.monotonic() + timeout
        while True:
            ended = not self.process.running()
            for line in self.log().splitlines():
                if re.search(pattern, line):
                    return line
            if ended or time.monotonic() > deadline:
                state = f"ended with {self.process.child.returncode}" if ended else f"did not in {timeout} s"
                raise ServerFailed(f"{self.process.name} should log {pattern!r}, but {state}:\n"
                                   f"{self.process.log_tail()}")
            time.sleep(0.02)

    def terminate(self, timeout=30):
        """SIGTERM, and the exit status; negative when it had to be killed."""
        self.process.stop(signal.SIGTERM, timeout)
        return self.process.child.returncode

    def wait(self, timeout=60):
        """Wait for it to end by itself; the exit status."""
        return self.process.child.wait(timeout)

    def kill(self):
        self.process.kill()

    def close(self):
        self.process.kill()
