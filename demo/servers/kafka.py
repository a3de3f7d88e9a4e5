"""Apache Kafka: one KRaft node, broker and controller in one process."""

from pathlib import Path

from confluent_kafka.admin import AdminClient, NewTopic

from .java import java
from .process import Process, free_port, listening, run

CLUSTER_ID = "dG9wayB0aHJvdy1hd2F5IQ"

# The session is short because after a kill() the controller waits for its end.
SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
controller.listener.names=CONTROLLER
listeners={listeners},CONTROLLER://127.0.0.1:{controller_port}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
log.retention.ms=-1
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=2000
"""


class Kafka:
    """A broker; .brokers is its bootstrap address.  It keeps its data over kill() and start().

    secure: protocols (SSL, SASL_SSL) that it speaks too, on localhost at .secure_brokers[protocol];
    the settings for them (certificates, mechanisms) are the caller's.
    """

    def __init__(self, folder, secure=(), settings=None):
        folder = Path(folder)
        self.port, controller_port = free_port(), free_port()
        self.brokers = f"127.0.0.1:{self.port}"
        self.secure_brokers = {protocol: f"localhost:{free_port()}" for protocol in secure}
        listeners = {"PLAINTEXT": self.brokers, **self.secure_brokers}
        properties = SETTINGS.format(controller_port=controller_port, data=folder / "data", listeners=",".join(
            f"{protocol}://{address}" for protocol, address in listeners.items()))
        properties += "".join(f"{name}={value}\n" for name, value in (settings or {}).items())
        settings = folder / "server.properties"
        settings.write_text(properties)
        run(java("kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", settings, heap=64, folder=folder))
        self.admin = AdminClient({"bootstrap.servers": self.brokers, "log_level": 0})
        self.process = Process("Kafka", java("kafka.Kafka", settings, heap=350, folder=folder), folder / "log")
        self.start()

    def env(self):
        return {"KAFKA_BROKERS": self.brokers}

    def create_topic(self, name, partitions=4, config=None):
        topic = NewTopic(name, num_partitions=partitions, replication_factor=1, config=config or {})
        self.admin.create_topics([topic])[name].result(timeout=30)
        return name

    def delete_topic(self, name):
        self.admin.delete_topics([name])[name].result(timeout=30)

    def start(self):
        self.process.start(self._ready)

    def stop(self):
        self.process.stop()

    def kill(self):
        self.process.kill()

    def close(self):
        self.process.kill()

    def _ready(self):
        if not listening(self.port):
            return False
        try:
            return bool(self.admin.list_topics(timeout=5).brokers)
        except Exception:  # not yet a member of its own cluster
            return False
