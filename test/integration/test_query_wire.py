"""topk-query's bytes as its protocols word them, without a client library between: refusals, headers, frames."""

import base64
import http.client
import json
import os
import re
import signal
import socket
import struct
import threading

import grpc
import pytest
from connectrpc.errors import ConnectError
from google.protobuf import descriptor_pool
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from pyqwest import HTTPVersion, SyncClient, SyncHTTPTransport

from ddb import eventually
from dynamodb_proxy import hold_answer
from query_service import SERVICE, Query
from test_query_clients import Connect, Method

JSON = "application/json"
EMPTY = bytes.fromhex("2000000000000000")  # K = 32 and no item
FOUND = b"\x0a\x0c\x08\x01\x12\x08" + EMPTY


@pytest.fixture
def start(sync, daemon):
    def start_query(*arguments, **environment):
        return Query(daemon, arguments, {**sync.environment(), **environment})
    return start_query


def ask(query, method, path, body=None, **headers):
    """(status, headers, body) of one request; names of headers are written with _."""
    connection = http.client.HTTPConnection("127.0.0.1", query.port, timeout=10)
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    response = connection.getresponse()
    answer = response.read()
    connection.close()
    return response.status, {name.lower(): value for name, value in response.getheaders()}, answer


def over(version):
    return SyncClient(SyncHTTPTransport(http_version=version))


def frame(message, flags=0):
    return struct.pack(">BI", flags, len(message)) + message


def frames(answer):
    """gRPC's frames: [(flags, message)]."""
    found = []
    while answer:
        flags, length = struct.unpack_from(">BI", answer)
        found.append((flags, answer[5:5 + length]))
        answer = answer[5 + length:]
    return found


def test_head_follows_nothing(start):
    """The live list without its list: the connection then serves the next request."""
    query = start()
    connection = http.client.HTTPConnection("127.0.0.1", query.port, timeout=10)
    for method, path in (("HEAD", "/v1/top/live"), ("HEAD", "/v1/top"), ("GET", "/v1/top"), ("HEAD", "/")):
        connection.request(method, path)
        response = connection.getresponse()
        assert response.status == 200 and bool(response.read()) == (method == "GET"), (method, path)
        assert path != "/v1/top/live" or response.headers["content-type"] == "text/event-stream"
    connection.close()


# ---- HTTP/1.1 ----

def statuses(query, *sent):
    """The statuses until the server closes; each of these bytes but the first are sent after an answer to those before."""
    received = b""
    with socket.create_connection(("127.0.0.1", query.port), timeout=5) as client:
        for number, piece in enumerate(sent):
            while received.count(b"\r\n\r\n") < number:
                received += client.recv(65536)
            client.sendall(piece)
        while more := client.recv(65536):
            received += more
    return [int(status) for status in re.findall(rb"HTTP/1.1 (\d+) ", received)]


def test_a_body_is_asked_for_or_refused_at_the_head(start):
    query = start("--max-body", "1024")
    body = b'{"entity":"a"}'

    def head(path, length, *headers):
        lines = [f"POST {SERVICE}{path} HTTP/1.1", "host: a", f"content-type: {JSON}", f"content-length: {length}", *headers, "", ""]
        return "\r\n".join(lines).encode()

    assert statuses(query, head("Get", 14, "expect: 100-continue", "connection: close"), body) == [100, 200]
    assert statuses(query, head("Get", 1025, "expect: 100-continue")) == [413]
    assert statuses(query, head("Get", 1025)) == [413]
    assert statuses(query, head("Nothing", 14, "expect: 100-continue")) == [404]


@pytest.mark.parametrize("hosts, status", [(b"", 400), (b"host: a\r\nhost: a\r\n", 400), (b"host:\r\n", 200), (b"Host: a:1\r\n", 200)])
def test_http1_1_has_one_host(start, hosts, status):
    """RFC 9112, 3.2."""
    assert statuses(start(), b"GET / HTTP/1.1\r\n" + hosts + b"connection: close\r\n\r\n") == [status]


# ---- Connect ----

def test_refusals_of_connect(start):
    query = start("--max-body", "1024")
    for method, path, body, content_type, status, code in [
            ("GET", SERVICE + "Get", None, JSON, 405, "unimplemented"),
            ("PUT", SERVICE + "Get", b"{}", JSON, 405, "unimplemented"),
            ("POST", SERVICE + "Nothing", b"{}", JSON, 404, "unimplemented"),
            ("POST", SERVICE + "Get", b"{}", "text/plain", 415, "unknown"),
            ("GET", SERVICE + "Get?encoding=xml&message=", None, JSON, 415, "unknown"),
            ("GET", SERVICE + "Get?encoding=proto&base64=1&message=!", None, JSON, 400, "invalid_argument"),
            ("GET", SERVICE + "Get?encoding=json&connect=v2&message=%7B%7D", None, JSON, 400, "invalid_argument"),
            ("POST", SERVICE + "Get", b"[]", JSON, 400, "invalid_argument"),
            ("POST", SERVICE + "Get", b"\xff\xff", "application/proto", 400, "invalid_argument"),
            ("POST", SERVICE + "Get", b"{}" + b" " * 1024, JSON, 413, "resource_exhausted")]:
        told, headers, answer = ask(query, method, path, body, content_type=content_type)
        problem = json.loads(answer)
        assert (told, headers["content-type"], problem["code"]) == (status, JSON, code), (method, path, answer)
        assert set(problem) == {"code", "message"} and problem["message"]
        if status == 405:
            assert headers["allow"] == "POST, GET, HEAD"
    for timeout in ("", "x", "-1", "12345678901"):
        assert ask(query, "POST", SERVICE + "Get", b'{"entity":"a"}', content_type=JSON, connect_timeout_ms=timeout)[0] == 400


def test_messages_of_connect(start):
    query = start()
    for body in (b'{"entity":"a","durationSeconds":"86400"}', b'{"entity":"a","duration_seconds":86400,"more":[1]}'):
        status, headers, answer = ask(query, "POST", SERVICE + "GetWindow", body, content_type=JSON + "; charset=utf-8")
        assert (status, headers["content-type"]) == (200, JSON)
        assert json.loads(answer) == {"value": {"present": True, "data": "IAAAAAAAAAA="}}
    assert ask(query, "POST", SERVICE + "GetMany", b'{"entities":["a","b"]}', content_type=JSON)[2] == b'{"values":[{},{}]}'
    status, headers, answer = ask(query, "POST", SERVICE + "GetWindow", b"\x0a\x01a", content_type="application/proto")
    assert (status, headers["content-type"], answer) == (200, "application/proto", FOUND)
    for message in ("CgFh", "CgFh%3D"):  # padded or not
        path = f"{SERVICE}GetWindow?connect=v1&encoding=proto&base64=1&message={message}"
        assert ask(query, "GET", path)[2] == FOUND
        status, headers, answer = ask(query, "HEAD", path)
        assert (status, headers["content-length"], answer) == (200, str(len(FOUND)), b"")


@pytest.mark.parametrize("version", [HTTPVersion.HTTP1, HTTPVersion.HTTP2])
def test_connect_s_client_over_either_http(start, version):
    query = start()
    address = f"127.0.0.1:{query.port}"
    with grpc.insecure_channel(address) as channel:
        pool = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
        window = Method(pool, "GetWindow")
    for use_get in (False, True):
        client = Connect(address, use_get, http_client=over(version))
        assert client.call(window, window.request(entity="a")).value.data == EMPTY
        with pytest.raises(ConnectError) as refusal:
            client.call(window, window.request())
        assert refusal.value.code.name == "INVALID_ARGUMENT" and "empty" in refusal.value.message


# ---- gRPC-Web ----

def web(query, version, message, content_type):
    """(headers, [(flags, message)]) of an answer over this version of HTTP; text is base64, padded wherever a frame ends."""
    text = content_type.startswith("application/grpc-web-text")
    body = base64.b64encode(frame(message)) if text else frame(message)
    response = over(version).post(f"http://127.0.0.1:{query.port}{SERVICE}GetWindow", {"content-type": content_type}, body)
    assert (response.status, response.headers["content-type"]) == (200, content_type)
    content = b"".join(base64.b64decode(part) for part in re.findall(rb"[^=]+=*", response.content)) if text else response.content
    return response.headers, frames(content)


@pytest.mark.parametrize("version", [HTTPVersion.HTTP1, HTTPVersion.HTTP2])
@pytest.mark.parametrize("content_type", ["application/grpc-web", "application/grpc-web+proto",
                                          "application/grpc-web-text", "application/grpc-web-text+proto"])
def test_frames_of_grpc_web(start, version, content_type):
    query = start()
    _, ((flags, message), (end, trailers)) = web(query, version, b"\x0a\x01a", content_type)
    assert (flags, message, end) == (0, FOUND, 0x80)
    assert re.search(rb"(?m)^grpc-status: ?0\r\n", trailers)
    headers, nothing = web(query, version, b"", content_type)  # a refusal is all in the headers
    assert (headers["grpc-status"], nothing) == ("3", []) and "empty" in headers["grpc-message"]


# ---- gRPC ----

def test_reflection_is_the_same_in_both_versions(start):
    query = start()
    request = reflection_pb2.ServerReflectionRequest(file_containing_symbol=SERVICE.strip("/"))
    with grpc.insecure_channel(f"127.0.0.1:{query.port}") as channel:
        answers = []
        for package in ("grpc.reflection.v1", "grpc.reflection.v1alpha"):
            call = channel.stream_stream(f"/{package}.ServerReflection/ServerReflectionInfo",
                                         reflection_pb2.ServerReflectionRequest.SerializeToString,
                                         reflection_pb2.ServerReflectionResponse.FromString)
            unknown = reflection_pb2.ServerReflectionRequest(file_containing_symbol="not.There")
            found, missing = call(iter([request, unknown]), timeout=10)
            answers.append(found.file_descriptor_response.file_descriptor_proto)
            assert missing.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]
        assert answers[0] == answers[1] and b"murmur/v1/query.proto" in answers[0][0]


def test_reflection_knows_the_symbols_that_exist(start):
    service = SERVICE.strip("/")
    there = [service, service + ".Get", "murmur.v1.GetRangeManyRequest", "murmur.v1.GetRangeRequest.start_unix",
             "grpc.health.v1.HealthCheckResponse.ServingStatus", "grpc.health.v1.HealthCheckResponse.SERVING", "grpc.health.v1.Health.Watch",
             "grpc.reflection.v1.ServerReflectionRequest.message_request", "grpc.reflection.v1alpha.ServerReflection"]
    missing = ["", ".", "murmur.v1", "murmur.v1.", "murmur.v1.None", "murmur.v1.Ge", service + ".", service + ".Got", service + ".Get.x",
               "murmur.v1.GetRequest.", "murmur.v1.GetRequest.start_unix", "murmur.v12.GetRequest", "grpc.health.v1.SERVING", "descriptor.File"]
    requests = [reflection_pb2.ServerReflectionRequest(file_containing_symbol=symbol) for symbol in there + missing]
    with grpc.insecure_channel(f"127.0.0.1:{start().port}") as channel:
        call = channel.stream_stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                                     reflection_pb2.ServerReflectionRequest.SerializeToString,
                                     reflection_pb2.ServerReflectionResponse.FromString)
        answers = list(call(iter(requests), timeout=10))
    found = [answer.original_request.file_containing_symbol for answer in answers if answer.HasField("file_descriptor_response")]
    assert len(answers) == len(requests) and found == there


@pytest.mark.parametrize("sent, code", [
    (b"", "INTERNAL"), (b"\0\0\0\0", "INTERNAL"), (frame(b"\x0a\x01a")[:-1], "INTERNAL"),
    (frame(b"\x0a\x01a") * 2, "UNIMPLEMENTED"), (frame(b"\x0a\x01a", 1), None)])
def test_frames_that_are_none(start, sent, code):
    """Whatever comes is answered with 200 and a status, as gRPC demands."""
    query = start()
    response = over(HTTPVersion.HTTP2).post(f"http://127.0.0.1:{query.port}{SERVICE}Get", {"content-type": "application/grpc", "te": "trailers"}, sent)
    response.content
    status = response.headers.get("grpc-status") or response.trailers.get("grpc-status")
    assert response.status == 200 and status not in (None, "0")
    assert code is None or status == str(grpc.StatusCode[code].value[0])


# ---- the end ----

def test_a_stop_answers_those_who_have_come(start):
    """A request that has arrived, on a connection that was not even accepted, is answered and not reset."""
    query = start()
    os.kill(query.process.pid, signal.SIGSTOP)
    waiting = [http.client.HTTPConnection("127.0.0.1", query.port, timeout=10) for _ in range(300)]
    for connection in waiting:
        connection.request("POST", SERVICE + "GetWindow", b'{"entity":"early"}', {"Content-Type": JSON})
    os.kill(query.process.pid, signal.SIGTERM)
    os.kill(query.process.pid, signal.SIGCONT)
    for connection in waiting:
        response = connection.getresponse()
        assert (response.status, response.headers["connection"]) == (200, "close")
        assert json.loads(response.read()) == {"value": {"present": True, "data": base64.b64encode(EMPTY).decode()}}
    assert query.process.wait() == 0


def test_a_stop_finishes_what_is_under_way(sync, daemon, proxy):
    """A call that waits for the store is answered, new connections are refused, and the exit is clean."""
    query = Query(daemon, ["--request-timeout=30s"], sync.environment(proxy.endpoint))
    release = threading.Event()
    proxy.faults.append(hold_answer(release))
    under_way = http.client.HTTPConnection("127.0.0.1", query.port, timeout=20)
    under_way.request("POST", SERVICE + "GetWindow", b'{"entity":"held-back"}', {"Content-Type": JSON})
    assert eventually(lambda: not proxy.faults)  # the store was asked
    os.kill(query.process.pid, signal.SIGTERM)

    def refused():
        try:
            socket.create_connection(("127.0.0.1", query.port), 2).close()
        except ConnectionRefusedError:
            return True
        except ConnectionResetError:  # it was in the queue of the listener that was closed
            return False
    assert eventually(refused)
    release.set()
    response = under_way.getresponse()
    assert (response.status, response.headers["connection"]) == (200, "close")
    assert json.loads(response.read())["value"]["present"]
    assert query.process.wait() == 0
    assert "held-back" not in query.log()
