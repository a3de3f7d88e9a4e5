#!/usr/bin/env python3
"""How long reading one event takes, beside jansson: bench/parse.c."""

import subprocess
from pathlib import Path

subprocess.run([Path(__file__).resolve().parents[1] / "build/bench/parse"], check=True)
