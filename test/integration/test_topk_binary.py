"""No bytes crash the server: mutated binary values as parameters and through COPY BINARY.

What is accepted must be sound: every function reads it, and it comes back as it went in.
"""

import random
import struct

import psycopg
import pytest
from psycopg.pq import Format
from psycopg.types import TypeInfo

REJECTED = ("22P03", "22021", "54000")  # no summary, no valid encoding, an item too long
TOO_LARGE = "22003"  # a sum that no longer fits
VALUES = """
    SELECT topk_empty(3) UNION ALL
    SELECT topk_build('{a,b,b,c,c,c,""}', k => 2) UNION ALL
    SELECT topk_build('{a,bb,ccc,ü,🐘}', '{5,300,70000,1,9223372036854000000}', 100) UNION ALL
    SELECT topk_agg((i % 60 / (1 + i % 3))::text, 8) FROM generate_series(1, 2000) AS i UNION ALL
    SELECT topk_from_murmur(topk_to_murmur(topk_build('{x,x,y}'), 5)) UNION ALL
    SELECT topk_build(ARRAY[repeat('long', 2000), 'x'])"""
USES = """
    SELECT topk_total(s), topk_error(s), topk_k(s), topk_size(s), topk_is_exact(s), s::text::topk_summary = s, s::jsonb,
        topk_estimate(s, 'a'), topk_lower_bound(s, 'b'), topk_upper_bound(s, ''), topk_to_murmur(s, 3), topk_resize(s, 1),
        topk_add(topk_resize(s, 2), 'a', 0), s || topk_build('{a,z}'), topk_summary_hash(s), s < topk_empty(3),
        (SELECT count(*) FROM topk_top(s, 5)),
        CASE WHEN topk_total(s) IS NOT NULL THEN (SELECT count(*) FROM topk_heavy_hitters(s, 0.1)) END"""


def mutated(values, numbers):
    """One of the values with some of its bytes changed, removed, repeated, or mixed with another's."""
    value = bytearray(numbers.choice(values))
    for _ in range(numbers.choice((1, 1, 1, 2, 5))):
        at = numbers.randrange(len(value) + 1)
        match numbers.randrange(7):
            case 0:
                value[at:at + 1] = bytes([numbers.choice((0, 1, 2, 0x7F, 0x80, 0xFF, numbers.randrange(256)))])
            case 1:
                value[at:at + 1] = bytes([(value[at] if at < len(value) else 0) ^ 1 << numbers.randrange(8)])
            case 2:
                del value[at:at + numbers.randrange(1, 9)]
            case 3:
                del value[at:]
            case 4:
                value[at:at] = numbers.randbytes(numbers.randrange(1, 12))
            case 5:
                value[at:at] = value[numbers.randrange(len(value) + 1):][:numbers.randrange(1, 20)]
            case 6:
                other = numbers.choice(values)
                value[at:] = other[numbers.randrange(len(other) + 1):]
    return bytes(value)


@pytest.fixture
def connection(database):
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        yield connection


@pytest.fixture
def summary_oid(connection):
    return TypeInfo.fetch(connection, "topk_summary").oid


@pytest.fixture
def values(connection):
    """The binary form of sound values."""
    return [row[0] for row in connection.execute(f"SELECT topk_summary_send(s) FROM ({VALUES}) AS v (s)")]


def inputs(values, seed, count):
    numbers = random.Random(seed)
    return values + [mutated(values, numbers) for _ in range(count)]


def parameter(connection, oid, value):
    """The result of sending a value as a binary parameter and asking it back."""
    return connection.pgconn.exec_params(b"SELECT $1", [value], [oid], [Format.BINARY], Format.BINARY)


@pytest.mark.parametrize(("encoding", "count"), [("UTF8", 4000), ("LATIN1", 1000)])
def test_parameters(connection, summary_oid, values, encoding, count):
    """Also where each item is converted, and with it the order of items of one weight."""
    connection.execute(f"SET client_encoding = {encoding}")
    accepted = 0
    for value in inputs(values, seed=1, count=count):
        result = parameter(connection, summary_oid, value)
        if result.status != psycopg.pq.ExecStatus.TUPLES_OK:
            assert result.error_field(psycopg.pq.DiagnosticField.SQLSTATE).decode() in REJECTED, result.error_message
            continue
        accepted += 1
        assert result.get_value(0, 0) == value
        uses = connection.pgconn.exec_params(f"{USES} FROM (SELECT $1 AS s) AS v".encode(), [value], [summary_oid],
                                             [Format.BINARY])
        if uses.status != psycopg.pq.ExecStatus.TUPLES_OK:
            assert uses.error_field(psycopg.pq.DiagnosticField.SQLSTATE).decode() == TOO_LARGE, uses.error_message
        else:
            assert uses.get_value(0, 5) == b"t"
    assert accepted > len(values)


def copy_file(values):
    """COPY's binary file format, of one column."""
    rows = b"".join(struct.pack("!hi", 1, len(value)) + value for value in values)
    return b"PGCOPY\n\xff\r\n\0" + struct.pack("!ii", 0, 0) + rows + struct.pack("!h", -1)


def copy_in(connection, content):
    with connection.cursor().copy("COPY t FROM STDIN (FORMAT binary)") as copy:
        copy.write(content)


def test_copy_binary(connection, values):
    connection.execute("CREATE TEMP TABLE t (s topk_summary)")
    accepted = []
    for value in inputs(values, seed=2, count=2000):
        try:
            copy_in(connection, copy_file([value]))
            accepted.append(value)
        except psycopg.Error as error:
            assert error.sqlstate in REJECTED, error
    with connection.cursor().copy("COPY t TO STDOUT (FORMAT binary)") as copy:
        assert b"".join(copy) == copy_file(accepted)
    assert len(accepted) > len(values)
    assert connection.execute("SELECT count(*) FROM t WHERE s::text::topk_summary <> s").fetchone() == (0,)


def test_copy_file_itself(connection, values):
    """The file around the values is the server's to read: it must only survive."""
    connection.execute("CREATE TEMP TABLE t (s topk_summary)")
    numbers = random.Random(3)
    whole = copy_file(values)
    for _ in range(500):
        try:
            copy_in(connection, mutated([whole], numbers))
        except psycopg.Error:
            pass
    connection.execute(f"{USES} FROM t WHERE topk_total(s) < 1000000").fetchall()


def test_murmur_bytes(connection):
    """As a bytea they come from DynamoDB rows that anybody may have written."""
    [(sound,)] = connection.execute("SELECT topk_to_murmur(topk_build('{a,b,b,c,c,c,ü}'), 5)").fetchall()
    numbers = random.Random(4)
    accepted = 0
    for value in [sound] + [mutated([sound], numbers) for _ in range(4000)]:
        try:
            connection.execute(f"{USES} FROM (SELECT topk_from_murmur(%b) AS s) AS v", [value])
            accepted += 1
        except psycopg.Error as error:
            assert error.sqlstate in (*REJECTED, "22023", TOO_LARGE), error  # and K out of range
    assert accepted > 1
