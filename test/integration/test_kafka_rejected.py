"""Records that can not be counted: all are kept whole, with position and reason, and hold up no other."""

import gzip
import itertools
import json
import random
import struct
from collections import Counter

import pytest

from edition import edition
from kafka_feed import event, now_ms

BAD_RECORDS = edition(500, 5_000)  # in each of two mappings
GOOD_RECORDS = edition(1_500, 95_000)

DAY_MS = 86_400_000
LONG_AGO, TOO_SOON = -30 * DAY_MS - 60_000, 3_660_000
KEY = b"key \xff"

# What is sent, why it is rejected, what a person reads then; a number is how many ms from now the record's time is.
WITH_DEFAULTS = [
    (b"", "empty_value", "no value"),
    (None, "empty_value", "no value"),
    (b"nonsense", "invalid_json", "at byte 1: lexical error: invalid string in json text"),
    (b'{"entity_id":"p"', "invalid_json", "premature EOF"),
    (b'{"entity_id":"p"} {}', "invalid_json", "trailing garbage"),
    (b"{'entity_id':'p'}", "invalid_json", "at byte"),
    (b'{"entity_id":"p",}', "invalid_json", "at byte"),
    (b"caf\xc3\xa9", "invalid_json", "invalid char in json text"),
    (b'\xef\xbb\xbf{"entity_id":"p"}', "invalid_json", "invalid char in json text"),
    (b"[" * 100_000, "invalid_json", "nested deeper than 2048 levels"),
    (b'{"entity_id":"\\ud800"}', "invalid_json", "an escape is half of a surrogate pair"),
    (struct.pack(">bi", 0, 258) + b"\x02p", "invalid_json", "at byte"),  # Avro with a schema registry's prefix
    (gzip.compress(b'{"entity_id":"p"}', mtime=0), "invalid_utf8", "at byte 1: 0x8b is not UTF-8"),
    ('{"entity_id":"p"}'.encode("utf-16"), "invalid_utf8", "at byte 0: 0xff is not UTF-8"),
    (b'{"entity_id":"\xff\xfe"}', "invalid_utf8", "0xff is not UTF-8"),
    (b'{"entity_id":"p","x":"\xc3\x28"}', "invalid_utf8", "0xc3 is not UTF-8"),
    (b'{"entity_id":"\xc0\x80"}', "invalid_utf8", "0xc0 is not UTF-8"),
    (b'{"entity_id":"a\\u0000b"}', "nul_character", "entity_id holds a NUL character"),
    (b'{"entity_id":"a\x00b"}', "nul_character", "invalid character inside string"),
    (b'{"a\\u0000b":1,"entity_id":"p"}', "nul_character", "the name of a field holds a NUL"),
    (b'"p"', "not_an_object", "the value is a string; it must be an object"),
    (b'[{"entity_id":"p"}]', "not_an_object", "the value is an array"),
    (b"null", "not_an_object", "the value is null"),
    (b"{}", "missing_entity", "entity_id is missing; it must be a non-empty string"),
    (b'{"entity":"p"}', "missing_entity", "entity_id is missing"),
    (b'{"entity_id":""}', "empty_entity", "entity_id is an empty string"),
    (b'{"entity_id":42}', "wrong_type", "entity_id is a number; it must be a non-empty string"),
    (b'{"entity_id":1e999}', "wrong_type", "entity_id is a number"),
    (b'{"entity_id":null}', "wrong_type", "entity_id is null"),
    (b'{"entity_id":["p"]}', "wrong_type", "entity_id is an array"),
    (b'{"entity_id":true}', "wrong_type", "entity_id is a boolean"),
    (b'{"entity_id":"' + b"x" * 100_000 + b'"}', "too_long", "entity_id is 100000 bytes long; at most 8192"),
    (event("p").encode(), "outside_retention", "older than the retention of 30 days", LONG_AGO),
    (event("p").encode(), "too_far_in_future", "more than the allowed 3600 s ahead", TOO_SOON),
]

MAPPING = ["--key-field", "/tenant", "--weight-field", "/n", "--time-field", "/at", "--id-field", "/id"]
ids = itertools.count()
MISSING = object()


def mapped(entity="p", **fields):
    """An event of which only these fields are not as they should be."""
    whole = {"entity_id": entity, "tenant": "t", "n": 2, "at": now_ms(), "id": f"id-{next(ids)}", **fields}
    return json.dumps({name: value for name, value in whole.items() if value is not MISSING}).encode()


WITH_MAPPING = [
    (mapped(tenant=MISSING), "missing_key", "tenant is missing"),
    (mapped(tenant=""), "empty_key", "tenant is an empty string"),
    (mapped(tenant=7), "wrong_type", "tenant is a number"),
    (mapped(tenant="a\0b"), "nul_character", "tenant holds a NUL character"),
    (mapped(tenant="x" * 2049), "too_long", "tenant is 2049 bytes long; at most 2048"),
    (mapped(n=MISSING), "bad_weight", "n is missing"),
    (mapped(n="2"), "bad_weight", "n is a string; it must be a whole number"),
    (mapped(n=-1), "bad_weight", "from 0 to 1000000000000"),
    (mapped(n=0.5), "bad_weight", "n must be a whole number"),
    (mapped(n=10**12 + 1), "bad_weight", "from 0 to 1000000000000"),
    (mapped(at=MISSING), "bad_time", "at is missing"),
    (mapped(at="yesterday"), "bad_time", "neither an RFC 3339 time"),
    (mapped(at="2026-02-30T00:00:00Z"), "bad_time", "neither an RFC 3339 time"),
    (mapped(at=None), "bad_time", "neither an RFC 3339 time"),
    (mapped(at=now_ms() + LONG_AGO), "outside_retention", "older than the retention"),
    (mapped(at="9999-12-31T23:59:59Z"), "too_far_in_future", "the event is of 9999-12-31T23:59:59Z"),
    (mapped(at=1e18), "bad_time", "neither an RFC 3339 time"),
    (mapped(id=MISSING), "bad_id", "id is missing; it must be a string or an integer"),
    (mapped(id=""), "bad_id", "id is 0 bytes long"),
    (mapped(id=1.5), "bad_id", "id is a number with a fraction"),
    (mapped(id={"a": 1}), "bad_id", "id is an object"),
    (mapped(id="é" * 501), "bad_id", "id is 1002 bytes long; 1 to 1000 are allowed"),
    (mapped(id="a\0b"), "bad_id", "id holds a NUL character"),
]


@pytest.mark.parametrize("bad, options, good", [(WITH_DEFAULTS, [], lambda: event("good").encode()),
                                                (WITH_MAPPING, MAPPING, lambda: mapped("good", tenant="global"))],
                         ids=["with_defaults", "with_mapping"])
def test_bad_records_amid_good_ones(feed, bad, options, good):
    """Each is rejected, whole, with its position and reason; each good one is counted; the positions are past all."""
    feeder = feed.start(*options, "--batch-records", "1000")
    order = [None] * GOOD_RECORDS + [bad[number % len(bad)] for number in range(BAD_RECORDS)]
    random.shuffle(order)
    expected, offsets = {}, Counter()
    for case in order:
        partition = random.randrange(4)
        value, _, _, ahead = (*(case or (good(), None, None)), 0)[:4]
        feed.send(value, partition, key=KEY, time_ms=now_ms() + ahead)
        if case:
            expected[str(partition), offsets[partition]] = case
        offsets[partition] += 1
    assert feed.producer.flush(60) == 0
    feed.await_position(len(order))

    assert {shard: position for shard, position in feed.database.query(
        "SELECT shard, position FROM topk_pipeline.source_status")} == {str(shard): end for shard, end in offsets.items()}
    assert feed.total() == GOOD_RECORDS
    assert feed.counted() == {"good": GOOD_RECORDS * (2 if options else 1)}
    rows = feed.database.query("SELECT shard, position::int, reason, detail, payload, message_key, source FROM topk_pipeline.rejected_record")
    assert len(rows) == BAD_RECORDS
    assert {(shard, position) for shard, position, *_ in rows} == expected.keys()
    for shard, position, reason, detail, payload, key, source in rows:
        value, expected_reason, words, *_ = expected[shard, position]
        assert (reason, payload, key, source) == (expected_reason, value, KEY, feed.topic), detail
        assert words in detail
    assert feeder.terminate() == 0
    assert f"records={len(order)} rejected={BAD_RECORDS}" in feeder.log()
    print(f"{BAD_RECORDS:,} records bad in {len(bad)} ways amid {GOOD_RECORDS:,} good ones: all rejected with position and reason, all good ones counted")


def test_the_headers_of_bad_records_are_kept(feed):
    headers = [("b", b"\x00\xff"), ("a", None), ("b", b""), ("ü", "é".encode())]
    feed.start()
    for number in range(3):
        feed.send(event("good"), headers=headers)
        feed.send("bad", headers=headers if number % 2 else None)
    feed.producer.flush()
    feed.await_position(6)
    kept = [name.encode() for name, _ in headers], [value for _, value in headers]
    assert feed.database.query("SELECT header_names, header_values FROM topk_pipeline.rejected_record ORDER BY position") == [
        (None, None), kept, (None, None)]


def test_good_records_of_unusual_form_are_counted(feed):
    values = [
        b'{"entity_id":"good","big":123456789012345678901234567890,"x":-1e9999}',
        b'{"entity_id":7,"entity_id":"good"}',
        b' \n{"user_id":null,"source":{"a":[]},"entity_id":"\\u0067ood"}\r\n',
        b'{"entity_id":"good","text":"a\\u0000b"}',
    ]
    for value in values:
        feed.send(value)
    feed.producer.flush()
    feed.start()
    feed.await_position(len(values))
    assert feed.counted() == {"good": len(values)}
    assert feed.database.query("SELECT * FROM topk_pipeline.rejected_record") == []
