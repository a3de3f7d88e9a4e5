"""What the tests of topk-ddb-sync share: a pipeline, a table, and workers between them."""

import struct
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

from demo.row import decode

CHECKOUT = Path(__file__).resolve().parents[2]
PROGRAM = CHECKOUT / "build" / "topk-ddb-sync"
PIPELINE = "recently_interacted"
DAY = 86400
RETENTION = 30 * DAY
TODAY = int(time.time()) // DAY


def eventually(check, timeout=20):
    """The first true answer of check()."""
    deadline = time.monotonic() + timeout
    while True:
        answer = check()
        if answer or time.monotonic() > deadline:
            return answer
        time.sleep(0.02)


def ordered(counts):
    """Pairs of item, in bytes, and count, as v has them: highest first, ties by bytes."""
    return sorted(((item.encode(), count) for item, count in counts.items()), key=lambda pair: (-pair[1], pair[0]))


def pack(k, items):
    """The bytes of a v."""
    return struct.pack("<II", k, len(items)) + b"".join(
        struct.pack("<QI", count, len(item)) + item for item, count in items)


def encode(k, counts):
    """What v must be for exact counts."""
    return pack(k, [pair for pair in ordered(counts) if pair[0]][:k])


def clock(off):
    """The environment in which a program's clock is off by so much ("+1d")."""
    library, = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
    return {"LD_PRELOAD": str(library), "FAKETIME": off, "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}


class Sync:
    """A pipeline in a fresh database, a fresh table, and workers between them."""

    def __init__(self, database, table, dynamodb, daemon):
        self.database = database
        self.table = table
        self.dynamodb = dynamodb
        self.client = dynamodb.client()
        self.daemon = daemon
        database.query("SELECT topk_pipeline.create(%s)", PIPELINE)

    def ingest(self, counts, bucket=TODAY, key="global", summary=None):
        """One committed batch for one window; returns when it was committed."""
        self.database.query(
            "SELECT topk_pipeline.ingest(%s, 'test', '{}', '{}', '{}', ARRAY[%s::text], ARRAY[%s::bigint],"
            " ARRAY[%s::bigint], ARRAY[coalesce(topk_from_murmur(%s), topk_build(%s, %s, 1000))],"
            " '{}', '{}', '{}', '{}', '{}', '{}', '{}')",
            PIPELINE, key, bucket, sum(counts.values()), summary, list(counts), list(counts.values()))
        return time.monotonic()

    def environment(self, endpoint=None):
        return {**self.database.env(), "DDB_TABLE": self.table, "DDB_ENDPOINT": endpoint or self.dynamodb.endpoint,
                "METRICS_ADDR": "off", "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}

    def start(self, *arguments, endpoint=None, ready="msg=mirroring", **environment):
        return self.daemon("topk-ddb-sync", arguments, {**self.environment(endpoint), **environment}, ready)

    def run(self, *arguments, endpoint=None, **environment):
        """Run to its end: the exit status, and what it said."""
        done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=60,
                              env={**self.environment(endpoint), **environment})
        return SimpleNamespace(status=done.returncode, log=done.stderr, output=done.stdout)

    def once(self, **options):
        """Mirror what is changed."""
        done = self.run("--once", **options)
        assert done.status == 0, done.log
        return done

    def row(self, bucket=TODAY, key="global"):
        """The row's attributes as DynamoDB has them, or None."""
        return self.client.get_item(TableName=self.table, Key={"pk": {"S": key}, "sk": {"N": str(bucket)}},
                                    ConsistentRead=True).get("Item")

    def put_row(self, bucket=TODAY, key="global", **attributes):
        self.client.put_item(TableName=self.table, Item={"pk": {"S": key}, "sk": {"N": str(bucket)}, **attributes})

    def counts(self, bucket=TODAY, key="global"):
        row = self.row(bucket, key)
        return row and {item.decode(): count for item, count in decode(row["v"]["B"])[1]}

    def shows(self, counts, bucket=TODAY, key="global", timeout=20):
        """Wait until the row has these counts."""
        assert eventually(lambda: self.counts(bucket, key) == counts, timeout), self.row(bucket, key)

    def status(self, bucket=TODAY, key="global"):
        """The window's version, mirrored version, failures, problem."""
        rows = self.database.query(
            "SELECT version, mirrored_version, failures, problem FROM topk_pipeline.mirror_status"
            " WHERE pipeline = %s AND key = %s AND bucket = %s", PIPELINE, key, bucket)
        return SimpleNamespace(**dict(zip(("version", "mirrored", "failures", "problem"), rows[0])))


def version(row):
    return int(row["ver"]["N"])
