"""TCP proxies between a daemon and a server: one that forwards, and one that cuts."""

import math
import random
import socket
import threading


class Proxy:
    """Forwards what comes to a listening socket to a port of the loopback interface, until close()."""

    def __init__(self, target, listener=None):
        self.target = target
        self.listener = listener or socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def limits(self):
        """The most bytes of one connection's requests, and of its answers."""
        return math.inf, math.inf

    def cut(self):
        """A connection has reached one of its limits."""

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                return
            requests, answers = self.limits()
            for pump in ((client, server, requests), (server, client, answers)):
                threading.Thread(target=self._pump, args=pump, daemon=True).start()

    def _pump(self, source, sink, left):
        try:
            while data := source.recv(65536):
                if len(data) > left:
                    sink.sendall(data[:left])
                    self.cut()
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


class CuttingProxy(Proxy):
    """Cuts each connection at a random byte; .cuts counts what was cut short.

    That is after a number of bytes between the two that are given for its
    requests, or for its answers, whichever comes first.
    """

    def __init__(self, target, requests, answers):
        self.requests, self.answers = requests, answers
        self.cuts = 0
        super().__init__(target)

    def limits(self):
        return random.randint(*self.requests), random.randint(*self.answers)

    def cut(self):
        self.cuts += 1
