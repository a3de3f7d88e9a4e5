"""AWS Secrets Manager on this machine, as far as GetSecretValue goes; it checks signatures, as AWS does."""

import json

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from web_server import Handler, WebServer


class SecretsManager(WebServer):
    """.secrets maps ARNs to texts; .requests counts what was asked; .failures are (status, type) to answer first."""

    def __init__(self, access_key, secret_key, token, region, certificate=None):
        """certificate: that of localhost and its key, two files, to speak TLS."""
        self.secrets, self.requests, self.failures = {}, 0, []
        self.credentials, self.region = Credentials(access_key, secret_key, token), region
        manager = self

        class Request(Handler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                manager.requests += 1
                status, answer = manager.answer(self.headers, self.read_body())
                self.answer(status, json.dumps(answer), Content_Type="application/x-amz-json-1.1")

        super().__init__(Request, certificate=certificate)
        self.url += "/"

    def answer(self, headers, body):
        if self.failures:
            status, kind = self.failures.pop(0)
            return status, {"__type": kind}
        if not self.signed(headers, body):
            return 400, {"__type": "InvalidSignatureException"}
        if headers["X-Amz-Target"] != "secretsmanager.GetSecretValue":
            return 400, {"__type": "UnknownOperationException"}
        name = json.loads(body)["SecretId"]
        if name not in self.secrets:
            return 400, {"__type": "ResourceNotFoundException"}
        return 200, {"ARN": name, "SecretString": self.secrets[name], "VersionStages": ["AWSCURRENT"]}

    def signed(self, headers, body):
        """Is the signature the one that AWS' own client makes of the headers that it covers?"""
        given = headers["Authorization"] or ""
        covered = given.partition("SignedHeaders=")[2].partition(",")[0].split(";")
        if "x-amz-security-token" not in covered or "host" not in covered:
            return False
        request = AWSRequest("POST", self.url, data=body, headers={name: headers[name] for name in covered})
        request.context["timestamp"] = headers["X-Amz-Date"]
        auth = SigV4Auth(self.credentials, "secretsmanager", self.region)
        canonical = auth.canonical_request(request)
        return given.endswith("Signature=" + auth.signature(auth.string_to_sign(request, canonical), request))
