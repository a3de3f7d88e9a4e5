"""TLS, passwords and roles: the daemons against brokers and databases that ask for them.

Nothing secret may show up in a log or in an argument list.
"""

import json
import os
import re
import ssl
import time
from pathlib import Path

import psycopg
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import (AclBinding, AclOperation, AclPermissionType, ResourcePatternType, ResourceType,
                                   ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion)

from certificates import Authority
from demo.servers.kafka import Kafka
from dynamodb_proxy import DynamoDBProxy, error

CHECKOUT = Path(__file__).resolve().parents[2]
PIPELINE = "recently_interacted"
PASSWORD = "geheim-7f3a"
USER = "feeder"
SECRET_KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
SESSION_TOKEN = "IQoJb3JpZ2luX2VjEXAMPLETOKEN"
DAEMONS = ["topk-kafka-feeder", "topk-ddb-sync"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def authority(folder):
    """The authority that signed the servers' certificates, all made for localhost."""
    return Authority(folder, "authority")


@pytest.fixture(scope="module")
def stranger(folder):
    """One that signed nothing."""
    return Authority(folder, "stranger")


def shows_no_secret(daemon):
    for secret in (PASSWORD, SECRET_KEY, SESSION_TOKEN):
        assert secret not in daemon.log()


def ingest_one(database):
    """A window that is to be mirrored."""
    database.query("SELECT topk_pipeline.ingest(%s, 'test', '{}', '{}', '{}', '{global}', "
                   "ARRAY[topk_pipeline.bucket(%s)], '{1}', ARRAY[topk_build('{e}', '{1}', 1000)])", PIPELINE, PIPELINE)


def arguments_of(daemon):
    return Path(f"/proc/{daemon.pid}/cmdline").read_text().split("\0")


def wait_until(condition, timeout=30):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.02)


# ---- Kafka ----

@pytest.fixture(scope="module")
def secure_kafka(stack, tmp_path_factory, authority):
    """A broker that speaks SSL and, with SCRAM-SHA-512, SASL_SSL."""
    certificate, key = authority.sign("localhost")
    keystore = authority.folder / "kafka.pem"
    keystore.write_text(key.read_text() + certificate.read_text())
    kafka = Kafka(tmp_path_factory.mktemp("secure_kafka"), secure=("SSL", "SASL_SSL"), settings={
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": keystore,
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config":
            "org.apache.kafka.common.security.scram.ScramLoginModule required;",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
        "allow.everyone.if.no.acl.found": "true",
    })
    credentials = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
    for change in kafka.admin.alter_user_scram_credentials(
            [UserScramCredentialUpsertion(USER, credentials, PASSWORD.encode())]).values():
        change.result(timeout=30)
    yield kafka
    kafka.close()


@pytest.fixture
def secure_topic(secure_kafka, database):
    """A topic with ten records, named like the test's database."""
    topic = secure_kafka.create_topic(database.name, partitions=1)
    producer = Producer({"bootstrap.servers": secure_kafka.brokers, "log_level": 0})
    for _ in range(10):
        producer.produce(topic, json.dumps({"entity_id": "e"}))
    assert producer.flush(30) == 0
    database.query("SELECT topk_pipeline.create(%s)", PIPELINE)
    return topic


@pytest.fixture
def feed(daemon, database, secure_topic):
    """feed(brokers, properties, by): a feeder with these properties of librdkafka, as options or in the environment."""
    def start(brokers, properties, by="environment", more=(), **options):
        arguments = ["--topic", secure_topic, "--group", secure_topic, "--log-level", "debug", *more]
        environment = {"KAFKA_BROKERS": brokers, "TOPK_DSN": database.dsn}
        for name, value in properties.items():
            if by == "options":
                arguments += ["-X", f"{name}={value}"]
            else:
                environment[f"KAFKA_CONF_{name.upper().replace('.', '_')}"] = str(value)
        return daemon("topk-kafka-feeder", arguments, environment, **options)
    return start


def tls(authority):
    return {"security.protocol": "ssl", "ssl.ca.location": authority.certificate}


def scram(authority, password=PASSWORD, user=USER):
    return {"security.protocol": "sasl_ssl", "ssl.ca.location": authority.certificate,
            "sasl.mechanism": "SCRAM-SHA-512", "sasl.username": user, "sasl.password": password}


@pytest.mark.parametrize("by", ["options", "environment"])
def test_kafka_over_tls(feed, secure_kafka, authority, database, by):
    feed(secure_kafka.secure_brokers["SSL"], tls(authority), by)
    wait_until(lambda: database.query("SELECT estimate FROM topk_pipeline.top(%s)", PIPELINE) == [(10,)])


def test_kafka_over_tls_with_a_password(feed, secure_kafka, authority, database):
    feeder = feed(secure_kafka.secure_brokers["SASL_SSL"], scram(authority))
    wait_until(lambda: database.query("SELECT estimate FROM topk_pipeline.top(%s)", PIPELINE) == [(10,)])
    assert not any(PASSWORD in argument for argument in arguments_of(feeder))
    assert feeder.terminate() == 0
    shows_no_secret(feeder)


@pytest.fixture
def bad_record(secure_kafka, secure_topic):
    """One in the topic; the name of the dead-letter topic that it is to go to."""
    producer = Producer({"bootstrap.servers": secure_kafka.brokers, "log_level": 0})
    producer.produce(secure_topic, "bad")
    assert producer.flush(30) == 0
    return secure_kafka.create_topic(f"{secure_topic}-dead", partitions=1)


def test_dead_letters_over_tls_with_a_password(feed, secure_kafka, authority, bad_record):
    feeder = feed(secure_kafka.secure_brokers["SASL_SSL"], scram(authority), more=["--dlq-topic", bad_record])
    consumer = Consumer({"bootstrap.servers": secure_kafka.brokers, "group.id": "test"})
    wait_until(lambda: consumer.get_watermark_offsets(TopicPartition(bad_record, 0)) == (0, 1))
    consumer.close()
    shows_no_secret(feeder)


@pytest.mark.parametrize("operation", [AclOperation.WRITE, AclOperation.DESCRIBE])
def test_a_dead_letter_topic_that_may_not_be_written_to(feed, secure_kafka, authority, bad_record, operation):
    denied = AclBinding(ResourceType.TOPIC, bad_record, ResourcePatternType.LITERAL, f"User:{USER}", "*", operation, AclPermissionType.DENY)
    allowed = AclBinding(ResourceType.TOPIC, bad_record, ResourcePatternType.LITERAL, f"User:{USER}", "*", AclOperation.ALL, AclPermissionType.ALLOW)
    for created in secure_kafka.admin.create_acls([denied, allowed]).values():
        created.result(30)
    ends_with_advice(feed(secure_kafka.secure_brokers["SASL_SSL"], scram(authority), more=["--dlq-topic", bad_record]),
                     "refused access to the dead-letter topic", "grant WRITE and DESCRIBE")


def ends_with_advice(daemon, problem, advice):
    """Exit status 1, and one error that names the problem and what to do."""
    assert daemon.wait(30) == 1, daemon.log()
    errors = re.findall(r"level=error .*", daemon.log())
    assert len(errors) == 1, daemon.log()
    assert problem in errors[0] and advice in errors[0].partition("hint=")[2]
    shows_no_secret(daemon)


def test_a_broker_whose_certificate_nobody_we_trust_signed(feed, secure_kafka, stranger):
    ends_with_advice(feed(secure_kafka.secure_brokers["SSL"], tls(stranger)),
                     "certificate verify failed", "ssl.ca.location")


def test_a_broker_whose_certificate_is_for_another_host(feed, secure_kafka, authority):
    address = secure_kafka.secure_brokers["SSL"].replace("localhost", "127.0.0.1")
    ends_with_advice(feed(address, tls(authority)), "certificate verify failed", "names the host")


@pytest.mark.parametrize("wrong", [{"password": "falsch"}, {"user": "nobody"}])
def test_a_broker_that_refuses_the_password(feed, secure_kafka, authority, wrong):
    ends_with_advice(feed(secure_kafka.secure_brokers["SASL_SSL"], scram(authority, **wrong)),
                     "authentication failed", "SASL")


def test_a_certificate_file_that_is_missing(feed, secure_kafka, tmp_path):
    properties = {"security.protocol": "ssl", "ssl.ca.location": tmp_path / "missing.crt"}
    ends_with_advice(feed(secure_kafka.secure_brokers["SSL"], properties), "ssl.ca.location failed", "properties of librdkafka")


# ---- PostgreSQL ----

@pytest.fixture(scope="module")
def secure_postgres(postgres, authority):
    """The session's server, which speaks TLS for the time being."""
    files = {}
    for setting, source in zip(("ssl_cert_file", "ssl_key_file"), authority.sign("localhost")):
        files[setting] = postgres.data / f"{setting}.pem"
        files[setting].write_bytes(source.read_bytes())
        files[setting].chmod(0o600)
        os.chown(files[setting], postgres.data.stat().st_uid, postgres.data.stat().st_gid)
    with psycopg.connect(postgres.dsn, autocommit=True) as admin:
        for setting, path in files.items():
            admin.execute(f"ALTER SYSTEM SET {setting} = '{path}'")
        admin.execute("ALTER SYSTEM SET ssl = on")
        admin.execute("SELECT pg_reload_conf()")
        yield postgres
        for setting in [*files, "ssl"]:
            admin.execute(f"ALTER SYSTEM RESET {setting}")
        admin.execute("SELECT pg_reload_conf()")


@pytest.fixture
def role(database):
    """role(documented): a new role with a password and with the grants of docs/pipeline.md for that role."""
    made = []

    def create(documented):
        name = f"{documented}_of_{database.name}"
        grants = re.findall(rf"GRANT [^;]*\bTO {documented};", (CHECKOUT / "docs" / "pipeline.md").read_text())
        assert grants
        database.query(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'")
        made.append(name)
        for grant in grants:
            database.query(re.sub(rf"TO {documented};", f"TO {name}", grant))
        return name

    yield create
    for name in made:
        database.query(f"DROP OWNED BY {name}")
        database.query(f"DROP ROLE {name}")


@pytest.fixture
def connect(daemon, database, secure_postgres, role, authority, kafka, topic, dynamodb, table, tmp_path):
    """connect(program, **environment): a daemon that reaches PostgreSQL as its role, by verify-full and a password file."""
    def start(program, ready=None, password=PASSWORD, **environment):
        user = role("feeder" if program == "topk-kafka-feeder" else "mirror")
        passfile = tmp_path / "pgpass"
        passfile.write_text(f"*:*:*:{user}:{password}\n")
        passfile.chmod(0o600)
        return daemon(program, ["--log-level", "debug"], {
            "PGHOST": "localhost", "PGHOSTADDR": "127.0.0.1", "PGPORT": str(secure_postgres.port),
            "PGDATABASE": database.name, "PGUSER": user, "PGPASSWORD": "", "PGPASSFILE": str(passfile),
            "PGSSLMODE": "verify-full", "PGSSLROOTCERT": str(authority.certificate),
            "KAFKA_TOPIC": topic, "CONSUMER_GROUP": topic, "DDB_TABLE": table, **environment}, ready)

    database.query("SELECT topk_pipeline.create(%s)", PIPELINE)
    return start


def encrypted(database, program):
    """Are the program's connections?"""
    return database.query("SELECT ssl FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) "
                          "WHERE datname = current_database() AND application_name = %s", program)


def test_the_feeder_reaches_postgresql_by_verify_full(connect, database, kafka, topic):
    producer = Producer({"bootstrap.servers": kafka.brokers, "log_level": 0})
    for value in [json.dumps({"entity_id": "e"}), "nonsense"]:
        producer.produce(topic, value)
    producer.flush(30)
    feeder = connect("topk-kafka-feeder")
    wait_until(lambda: database.query("SELECT records, rejected FROM topk_pipeline.status") == [(1, 1)])
    assert encrypted(database, "topk-kafka-feeder") == [(True,)]
    assert not any(PASSWORD in argument for argument in arguments_of(feeder))
    assert feeder.terminate() == 0
    shows_no_secret(feeder)


def test_ddb_sync_reaches_postgresql_by_verify_full(connect, database, dynamodb, table):
    ingest_one(database)
    worker = connect("topk-ddb-sync", AWS_SECRET_ACCESS_KEY=SECRET_KEY)
    wait_until(lambda: dynamodb.client().scan(TableName=table)["Count"] == 1)
    assert encrypted(database, "topk-ddb-sync") == [(True,)]
    assert not any(secret in argument for argument in arguments_of(worker) for secret in (PASSWORD, SECRET_KEY))
    assert worker.terminate() == 0
    shows_no_secret(worker)


@pytest.mark.parametrize("program", DAEMONS)
def test_a_server_whose_certificate_nobody_we_trust_signed(connect, stranger, program):
    ends_with_advice(connect(program, PGSSLROOTCERT=str(stranger.certificate)), "certificate verify failed", "sslrootcert")


@pytest.mark.parametrize("program", DAEMONS)
def test_a_server_whose_certificate_is_for_another_host(connect, program):
    ends_with_advice(connect(program, PGHOST="127.0.0.1"), "does not match host name", "host's name")


def test_a_root_certificate_that_is_missing(connect, tmp_path):
    ends_with_advice(connect(DAEMONS[0], PGSSLROOTCERT=str(tmp_path / "missing.crt")), "missing.crt", "sslrootcert")


def test_a_server_without_tls(connect, database):
    database.query("ALTER SYSTEM SET ssl = off")
    database.query("SELECT pg_reload_conf()")
    try:
        wait_until(lambda: database.query("SHOW ssl") == [("off",)])
        ends_with_advice(connect(DAEMONS[0]), "server does not support SSL", "sslmode")
    finally:
        database.query("ALTER SYSTEM SET ssl = on")
        database.query("SELECT pg_reload_conf()")


@pytest.mark.parametrize("program", DAEMONS)
def test_a_server_that_refuses_the_password(connect, program):
    ends_with_advice(connect(program, password="falsch"), "28P01", "PGPASSFILE")


# ---- DynamoDB ----

def test_an_endpoint_whose_certificate_nobody_we_trust_signed(connect, database, authority):
    ingest_one(database)
    certificate, key = authority.sign("localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with DynamoDBProxy() as proxy:
        proxy.server.socket = context.wrap_socket(proxy.server.socket, server_side=True)
        worker = connect("topk-ddb-sync", DDB_ENDPOINT=proxy.endpoint.replace("http://127.0.0.1", "https://localhost"),
                         AWS_SECRET_ACCESS_KEY=SECRET_KEY)
        ends_with_advice(worker, "certificate", "--ddb-endpoint")
    assert not proxy.requests


def test_credentials_are_not_logged_even_if_dynamodb_repeats_them(connect, database, dynamodb, table):
    """AWS shows the request as it should have been signed, with its headers."""
    ingest_one(database)
    with DynamoDBProxy(dynamodb.endpoint) as proxy:
        proxy.secrets["AKIDEXAMPLE"] = SECRET_KEY
        proxy.faults.append(error(400, "com.amazon.coral.service#InvalidSignatureException",
                                  "The request signature we calculated does not match the signature you provided.\n\n"
                                  "The Canonical String for this request should have been\n"
                                  f"'POST\n/\n\nhost:localhost\nx-amz-security-token:{SESSION_TOKEN}\n\nhost\n'"))
        worker = connect("topk-ddb-sync", DDB_ENDPOINT=proxy.endpoint, AWS_ACCESS_KEY_ID="AKIDEXAMPLE",
                         AWS_SECRET_ACCESS_KEY=SECRET_KEY, AWS_SESSION_TOKEN=SESSION_TOKEN)
        ends_with_advice(worker, "InvalidSignatureException", "AWS_SECRET_ACCESS_KEY")
    assert SESSION_TOKEN in proxy.requests[0].headers["X-Amz-Security-Token"]
