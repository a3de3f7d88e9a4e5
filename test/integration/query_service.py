"""What the tests of topk-query's answers share: a running service, and the least client of it (Connect, JSON)."""

import base64
import http.client
import json
import re

from google.protobuf import message_factory

from ddb import decode
from demo.servers.process import free_port

SERVICE = "/murmur.v1.QueryService/"


class Method:
    """A method as reflection describes it."""

    def __init__(self, pool, name):
        found = pool.FindServiceByName(SERVICE.strip("/")).FindMethodByName(name)
        self.name = name
        self.request = message_factory.GetMessageClass(found.input_type)
        self.answer = message_factory.GetMessageClass(found.output_type)


class Query:
    """topk-query over a store, listening on a free port of loopback."""

    def __init__(self, daemon, arguments, environment, ready="msg=started"):
        self.port = free_port()
        self.metrics_port = free_port()
        self.process = daemon("topk-query", [*arguments], {
            **environment, "GRPC_ADDR": f"127.0.0.1:{self.port}",
            "METRICS_ADDR": f"127.0.0.1:{self.metrics_port}"}, ready)

    def request(self, method, path, body=None, timeout=20):
        """Status and the decoded JSON of one request over a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def call(self, name, **message):
        return self.request("POST", SERVICE + name, json.dumps(message))

    def values(self, name, **message):
        """The values of a call that succeeds: each None if absent, else K and its items with their counts."""
        status, answer = self.call(name, **message)
        assert status == 200, answer
        return [value_of(value) for value in (answer["values"] if "values" in answer else [answer.get("value", {})])]

    def value(self, name, **message):
        return self.values(name, **message)[0]

    def top(self, **parameters):
        query = "&".join(f"{name}={value}" for name, value in parameters.items())
        return self.request("GET", f"/v1/top?{query}")

    def metric(self, name):
        """The sum of a metric's samples whose line begins with this."""
        connection = http.client.HTTPConnection("127.0.0.1", self.metrics_port, timeout=5)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name))

    def log(self):
        return self.process.log()


def value_of(value):
    if not value.get("present"):
        return None
    k, items = decode(base64.b64decode(value["data"]))
    return k, {item.decode(): count for item, count in items}


def events(connection, count):
    """The data of the next events of a stream, decoded."""
    found = []
    text = ""
    while len(found) < count:
        line = connection.readline().decode()
        assert line, f"the stream ended after {text!r}"
        text += line
        if match := re.match(r"data: ?(.*)", line):
            found.append(json.loads(match[1]))
    return found
