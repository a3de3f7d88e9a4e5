"""Who may ask topk-query, and how much: tokens, other origins' pages, limits, slow clients, files that change."""

import concurrent.futures
import contextlib
import http.client
import json
import os
import signal
import socket
import ssl
import struct
import subprocess
import time
from pathlib import Path

import pytest

from certificates import Authority
from ddb import eventually
from demo.servers.process import memory
from edition import edition
from query_service import SERVICE, Query

CHECKOUT = Path(__file__).resolve().parents[2]
CALL = SERVICE + "GetWindow"
BODY = b'{"entity":"k"}'
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def start(sync, daemon):
    def start_query(*arguments, **environment):
        return Query(daemon, arguments, {**sync.environment(), **environment})
    return start_query


def ask(query, method="POST", path=CALL, body=BODY, headers=JSON):
    """(status, headers) of one request."""
    connection = http.client.HTTPConnection("127.0.0.1", query.port, timeout=10)
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status, {name.lower(): value for name, value in response.getheaders()}


def bearer(token):
    return {**JSON, "Authorization": f"Bearer {token}"}


def test_tokens_are_read_again(start, tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text("# two of them\neins-1\n\nzwei-2\n")
    tokens.chmod(0o600)
    query = start("--token-file", str(tokens))
    assert [ask(query, headers=bearer(token))[0] for token in ("eins-1", "zwei-2", "drei-3", "", "eins-1 zwei-2")] == [200, 200, 401, 401, 401]
    status, headers = ask(query)
    assert (status, headers["www-authenticate"]) == (401, "Bearer")
    assert ask(query, "GET", "/", None)[0] == 200  # the page holds nothing
    assert ask(query, "GET", "/v1/top", None)[0] == 401

    tokens.write_text("drei-3\n")
    os.kill(query.process.pid, signal.SIGHUP)
    assert eventually(lambda: ask(query, headers=bearer("drei-3"))[0] == 200)
    assert ask(query, headers=bearer("eins-1"))[0] == 401
    tokens.write_text("")
    os.kill(query.process.pid, signal.SIGHUP)
    assert eventually(lambda: query.log().count("level=error") == 1)
    assert ask(query, headers=bearer("drei-3"))[0] == 200  # the old ones stay
    assert "drei-3" not in query.log() and "eins-1" not in query.log()


def test_a_token_file_that_all_can_read_is_refused(sync, daemon, tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text("one\n")
    tokens.chmod(0o644)
    query = daemon("topk-query", ["--token-file", str(tokens)], {**sync.environment(), "GRPC_ADDR": "127.0.0.1:0"})
    assert query.wait() == 1
    assert str(tokens) in query.log()


def test_the_certificate_is_read_again(start, tmp_path):
    first, second = Authority(tmp_path, "first"), Authority(tmp_path, "second")
    certificate, key = tmp_path / "used.crt", tmp_path / "used.key"

    def use(authority):
        made, made_key = authority.sign("localhost")
        certificate.write_bytes(made.read_bytes())
        key.write_bytes(made_key.read_bytes())

    def trusted(authority):
        context = ssl.create_default_context(cafile=authority.certificate)
        try:
            with socket.create_connection(("localhost", query.port), 5) as plain, context.wrap_socket(plain, server_hostname="localhost"):
                return True
        except ssl.SSLError:
            return False

    use(first)
    query = start("--tls-cert", str(certificate), "--tls-key", str(key))
    assert trusted(first) and not trusted(second)
    use(second)
    os.kill(query.process.pid, signal.SIGHUP)
    assert eventually(lambda: trusted(second))


def test_pages_of_other_origins(start):
    preflight = {"Origin": "https://here.example", "Access-Control-Request-Method": "POST"}
    closed = start()
    assert "access-control-allow-origin" not in ask(closed, headers={**JSON, "Origin": "https://here.example"})[1]
    assert ask(closed, "OPTIONS", headers=preflight)[0] == 405

    query = start("--cors-origin", "https://here.example,https://there.example")
    status, headers = ask(query, "OPTIONS", body=None, headers=preflight)
    assert (status, headers["access-control-allow-origin"]) == (204, "https://here.example")
    assert "content-type" in headers["access-control-allow-headers"]
    status, headers = ask(query, headers={**JSON, "Origin": "https://there.example"})
    assert (status, headers["access-control-allow-origin"], headers["vary"]) == (200, "https://there.example", "origin")
    for origin in ("https://else.example", "https://here.example.evil.example", "null"):
        assert "access-control-allow-origin" not in ask(query, headers={**JSON, "Origin": origin})[1]


def test_how_much(start):
    query = start("--max-body=2048", "--max-entities=3", "--max-connections=4")
    assert ask(query, body=b'{"entity":"k","x":"%s"}' % (b"y" * 1900))[0] == 200
    assert ask(query, body=b'{"entity":"k","x":"%s"}' % (b"y" * 2100))[0] == 413
    assert ask(query, path=SERVICE + "GetWindowMany", body=b'{"entities":["a","b","c"]}')[0] == 200
    assert ask(query, path=SERVICE + "GetWindowMany", body=b'{"entities":["a","b","c","d"]}')[0] == 400

    assert eventually(lambda: query.metric("topk_query_connections ") == 0)  # those before have gone
    held = [socket.create_connection(("127.0.0.1", query.port)) for _ in range(4)]
    assert eventually(lambda: query.metric("topk_query_connections ") == 4)
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        ask(query)
    for connection in held:
        connection.close()
    assert eventually(lambda: query.metric("topk_query_connections ") == 0)
    assert ask(query)[0] == 200


def test_a_client_that_sends_slowly_is_left(start):
    """A request has 10 seconds to come whole, however busily it comes."""
    query = start()
    slow = socket.create_connection(("127.0.0.1", query.port))
    slow.settimeout(1)
    started = time.monotonic()
    with pytest.raises(ConnectionError):
        slow.sendall(b"POST / HTTP/1.1\r\n")
        while time.monotonic() - started < 25:
            slow.sendall(b"x: y\r\n")
            try:
                if slow.recv(100) == b"":
                    raise ConnectionResetError
            except TimeoutError:
                pass
    assert 8 < time.monotonic() - started < 20


def test_a_client_that_does_not_read(start, put_wide):
    """Answers wait in bounded memory for one that asks and asks, and others are served meanwhile."""
    query = start()
    greedy = socket.create_connection(("127.0.0.1", query.port))
    greedy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    greedy.settimeout(0.5)
    request = b"GET /v1/top?days=1&n=32 HTTP/1.1\r\nHost: x\r\n\r\n" * 1000
    with pytest.raises(TimeoutError):
        for _ in range(200):
            greedy.sendall(request)
    assert ask(query)[0] == 200
    assert resident(query) < 32 << 20
    greedy.close()


@pytest.fixture
def put_wide(sync):
    from test_query_answers import put
    put(sync, "global", 0, {f"{'x' * 500}-{number}": 1000 - number for number in range(32)})


def resident(query):
    return memory(query.process.pid)


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADERS, DATA, SETTINGS, PING, CONTINUATION = 1, 0, 4, 6, 9
END_STREAM, END_HEADERS = 1, 4


def http2_frame(kind, stream, payload, flags=0):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def http2_head(path):
    """The headers of a call in HPACK, nothing indexed."""
    return b"\x83\x86\x04" + bytes([len(path)]) + path.encode() + b"\x01\x01a" + b"\x0f\x10\x11application/proto"


def opened_and_reset(client, number):
    """The bytes of a connection with so many calls, each of an entity of its own and reset at once (CVE-2023-44487)."""
    sent = PREFACE + http2_frame(SETTINGS, 0, b"")
    for stream in range(1, 2 * number, 2):
        entity = f"{client}-{stream}".encode()
        sent += http2_frame(HEADERS, stream, http2_head(CALL), END_HEADERS) \
            + http2_frame(DATA, stream, b"\x0a" + bytes([len(entity)]) + entity, END_STREAM) + http2_frame(3, stream, struct.pack(">I", 8))
    return sent


def test_calls_that_are_opened_only_to_be_reset(start):
    """As many as four clients can, over ever new connections, as one may reset a thousand: memory stays, others are answered."""
    query = start("--cache-ttl", "0")
    assert ask(query)[0] == 200
    before = resident(query)
    connections = edition(20, 500)

    def attack(sent):
        for _ in range(connections):
            with socket.create_connection(("127.0.0.1", query.port), timeout=5) as connection, contextlib.suppress(OSError):
                connection.sendall(sent)
                while connection.recv(65536):
                    pass

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        attacks = [pool.submit(attack, opened_and_reset(client, 1100)) for client in range(4)]
        answers = []
        while not all(attack.done() for attack in attacks):
            answers.append(ask(query)[0])
            assert resident(query) < before + (16 << 20)
    assert set(answers) == {200}
    assert all(attack.result() is None for attack in attacks)
    assert query.metric('topk_query_requests_total{rpc="GetWindow",protocol="connect",code="canceled"') > 1000 * connections


FLOODS = {
    "pings": lambda: [http2_frame(PING, 0, bytes(8)) * 1000] * 100,
    "settings": lambda: [http2_frame(SETTINGS, 0, b"\x00\x04\x00\x00\xff\xff") * 1000] * 100,
    "headers without end (CVE-2024-28182)": lambda: [
        http2_frame(HEADERS, 1, http2_head(CALL)), *[http2_frame(CONTINUATION, 1, b"\x00\x01x\x7f\x81\x7e" + b"y" * 16253)] * 100],
    "one header that is meant again and again": lambda: [
        http2_frame(HEADERS, 1, http2_head(CALL) + b"\x40\x01x\x7f\xa1\x1e" + b"y" * 4000 + b"\xbe" * 12000, END_HEADERS),
        *[http2_frame(HEADERS, stream, http2_head(CALL) + b"\xbe" * 16000, END_HEADERS) for stream in range(3, 199, 2)]],
    "data without bytes": lambda: [http2_frame(HEADERS, 1, http2_head(CALL), END_HEADERS), *[http2_frame(DATA, 1, b"") * 1000] * 100],
    "windows that are opened by a byte": lambda: [http2_frame(8, 0, b"\x00\x00\x00\x01") * 1000] * 100,
}


@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_of_frames(start, flood):
    """Of one connection that does not read: it may be closed or left waiting; memory stays, others are answered."""
    query = start()
    assert ask(query)[0] == 200
    before = resident(query)
    with socket.create_connection(("127.0.0.1", query.port), timeout=0.5) as connection, contextlib.suppress(OSError):
        connection.sendall(PREFACE + http2_frame(SETTINGS, 0, b""))
        for sent in FLOODS[flood]() * edition(5, 200):
            connection.sendall(sent)
            assert resident(query) < before + (8 << 20)
    assert ask(query)[0] == 200
    assert eventually(lambda: query.metric("topk_query_connections ") == 0)
    assert resident(query) < before + (8 << 20)


def test_answers_that_nobody_takes(start, put_wide):
    """A client whose windows stay shut asks for 16 MB, again and again: what waits is bounded, and he makes room for others."""
    query = start("--request-timeout=10s")
    assert ask(query, body=b'{"entity":"global"}')[0] == 200
    before = resident(query)
    path, entities = SERVICE + "GetWindowMany", b"\x0a\x06global" * 1000
    with socket.create_connection(("127.0.0.1", query.port), timeout=20) as connection:
        connection.sendall(PREFACE + http2_frame(SETTINGS, 0, struct.pack(">HI", 4, 0)))
        answered = b""
        for number in range(1, 13):
            stream = 2 * number - 1
            connection.sendall(http2_frame(HEADERS, stream, http2_head(path), END_HEADERS) + http2_frame(DATA, stream, entities, END_STREAM))
            while b"\x01\x04" + struct.pack(">I", stream) not in answered:
                answered += connection.recv(65536)
            assert resident(query) < before + (256 << 20)
        assert ask(query, body=b'{"entity":"k"}')[0] == 200
        assert query.metric('topk_query_requests_total{rpc="GetWindowMany",protocol="connect",code="resource_exhausted"') > 5
        assert ask(query, path=path, body=json.dumps({"entities": ["global"] * 1000}).encode())[0] == 200
        with contextlib.suppress(ConnectionResetError):
            while connection.recv(65536):
                pass


def test_by_default_it_listens_on_loopback_alone(sync, daemon):
    def start():
        query = daemon("topk-query", [], sync.environment())
        assert eventually(lambda: "msg=started" in query.log() or "level=error" in query.log())
        return "msg=started" in query.log()
    assert eventually(start)  # another test run may have the port at the moment
    listening = [line.split()[1] for kind in ("tcp", "tcp6") for line in Path(f"/proc/net/{kind}").read_text().splitlines()
                 if line.split()[3] == "0A" and line.split()[1].endswith(f":{50051:04X}")]
    assert listening == [f"0100007F:{50051:04X}"]


def test_strangers_are_warned_of(start, sync, daemon):
    query = daemon("topk-query", [], {**sync.environment(), "GRPC_ADDR": ":0"}, "msg=started")
    assert "in clear" in query.log() and "everybody" in query.log()
    assert "in clear" not in start().log()


@pytest.mark.parametrize("arguments, word", [
    (["--listen=nowhere"], "listen"), (["--tls-cert=x"], "tls-key"), (["--window=1500ms"], "window"),
    (["--retention=1h"], "retention"), (["--metrics-urls=ftp://x"], "metrics-urls"), (["--store=file"], "store"),
    (["--ddb-endpoint=ftp://x"], "ddb-endpoint")])
def test_wrong_options(sync, daemon, arguments, word):
    query = daemon("topk-query", arguments, sync.environment())
    assert query.wait() == 2
    assert word in query.log()


def test_documented_options_are_the_program_s():
    """docs/query.md has the table that --help=markdown prints."""
    table = subprocess.run([CHECKOUT / "build" / "topk-query", "--help=markdown"], capture_output=True, text=True, check=True).stdout
    assert table.strip() in (CHECKOUT / "docs" / "query.md").read_text()
