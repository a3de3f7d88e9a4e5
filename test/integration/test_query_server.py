"""topk-query's port: gRPC by gRPC's own client, TLS, tokens, and clients that mean no good."""

import http.client
import json
import random
import socket

import grpc
import pytest
from google.protobuf import descriptor_pool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from certificates import Authority
from query_service import SERVICE, Method, Query

SERVICE_NAME = SERVICE.strip("/")
REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


@pytest.fixture
def start(sync, daemon):
    """start(*arguments, **environment): topk-query over an empty table."""
    def start_query(*arguments, **environment):
        return Query(daemon, arguments, {**sync.environment(), **environment})
    return start_query


class Client:
    """A gRPC client that knows of the service what reflection says."""

    def __init__(self, channel):
        self.channel = channel
        self.database = ProtoReflectionDescriptorDatabase(channel)
        self.pool = descriptor_pool.DescriptorPool(self.database)

    def call(self, name, metadata=None, timeout=10, **fields):
        method = Method(self.pool, name)
        call = self.channel.unary_unary(SERVICE + name, method.request.SerializeToString, method.answer.FromString)
        return call(method.request(**fields), metadata=metadata, timeout=timeout)


@pytest.fixture
def connect():
    channels = []

    def open_channel(query, credentials=None, host="127.0.0.1"):
        address = f"{host}:{query.port}"
        channels.append(grpc.secure_channel(address, credentials) if credentials else grpc.insecure_channel(address))
        return channels[-1]
    yield open_channel
    for channel in channels:
        channel.close()


def code_of(action):
    with pytest.raises(grpc.RpcError) as failure:
        action()
    return failure.value.code(), failure.value.details()


def raw(query, sent):
    """What comes back for these bytes until the server closes, or 2 s have passed."""
    with socket.create_connection(("127.0.0.1", query.port), timeout=2) as client:
        client.sendall(sent)
        received = b""
        try:
            while piece := client.recv(65536):
                received += piece
        except (TimeoutError, ConnectionResetError):
            pass
        return received


def alive(query):
    return query.request("POST", SERVICE + "Get", json.dumps({"entity": "a"})) == (200, {"value": {}})


def test_reflection_describes_what_grpc_then_calls(start, connect):
    client = Client(connect(start()))
    assert set(client.database.get_services()) == {
        SERVICE_NAME, "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"}
    assert client.pool.FindMessageTypeByName("murmur.v1.GetRequest").fields_by_name["entity"].type == 9  # a string
    window = client.call("GetWindow", entity="global", duration_seconds=7 * 86400)
    assert window.value.present and window.value.data == bytes.fromhex("2000000000000000")
    assert not client.call("Get", entity="global").value.present
    many = client.call("GetMany", entities=["a", "b", "a"])
    assert [value.present for value in many.values] == [False] * 3


def test_grpc_is_told_what_is_wrong(start, connect):
    channel = connect(start("--max-entities", "3"))
    client = Client(channel)
    invalid = grpc.StatusCode.INVALID_ARGUMENT
    assert code_of(lambda: client.call("Get", entity=""))[0] == invalid
    assert code_of(lambda: client.call("Get", entity="x" * 2049))[0] == invalid
    assert code_of(lambda: client.call("GetMany", entities=["a"] * 4))[0] == invalid
    nothing = channel.unary_unary(SERVICE + "Nothing")
    assert code_of(lambda: nothing(b""))[0] == grpc.StatusCode.UNIMPLEMENTED
    broken = channel.unary_unary(SERVICE + "Get")
    assert code_of(lambda: broken(b"\xff\xff"))[0] == invalid


def test_health(start, connect):
    health = health_pb2_grpc.HealthStub(connect(start()))
    serving = health_pb2.HealthCheckResponse.SERVING
    assert health.Check(health_pb2.HealthCheckRequest(service=SERVICE_NAME)).status == serving
    assert code_of(lambda: health.Check(health_pb2.HealthCheckRequest(service="x")))[0] == grpc.StatusCode.NOT_FOUND
    watch = health.Watch(health_pb2.HealthCheckRequest(), timeout=10)
    assert next(watch).status == serving
    watch.cancel()


def test_tls_and_tokens(start, connect, tmp_path):
    authority = Authority(tmp_path, "authority")
    certificate, key = authority.sign("localhost")
    tokens = tmp_path / "tokens"
    tokens.write_text("# of the tests\nfirst\nsecond\n")
    tokens.chmod(0o600)
    query = start("--tls-cert", certificate, "--tls-key", key, "--token-file", tokens)
    channel = connect(query, grpc.ssl_channel_credentials(authority.certificate.read_bytes()), "localhost")
    get = channel.unary_unary(SERVICE + "Get")
    request = b"\x0a\x01a"
    assert code_of(lambda: get(request))[0] == grpc.StatusCode.UNAUTHENTICATED
    assert code_of(lambda: get(request, metadata=[("authorization", "Bearer fir")]))[0] == \
        grpc.StatusCode.UNAUTHENTICATED
    assert get(request, metadata=[("authorization", "Bearer second")]) == b"\x0a\x00"
    health = health_pb2_grpc.HealthStub(channel)
    assert health.Check(health_pb2.HealthCheckRequest()).status == health_pb2.HealthCheckResponse.SERVING
    assert "second" not in query.log()


def test_streams_of_requests_need_http2(start):
    """A body that the handler refuses in its midst, over HTTP/1.1: the exchange was used after its end."""
    query = start()
    head = f"POST {REFLECTION} HTTP/1.1\r\nhost: a\r\ncontent-type: application/grpc\r\ncontent-length: 20\r\n\r\n"
    answer = raw(query, head.encode() + b"\0\0\0\0\3\xff\xff\xff" + b"x" * 12 + b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
    assert b"grpc-status" in answer and b"<!doctype html>" in answer.lower()
    assert alive(query)


@pytest.mark.parametrize("sent", [
    random.Random(1).randbytes(3000), b"\x16\x03\x01\x02\x00" + bytes(600), b"GET / HTTP/1.1\r\nhost: " + b"a" * 40000 + b"\r\n\r\n",
    b"POST " + SERVICE.encode() + b"Get HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    PREFACE + bytes(500), PREFACE + b"\0\0\0\4\0\0\0\0\0" + b"\0\0\4\1\4\0\0\0\1\xff\xff\xff\xff",
    PREFACE + b"\0\0\0\4\0\0\0\0\0" + b"\0\0\4\3\0\0\0\0\1\0\0\0\x08" * 500],
    ids=["noise", "tls", "long head", "smuggled", "no frames", "no headers", "resets"])
def test_who_speaks_no_http_is_left_alone(start, sent):
    query = start()
    raw(query, sent)
    assert alive(query)


def test_stop_with_a_watcher_and_an_idle_client(start, connect):
    query = start()
    watch = health_pb2_grpc.HealthStub(connect(query)).Watch(health_pb2.HealthCheckRequest(), timeout=20)
    next(watch)
    idle = http.client.HTTPConnection("127.0.0.1", query.port)
    idle.connect()
    assert query.process.terminate() == 0
    idle.close()
