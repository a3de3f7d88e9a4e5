"""A proxy before DynamoDB Local: checks signatures, as DynamoDB does and DynamoDB Local does not,
records requests, and answers as a failing DynamoDB does.

    with DynamoDBProxy(dynamodb.endpoint) as proxy:
        proxy.faults += [throttle, lose_answer]     # for the next two requests
        ... proxy.endpoint, proxy.requests, proxy.puts()
"""

import http.client
import json
import random
import socket
import zlib
from types import SimpleNamespace
from urllib.parse import urlsplit

from signatures import age, check_signature
from web_server import Handler, WebServer

ERROR = "com.amazonaws.dynamodb.v20120810#"
SERVICE_ERROR = "com.amazon.coral.service#"


CLOCK_TOLERANCE = 300


class DynamoDBProxy(WebServer):
    """faults: callables that take the request's handler in place of forwarding, one a request.

    secrets: of the access keys that may sign; expired: those of them that may no longer.
    forged: what was wrong with signatures.  throttled: the share of requests that is.
    description: a fault for DescribeTable, which is not recorded and takes no other faults.
    """

    def __init__(self, target=None):
        self.target = target
        self.requests = []
        self.faults = []
        self.secrets = {"local": "local"}
        self.expired = set()
        self.region = "us-east-1"
        self.forged = []
        self.description = None
        self.throttled = 0
        super().__init__(self._handler())
        self.endpoint = self.url

    def puts(self):
        """The items put, as they were sent."""
        return [json.loads(request.body)["Item"] for request in self.requests]

    def refusal(self, request):
        """The fault that answers as DynamoDB would if it does not let the request in, or None."""
        access = request.headers.get("Authorization", "").partition("Credential=")[2].partition("/")[0]
        if access not in self.secrets:
            return error(400, SERVICE_ERROR + "UnrecognizedClientException", "The security token included in the request is invalid.")
        try:
            check_signature(request, self.endpoint, self.secrets[access], self.region)
        except AssertionError as problem:
            self.forged.append(str(problem))
            return error(400, SERVICE_ERROR + "InvalidSignatureException", "The request signature we calculated does not match")
        if abs(age(request)) > CLOCK_TOLERANCE:
            return error(400, SERVICE_ERROR + "InvalidSignatureException", "Signature expired: is now earlier than")
        if access in self.expired:
            return error(400, SERVICE_ERROR + "ExpiredTokenException", "The security token included in the request is expired")
        return throttle if random.random() < self.throttled else None

    def _handler(self):
        proxy = self

        class Request(Handler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self):
                self.body = self.read_body()
                request = SimpleNamespace(path=self.path, headers=dict(self.headers), body=self.body)
                if self.headers.get("X-Amz-Target", "").endswith(".DescribeTable"):
                    (proxy.description or proxy.refusal(request) or Request.forward)(self)
                    return
                proxy.requests.append(request)
                fault = proxy.faults.pop(0) if proxy.faults else proxy.refusal(request) or Request.forward
                fault(self)

            def forward(self):
                self.answer(*self.ask_target())

            def ask_target(self):
                connection = http.client.HTTPConnection(urlsplit(proxy.target).netloc)
                connection.request("POST", self.path, self.body, dict(self.headers))
                response = connection.getresponse()
                answer = response.status, response.read()
                connection.close()
                return answer

            def answer(self, status, body, content_type="application/x-amz-json-1.0"):
                super().answer(status, body, Content_Type=content_type, x_amz_crc32=str(zlib.crc32(body)))

        return Request


def error(status, name, message="made by the test"):
    """A fault: DynamoDB answers this error."""
    body = json.dumps({"__type": name, "message": message}).encode()
    return lambda handler: handler.answer(status, body)


throttle = error(400, ERROR + "ProvisionedThroughputExceededException")
server_error = error(500, ERROR + "InternalServerError")


def gateway_error(handler):
    """Not DynamoDB answers, but something before it, and not in JSON."""
    handler.answer(503, b"<html>Service Unavailable</html>", "text/html")


def lose_answer(handler):
    """The request is carried out, the client never learns it."""
    handler.ask_target()
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True


def hold_answer(release):
    """The request is carried out; the answer waits for the event."""
    def fault(handler):
        answer = handler.ask_target()
        release.wait(60)
        try:
            handler.answer(*answer)
        except OSError:
            pass  # the client is gone, as the test wants it
    return fault


def damage_answer(handler):
    """The request is carried out; a bit of the answer is lost on its way."""
    status, body = handler.ask_target()
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body)))
    handler.send_header("x-amz-crc32", str(zlib.crc32(body) ^ 1))
    handler.end_headers()
    handler.wfile.write(body)
