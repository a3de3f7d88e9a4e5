"""A Lambda function on this machine: a program under AWS's own Runtime Interface Emulator.

Knows nothing of what the program does; kinesis_event() makes what AWS would send to one that reads a stream.
"""

import base64
import json
import os
import platform
import sysconfig
import time
import urllib.request
from pathlib import Path

from demo.servers.process import Process, children, free_port, listening, memory

ARCHITECTURE = {"x86_64": "x86_64", "aarch64": "arm64"}[platform.machine()]
EMULATOR = Path(sysconfig.get_paths()["purelib"]) / "samcli" / "local" / "rapid" / f"aws-lambda-rie-{ARCHITECTURE}"
STREAM = "arn:aws:kinesis:eu-west-1:123456789012:stream/interactions"
SHARD = "shardId-000000000000"
FIRST_SEQUENCE = 49590338271490256608559692538361571095921575989136588898  # 56 digits, as Kinesis has them


class LambdaFunction:
    """A function; .invoke(event) is its answer.  The emulator starts the program at the first invocation."""

    def __init__(self, command, env, folder, timeout=30, emulator=(str(EMULATOR),)):
        self.port = free_port()
        address = f"127.0.0.1:{free_port()}"
        log = Path(folder) / f"function-{time.monotonic_ns()}.log"
        log.touch()
        self.process = Process("function", [*emulator, "--runtime-interface-emulator-address", f"127.0.0.1:{self.port}",
                                            "--runtime-api-address", address, *map(str, command)], log,
                               env={"PATH": os.environ["PATH"], "AWS_LAMBDA_FUNCTION_TIMEOUT": str(timeout),
                                    "AWS_LAMBDA_FUNCTION_NAME": "topk", **env})
        self.process.start(lambda: listening(self.port))

    def invoke(self, event, timeout=60):
        """The answer, as parsed JSON; event is an object, or bytes that may be anything."""
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/2015-03-31/functions/function/invocations", body)
        with urllib.request.urlopen(request, timeout=timeout) as response:
            return json.loads(response.read())

    def log(self):
        return self.process.log.read_text(errors="replace")

    def metrics(self):
        """The documents in the embedded metric format that were logged."""
        return [json.loads(line) for line in self.log().splitlines() if line.startswith('{"_aws"')]

    def memory(self):
        """The most that the program ever took (VmHWM), in kB."""
        program, = children(self.process.child.pid)
        return memory(program, "VmHWM") // 1024

    def close(self):
        self.process.kill()


def kinesis_record(data, sequence=FIRST_SEQUENCE, shard=SHARD, stream=STREAM, key="pk", arrival=None):
    """One record as AWS wraps it; data is bytes, or an object that becomes JSON."""
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return {"kinesis": {"kinesisSchemaVersion": "1.0", "partitionKey": key, "sequenceNumber": str(sequence),
                        "data": base64.b64encode(raw).decode(),
                        "approximateArrivalTimestamp": round(time.time() if arrival is None else arrival, 3)},
            "eventSource": "aws:kinesis", "eventVersion": "1.0", "eventID": f"{shard}:{sequence}",
            "eventName": "aws:kinesis:record", "invokeIdentityArn": "arn:aws:iam::123456789012:role/topk",
            "awsRegion": "eu-west-1", "eventSourceARN": stream}


def kinesis_event(*records):
    return {"Records": list(records)}


def events_of(entities, first=FIRST_SEQUENCE, **options):
    """An event with one interaction for each of the entities, numbered from first."""
    return kinesis_event(*(kinesis_record({"entity_id": entity}, first + number, **options)
                           for number, entity in enumerate(entities)))
