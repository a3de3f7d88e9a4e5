"""What topk-query answers, over real stores: DynamoDB Local and PostgreSQL."""

import concurrent.futures
import http.client
import json
import random
import re
import threading
import time

import pytest

from ddb import DAY, PIPELINE, TODAY, clock, eventually, ordered, pack
from dynamodb_proxy import ERROR, error, hold_answer, throttle
from demo.servers.dynamodb import DynamoDB
from demo.servers.process import free_port
from query_service import Query, events

NOW = 10 ** 10  # a ttl that has not passed


def put(sync, key, ago, counts, k=32, ttl=NOW, **attributes):
    """A row as Murmur writes it."""
    sync.put_row(TODAY - ago, key, v={"B": pack(k, ordered(counts))}, ver={"N": "1"}, ttl={"N": str(ttl)}, **attributes)


@pytest.fixture
def start(sync, daemon):
    """start(endpoint=..., **environment): topk-query over the table, without a cache unless told otherwise."""
    def start_query(*arguments, endpoint=None, **environment):
        return Query(daemon, arguments, {**sync.environment(endpoint), "TOPK_CACHE_TTL": "0", **environment})
    return start_query


@pytest.fixture
def start_postgres(database, daemon):
    def start_query(*arguments, **environment):
        return Query(daemon, ["--store", "postgres", "--pipeline", PIPELINE, *arguments],
                     {**database.env(), "TOPK_CACHE_TTL": "0", **environment})
    return start_query


def start_of(ago):
    return (TODAY - ago) * DAY


# ---- what is answered ----

def test_present_absent_and_empty(sync, start):
    put(sync, "global", 0, {"a": 5, "b": 3})
    put(sync, "kept", TODAY, {"z": 1})  # bucket 0, as a pipeline without windows has it
    query = start()
    assert query.value("GetWindow", entity="global", durationSeconds=DAY) == (32, {"a": 5, "b": 3})
    assert query.value("GetWindow", entity="nobody", durationSeconds=DAY) == (32, {})
    assert query.call("GetWindow", entity="nobody")[1] == {"value": {"present": True, "data": "IAAAAAAAAAA="}}
    assert query.call("Get", entity="global")[1] == {"value": {}}
    assert query.value("Get", entity="kept") == (32, {"z": 1})
    assert query.values("GetMany", entities=["global", "kept", "global"]) == [None, (32, {"z": 1}), None]


def test_k_of_what_is_empty_is_configured(start):
    assert start(TOPK_K="7").value("GetWindow", entity="nobody") == (7, {})


def test_windows_and_ranges(sync, start):
    for ago in range(0, 31):
        put(sync, "global", ago, {"all": 1, f"d{ago}": 100})
    query = start()

    def days(name, **message):
        k, counts = query.value(name, entity="global", **message)
        assert k == 32
        return counts.get("all"), {int(item[1:]) for item in counts if item != "all"}

    for duration in (0, -1, 1, DAY):
        assert days("GetWindow", durationSeconds=duration) == (1, {0})
    assert days("GetWindow") == (1, {0})
    assert days("GetWindow", durationSeconds=DAY + 1) == (2, {0, 1})
    assert days("GetTrailing", durationSeconds=7 * DAY) == (7, set(range(7)))
    assert days("GetWindow", durationSeconds=30 * DAY) == (30, set(range(30)))
    assert days("GetRange", startUnix=start_of(3), endUnix=start_of(1)) == (3, {1, 2, 3})
    assert days("GetRange", startUnix=start_of(3) + DAY - 1, endUnix=start_of(2) - 1) == (1, {3})
    assert days("GetRange", startUnix=start_of(2), endUnix=start_of(2)) == (1, {2})
    assert query.values("GetRangeMany", entities=["nobody", "global"], startUnix=start_of(1), endUnix=start_of(1)) \
        == [(32, {}), (32, {"all": 1, "d1": 100})]


def test_refusals_name_what_was_wrong_and_nothing_else(start, sync):
    query = start()
    for name, message, words in [
        ("GetWindow", {"entity": ""}, "empty"),
        ("GetWindow", {}, "empty"),
        ("GetWindowMany", {"entities": ["a", ""]}, "empty"),
        ("GetWindow", {"entity": "x" * 2049}, "2049 bytes"),
        ("GetWindow", {"entity": "a\0b"}, "NUL"),
        ("GetRange", {"entity": "a", "startUnix": 10, "endUnix": 9}, "end 9 is before start 10"),
        ("GetRange", {"entity": "a", "startUnix": -1, "endUnix": 9}, "start -1"),
        ("GetRange", {"entity": "a", "startUnix": 0, "endUnix": 106752 * DAY}, "106753 windows, longer than the retention allows, 31"),
        ("GetWindow", {"entity": "a", "durationSeconds": 2 ** 63 - 1}, "longer than the retention"),
    ]:
        status, answer = query.call(name, **message)
        assert (status, answer["code"]) == (400, "invalid_argument"), (name, message, answer)
        assert words in answer["message"] and sync.table not in answer["message"]


def test_expired_rows_are_not_served(sync, start):
    put(sync, "global", 0, {"a": 1}, ttl=int(time.time()) - 1)
    put(sync, "global", 1, {"b": 2}, ttl=int(time.time()) + 60)
    query = start()
    assert query.value("GetWindow", entity="global", durationSeconds=2 * DAY) == (32, {"b": 2})
    assert query.values("GetWindowMany", entities=["global", "x"], durationSeconds=2 * DAY) == [(32, {"b": 2}), (32, {})]


def test_every_value_belongs_to_its_entity(sync, start):
    entities = [f"e{number}" for number in range(50)]
    for entity in entities:
        put(sync, entity, 0, {entity: 1})
    query = start("--cache-ttl", "20ms")

    def ask(seed):
        order = random.Random(seed).choices(entities, k=20)
        values = query.values("GetWindowMany", entities=order, durationSeconds=DAY, freshRead=seed % 7 == 0)
        return values == [(32, {entity: 1}) for entity in order]

    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        assert all(pool.map(ask, range(1000)))


def test_many_windows_of_many_entities_come_in_one_round(sync, start, proxy):
    for entity in range(40):
        put(sync, f"e{entity}", entity % 30, {f"i{entity}": entity + 1})
    query = start(endpoint=proxy.endpoint)
    values = query.values("GetWindowMany", entities=[f"e{entity}" for entity in range(40)] * 2, durationSeconds=30 * DAY)
    assert values == [(32, {f"i{entity}": entity + 1}) for entity in range(40)] * 2
    requests = [json.loads(request.body)["RequestItems"][sync.table] for request in proxy.requests]
    assert len(requests) == 12  # 1,200 rows, duplicates asked for once
    assert {len(request["Keys"]) for request in requests} == {100}
    assert not any(request["ConsistentRead"] for request in requests)


def test_a_damaged_row_is_an_error_and_not_an_answer(sync, start):
    sync.put_row(TODAY, "global", v={"B": b"\x20\0\0\0\1\0\0\0"}, ver={"N": "1"})
    query = start()
    status, answer = query.call("GetWindow", entity="global")
    assert (status, answer["code"]) == (500, "internal")
    assert "an item is cut off" in query.log()


# ---- freshness ----

def test_the_cache_and_fresh_read(sync, start, proxy):
    put(sync, "global", 0, {"a": 1})
    query = start("--cache-ttl", "10min", endpoint=proxy.endpoint)
    assert query.value("GetWindow", entity="global") == (32, {"a": 1})
    put(sync, "global", 0, {"a": 2})
    for _ in range(10):
        assert query.value("GetWindow", entity="global") == (32, {"a": 1})
    assert len(proxy.requests) == 1
    assert query.value("GetWindow", entity="global", freshRead=True) == (32, {"a": 2})
    assert [json.loads(request.body)["ConsistentRead"] for request in proxy.requests] == [False, True]
    assert query.metric('topk_query_reads_total{from="cache"}') == 10


def test_equal_reads_at_the_same_time_are_one(sync, start, proxy):
    put(sync, "global", 0, {"a": 1})
    release = threading.Event()
    proxy.faults.append(hold_answer(release))
    query = start(endpoint=proxy.endpoint)
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        answers = [pool.submit(query.value, "GetWindow", entity="global") for _ in range(40)]
        assert eventually(lambda: query.metric("topk_query_reads_total") == 40)
        release.set()
        assert all(answer.result() == (32, {"a": 1}) for answer in answers)
    assert len(proxy.requests) == 1


def test_who_gives_up_takes_nobody_along(sync, start, proxy):
    put(sync, "global", 0, {"a": 1})
    release = threading.Event()
    proxy.faults.append(hold_answer(release))
    query = start(endpoint=proxy.endpoint)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        gone = http.client.HTTPConnection("127.0.0.1", query.port)
        gone.request("POST", "/murmur.v1.QueryService/GetWindow", '{"entity":"global"}', {"Content-Type": "application/json"})
        assert eventually(lambda: query.metric("topk_query_reads_total") == 1)
        patient = pool.submit(query.value, "GetWindow", entity="global")
        assert eventually(lambda: query.metric("topk_query_reads_total") == 2)
        hasty = http.client.HTTPConnection("127.0.0.1", query.port)
        hasty.request("POST", "/murmur.v1.QueryService/GetWindow", '{"entity":"global"}',
                      {"Content-Type": "application/json", "Connect-Timeout-Ms": "100"})
        late = hasty.getresponse()
        assert late.status == 504 and json.loads(late.read())["code"] == "deadline_exceeded"
        gone.close()
        release.set()
        assert patient.result() == (32, {"a": 1})
    assert len(proxy.requests) == 1


# ---- failures of the store ----

def test_throttled_and_unprocessed(sync, start, proxy):
    for entity in "abc":
        put(sync, entity, 0, {entity: 1})

    def unprocessed(handler):
        """DynamoDB reads one row of the request and gives the other keys back."""
        request = json.loads(handler.body)
        whole = request["RequestItems"][sync.table]
        rest = {**whole, "Keys": whole["Keys"][1:]}
        handler.body = json.dumps({"RequestItems": {sync.table: {**whole, "Keys": whole["Keys"][:1]}}}).encode()
        handler.headers.replace_header("Content-Length", str(len(handler.body)))
        status, body = handler.ask_target()
        handler.answer(status, json.dumps({**json.loads(body), "UnprocessedKeys": {sync.table: rest}}).encode())

    query = start(endpoint=proxy.endpoint)
    proxy.faults += [throttle, throttle, error(500, ERROR + "InternalServerError")]
    assert query.value("GetWindow", entity="a") == (32, {"a": 1})
    proxy.faults += [unprocessed, throttle, unprocessed]
    assert query.values("GetWindowMany", entities=["a", "b", "c"]) == [(32, {"a": 1}), (32, {"b": 1}), (32, {"c": 1})]
    assert query.metric('topk_query_dynamodb_requests_total{result="throttled"}') == 3


def test_a_store_that_is_away(start):
    query = start(endpoint="http://127.0.0.1:1")
    status, answer = query.call("GetWindow", entity="global")
    assert (status, answer["code"]) == (503, "unavailable")
    assert answer["message"] == "the store can not be reached, try again"
    for _ in range(20):
        assert query.call("GetWindow", entity="global")[0] == 503
    assert query.log().count("level=warning") == 1, query.log()
    assert query.top(days=1)[0] == 503
    assert query.request("GET", "/v1/status")[1]["problems"] == ["the store, dynamodb, can not be reached"]


def test_dynamodb_that_is_started_anew(sync, start, tmp_path):
    """Not a proxy's fault but the server itself: it goes, and comes back at the same port."""
    dynamodb = DynamoDB(tmp_path)
    try:
        query = start(endpoint=dynamodb.endpoint, DDB_TABLE=dynamodb.create_table("restarted"))
        assert query.value("GetWindow", entity="global") == (32, {})
        dynamodb.kill()
        for _ in range(2):
            assert query.call("GetWindow", entity="global")[0] == 503
        dynamodb.start()
        dynamodb.create_table("restarted")
        dynamodb.client().put_item(TableName="restarted", Item={
            "pk": {"S": "global"}, "sk": {"N": str(TODAY)}, "v": {"B": pack(32, [(b"a", 7)])}, "ver": {"N": "1"}})
        assert query.value("GetWindow", entity="global") == (32, {"a": 7})
        assert query.log().count("dependency failed") == query.log().count("dependency works again") == 1
    finally:
        dynamodb.close()


def test_lasting_errors_say_what_to_do_in_the_log_alone(sync, start, proxy):
    query = start(endpoint=proxy.endpoint)
    proxy.faults += [error(400, "com.amazon.coral.service#AccessDeniedException")] * 2
    for _ in range(2):
        status, answer = query.call("GetWindow", entity="global")
        assert (status, answer["code"]) == (503, "unavailable") and "Denied" not in answer["message"]
    assert query.log().count("docs/query.md") == 1
    put(sync, "global", 0, {"a": 1})
    assert query.value("GetWindow", entity="global") == (32, {"a": 1})
    assert "dependency works again" in query.log()


# ---- PostgreSQL, and both stores ----

def spread(sync):
    """Some keys and days of a pipeline; those of one key are exact, those of another are not."""
    generator = random.Random(8)
    for ago in (0, 1, 2, 5, 29):
        sync.ingest({f"p-{number}": generator.randrange(1, 500) for number in range(20)}, TODAY - ago, "small")
        sync.ingest({f"p-{number}": generator.randrange(1, 500) for number in generator.sample(range(300), 100)}, TODAY - ago, "large")


def test_both_stores_give_equal_answers(sync, start, start_postgres):
    spread(sync)
    sync.once()
    table, database = start(), start_postgres()
    for message in ({"durationSeconds": 0}, {"durationSeconds": 7 * DAY}, {"durationSeconds": 30 * DAY}):
        answers = [query.call("GetWindowMany", entities=["small", "nobody", "large", "small"], **message) for query in (table, database)]
        assert answers[0] == answers[1] and answers[0][0] == 200
    assert table.call("GetRange", entity="large", startUnix=start_of(6), endUnix=start_of(2)) == \
        database.call("GetRange", entity="large", startUnix=start_of(6), endUnix=start_of(2))
    assert database.call("Get", entity="small")[1] == {"value": {}}


def test_both_stores_know_the_bounds_of_each_item(sync, start, start_postgres):
    """Items that came, went and came again: what each may weigh beyond its count is in the row, too."""
    generator = random.Random(9)
    for batch in range(3):
        for ago in range(3):
            few = {f"f-{number}": generator.randrange(5000, 9000) for number in range(40) if (number + batch) % 4}
            many = {f"m-{number}": generator.randrange(1, 50) for number in generator.sample(range(5000), 2500)}
            sync.ingest({**few, **many, "": 10}, TODAY - ago, "churn")
    sync.once()
    answers = [query.top(entity="churn", days=3, n=100)[1] for query in (start(), start_postgres())]
    for answer in answers:
        for window in answer["windows"]:
            del window["version"]
    assert answers[0] == answers[1]
    slacks = [item["upper_bound"] - item["lower_bound"] for item in answers[0]["items"]]
    assert len(set(slacks)) > 3 and max(slacks) < answers[0]["error"]


def test_rows_without_the_bounds_of_each_item(sync, start):
    known = {"total": {"N": "100"}, "error": {"N": "7"}}
    for entity, slacks in [("none", {}), ("bad", {"slacks": {"S": "1,x"}}), ("negative", {"slacks": {"S": "-1"}}), ("cut", {"slacks": {"S": "1,"}}),
                           ("exact", {"slacks": {"S": ""}}), ("few", {"slacks": {"S": "2"}}), ("more", {"slacks": {"S": "0,3,9"}})]:
        put(sync, entity, 0, {"a": 50, "b": 10}, **known, **slacks)
    put(sync, "unknown", 0, {"a": 50, "b": 10}, slacks={"S": "1"})  # without an error
    query = start()

    def uppers(entity):
        return [item["upper_bound"] for item in query.top(entity=entity)[1]["items"]]

    assert uppers("none") == uppers("bad") == uppers("negative") == uppers("cut") == [57, 17]
    assert (uppers("exact"), uppers("few"), uppers("more"), uppers("unknown")) == ([50, 10], [52, 10], [50, 13], [None, None])


def test_top_is_what_sql_says(sync, start, start_postgres):
    spread(sync)
    sync.once()
    exact = {key: sync.database.query("SELECT item, estimate, lower_bound, upper_bound FROM topk_pipeline.top(%s, 1000, %s, 7)", PIPELINE, key)
             for key in ("small", "large")}
    for query in (start(), start_postgres()):
        status, top = query.top(entity="small", days=7, n=5)
        assert status == 200
        assert [(item["item"], item["estimate"], item["lower_bound"], item["upper_bound"]) for item in top["items"]] == exact["small"][:5]
        assert [item["rank"] for item in top["items"]] == [1, 2, 3, 4, 5]
        assert (top["start"], top["end"], top["window_seconds"], top["error"]) == (start_of(6), start_of(-1), DAY, 0)
        assert [window["bucket"] for window in top["windows"]] == [TODAY - 5, TODAY - 2, TODAY - 1, TODAY]
        assert top["total"] == sync.database.query("SELECT topk_total(topk_pipeline.summary(%s, 'small', 7))", PIPELINE)[0][0]
        for item in top["items"]:
            assert len(item["counts"]) == 7 and sum(item["counts"][i] or 0 for i in range(7)) == item["estimate"]
            assert item["counts"][0] is None

        true = {item: estimate for item, estimate, _, _ in exact["large"]}
        status, top = query.top(entity="large", days=7, n=1000)
        assert status == 200 and len(top["items"]) > 32
        for item in top["items"]:
            assert item["lower_bound"] <= true.pop(item["item"]) <= item["upper_bound"]
        assert all(count <= top["error"] for count in true.values())


def test_postgresql_away_and_back(sync, start_postgres, postgres):
    sync.ingest({"a": 2})
    query = start_postgres()
    assert query.value("GetWindow", entity="global") == (32, {"a": 2})
    postgres.stop("immediate")
    try:
        status, answer = query.call("GetWindow", entity="global")
        assert (status, answer["code"]) == (503, "unavailable") and "127.0.0.1" not in answer["message"]
    finally:
        postgres.start()
    assert eventually(lambda: query.call("GetWindow", entity="global")[0] == 200), query.log()
    assert query.value("GetWindow", entity="global") == (32, {"a": 2})
    assert query.log().count("level=warning") <= 2, query.log()


def test_postgresql_that_comes_later(sync, start_postgres, postgres):
    """What only it knows of the pipeline's windows is needed for an answer, not to wait for one."""
    sync.ingest({"a": 2})
    postgres.stop("immediate")
    try:
        query = start_postgres("--live-interval", "200ms")
        assert query.top(n=0)[0] == 400
        assert (query.top()[0], query.call("GetWindow", entity="global")[0]) == (503, 503)
        connections = [http.client.HTTPConnection("127.0.0.1", query.port, timeout=20) for _ in range(2)]
        for connection, days in zip(connections, (2, 1000)):
            connection.request("GET", f"/v1/top/live?days={days}")
        stream, too_long = (connection.getresponse() for connection in connections)
        assert (stream.status, too_long.status) == (200, 200)
    finally:
        postgres.start()
    assert events(stream, 1)[0]["items"][0]["estimate"] == 2
    assert b"data" not in too_long.read(), "who asks again is told why"
    status, answer = query.request("GET", "/v1/top/live?days=1000")
    assert status == 400 and "retention" in answer["message"]
    stream.close()


# ---- for people ----

def test_top_refuses_what_it_does_not_understand(start):
    query = start()
    for parameters, words in [({"n": 0}, "n "), ({"n": 1001}, "1 to 1000"), ({"n": "x"}, "n "), ({"days": 0}, "days"), ({"days": 40}, "retention"),
                              ({"entity": ""}, "empty"), ({"start": 5}, "both start and end"), ({"start": 5, "end": 4}, "before"),
                              ({"start": -1, "end": 4}, "negative"), ({"days": 1, "start": 5, "end": 6}, "either")]:
        status, answer = query.top(**parameters)
        assert (status, answer["code"]) == (400, "invalid_argument"), (parameters, answer)
        assert words in answer["message"], answer


def test_a_live_list(sync, start, proxy):
    put(sync, "global", 0, {"a": 1})
    query = start("--live-interval", "200ms", endpoint=proxy.endpoint)
    connections = [http.client.HTTPConnection("127.0.0.1", query.port, timeout=20) for _ in range(20)]
    streams = []
    for connection in connections:
        connection.request("GET", "/v1/top/live?days=2&n=3")
        streams.append(connection.getresponse())
        assert streams[-1].status == 200 and streams[-1].headers["Content-Type"] == "text/event-stream"
    assert all(events(stream, 1)[0]["items"][0]["estimate"] == 1 for stream in streams)
    before = len(proxy.requests)
    time.sleep(1.1)
    assert 3 <= len(proxy.requests) - before <= 8, "one read an interval, however many look"
    put(sync, "global", 0, {"a": 1, "b": 7})
    for stream in streams:
        assert [item["item"] for item in events(stream, 1)[0]["items"]] == ["b", "a"]
    assert query.metric("topk_query_live_streams") == 20
    for stream, connection in zip(streams, connections):
        stream.close()
        connection.close()
    assert eventually(lambda: query.metric("topk_query_live_streams") == 0)


def test_a_quiet_live_list_gives_signs_of_life(sync, start):
    """A comment every 15 seconds, which pass 30 times as fast here."""
    put(sync, "global", 0, {"a": 1})
    query = start(LD_PRELOAD=clock("")["LD_PRELOAD"], FAKETIME="+0 x30")
    connection = http.client.HTTPConnection("127.0.0.1", query.port, timeout=20)
    connection.request("GET", "/v1/top/live")
    stream = connection.getresponse()
    assert len(events(stream, 1)) == 1
    quiet = b"".join(stream.readline() for _ in range(6))
    assert re.fullmatch(rb"\n(:[^\n]*\n\n){2}:[^\n]*\n", quiet), quiet
    connection.close()


def test_status_from_postgresql(sync, start_postgres):
    spread(sync)
    sync.database.query("SELECT topk_pipeline.ingest(%s, 'k', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{0}', '{1}', '{NULL}',"
                        " '{invalid_json}', '{NULL}', '{NULL}', '{NULL}')", PIPELINE)
    query = start_postgres("--metrics-urls", "http://user:secret@127.0.0.1:1/metrics,mirror=http://127.0.0.1:2/metrics")

    def status():
        return query.request("GET", "/v1/status")[1]

    assert eventually(lambda: status()["records"] and len(status()["problems"]) == 2), status()
    seen = status()
    records, = sync.database.query("SELECT records FROM topk_pipeline.status")[0]
    assert (seen["store"], seen["store_up"], seen["pipeline"], seen["records"]) == ("postgres", True, PIPELINE, records)
    assert seen["rejected"] == {"invalid_json": 1} and seen["duplicates"] == 0 and seen["mirror_age_seconds"] is None
    assert abs(seen["last_ingest"] - seen["now"]) < 60
    assert seen["sources"] == [{"name": "127.0.0.1:1", "up": False}, {"name": "mirror", "up": False}]
    assert seen["problems"] == ["127.0.0.1:1 does not answer", "mirror does not answer"]
    assert "secret" not in json.dumps(seen) + query.log()


def test_status_from_the_daemons(sync, start):
    port = free_port()
    sync.start(METRICS_ADDR=f"127.0.0.1:{port}")
    query = start(TOPK_METRICS_URLS=f"mirror=http://127.0.0.1:{port}/metrics")

    def status():
        return query.request("GET", "/v1/status")[1]

    assert eventually(lambda: status()["sources"][0]["up"]), status()
    seen = status()
    assert (seen["store"], seen["pipeline"], seen["records"], seen["mirror_age_seconds"]) == ("dynamodb", None, None, 0)
    assert seen["problems"] == []
