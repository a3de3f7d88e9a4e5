"""What `make demo INPUT=file` reads: the same events as the feeder, and times that Kafka can hold."""

import pytest

from demo import events
from test_kafka_rejected import WITH_DEFAULTS

NOW = 1_800_000_000_000
DAY = 86_400_000


def test_what_the_feeder_rejects_is_no_event():
    for value, reason, _, *ahead in WITH_DEFAULTS:
        if value and not ahead:
            assert events.parse(value, NOW).entity is None, reason


@pytest.mark.parametrize("timestamp, milliseconds", [
    ("1799999999999", 1_799_999_999_999),
    ('"2027-01-15T08:00:00Z"', NOW),
    ('"2027-01-15T13:00:00+05:00"', NOW),
    ('"yesterday"', NOW), ('"1799999999999"', NOW), ("null", NOW), ("1.5", NOW), ("-5", NOW), ("9" * 30, NOW),
])
def test_a_timestamp_that_cannot_be_read_is_now(timestamp, milliseconds):
    event = events.parse(b'{"entity_id":"e","timestamp":%b}' % timestamp.encode(), NOW)
    assert (event.entity, event.milliseconds) == ("e", milliseconds)


@pytest.mark.parametrize("milliseconds", [0, NOW - 401 * DAY, NOW + 2 * DAY, 2**63 - 1])
def test_what_is_outside_the_retention_is_sent_but_not_counted(milliseconds):
    event = events.parse(b'{"entity_id":"e","timestamp":%d}' % milliseconds, NOW)
    assert (event.entity, event.milliseconds) == (None, milliseconds)
