"""Whatever happens to workers, answers and clocks: the rows end as PostgreSQL has them, and versions never fall."""

import random
import threading
import time

import pytest

from aws_server import AwsServer, Keys
from ddb import TODAY, clock, version
from dynamodb_proxy import damage_answer, lose_answer, server_error, throttle
from edition import edition

KILLS = edition(12, 100)
WINDOWS = [(key, TODAY - day) for key in ("global", "other") for day in range(3)]


class Watcher:
    """Reads the rows again and again: neither version nor total ever falls."""

    def __init__(self, sync):
        self.sync, self.seen, self.fell, self.reads, self.stop = sync, {}, [], 0, False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.stop:
            for key, bucket in WINDOWS:
                row = self.sync.row(bucket, key)
                if row is None:
                    continue
                now = version(row), int(row["total"]["N"])
                before = self.seen.get((key, bucket), (0, 0))
                if now[0] < before[0] or now[1] < before[1]:
                    self.fell.append((key, bucket, before, now))
                self.seen[key, bucket] = now
                self.reads += 1

    def finish(self):
        self.stop = True
        self.thread.join()
        assert not self.fell and self.reads > 50


class Crowd:
    """Three workers, one of which has the lock, with clocks of their own."""

    def __init__(self, sync, endpoint):
        self.sync, self.endpoint, self.kills = sync, endpoint, 0
        self.workers = [self.start() for _ in range(3)]

    def start(self):
        off = random.choice([None, "+1d", "-1d"])
        return self.sync.start("--interval", "20ms", endpoint=self.endpoint, ready=None, **(clock(off) if off else {}))

    def kill_one(self):
        """The one that works, mostly."""
        place = max(range(3), key=lambda n: ("msg=mirroring" in self.workers[n].log(), random.random()))
        if random.random() < 0.2:
            place = random.randrange(3)
        self.workers[place].kill()
        self.workers[place] = self.start()
        self.kills += 1


def spoil(proxy):
    """A share of the answers is lost, damaged, throttled, or an error."""
    if not proxy.faults:
        proxy.faults += random.choices([lose_answer, damage_answer, throttle, server_error], k=random.randint(1, 4))


def test_kill_9_of_three_syncers(sync, proxy):
    truth = {window: 0 for window in WINDOWS}
    watcher = Watcher(sync)
    crowd = Crowd(sync, proxy.endpoint)
    try:
        while crowd.kills < KILLS:
            until = time.monotonic() + random.uniform(0.05, 0.6)
            while time.monotonic() < until:
                for key, bucket in WINDOWS:
                    truth[key, bucket] += 1
                    sync.ingest({"a": 1}, bucket, key)
                spoil(proxy)
            crowd.kill_one()
        proxy.faults.clear()
        for (key, bucket), total in truth.items():
            sync.shows({"a": total}, bucket, key, timeout=60)
        assert [worker.terminate() for worker in crowd.workers] == [0, 0, 0]
    finally:
        watcher.finish()
    assert sync.run("--once").status == 0
    assert sync.run("--verify").status == 0
    assert sync.database.query("SELECT count(*) FROM topk_pipeline.mirror_status WHERE failures > 0") == [(0,)]
    assert len(proxy.requests) > KILLS


def test_a_worker_that_lost_its_session_does_no_harm(sync, proxy):
    """Its last write comes late, when another worker has written a newer version."""
    release, held = threading.Event(), threading.Event()

    def hold_request(handler):
        held.set()
        release.wait(30)
        handler.forward()

    proxy.faults += [hold_request]
    sync.ingest({"a": 1})
    first = sync.start("--interval", "50ms", endpoint=proxy.endpoint)
    assert held.wait(20)
    sync.database.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'topk-ddb-sync'")
    second = sync.start("--interval", "50ms", ready=None)
    sync.ingest({"a": 1})
    sync.shows({"a": 2})
    newest = version(sync.row())
    release.set()
    time.sleep(0.5)
    assert sync.counts() == {"a": 2} and version(sync.row()) >= newest
    sync.ingest({"a": 1})
    sync.shows({"a": 3})
    for worker in (first, second):
        assert "level=error" not in worker.log()
        assert worker.terminate() == 0


def test_a_throttled_table_converges(sync, proxy):
    windows = 150
    for key in range(windows):
        sync.ingest({"a": key + 1}, key=f"key-{key}")
    proxy.throttled = 0.5
    sync.once(endpoint=proxy.endpoint)
    proxy.throttled = 0
    assert len(proxy.requests) > 1.5 * windows
    assert sync.run("--verify").status == 0


@pytest.mark.parametrize("off", ["+1d", "-1d"])
def test_a_worker_whose_clock_is_off_keeps_its_temporary_keys(sync, proxy, off):
    """They look expired, or valid for ever; AWS decides."""
    with AwsServer() as aws:
        aws.keys = Keys("AKIDONE", "secret", "token", expires_in=3600)
        proxy.secrets = {"AKIDONE": "secret"}
        sync.ingest({"a": 1})
        sync.once(endpoint=proxy.endpoint, **clock(off), AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="", HOME="/nonexistent",
                  AWS_CONTAINER_CREDENTIALS_FULL_URI=aws.url + "/container")
        assert sync.counts() == {"a": 1} and len(aws.requests) == 1
