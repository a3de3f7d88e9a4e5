"""A throw-away PostgreSQL cluster with this checkout's extensions installed.

The server runs from a private copy of the installed PostgreSQL, so that
nothing is installed into the system: a server finds its share directory
relative to its own binary.
"""

import fcntl
import os
import pwd
import secrets
import shlex
import shutil
import signal
import subprocess
from pathlib import Path

from .checkout import CHECKOUT
from .process import Process, free_port, run

SUPERUSER = "postgres"
DATABASE = "topk"

# Names, not durability: a cluster that is thrown away survives the crash of
# the server but need not survive that of the machine.
SETTINGS = {
    "listen_addresses": "'127.0.0.1'",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "fsync": "off",
    "timezone": "'UTC'",
    "log_timezone": "'UTC'",
    "log_line_prefix": "'%m [%p] %a '",
}


class Postgres:
    """A cluster with the database `topk`; .dsn and .env() say how to reach it."""

    def __init__(self, folder, settings=None):
        self.folder = Path(folder)
        self.data = self.folder / "data"
        self.port = free_port()
        self.password = secrets.token_hex(16)
        # The server refuses to run as root; Debian's packages bring this user.
        self.user = "postgres" if os.geteuid() == 0 else None
        self.bindir = install(self.folder / "root")
        self._initdb({**SETTINGS, "port": self.port, **(settings or {})})
        # The server under a sanitizer's runtime or valgrind: test/checked_server.sh.
        wrapper = shlex.split(os.environ.get("POSTGRES_WRAPPER", ""))
        self.process = Process("PostgreSQL", [*wrapper, str(self.bindir / "postgres"), "-D", str(self.data)],
                               self.folder / "log", env=clean_environment(), user=self.user,
                               death_signal=signal.SIGQUIT)
        self.start()
        self._run("createdb", DATABASE)

    @property
    def dsn(self):
        return self.dsn_of(DATABASE)

    def dsn_of(self, database):
        return (f"host=127.0.0.1 port={self.port} user={SUPERUSER} "
                f"password={self.password} dbname={database}")

    def env(self, database=DATABASE):
        """libpq's environment variables for the cluster."""
        return {"PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGUSER": SUPERUSER,
                "PGPASSWORD": self.password, "PGDATABASE": database}

    def start(self):
        self.process.start(self._ready)

    def running(self):
        return self.process.running()

    def stop(self, mode="fast"):
        """Shut down: smart, fast or immediate, as pg_ctl has it."""
        self.process.stop({"smart": signal.SIGTERM, "fast": signal.SIGINT,
                           "immediate": signal.SIGQUIT}[mode])

    def kill(self):
        """kill -9 of the postmaster and every backend."""
        self.process.kill()

    def close(self):
        self.stop("immediate")

    def _ready(self):
        return subprocess.run([self.bindir / "pg_isready", "-q"],
                              env={**clean_environment(), **self.env()}).returncode == 0

    def _initdb(self, settings):
        password_file = self.folder / "password"
        password_file.write_text(self.password)
        sockets = self.folder / "sockets"
        for directory in (self.data, sockets):
            directory.mkdir(mode=0o700)
        if self.user:
            account = pwd.getpwnam(self.user)
            for path in (password_file, self.data, sockets):
                os.chown(path, account.pw_uid, account.pw_gid)
        as_user = ["setpriv", "--reuid", self.user, "--regid", self.user, "--clear-groups"] if self.user else []
        run([*as_user, self.bindir / "initdb", "--pgdata", self.data, "--username", SUPERUSER,
             "--pwfile", password_file, "--auth", "scram-sha-256", "--encoding", "UTF8",
             "--locale", "C.UTF-8", "--no-sync"], cwd="/", env=clean_environment())
        password_file.unlink()
        with open(self.data / "postgresql.auto.conf", "a") as conf:
            conf.write(f"unix_socket_directories = '{sockets}'\n")
            conf.writelines(f"{name} = {value}\n" for name, value in settings.items())

    def _run(self, program, *arguments):
        run([self.bindir / program, *arguments], env={**clean_environment(), **self.env()})


def install(root):
    """Copy PostgreSQL below root, add the extensions, return the copy's bindir."""
    places = {name: pg_config_path(name) for name in ("bindir", "pkglibdir", "sharedir")}
    for place in places.values():
        shutil.copytree(place, below(root, place), symlinks=True,
                        ignore=shutil.ignore_patterns("bitcode", "pgxs", "man", "locale"))
    # Others may be building in the same checkout.
    build = CHECKOUT / "build"
    build.mkdir(exist_ok=True)
    with open(build / "make.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        run(["make", "--silent", "--no-print-directory", "-C", CHECKOUT, "install", f"DESTDIR={root}"],
            env={name: value for name, value in os.environ.items() if name != "MAKEFLAGS"})
    return below(root, places["bindir"])


def below(root, place):
    return Path(root) / place.relative_to("/")


def pg_config_path(name):
    """A path of the PostgreSQL that the extensions are built for."""
    program = os.environ.get("PG_CONFIG", "pg_config")
    answer = subprocess.run([program, f"--{name}"], check=True, capture_output=True, text=True)
    return Path(answer.stdout.strip()).resolve()


def clean_environment():
    """The caller's environment without anything that would lead libpq elsewhere."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}
