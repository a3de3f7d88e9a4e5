"""How long a test takes: seconds in `make check`, as long as it is worth in `make soak`."""

import os


def edition(check, soak):
    """A number for `make check`, or for `make soak`."""
    return soak if os.environ.get("SOAK") else check
