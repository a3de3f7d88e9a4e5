#!/usr/bin/env python3
"""Runs every benchmark of this folder, or those that are named.

    build/venv/bin/python bench/run.py [kafka_drain ...]

Each is a program of its own that prints what it measured.
"""

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent


def main(names):
    names = names or sorted(path.stem for path in FOLDER.glob("*.py") if path.name != "run.py")
    for name in names:
        print(f"== {name}", flush=True)
        if code := subprocess.run([sys.executable, FOLDER / f"{name}.py"]).returncode:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
