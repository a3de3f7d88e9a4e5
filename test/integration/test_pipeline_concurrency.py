"""Writers, a mirror worker and expiry at once, while their connections are cut: every count stays exact, no two deadlock."""

import random
import threading
import time
from collections import Counter
from datetime import datetime, timezone

import psycopg
from psycopg.types.json import Jsonb

SECONDS = 4
WRITERS = 4
KEYS = ("eu", "us")
BUCKETS = (20780, 20781)  # long over, so that expiry merges their slots


class Client:
    """A connection that comes back after it was cut."""

    def __init__(self, dsn):
        self.dsn = dsn
        self.connection = psycopg.connect(dsn, autocommit=True)

    def query(self, sql, *arguments):
        """Rows, or None when the connection was lost and nobody knows whether the statement took effect."""
        try:
            cursor = self.connection.execute(sql, arguments)
            return cursor.fetchall()
        except psycopg.errors.DeadlockDetected:
            raise
        except psycopg.OperationalError:
            self.connection.close()
            self.connection = psycopg.connect(self.dsn, autocommit=True)
            return None

    def must(self, sql, *arguments):
        while (rows := self.query(sql, *arguments)) is None:
            pass
        return rows


def random_batch():
    batch = {}
    for _ in range(random.randint(1, 20)):
        batch.setdefault((random.choice(KEYS), random.choice(BUCKETS)), Counter())[f"item-{random.randint(1, 40)}"] += 1
    return batch


def summary_of(counts):
    items = [[item, n, n] for item, n in counts.most_common()]
    return Jsonb({"k": 50, "total": counts.total(), "error": 0, "items": items})


INGEST = """
    SELECT topk_pipeline.ingest('p', 'kafka:clicks', %s, %s::bigint[], %s::bigint[], %s, %s::bigint[], %s::bigint[],
        (SELECT array_agg(s::topk_summary ORDER BY place) FROM unnest(%s::jsonb[]) WITH ORDINALITY AS u (s, place)))"""


def writer(client, shard, until, truth):
    position = None
    while time.monotonic() < until:
        batch = random_batch()
        target = (position or 0) + 1
        done = client.query(INGEST, [shard], [position], [target], [key for key, _ in batch], [bucket for _, bucket in batch],
                            [counts.total() for counts in batch.values()], [summary_of(counts) for counts in batch.values()])
        if done is None:
            stored = client.must("SELECT position FROM topk_pipeline.positions('p', 'kafka:clicks', %s)", [shard])
            position = stored[0][0] if stored else None
            if position != target:
                continue
        position = target
        for window, counts in batch.items():
            for item, n in counts.items():
                truth[window, item] += n


def mirror(client, until, store):
    """Stores what it is offered, but now and then dies, forgets or fails before or after it did."""
    while time.monotonic() < until:
        for key, bucket, version, value in client.query(
                "SELECT key, bucket, version, value FROM topk_pipeline.mirror_claim('p', '20 ms', 3)") or ():
            fate = random.random()
            if fate < 0.9 and store.get((key, bucket), (0,))[0] < version:
                store[key, bucket] = (version, value)
            if fate < 0.7:
                client.query("SELECT topk_pipeline.mirror_done('p', %s, %s, %s)", key, bucket, version)
            elif fate < 0.8:
                client.query("SELECT topk_pipeline.mirror_failed('p', %s, %s, %s, 'bad luck')", key, bucket, version)
        if random.random() < 0.1:
            client.query("SELECT topk_pipeline.mirror_lock('p')")  # as a new worker would


def expire(client, until):
    while time.monotonic() < until:
        client.query("SELECT * FROM topk_pipeline.expire()")
        time.sleep(0.05)


def cut(dsn, until, victims):
    with psycopg.connect(dsn, autocommit=True) as connection:
        while time.monotonic() < until:
            connection.execute("SELECT pg_terminate_backend(%s)", [random.choice(victims).connection.info.backend_pid])
            time.sleep(0.1)


def all_at_once(jobs):
    """Run (function, arguments...) in a thread each, to their ends."""
    failures = []

    def guarded(work, *arguments):
        try:
            work(*arguments)
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=guarded, args=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_counts_stay_exact(database):
    database.query("SELECT topk_pipeline.create('p', k => 5, counters => 50, retention => '20000 days')")
    until = time.monotonic() + SECONDS
    clients = [Client(database.dsn) for _ in range(WRITERS + 2)]
    truths = [Counter() for _ in range(WRITERS)]
    store = {}
    jobs = [(writer, clients[i], str(i), until, truths[i]) for i in range(WRITERS)]
    jobs += [(mirror, clients[-1], until, store), (expire, clients[-2], until), (cut, database.dsn, until, clients)]
    all_at_once(jobs)

    truth = sum(truths, Counter())
    rows = database.query("SELECT key, bucket, item, lower_bound, upper_bound"
                          "  FROM topk_pipeline.window_summary, topk_top(summary, 100)")
    assert {((key, bucket), item): lower for key, bucket, item, lower, _ in rows} == truth
    assert all(lower == upper for *_, lower, upper in rows)
    assert database.query("SELECT sum(records) FROM topk_pipeline.slot") == [(truth.total(),)]

    # one more worker brings the mirror up to date, with versions above all before
    for client in clients:
        client.connection.close()
    while database.query("SELECT topk_pipeline.mirror_lock('p')") != [(True,)]:
        time.sleep(0.01)  # until the server has noticed that the last worker is gone
    for key, bucket, version, value in database.query(
            "SELECT key, bucket, version, value FROM topk_pipeline.mirror_claim('p', '0')"):
        assert version > store.get((key, bucket), (0,))[0]
        store[key, bucket] = (version, value)
    expected = database.query("SELECT key, bucket, topk_to_murmur(summary, 5) FROM topk_pipeline.window_summary")
    assert {(key, bucket): value for key, bucket, value in expected} == {place: value for place, (_, value) in store.items()}


# ---- records with ids ----

RECORDS = 3000
OFFER = """
    SELECT * FROM topk_pipeline.ingest_records('p', 'kinesis:clicks', '{}', '{}', '{}', %s, %s, %s, %s::bigint[], %s, %s::bigint[],
        %s, %s, %s, %s, %s, %s::bytea[], %s::bytea[], %s, %s)"""


def offer(client, records):
    """One batch; every tenth record is a bad one."""
    good = [number for number in records if number % 10]
    bad = [number for number in records if not number % 10]
    none = [None] * len(bad)
    return client.query(OFFER, [f"id-{n}" for n in good], [time_of(n) for n in good], [KEYS[n % 2] for n in good],
                        [BUCKETS[0]] * len(good), [f"item-{n % 40}" for n in good], [1] * len(good),
                        ["0"] * len(bad), [str(n) for n in bad], none, ["odd"] * len(bad), none, none, none,
                        [f"id-{n}" for n in bad], [time_of(n) for n in bad])


def time_of(number):
    """When a record arrived: the records lie on both sides of the border between two partitions."""
    return datetime.fromtimestamp(time.time() // 86400 * 86400 + number - RECORDS // 2, timezone.utc)


def deliver(client, until):
    """Batches that overlap with those of the others, in any order."""
    while time.monotonic() < until:
        start = random.randrange(RECORDS)
        offer(client, random.sample(range(start, min(start + 200, RECORDS)), min(50, RECORDS - start)))


def test_redelivered_records_count_once(database):
    database.query("SELECT topk_pipeline.create('p', k => 5, counters => 50, retention => '20000 days')")
    until = time.monotonic() + SECONDS
    clients = [Client(database.dsn) for _ in range(WRITERS + 1)]
    jobs = [(deliver, client, until) for client in clients[:WRITERS]]
    jobs += [(expire, clients[WRITERS], until), (cut, database.dsn, until, clients)]
    all_at_once(jobs)

    # whatever has not come through yet; then everything once more
    every = range(RECORDS)
    while offer(clients[0], every) is None:
        pass
    assert offer(clients[0], every) == [(0, RECORDS, 0)]
    rows = database.query("SELECT key, item, lower_bound, upper_bound"
                          "  FROM topk_pipeline.window_summary, topk_top(summary, 100)")
    truth = Counter((KEYS[n % 2], f"item-{n % 40}") for n in every if n % 10)
    assert {(key, item): lower for key, item, lower, _ in rows} == truth
    assert database.query("SELECT sum(records) FROM topk_pipeline.slot") == [(truth.total(),)]
    rejected = database.query("SELECT position::int FROM topk_pipeline.rejected_record ORDER BY position")
    assert rejected == [(n,) for n in every if not n % 10]
    for client in clients:
        client.connection.close()
