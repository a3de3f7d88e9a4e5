"""Lambda's Runtime API on this machine, for a runtime that is killed, frozen and started again.

AWS's emulator, which the other tests run under, neither survives nor reports the death of its runtime.
"""

import json
import queue
import socket
import time
import uuid

from web_server import Handler, WebServer

VERSION = "/2018-06-01/runtime"


class RuntimeApi(WebServer):
    """Hands out events; .invoke(event) waits for what the runtime says of it.

    .address is for AWS_LAMBDA_RUNTIME_API; .start_errors holds what was posted to init/error.
    """

    def __init__(self):
        self.events = queue.Queue()
        self.answers = {}
        self.start_errors = []
        self.statuses = []  # to answer posts with, in turn; 202 when there are none
        api = self

        class Request(Handler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = 65536

            def do_GET(self):
                assert self.path == f"{VERSION}/invocation/next", self.path
                invocation = None
                while invocation is None:
                    try:
                        invocation = api.events.get(timeout=0.5)
                    except queue.Empty:
                        pass
                    if api.closed or self.runtime_is_gone():
                        if invocation:
                            api.events.put(invocation)
                        self.close_connection = True
                        return
                name, deadline, body = invocation
                self.send_response(200)
                for header, value in {"Lambda-Runtime-Aws-Request-Id": name, "Lambda-Runtime-Deadline-Ms": deadline,
                                      "Lambda-Runtime-Trace-Id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=1",
                                      "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:eu-west-1:123456789012:function:topk",
                                      "Content-Type": "application/json", "Content-Length": len(body)}.items():
                    self.send_header(header, str(value))
                self.end_headers()
                self.wfile.write(body)
                self.wfile.flush()

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"null")
                status = api.statuses.pop(0) if api.statuses else 202
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()
                self.wfile.flush()
                if status != 202:
                    return
                if self.path == f"{VERSION}/init/error":
                    api.start_errors.append((body, self.headers["Lambda-Runtime-Function-Error-Type"]))
                else:
                    name, kind = self.path.removeprefix(f"{VERSION}/invocation/").split("/")
                    api.answers[name].put((kind, body))

            def runtime_is_gone(self):
                try:
                    return self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
                except BlockingIOError:
                    return False
                except OSError:
                    return True

        self.closed = False
        super().__init__(Request)

    def send(self, event, timeout=30):
        """Offer an event to the runtime; what .answer() takes."""
        name = str(uuid.uuid4())
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        self.answers[name] = queue.Queue()
        self.events.put((name, int((time.time() + timeout) * 1000), body))
        return name

    def answer(self, name, timeout=60):
        """("response" or "error", what was said)."""
        return self.answers[name].get(timeout=timeout)

    def invoke(self, event, timeout=30):
        return self.answer(self.send(event, timeout), timeout + 30)

    def close(self):
        self.closed = True
        super().close()
