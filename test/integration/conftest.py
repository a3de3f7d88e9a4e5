"""Fixtures: the real servers once a session, and fresh places in them for each test.

    stack, postgres, kafka, dynamodb    the servers (demo/stack.py)
    database    a fresh database with topk_pipeline: .dsn, .env(), .query(sql, *arguments)
    topic       the name of a fresh topic with 4 partitions
    table       the name of a fresh DynamoDB table
    sync        a pipeline, a table, and topk-ddb-sync between them (ddb.py)
    proxy       a proxy before DynamoDB Local that checks signatures and can fail (dynamodb_proxy.py)
    daemon      daemon(program, arguments, env, ready=...): starts build/PROGRAM, ended after the test
    feed        a topic and the pipeline that topk-kafka-feeder feeds from it (kafka_feed.py)
"""

import itertools
import sys
from pathlib import Path

import psycopg
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from ddb import Sync  # noqa: E402
from demo.stack import Stack, exit_on_signals  # noqa: E402
from kafka_feed import Feed  # noqa: E402
from dynamodb_proxy import DynamoDBProxy  # noqa: E402

numbers = itertools.count(1)


class Database:
    """One database of the throw-away cluster and an open connection to it."""

    def __init__(self, postgres, name):
        self.name = name
        self.dsn = postgres.dsn_of(name)
        self._postgres = postgres
        self._connection = None

    def env(self):
        """libpq's environment for this database."""
        return self._postgres.env(self.name)

    def query(self, sql, *arguments):
        """Run one statement, committed at once; its rows, or None if it has none.

        Connects anew when the server was restarted since the last statement.
        """
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(self.dsn, autocommit=True)
        try:
            cursor = self._connection.execute(sql, arguments or None)
        except psycopg.OperationalError:
            if not self._connection.closed:
                raise
            self._connection = psycopg.connect(self.dsn, autocommit=True)
            cursor = self._connection.execute(sql, arguments or None)
        return cursor.fetchall() if cursor.description else None

    def close(self):
        if self._connection is not None:
            self._connection.close()


def revive(server):
    """Start it again, if a test that failed has left it stopped: the next ones need it."""
    if not server.running():
        server.start()


@pytest.fixture(scope="session")
def stack():
    exit_on_signals()
    with Stack() as stack:
        yield stack


@pytest.fixture(scope="session")
def postgres(stack):
    return stack.postgres()


@pytest.fixture(scope="session")
def kafka(stack):
    return stack.kafka()


@pytest.fixture(scope="session")
def dynamodb(stack):
    return stack.dynamodb()


@pytest.fixture
def database(postgres):
    name = f"test_{next(numbers)}"
    with psycopg.connect(postgres.dsn, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    database = Database(postgres, name)
    database.query("CREATE EXTENSION topk_pipeline CASCADE")
    yield database
    database.close()
    revive(postgres)
    with psycopg.connect(postgres.dsn, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def topic(kafka):
    name = kafka.create_topic(f"test-{next(numbers)}", partitions=4)
    yield name
    revive(kafka)
    kafka.delete_topic(name)


@pytest.fixture
def table(dynamodb):
    name = dynamodb.create_table(f"test-{next(numbers)}")
    yield name
    dynamodb.delete_table(name)


@pytest.fixture
def daemon(stack):
    """Starts daemons that end with the test."""
    started = []

    def start(program, arguments=(), env=None, ready=None, timeout=30):
        started.append(stack.daemon(program, arguments, env, ready, timeout))
        return started[-1]

    yield start
    for process in started:
        process.close()


@pytest.fixture
def feed(kafka, database, topic, daemon):
    return Feed(kafka, database, topic, daemon)


@pytest.fixture
def sync(database, table, dynamodb, daemon):
    return Sync(database, table, dynamodb, daemon)


@pytest.fixture
def proxy(dynamodb):
    with DynamoDBProxy(dynamodb.endpoint) as proxy:
        yield proxy
    assert not proxy.forged, "a request was signed wrongly"
