#!/usr/bin/env python3
"""The whole path, once, on real servers and real events.

    make demo [INPUT=file.jsonl] [STAY=1]

Kafka -> topk-kafka-feeder -> PostgreSQL -> topk-ddb-sync -> DynamoDB, both
daemons running while the events flow; then every answer is compared with
plain SQL over the same events.  Ends with 0 if all of them agree.  With STAY=1
it first serves the page until Ctrl-C; with PICTURE=file it takes a picture of it.
"""

import datetime
import os
import signal
import sys
import time
import urllib.request
from pathlib import Path

import psycopg
from confluent_kafka import KafkaException, Producer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from demo import events, report, row  # noqa: E402
from demo.servers.process import ServerFailed, free_port  # noqa: E402
from demo.stack import Stack, exit_on_signals  # noqa: E402

# The daemons' defaults, so that they need no options here.
PIPELINE = TABLE = "recently_interacted"
TOPIC = "interactions"
K = 32

# A real server's durability, so that the rate is a real server's.
POSTGRES_SETTINGS = {"fsync": "on"}


def main(arguments):
    exit_on_signals()
    path = arguments[0] if arguments else None
    print(f"\n{report.bold('topk')}  the most frequent entities of {path or 'a year of flights'}, "
          "Kafka → PostgreSQL → DynamoDB\n")
    try:
        with Stack() as stack:
            return run(stack, path)
    except (ServerFailed, KafkaException, OSError, psycopg.Error) as problem:
        print(f"\n{problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def run(stack, path):
    checks = report.Checks()
    replayed = read_events(path)
    start_servers(stack)
    database = psycopg.connect(stack.postgres().dsn, autocommit=True)
    create_pipeline(database)
    feeder, feeder_metrics, sync, sync_metrics = start_daemons(stack)
    records, seconds = replay(stack, database, feeder, replayed)
    wait_for_mirror(database, sync)
    writes = put_items(sync_metrics)
    load_truth(database, replayed)
    with database.transaction():  # one now(), whatever midnight does
        database.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        show_top(database)
        compare_counts(database, checks, records)
        rows = compare_rows(stack, database, checks)
    show_cost(records, seconds, writes, rows)
    if os.environ.get("STAY") or os.environ.get("PICTURE"):
        show_page(stack, feeder_metrics, sync_metrics)
    stop_daemons(checks, feeder, sync)
    return finish(checks)


# ---- the way of the events ----


def read_events(path):
    with report.step("read the events") as step:
        try:
            replayed = events.from_file(path) if path else events.flights()
        except OSError as problem:
            sys.exit(f"cannot read {path}: {problem.strerror}")
        if not replayed:
            sys.exit(f"{path} has no events")
        step.note = f"{report.number_of(len(replayed), 'line')} of {path}" if path else \
            f"{len(replayed):,} departures from New York, the last of them now"
    return replayed


def start_servers(stack):
    with report.step("start the servers") as step:
        step.progress("PostgreSQL")
        stack.postgres(settings=POSTGRES_SETTINGS)
        step.progress("Apache Kafka")
        stack.kafka().create_topic(TOPIC, partitions=4)
        step.progress("DynamoDB Local")
        stack.dynamodb().create_table(TABLE)
        step.note = "PostgreSQL, Apache Kafka, DynamoDB Local"


def create_pipeline(database):
    database.execute("CREATE EXTENSION topk_pipeline CASCADE")
    database.execute("SELECT topk_pipeline.create(%s, k => %s, retention => %s, max_ahead => %s)",
                     (PIPELINE, K, events.RETENTION, events.MAX_AHEAD))


def start_daemons(stack):
    with report.step("start the daemons") as step:
        feeder_metrics, sync_metrics = (f"127.0.0.1:{free_port()}" for _ in range(2))
        feeder = stack.daemon("topk-kafka-feeder", env={"METRICS_ADDR": feeder_metrics}, ready="partitions assigned")
        sync = stack.daemon("topk-ddb-sync", env={"METRICS_ADDR": sync_metrics}, ready="mirroring")
        step.note = "topk-kafka-feeder, topk-ddb-sync"
    return feeder, feeder_metrics, sync, sync_metrics


def show_page(stack, feeder_metrics, sync_metrics):
    """Serve the page over what is in DynamoDB now, until Ctrl-C, or until its picture is taken."""
    address = f"127.0.0.1:{free_port()}"
    stack.daemon("topk-query", ready="started", env={
        "GRPC_ADDR": address, "TOPK_RETENTION": f"{events.RETENTION.days}d",
        "TOPK_METRICS_URLS": f"topk-kafka-feeder=http://{feeder_metrics}/metrics,topk-ddb-sync=http://{sync_metrics}/metrics"})
    url = f"http://{address}/"
    if path := os.environ.get("PICTURE"):
        from demo import picture
        picture.take(url, path)
        return
    print(f"\n    the page: {report.bold(url)}    Ctrl-C ends it\n", flush=True)
    try:
        signal.pause()
    except KeyboardInterrupt:
        print()


def replay(stack, database, feeder, replayed):
    """Produce all events while the feeder counts them; records and seconds from the first to the last commit."""
    with report.step("replay them through Kafka") as step:
        producer = Producer({"bootstrap.servers": stack.kafka().brokers, "linger.ms": 5,
                             "queue.buffering.max.messages": 500_000, "log_level": 0})
        started = time.monotonic()
        for number, event in enumerate(replayed):
            send(producer, event)
            if number % 20_000 == 0:
                producer.poll(0)
                step.progress(f"{number:,} sent")
        producer.flush()
        wait_until(lambda: committed(database, step) == len(replayed), feeder)
        seconds = time.monotonic() - started
        step.note = f"{len(replayed) / seconds:,.0f} records/s from the first sent to the last committed"
    return len(replayed), seconds


def send(producer, event):
    while True:
        try:
            return producer.produce(TOPIC, event.value, key=event.key, timestamp=event.milliseconds)
        except BufferError:  # more is queued than the producer may hold
            producer.poll(0.1)


def committed(database, step):
    """Records whose position is stored; the topic began at 0."""
    count, = database.execute("SELECT coalesce(sum(position), 0)::bigint FROM topk_pipeline.source_status"
                              " WHERE pipeline = %s", (PIPELINE,)).fetchone()
    step.progress(f"{count:,} committed")
    return count


def wait_for_mirror(database, sync):
    with report.step("mirror the last changes to DynamoDB") as step:
        def unmirrored():
            windows, = database.execute("SELECT count(*) FROM topk_pipeline.mirror_status WHERE pipeline = %s"
                                        " AND unmirrored_since IS NOT NULL", (PIPELINE,)).fetchone()
            step.progress(f"{report.number_of(windows, 'day')} to go")
            return windows

        wait_until(lambda: unmirrored() == 0, sync)


def wait_until(done, daemon, timeout=120):
    """Poll until done(); not longer than timeout, and not when the daemon that works on it has ended."""
    deadline = time.monotonic() + timeout
    while not done():
        if not daemon.process.running() or time.monotonic() > deadline:
            raise ServerFailed(f"{daemon.process.name} did not finish its work:\n{daemon.process.log_tail()}")
        time.sleep(0.02)


def put_items(address):
    """How many PutItem calls topk-ddb-sync has made, from its metrics."""
    with urllib.request.urlopen(f"http://{address}/metrics") as answer:
        samples = [line.rsplit(" ", 1) for line in answer.read().decode().splitlines() if not line.startswith("#")]
    return round(sum(float(value) for name, value in samples if name.startswith("topk_mirror_requests_total{")))


def stop_daemons(checks, feeder, sync):
    statuses = feeder.terminate(), sync.terminate()
    checks.check(statuses == (0, 0), "both daemons ended cleanly on SIGTERM", f"with {statuses}")


# ---- the truth, and what is compared with it ----


def load_truth(database, replayed):
    """The same events as plain rows, in the unlogged table event(entity, at)."""
    with report.step("count the same events in plain SQL"):
        database.execute("CREATE UNLOGGED TABLE event (entity text, at timestamptz)")
        with database.cursor().copy("COPY event FROM STDIN (FORMAT binary)") as copy:
            copy.set_types(["text", "timestamptz"])
            for event in replayed:
                if event.entity is not None:
                    copy.write_row((event.entity, event.at))
        database.execute("ANALYZE event")


TOP = """
SELECT t.item, t.lower_bound, t.upper_bound,
       (SELECT count(*) FROM event WHERE entity = t.item AND at >= %(since)s AND at < %(until)s)
  FROM topk_top(%(summary)s::topk_summary, 10) AS t
 ORDER BY t.estimate DESC, t.item COLLATE "C"
"""


def show_top(database):
    days = database.execute(
        "SELECT to_char(window_start AT TIME ZONE 'UTC', 'FMDy FMDD Mon YYYY'), summary::text,"
        "       window_start, window_start + interval '1 day'"
        "  FROM topk_pipeline.window_summary WHERE pipeline = %s AND key = 'global'"
        " ORDER BY window_start DESC LIMIT 3", (PIPELINE,)).fetchall()
    week = database.execute(
        "SELECT 'the last 7 days', topk_pipeline.summary(%s, days => 7)::text,"
        "       date_trunc('day', now(), 'UTC') - interval '6 days',"
        "       date_trunc('day', now(), 'UTC') + interval '1 day'",
        (PIPELINE,)).fetchall()
    report.heading("The top 10: between which bounds the summary says a count lies, and what SQL counts")
    report.tables([
        (title, ("entity", "lower", "upper", "SQL"),
         database.execute(TOP, {"summary": summary, "since": since, "until": until}).fetchall())
        for title, summary, since, until in days + week if summary is not None])


# Every item of every window, against every entity of every day.
COMPARISON = """
WITH counted AS (
    SELECT w.bucket, topk_is_exact(w.summary) AS exact, topk_error(w.summary) AS error,
           t.item COLLATE "C" AS entity, t.lower_bound, t.upper_bound
      FROM topk_pipeline.window_summary AS w, topk_top(w.summary, 100000) AS t
     WHERE w.pipeline = %(pipeline)s AND w.key = 'global'
), errors AS (
    SELECT bucket, max(error) AS error FROM counted GROUP BY bucket
), truth AS (
    SELECT floor(extract(epoch FROM at) / 86400)::bigint AS bucket, entity COLLATE "C" AS entity, count(*) AS count
      FROM event GROUP BY 1, 2
)
SELECT count(*), count(DISTINCT bucket), bool_and(coalesce(c.exact, true)),
       count(*) FILTER (WHERE coalesce(c.lower_bound, 0) > coalesce(t.count, 0)
                           OR coalesce(t.count, 0) > coalesce(c.upper_bound, e.error, 0)),
       count(*) FILTER (WHERE c.lower_bound IS DISTINCT FROM t.count OR c.upper_bound IS DISTINCT FROM t.count)
  FROM counted AS c FULL JOIN truth AS t USING (bucket, entity) LEFT JOIN errors AS e USING (bucket)
"""


def compare_counts(database, checks, records):
    report.heading("Compared with SQL")
    pairs, days, says_exact, outside, inexact = database.execute(COMPARISON, {"pipeline": PIPELINE}).fetchone()
    checks.check(outside == 0, f"all {report.number_of(pairs, 'count')} of {report.number_of(days, 'day')} lie between their bounds",
                 f"{outside:,} do not")
    if says_exact:
        checks.check(inexact == 0, "every day's summary says that it is exact, and is", f"{inexact:,} counts differ")
    else:
        print("    not every day's summary is exact: a day has more entities than counters")
    counted, rejected = database.execute("SELECT records, rejected FROM topk_pipeline.status WHERE pipeline = %s",
                                         (PIPELINE,)).fetchone()
    checks.check(counted + rejected == records, f"{report.number_of(counted, 'record')} counted and {rejected:,} rejected, each once",
                 f"{records:,} were sent")
    for reason, number in database.execute("SELECT reason, records FROM topk_pipeline.rejected_by_reason"
                                           " WHERE pipeline = %s ORDER BY 2 DESC, 1", (PIPELINE,)):
        print(f"      {number:,} {reason}")


def compare_rows(stack, database, checks):
    """Read the table with an AWS client; every row must be what SQL makes of its window."""
    pages = stack.dynamodb().client().get_paginator("query").paginate(
        TableName=TABLE, KeyConditionExpression="pk = :key", ExpressionAttributeValues={":key": {"S": "global"}})
    rows = {int(item["sk"]["N"]): item for page in pages for item in page["Items"]}
    windows = dict(database.execute(
        "SELECT bucket, topk_to_murmur(summary, %s) FROM topk_pipeline.window_summary"
        " WHERE pipeline = %s AND key = 'global'", (K, PIPELINE)).fetchall())
    different = [bucket for bucket in rows.keys() | windows.keys()
                 if bucket not in rows or bytes(windows.get(bucket, b"")) != rows[bucket]["v"]["B"]]
    checks.check(not different, f"all {report.number_of(len(rows), 'DynamoDB row')}, read back by boto3, are the windows in PostgreSQL",
                 f"{len(different):,} are not")
    if rows:
        newest = sorted(rows)[-2:][0]  # of the last whole day, if there is one
        compare_row(database, checks, newest, rows[newest])
    return len(rows)


def compare_row(database, checks, bucket, item):
    """Decode one row and compare it with GROUP BY, without any help from the extension."""
    k, items = row.decode(item["v"]["B"])
    listed = [(entity.decode(), count) for entity, count in items]
    truth = dict(database.execute(
        "SELECT entity, count(*) FROM event"
        " WHERE at >= to_timestamp(%(start)s) AND at < to_timestamp(%(start)s + 86400) GROUP BY entity", {"start": bucket * 86400}).fetchall())
    best = sorted(truth.items(), key=lambda pair: (-pair[1], pair[0].encode()))[:k]
    error = int(item["error"]["N"])
    day = datetime.datetime.fromtimestamp(bucket * 86400, datetime.timezone.utc).strftime("%a %-d %b")
    shown = ", ".join(f"{entity} {count:,}" for entity, count in listed[:3])
    what = f"the row of {day} (v of {len(item['v']['B'])} bytes) decodes to {len(listed)} items, {shown} …"
    if listed == best:
        checks.check(True, f"{what}, the top {len(best)} of GROUP BY")
        return
    outside = [entity for entity, count in listed if not count <= truth.get(entity, 0) <= count + error]
    missed = [entity for entity, count in truth.items() if count > error and entity not in dict(listed)]
    checks.check(not outside and not missed, f"{what}, within its error of {error:,}",
                 f"GROUP BY has {best[:3]} …; outside {outside[:3]}, missed {missed[:3]}")


def show_cost(records, seconds, writes, rows):
    report.heading("What it took")
    print(f"    {records / seconds:,.0f} records a second, from the first sent to the last committed")
    print(f"    {report.number_of(writes, 'DynamoDB write')} and no read, for {report.number_of(records, 'record')}"
          f" in {report.number_of(rows, 'day')}")
    print(f"    (a read and a write for each record would have been {2 * records:,} requests)")


def finish(checks):
    if checks.failed:
        print(f"\n{report.styled('31', f'{checks.failed} comparisons failed')}\n")
        return 1
    print(f"\n{report.styled('32', 'Every answer agrees.')}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
