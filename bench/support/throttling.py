"""A proxy before DynamoDB Local that throttles a share of the requests.

asyncio and no HTTP library: it must not be what is measured.
"""

import asyncio
import random
import threading

BODY = b'{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"made by the benchmark"}'
ANSWER = (b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\n\r\n" % len(BODY)) + BODY


async def read_message(reader):
    """A request or an answer with a Content-Length, whole; b"" at the end."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""
    length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
    return head + await reader.readexactly(int(length or 0))


class ThrottlingProxy:
    """.endpoint; .share of the requests are throttled."""

    def __init__(self, port):
        self.port, self.share = port, 0
        self.loop = asyncio.new_event_loop()
        self.server = self.loop.run_until_complete(asyncio.start_server(self.serve, "127.0.0.1", 0, limit=2 ** 20))
        self.endpoint = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    async def serve(self, reader, writer):
        own_reader, own_writer = await asyncio.open_connection("127.0.0.1", self.port, limit=2 ** 20)
        while request := await read_message(reader):
            if random.random() < self.share:
                writer.write(ANSWER)
            else:
                own_writer.write(request)
                writer.write(await read_message(own_reader))
        own_writer.close()
        writer.close()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exception):
        self.loop.call_soon_threadsafe(self.loop.stop)
