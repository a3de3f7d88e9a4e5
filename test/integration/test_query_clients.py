"""All eight calls by everybody else's clients: gRPC's, Connect's, and one of gRPC-Web."""

import threading
import time

import grpc
import pytest
import sonora.client
from connectrpc.client import ConnectClientSync
from connectrpc.errors import ConnectError
from connectrpc.method import IdempotencyLevel, MethodInfo
from google.protobuf import descriptor_pool
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from pyqwest import SyncClient, SyncHTTPTransport

from certificates import Authority
from ddb import DAY, TODAY
from dynamodb_proxy import hold_answer
from query_service import SERVICE, Method, Query
from test_query_answers import put

COUNTS = {"a": 5, "b": 3}


class Grpc:
    def __init__(self, address, trusted=None, **options):
        self.channel = self.open(address) if trusted is None else grpc.secure_channel(address, grpc.ssl_channel_credentials(trusted))
        self.options = options

    def open(self, address):
        return grpc.insecure_channel(address)

    def call(self, method, request, timeout=10):
        return self.channel.unary_unary(SERVICE + method.name, method.request.SerializeToString,
                                        method.answer.FromString)(request, timeout=timeout, **self.options)


class Web(Grpc):
    def open(self, address):
        return sonora.client.insecure_web_channel(f"http://{address}")


class Connect:
    def __init__(self, address, use_get, trusted=None, **options):
        if trusted is not None:
            options["http_client"] = SyncClient(SyncHTTPTransport(tls_ca_cert=trusted))
        self.client = ConnectClientSync(f"{'http' if trusted is None else 'https'}://{address}", **options)
        self.use_get = use_get

    def call(self, method, request, timeout=10):
        info = MethodInfo(name=method.name, service_name=SERVICE.strip("/"), input=method.request, output=method.answer,
                          idempotency_level=IdempotencyLevel.NO_SIDE_EFFECTS)
        return self.client.execute_unary(request=request, method=info, use_get=self.use_get, timeout_ms=int(timeout * 1000))


CLIENTS = {
    "grpc": Grpc,
    "grpc with gzip": lambda address: Grpc(address, compression=grpc.Compression.Gzip),
    "grpc-web": Web,
    "connect": lambda address: Connect(address, False, send_compression=None),
    "connect with gzip": lambda address: Connect(address, False),
    "connect by get": lambda address: Connect(address, True),
    "connect in json": lambda address: Connect(address, False, proto_json=True),
    "connect in json by get": lambda address: Connect(address, True, proto_json=True),
}


@pytest.fixture
def query(sync, daemon):
    for ago in range(3):
        put(sync, "k", ago, COUNTS)
    put(sync, "k", TODAY, {"whole": 1})
    return Query(daemon, [], sync.environment())


@pytest.fixture
def methods(query):
    pool = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(grpc.insecure_channel(f"127.0.0.1:{query.port}")))
    return {name: Method(pool, name) for name in ("Get", "GetMany", "GetWindow", "GetWindowMany", "GetRange", "GetRangeMany",
                                                  "GetTrailing", "GetTrailingMany")}


@pytest.mark.parametrize("name", CLIENTS)
def test_all_calls(query, methods, name):
    check_all_calls(CLIENTS[name](f"127.0.0.1:{query.port}"), methods)


def test_all_calls_over_tls(sync, daemon, query, methods, tmp_path):
    authority = Authority(tmp_path, "authority")
    certificate, key = authority.sign("localhost")
    secure = Query(daemon, ["--tls-cert", certificate, "--tls-key", key], sync.environment())
    trusted, address = authority.certificate.read_bytes(), f"localhost:{secure.port}"
    for client in (Grpc(address, trusted), Connect(address, False, trusted), Connect(address, True, trusted, proto_json=True)):
        check_all_calls(client, methods)


def check_all_calls(client, methods):
    def lengths(call, **fields):
        answer = client.call(methods[call], methods[call].request(**fields))
        values = answer.values if call.endswith("Many") else [answer.value]
        return [len(value.data) if value.present else None for value in values]

    full, empty, both = 8 + 2 * 13, 8, {"entities": ["k", "none", "k"]}
    now = int(time.time())
    span = {"start_unix": now - 2 * DAY, "end_unix": now}
    assert lengths("Get", entity="k") == [8 + 12 + 5]
    assert lengths("Get", entity="none") == [None]
    assert lengths("GetMany", **both) == [25, None, 25]
    for call, period in (("GetWindow", {"duration_seconds": 3 * DAY}), ("GetTrailing", {"duration_seconds": 3 * DAY}), ("GetRange", span)):
        assert lengths(call, entity="k", **period) == [full]
        assert lengths(call, entity="k", fresh_read=True, **period) == [full]
        assert lengths(call + "Many", **both, **period) == [full, empty, full]


@pytest.mark.parametrize("name", CLIENTS)
def test_a_long_answer_comes_whole(sync, query, methods, name):
    """Half a megabyte: more than may wait in a stream for a client that does not read."""
    put(sync, "long", 0, {f"item {number:032}": number + 1 for number in range(32)})
    many = methods["GetWindowMany"]
    answer = CLIENTS[name](f"127.0.0.1:{query.port}").call(many, many.request(entities=["long"] * 400))
    assert [len(value.data) for value in answer.values] == [8 + 32 * (12 + 37)] * 400


@pytest.mark.parametrize("name", CLIENTS)
def test_a_fault_of_the_caller(query, methods, name):
    client = CLIENTS[name](f"127.0.0.1:{query.port}")
    with pytest.raises((grpc.RpcError, ConnectError)) as refusal:
        client.call(methods["GetRange"], methods["GetRange"].request(entity="k", start_unix=20, end_unix=10))
    code = refusal.value.code
    assert (code() if callable(code) else code).name == "INVALID_ARGUMENT"
    assert "10" in str(refusal.value) and "20" in str(refusal.value)


def test_the_client_s_deadline(sync, daemon, proxy, methods):
    """The store answers late: gRPC's client is told by the service before it gives up by itself."""
    slow = Query(daemon, ["--request-timeout=20s"], sync.environment(proxy.endpoint))
    release = threading.Event()
    for client in (Grpc(f"127.0.0.1:{slow.port}"), Connect(f"127.0.0.1:{slow.port}", False)):
        proxy.faults.append(hold_answer(release))
        started = time.monotonic()
        with pytest.raises((grpc.RpcError, ConnectError)) as refusal:
            client.call(methods["GetWindow"], methods["GetWindow"].request(entity="k"), timeout=0.5)
        code = refusal.value.code
        assert (code() if callable(code) else code).name == "DEADLINE_EXCEEDED"
        assert time.monotonic() - started < 10
    release.set()
