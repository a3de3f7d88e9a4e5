"""What tests of topk-kafka-feeder share: a topic, the pipeline that is fed from it, and what was sent."""

import json
import random
import re
import statistics
import time
import urllib.error
import urllib.request
from collections import Counter

from confluent_kafka import Producer, TopicPartition

PIPELINE = "recently_interacted"


def now_ms():
    return int(time.time() * 1000)


def event(entity, **fields):
    return json.dumps({"entity_id": entity, "user_id": "u-7", "source": "kafka", **fields})


def wait_until(condition, timeout=30, what="the condition"):
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what} did not come true within {timeout} s"
        time.sleep(0.01)
    return value


def answer(feeder, path):
    """Status and text of /metrics, /healthz or /readyz of a feeder that was started with --metrics-addr 127.0.0.1:0."""
    port = re.search("serving metrics.* port=([0-9]+)", feeder.log())[1]
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def metric(feeder, name):
    """A number that a feeder shows."""
    return float(re.search(rf"^{name} (\S+)$", answer(feeder, "/metrics")[1], re.MULTILINE)[1])


def lag(feeder, partitions=4):
    return sum(metric(feeder, f'kafka_consumergroup_lag{{.*partition="{partition}"}}') for partition in range(partitions))


class Feed:
    """One topic, the pipeline that is fed from it, and what was sent."""

    def __init__(self, kafka, database, topic, daemon):
        self.kafka, self.database, self.topic, self.daemon = kafka, database, topic, daemon
        self.producer = Producer({"bootstrap.servers": kafka.brokers, "linger.ms": 5, "log_level": 0,
                                  "queue.buffering.max.messages": 1_000_000,
                                  "enable.idempotence": True})
        self.sent = Counter()
        self.started = []
        database.query("SELECT topk_pipeline.create(%s)", PIPELINE)

    def start(self, *arguments, ready="partitions assigned", **env):
        self.started.append(self.daemon("topk-kafka-feeder",
                                        ["--topic", self.topic, "--group", self.topic, *arguments],
                                        env={"TOPK_DSN": self.database.dsn, **env}, ready=ready))
        return self.started[-1]

    def start_static(self, *arguments, member="a", **options):
        """As a static member of the group, which may come back at once after a kill -9."""
        return self.start("-X", f"group.instance.id={member}", *arguments, **options)

    def send(self, value, partition=0, key=None, time_ms=None, headers=None):
        """One record of any content."""
        self.producer.produce(self.topic, value, key=key, partition=partition, timestamp=time_ms or now_ms(), headers=headers)
        self.producer.poll(0)

    def send_events(self, count, entities=1000, partitions=4):
        """Good events for random entities, remembered in .sent."""
        for number in range(count):
            entity = f"e{int(random.paretovariate(0.3)) % entities}"
            self.send(event(entity), number % partitions)
            self.sent[entity] += 1
        assert self.producer.flush(60) == 0

    def delete_records(self, before):
        """As if those before these offsets, by partition, had expired; -1: all."""
        for deleted in self.kafka.admin.delete_records([TopicPartition(self.topic, *both) for both in before.items()]).values():
            deleted.result(30)

    def counted(self):
        """What the pipeline says of the last two days (midnight may fall into a test)."""
        return Counter(dict(self.database.query(
            "SELECT item, lower_bound FROM topk_pipeline.top(%s, 1000, days => 2)", PIPELINE)))

    def total(self):
        return self.database.query("SELECT coalesce(sum(records), 0)::bigint "
                                   "FROM topk_pipeline.window_summary")[0][0]

    def position(self):
        """The sum of the stored positions, which is the number of records that were dealt with."""
        return self.database.query("SELECT coalesce(sum(position), 0)::bigint "
                                   "FROM topk_pipeline.source_position")[0][0]

    def await_position(self, position, timeout=60):
        wait_until(lambda: self.position() >= position, timeout, f"position {position}")

    def check_exact(self):
        """Every record that was sent is counted, once.  Returns how long that took to come true, in seconds."""
        began = time.monotonic()
        sent = sum(self.sent.values())
        self.await_position(sent)
        took = time.monotonic() - began
        assert self.position() == sent
        assert self.total() == sent
        assert self.counted() == self.sent
        assert self.database.query("SELECT topk_is_exact(topk_pipeline.summary(%s, days => 2))",
                                   PIPELINE) == [(True,)]
        return took

    def tell(self, faults, took=()):
        """What a long edition prints, after check_exact: what was done, and how long it took until all was counted."""
        times = f"; all counted after p50 {statistics.median(took):.1f}, at most {max(took):.1f} s" if took else ""
        print(f"{faults}, {sum(self.sent.values()):,} records, 0 lost, 0 twice{times}")
