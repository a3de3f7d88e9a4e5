"""A host of its own, in a network namespace, that can fall silent: packets vanish, and no connection is closed."""

import ctypes
import os
import socket
import threading

from demo.servers.process import run
from proxy import Proxy

# Of addresses for documentation (RFC 5737), on a link that leads nowhere else; another run of the tests has others.
NEAR, FAR = (f"203.0.113.{os.getpid() % 64 * 4 + host}" for host in (1, 2))
NOBODY = "02:00:00:00:00:99"
CLONE_NEWNET = 0x40000000


def ip(*arguments):
    run(["ip", *arguments])


class BlackHole:
    """At .host, .port stands a server whose port of the loopback interface is given.

    silence() loses all packets between it and us, in both directions, until speak().  Needs root.
    """

    def __init__(self, target):
        self.namespace, self.near, self.far = f"topk-{os.getpid()}", f"tn{os.getpid()}", f"tf{os.getpid()}"
        ip("netns", "add", self.namespace)
        try:
            ip("link", "add", self.near, "type", "veth", "peer", "name", self.far, "netns", self.namespace)
            for link, address, inside in ((self.near, NEAR, []), (self.far, FAR, ["-n", self.namespace])):
                ip(*inside, "address", "add", f"{address}/30", "dev", link)
                ip(*inside, "link", "set", link, "up")
            self.proxy = Proxy(target, self._listen())
        except BaseException:
            self._remove()
            raise
        self.host, self.port = FAR, self.proxy.port

    def silence(self):
        ip("neigh", "replace", FAR, "lladdr", NOBODY, "dev", self.near, "nud", "permanent")
        ip("-n", self.namespace, "neigh", "replace", NEAR, "lladdr", NOBODY, "dev", self.far, "nud", "permanent")

    def speak(self):
        ip("neigh", "del", FAR, "dev", self.near)
        ip("-n", self.namespace, "neigh", "del", NEAR, "dev", self.far)

    def close(self):
        self.proxy.close()
        self._remove()

    def _remove(self):
        ip("netns", "del", self.namespace)

    def _listen(self):
        """A socket in the namespace; a socket stays where the thread was that made it."""
        listeners = []

        def listen():
            with open(f"/run/netns/{self.namespace}") as namespace:
                if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            listeners.append(socket.create_server((FAR, 0)))

        thread = threading.Thread(target=listen)
        thread.start()
        thread.join()
        return listeners[0]
