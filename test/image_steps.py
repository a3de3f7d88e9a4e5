#!/usr/bin/env python3
"""Takes the steps of a recipe in docker/ without an engine, in roots of their own, and starts what comes of it.

    test/image_steps.py docker/daemons.Dockerfile

Knows the instructions that the recipes use, and no other.  Needs root and
mmdebstrap.  A root stands for each base image: for postgres:17-bookworm, which
is no Debian release's, Debian 13 with its PostgreSQL 17.  A daemon has to say
its version, and, with nothing that it needs in reach, to be healthy by its own
HEALTHCHECK, in a network of its own.  The roots go at the end.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
BASES = {
    "debian:bookworm-slim": ("bookworm", "ca-certificates"),
    "debian:12-slim": ("bookworm", "ca-certificates"),
    "postgres:17-bookworm": ("trixie", "ca-certificates,postgresql-17"),
}
# Settings without which a daemon would not even wait.
SURROUNDINGS = {"PGHOST": "127.0.0.1", "KAFKA_BROKERS": "127.0.0.1:9", "KAFKA_TOPIC": "none", "CONSUMER_GROUP": "none",
                "AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none", "DDB_ENDPOINT": "http://127.0.0.1:9"}
HEALTHY_WITHIN = 20


class Stage:
    """One FROM: a root, and how its programs are started."""

    def __init__(self, name, root, parent):
        self.name, self.root = name, root
        self.environment = dict(parent.environment) if parent else {}
        self.user = parent.user if parent else "0"
        self.healthcheck = parent.healthcheck if parent else None
        self.entrypoint = parent.entrypoint if parent else None

    def command(self, arguments):
        inside = ["setpriv", f"--reuid={self.user}", "--regid=nogroup" if self.user != "0" else "--regid=0", "--clear-groups", *arguments]
        return [CHECKOUT / "test" / "debian_root.sh", "run", self.root, *inside]

    def run(self, arguments, **options):
        return subprocess.run(self.command(arguments), env=self.surroundings(), **options)

    def surroundings(self):
        return {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive",
                **self.environment}


class Recipe:
    def __init__(self, path, folder, context, bases):
        self.path, self.folder, self.context, self.bases = path, folder, context, bases
        self.stages = {}

    def take(self):
        stage = None
        for instruction, rest in instructions(self.path.read_text()):
            print(f"{self.path.name}: {instruction} {rest[:100]}", flush=True)
            if instruction == "FROM":
                stage = self.begin(*re.fullmatch(r"(\S+)(?: AS (\S+))?", rest).groups())
            elif instruction == "RUN":
                if status := stage.run(["sh", "-ec", rest], stdout=subprocess.DEVNULL).returncode:
                    sys.exit(f"not ok  {self.path.name}: {rest}: status {status}")
            elif instruction == "COPY":
                self.copy(stage, rest)
            elif instruction == "ENV":
                stage.environment |= dict(word.split("=", 1) for word in shlex.split(rest))
            elif instruction == "USER":
                stage.user = rest
            elif instruction == "HEALTHCHECK":
                stage.healthcheck = json.loads(rest.partition("CMD ")[2])
            elif instruction == "ENTRYPOINT":
                stage.entrypoint = json.loads(rest)
            elif instruction != "EXPOSE":
                sys.exit(f"{self.path}: {instruction} is not known here")
        return self.stages.values()

    def begin(self, base, name):
        name = name or "last"
        root = self.folder / name
        parent = self.stages.get(base)
        if base == "scratch":
            root.mkdir()
        else:
            source = parent.root if parent else self.base(base)
            subprocess.run(["cp", "--archive", "--reflink=auto", source, root], check=True)
        self.stages[name] = Stage(name, root, parent)
        return self.stages[name]

    def base(self, image):
        suite, packages = BASES[image]
        root = self.bases / re.sub(r"\W", "-", f"{suite}-{packages}")
        subprocess.run([CHECKOUT / "test" / "debian_root.sh", "make", root, suite, packages], check=True)
        return root

    def copy(self, stage, rest):
        options = dict(re.findall(r"--(\w+)=(\S+)", rest))
        source, target = re.sub(r"--\S+ ", "", rest).split()
        source = (self.stages[options["from"]].root if "from" in options else self.context) / source.lstrip("/")
        target_path = stage.root / target.lstrip("/")
        if source.is_dir():
            target_path.mkdir(parents=True, exist_ok=True)
            # over links, as that of /lib
            subprocess.run(["sh", "-ec", 'tar -C "$0" -c . | tar -C "$1" -x --keep-directory-symlink', source, target_path], check=True)
        else:
            if target.endswith("/"):
                target_path /= source.name
            target_path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target_path)
            if "chmod" in options:
                target_path.chmod(int(options["chmod"], 8))


def instructions(text):
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        if line.strip():
            instruction, _, rest = line.partition(" ")
            yield instruction, rest.strip()


def try_daemon(stage):
    """It says its version, and is healthy by its own HEALTHCHECK while it waits for everything."""
    version = stage.run([*stage.entrypoint, "--version"], check=True, capture_output=True, text=True).stdout.strip()
    stage.environment |= SURROUNDINGS
    script = f"{shlex.join(stage.entrypoint)} 2>/tmp/log & for second in $(seq {HEALTHY_WITHIN}); do sleep 1; " \
             f"{shlex.join(stage.healthcheck)} 2>/dev/null && exit; done; cat /tmp/log >&2; exit 1"
    network = ["unshare", "--net", "sh", "-ec", 'ip link set lo up; exec "$@"', "network", *stage.command(["bash", "-c", script])]
    done = subprocess.run(network, env=stage.surroundings(), timeout=60)
    print(f"{'ok' if done.returncode == 0 else 'not ok'}  {stage.name}: {version}, as user {stage.user}, healthy", flush=True)
    return done.returncode == 0


def try_extension(stage):
    """A server of this root, as the image's user would start it, has the extensions."""
    script = """export PATH=/usr/lib/postgresql/17/bin:$PATH PGDATA=/tmp/data PGHOST=/tmp
        export FEEDER_PASSWORD=one MIRROR_PASSWORD=two READER_PASSWORD=three
        echo initial >/tmp/password
        initdb --auth-local=trust --auth-host=scram-sha-256 --pwfile=/tmp/password >/dev/null
        pg_ctl start --silent --log=/tmp/log --options='-k /tmp'
        createdb topk
        psql -X -q -d topk -v ON_ERROR_STOP=1 -f /init.sql >/dev/null
        for role in feeder:one mirror:two reader:three; do
            psql -X -q -o /dev/null -c "SELECT * FROM topk_pipeline.settings('recently_interacted')" \
                "host=127.0.0.1 dbname=topk user=${role%:*} password=${role#*:}"
        done
        if psql -X -q -c 'SELECT 1' 'host=127.0.0.1 dbname=topk user=postgres password=initial' 2>/dev/null; then exit 1; fi
        """ + shlex.join(stage.healthcheck)
    shutil.copy(CHECKOUT / "docker" / "init.sql", stage.root / "init.sql")
    stage.user = "postgres"  # 999 in the official image
    network = ["unshare", "--net", "sh", "-ec", 'ip link set lo up; exec "$@"', "network", *stage.command(["bash", "-ec", script])]
    done = subprocess.run(network, env=stage.surroundings(), timeout=120)
    print(f"{'ok' if done.returncode == 0 else 'not ok'}  {stage.name}: docker/init.sql, its roles, no superuser from outside, and pg_isready", flush=True)
    return done.returncode == 0


def main(paths):
    passed = True
    (CHECKOUT / "build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CHECKOUT / "build", prefix="images-") as roots:
        os.chmod(roots, 0o755)
        roots = Path(roots)
        context = roots / "context"
        subprocess.run(["git", "clone", "--quiet", "--depth", "1", f"file://{CHECKOUT}", context], check=True)
        for path in map(Path, paths):
            started = time.monotonic()
            folder = roots / path.stem
            folder.mkdir()
            for stage in Recipe(path, folder, context, roots).take():
                if stage.entrypoint and stage.healthcheck:
                    passed &= try_daemon(stage)
                elif stage.healthcheck and stage.name == "last":
                    passed &= try_extension(stage)
            shutil.rmtree(folder)
            print(f"{path.name}: {time.monotonic() - started:.0f} s")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
