"""What hands out AWS credentials: STS, a container's agent, an instance's metadata service.

    with AwsServer() as aws:
        aws.keys = Keys("AKIDONE", "secret one", "token one", expires_in=3600)
        ... aws.url, aws.requests

It behaves as AWS documents, and refuses what AWS would refuse.
"""

import json
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from urllib.parse import parse_qs

from web_server import Handler, WebServer

ROLE = "arn:aws:iam::123456789012:role/mirror"
METADATA_TOKEN = "metadata-token=="


class Keys:
    """Credentials, as the sources write them."""

    def __init__(self, access, secret, token=None, expires_in=3600):
        self.access, self.secret, self.token = access, secret, token
        self.expiration = (datetime.now(timezone.utc) + timedelta(seconds=expires_in)).strftime("%Y-%m-%dT%H:%M:%SZ")

    def json(self, token_name="Token", **more):
        return json.dumps({"AccessKeyId": self.access, "SecretAccessKey": self.secret, token_name: self.token,
                           "Expiration": self.expiration, **more})

    def xml(self):
        return ('<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
                "<AssumeRoleWithWebIdentityResult><Credentials>"
                f"<AccessKeyId>{self.access}</AccessKeyId><SecretAccessKey>{self.secret}</SecretAccessKey>"
                f"<SessionToken>{self.token}</SessionToken><Expiration>{self.expiration}</Expiration>"
                "</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>")


class AwsServer(WebServer):
    """keys: what is handed out next; away: answers 500; web_token, container_token: what must be shown for it."""

    def __init__(self, address=("127.0.0.1", 0)):
        self.keys = None
        self.away = False
        self.web_token = self.container_token = None
        self.requests = []
        super().__init__(self._handler(), address)

    def _handler(self):
        aws = self

        class Request(Handler):
            def handle_any(self):
                body = self.read_body().decode()
                aws.requests.append(SimpleNamespace(method=self.command, path=self.path, headers=self.headers, body=body))
                if aws.away:
                    self.answer(500, "")
                elif self.path.startswith("/latest/"):
                    self.instance()
                elif self.path.startswith("/container"):
                    self.container()
                else:
                    self.sts(parse_qs(body))

            do_GET = do_PUT = do_POST = handle_any

            def instance(self):
                role = "/latest/meta-data/iam/security-credentials/"
                if (self.command, self.path) == ("PUT", "/latest/api/token"):
                    lifetime = int(self.headers.get("X-aws-ec2-metadata-token-ttl-seconds") or 0)
                    self.answer(200 if 1 <= lifetime <= 21600 else 400, METADATA_TOKEN)
                elif self.headers.get("X-aws-ec2-metadata-token") != METADATA_TOKEN:
                    self.answer(401, "")  # version 2 is required
                elif self.path == role:
                    self.answer(200, "the-role")
                elif self.path == role + "the-role":
                    self.answer(200, aws.keys.json(Code="Success", Type="AWS-HMAC"))
                else:
                    self.answer(404, "")

            def container(self):
                if aws.container_token is not None and self.headers.get("Authorization") != aws.container_token:
                    self.answer(400, json.dumps({"code": "InvalidToken"}))
                else:
                    self.answer(200, aws.keys.json(RoleArn=ROLE))

            def sts(self, form):
                expected = {"Action": ["AssumeRoleWithWebIdentity"], "Version": ["2011-06-15"], "RoleArn": [ROLE]}
                if {name: form.get(name) for name in expected} != expected or not form.get("RoleSessionName"):
                    self.answer(400, self.error("ValidationError", "malformed"))
                elif form.get("WebIdentityToken") != [aws.web_token]:
                    self.answer(400, self.error("ExpiredTokenException", "Token expired"))
                else:
                    self.answer(200, aws.keys.xml())

            @staticmethod
            def error(code, message):
                return (f'<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
                        f"<Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>")

        return Request
