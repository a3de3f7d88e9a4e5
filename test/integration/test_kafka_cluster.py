"""topk-kafka-feeder and a broker of three nodes, of which one dies, or is restarted."""

import pytest

from demo.servers.kafka import Kafka
from edition import edition
from kafka_feed import Feed, wait_until

LEADERS_KILLED = edition(1, 20)
NODES_RESTARTED = edition(1, 12)


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
    yield Feed(cluster, database, topic, start)
    cluster.delete_topic(topic)


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


def test_nodes_are_restarted_one_after_the_other(feed, cluster):
    """As in an upgrade.  A node that is not quite up may say that it knows no such topic; that is not a topic that was deleted."""
    feeder = feed.start("--batch-records", "200")
    took = []
    for number in range(NODES_RESTARTED):
        node = cluster.nodes[number % 3 + 1]
        feed.send_events(2000)
        node.process.stop()
        feed.send_events(2000)
        node.start()
        feed.send_events(2000)
        took.append(feed.check_exact())
    assert feeder.process.running()
    assert "deleted" not in feeder.log()
    feed.tell(f"{NODES_RESTARTED} nodes restarted", took)
