"""A TCP proxy that cuts connections at random bytes, of a request or of its answer."""

import random
import socket
import threading


class CuttingProxy:
    """Forwards to a port of the loopback interface; .cuts counts what was cut short.

    Each connection ends after a random number of bytes, between the two that
    are given for its requests, or for its answers, whichever comes first.
    """

    def __init__(self, port, requests, answers):
        self.target, self.requests, self.answers = port, requests, answers
        self.cuts = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                return
            for pump in ((client, server, random.randint(*self.requests)),
                         (server, client, random.randint(*self.answers))):
                threading.Thread(target=self._pump, args=pump, daemon=True).start()

    def _pump(self, source, sink, left):
        try:
            while data := source.recv(65536):
                if len(data) > left:
                    sink.sendall(data[:left])
                    self.cuts += 1
                    break
                left -= len(data)
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
