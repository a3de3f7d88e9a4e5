"""topk-kafka-feeder and a broker of three nodes, of which one dies."""

import pytest

from demo.servers.kafka import Kafka
from edition import edition
from kafka_feed import Feed, wait_until

LEADERS_KILLED = edition(1, 20)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    cluster = Kafka(tmp_path_factory.mktemp("cluster"), nodes=3)
    yield cluster
    cluster.close()


@pytest.fixture
def feed(cluster, database, daemon):
    topic = cluster.create_topic("test", partitions=4, config={"min.insync.replicas": "2"})

    def start(program, arguments, env=None, **options):
        return daemon(program, arguments, env={**(env or {}), **cluster.env()}, **options)
    return Feed(cluster, database, topic, start)


def test_the_leader_of_a_partition_is_killed(feed, cluster):
    """Records are acknowledged by two nodes, so none that was sent is lost, and none comes twice."""
    feeder = feed.start("--batch-records", "200")
    took = []
    for number in range(LEADERS_KILLED):
        before = feed.position()
        feed.send_events(20_000)
        wait_until(lambda before=before: feed.position() > before)
        leader = cluster.leader(feed.topic, number % 4)
        leader.kill()
        feed.send_events(5000)
        took.append(feed.check_exact())
        leader.start()
    assert feeder.process.running()
    feed.tell(f"{LEADERS_KILLED} leaders killed", took)
