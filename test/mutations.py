#!/usr/bin/env python3
"""Breaks what is promised, one promise at a time, in a copy of the checkout, and sees whether the tests notice.

    build/venv/bin/python test/mutations.py [PATTERN ...]

Ends with 0 if every break is caught.  After a change of these lines the text to
be found here has to follow them.
"""

import fnmatch
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

CHECKOUT = Path(__file__).resolve().parents[1]
COPY = CHECKOUT / "build" / "mutations"


class Break(NamedTuple):
    promise: str
    path: str
    text: str
    instead: str
    suites: str  # of test/run.py, with the tests that are to notice


BREAKS = [
    Break("(k + 1) * E <= N", "lib/mg/mg_purge.c", "return kept <= credit;", "return true;", "unit --only *property*"),
    Break("a merged upper bound covers what the other side dropped", "lib/mg/mg_summary.c", "summary->error += error;", ";",
          "unit --only mg_*"),
    Break("a count never wraps", "lib/mg/mg_summary.c", "if (weight > INT64_MAX - summary->lowers[i])", "if (weight < 0)",
          "unit --only mg_*"),
    Break("stored bytes are canonical", "lib/mg/mg_codec.c", '*problem = "items are not in order";', "continue;", "unit --only mg_*"),
    Break("a position moves only from where the batch began", "extension/topk_pipeline/position.sql",
          "AND s.shard = move.shard AND s.position = move.expected;", "AND s.shard = move.shard;", "sql --only pipeline_ingest"),
    Break("a feeder goes on where PostgreSQL says", "feeders/kafka/feeder_assign.c", "? 0 : positions[i].next;",
          "? 0 : positions[i].next + 1;", "integration --only kill_9"),
    Break("a topic made anew is not taken for the one that was read", "feeders/kafka/feeder_read.c", "time == partition->mark.time)", "true)",
          "integration --only made_anew"),
    Break("an id counts once", "extension/topk_pipeline/seen.sql", "array_agg(o.id IS NULL OR a.id IS NOT NULL ORDER BY o.place)",
          "array_agg(true ORDER BY o.place)", "sql --only pipeline_records"),
    Break("writers do not wait for each other", "extension/topk_pipeline/slot.sql",
          "ORDER BY slot_id LIMIT 1\n\t\t\t\t\t\t\tFOR UPDATE SKIP LOCKED) AS s ON true;",
          "ORDER BY slot_id LIMIT 1\n\t\t\t\t\t\t\tFOR UPDATE) AS s ON true;", "isolation"),
    Break("what can't be counted is kept", "extension/topk_pipeline/ingest.sql", "PERFORM reject(", "PERFORM 0 WHERE false AND 0 > reject(",
          "sql --only pipeline_rejected"),
    Break("a rejected record says why", "extension/topk_pipeline/rejected.sql", "r.shard, r.position::numeric, r.event_time, r.reason, r.detail,",
          "r.shard, r.position::numeric, r.event_time, r.reason, '',", "sql --only pipeline_*"),
    Break("what is older than the retention is not counted", "lib/feed/batch.c", "if (time < now - retention * 1000)", "if (time < 0)",
          "unit --only feed_*"),
    Break("a window stays for the retention", "extension/topk_pipeline/expire.sql", "expire_windows(p.pipeline_id, bucket(p.name, retained))",
          "expire_windows(p.pipeline_id, bucket(p.name, now()))", "sql --only pipeline_expire"),
    Break("nobody may call what was not granted", "extension/topk_pipeline/privileges.sql",
          "REVOKE ALL ON ALL FUNCTIONS IN SCHEMA topk_pipeline FROM PUBLIC;", "", "sql --only pipeline_roles"),
    Break("a row never goes back", "ddb-sync/item.c", "attribute_not_exists(ver) OR ver < :ver", "attribute_not_exists(ver) OR ver <> :ver",
          "integration --only never_wrong"),
    Break("somebody else's row is not taken for ours", "ddb-sync/item.c", "return writer != NULL && strcmp(writer, row->writer) == 0;",
          "return writer == NULL || *writer != 0;", "integration --only never_wrong"),
    Break("what was not counted is given back to Lambda", "feeders/lambda/answer.c", "complete && i < count; i++)", "complete && i < 0; i++)",
          "unit integration --only lambda"),
    Break("a fresh read is fresh", "query/reads.c", "uint64_t own = request->fresh ? ++reads->requests : 0;", "uint64_t own = 0;",
          "integration --only query_answers"),
    Break("expired rows are not served", "query/store_dynamodb.c", "&& ttl <= time(NULL)))", "&& ttl < 0))", "integration --only query_answers"),
    Break("a token is needed", "query/route.c", "!tokens_admit(server->tokens", "false && !tokens_admit(server->tokens",
          "integration --only query_access"),
]


def run(command):
    # What waits for ever is seen after 20 seconds, not 5 minutes.
    return subprocess.run(command, cwd=COPY, shell=True, capture_output=True, text=True,
                          env={**os.environ, "PGISOLATIONTIMEOUT": "20", "PG_TEST_TIMEOUT_DEFAULT": "20"})


def build(suites):
    built = run(f"make --silent --jobs=$(nproc) {' '.join(f'prepare-{suite}' for suite in suites)}")
    if built.returncode != 0:
        sys.exit(built.stderr[-3000:])


def caught(change):
    """Do the tests fail with it?"""
    path = COPY / change.path
    text = path.read_text()
    if text.count(change.text) != 1:
        sys.exit(f"{change.path} has {text.count(change.text)} times what is to be broken: {change.text}")
    path.write_text(text.replace(change.text, change.instead))
    try:
        build(change.suites.partition(" --")[0].split())
        done = run(f"build/venv/bin/python test/run.py {change.suites.replace('*', chr(92) + '*')}")
        return done.returncode != 0 and not done.stdout.rstrip().endswith("0 passed, 0 failed")
    finally:
        path.write_text(text)
        os.utime(path)


def main(*patterns):
    subprocess.run([CHECKOUT / "test" / "copy_checkout.sh", COPY], check=True)
    missed = 0
    for change in BREAKS:
        if any(fnmatch.fnmatch(change.promise, f"*{pattern}*") for pattern in patterns or "*"):
            noticed = caught(change)
            missed += not noticed
            print(f"{'caught' if noticed else 'MISSED'}  {change.promise}  ({change.path}: {change.suites})", flush=True)
    return missed > 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
