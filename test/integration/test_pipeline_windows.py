"""Pipelines with different window lengths side by side in one database, from Kafka to DynamoDB."""

import json
import time
from collections import Counter

from confluent_kafka import Producer

HOUR, DAY = 3600, 86400


def test_hourly_and_daily_windows_of_one_topic(database, kafka, topic, dynamodb, table, daemon):
    lengths = {"by_hour": HOUR, "by_day": DAY}
    for pipeline, seconds in lengths.items():
        database.query("SELECT topk_pipeline.create(%s, window_length => %s * interval '1 second', retention => '3 days')",
                       pipeline, seconds)

    # events over the last two days, at the borders of hours too
    now = int(time.time())
    times = [now // HOUR * HOUR - hours * HOUR + offset for hours in (0, 1, 5, 23, 24, 40) for offset in (-1, 0)]
    producer = Producer({"bootstrap.servers": kafka.brokers, "log_level": 0})
    expected = {pipeline: {} for pipeline in lengths}
    for number, at in enumerate(times):
        for entity in ("always", f"e{number}"):
            producer.produce(topic, json.dumps({"entity_id": entity}), partition=number % 4, timestamp=at * 1000)
            for pipeline, seconds in lengths.items():
                expected[pipeline].setdefault(at // seconds, Counter())[entity] += 1
    assert producer.flush(30) == 0

    for pipeline, seconds in lengths.items():
        feeder = daemon("topk-kafka-feeder", ["--once", "--topic", topic, "--group", pipeline, "--pipeline", pipeline],
                        env={"TOPK_DSN": database.dsn, "METRICS_ADDR": "off"})
        assert feeder.wait(60) == 0, feeder.log()
        counted = {}
        for bucket, start, item, n in database.query(
                "SELECT bucket, extract(epoch FROM window_start)::bigint, item, lower_bound"
                "  FROM topk_pipeline.window_summary, topk_top(summary, 100) WHERE pipeline = %s", pipeline):
            assert start == bucket * seconds
            counted.setdefault(bucket, Counter())[item] = n
        assert counted == expected[pipeline]

    # a day is 24 windows here and one there
    current = now // HOUR
    last_day = sum(n["always"] for bucket, n in expected["by_hour"].items() if bucket > current - 24)
    answers = dict(database.query("SELECT name, (SELECT lower_bound FROM topk_pipeline.top(name) WHERE item = 'always')"
                                  "  FROM topk_pipeline.pipeline"))
    if now // HOUR == int(time.time()) // HOUR:
        assert answers == {"by_hour": last_day, "by_day": expected["by_day"][now // DAY]["always"]}

    # each to DynamoDB, at its own buckets and with its own expiry
    client = dynamodb.client()
    for pipeline, seconds in lengths.items():
        mirror = daemon("topk-ddb-sync", ["--once", "--pipeline", pipeline],
                        env={**database.env(), "DDB_TABLE": table, "DDB_ENDPOINT": dynamodb.endpoint, "METRICS_ADDR": "off",
                             "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"})
        assert mirror.wait(60) == 0, mirror.log()
        rows = [row for row in client.scan(TableName=table, ConsistentRead=True)["Items"] if row["pipeline"]["S"] == pipeline]
        assert {int(row["sk"]["N"]): int(row["total"]["N"]) for row in rows} == {
            bucket: counts.total() for bucket, counts in expected[pipeline].items()}
        assert all(int(row["ttl"]["N"]) == (int(row["sk"]["N"]) + 1) * seconds + 3 * DAY for row in rows)
