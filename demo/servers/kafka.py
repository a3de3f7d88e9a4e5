"""Apache Kafka: KRaft nodes, each broker and controller in one process; one, unless more are asked for."""

from pathlib import Path

from confluent_kafka.admin import AdminClient, NewTopic

from .java import java
from .process import Process, free_port, listening, run

CLUSTER_ID = "dG9wayB0aHJvdy1hd2F5IQ"

# The session is short because after a kill() the controller waits for its end.
SETTINGS = """\
process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
controller.listener.names=CONTROLLER
listeners={listeners},CONTROLLER://127.0.0.1:{controller_port}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.num.partitions=1
offsets.topic.replication.factor={nodes}
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor={nodes}
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
log.retention.ms=-1
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=2000
"""


def admin(brokers):
    return AdminClient({"bootstrap.servers": brokers, "log_level": 0})


class Node:
    """One process of a cluster, which keeps its data over kill() and start()."""

    def __init__(self, folder, number, nodes, voters, controller_port, secure, settings):
        folder.mkdir(exist_ok=True)
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.secure_addresses = {protocol: f"localhost:{free_port()}" for protocol in secure}
        listeners = {"PLAINTEXT": self.address, **self.secure_addresses}
        properties = SETTINGS.format(node=number, nodes=nodes, voters=voters, controller_port=controller_port,
                                     data=folder / "data", listeners=",".join(
                                         f"{protocol}://{address}" for protocol, address in listeners.items()))
        properties += "".join(f"{name}={value}\n" for name, value in settings.items())
        path = folder / "server.properties"
        path.write_text(properties)
        run(java("kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", path, heap=64, folder=folder))
        self.cluster_size = nodes
        self.process = Process("Kafka", java("kafka.Kafka", path, heap=350, folder=folder), folder / "log")

    def start(self):
        self.process.start(self.ready)

    def kill(self):
        self.process.kill()

    def ready(self):
        """Does it know all nodes?  A client that it tells of fewer drops the others, and what it has asked them."""
        if not listening(self.port):
            return False
        try:
            return len(admin(self.address).list_topics(timeout=5).brokers) == self.cluster_size
        except Exception:  # not yet a member of its own cluster
            return False


class Kafka:
    """A cluster; .brokers is its bootstrap address.

    secure: protocols (SSL, SASL_SSL) that it speaks too, on localhost at .secure_brokers[protocol];
    the settings for them (certificates, mechanisms) are the caller's.
    """

    def __init__(self, folder, secure=(), settings=None, nodes=1):
        folder = Path(folder)
        controllers = {number: free_port() for number in range(1, nodes + 1)}
        voters = ",".join(f"{number}@127.0.0.1:{port}" for number, port in controllers.items())
        self.nodes = {number: Node(folder / f"node-{number}", number, nodes, voters, port, secure, settings or {})
                      for number, port in controllers.items()}
        first = self.nodes[1]
        self.brokers = ",".join(node.address for node in self.nodes.values())
        self.secure_brokers = first.secure_addresses
        self.start()
        self.admin = admin(self.brokers)

    def env(self):
        return {"KAFKA_BROKERS": self.brokers}

    def create_topic(self, name, partitions=4, config=None):
        topic = NewTopic(name, num_partitions=partitions, replication_factor=len(self.nodes), config=config or {})
        self.admin.create_topics([topic])[name].result(timeout=30)
        return name

    def delete_topic(self, name):
        self.admin.delete_topics([name])[name].result(timeout=30)

    def leader(self, topic, partition):
        """The node that leads a partition, or None while there is none."""
        return self.nodes.get(self.admin.list_topics(topic, timeout=10).topics[topic].partitions[partition].leader)

    def start(self):
        try:
            for node in self.nodes.values():
                node.process.start(lambda: True)
            for node in self.nodes.values():  # a controller is elected by more than one
                node.process.wait_until(node.ready)
        except BaseException:
            self.kill()
            raise

    def running(self):
        return all(node.process.running() for node in self.nodes.values())

    def kill(self):
        for node in self.nodes.values():
            node.kill()

    def close(self):
        self.kill()
