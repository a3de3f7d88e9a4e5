"""Checks the signatures of requests with botocore's own signer, as DynamoDB does."""

import re
from datetime import datetime, timezone

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


def check_signature(request, endpoint, secret, region="us-east-1", service="dynamodb"):
    """Assert that the request is signed with the secret, in this region, now; returns the access key."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    parts = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^,]+), *SignedHeaders=([^,]+), *Signature=([0-9a-f]{64})",
                         headers["authorization"])
    assert parts, headers["authorization"]
    access, day, scope, signed, signature = parts.groups()
    signed = signed.split(";")
    date = headers["x-amz-date"]
    assert day == date[:8] and scope == f"{region}/{service}/aws4_request"
    assert set(signed) <= set(headers), "no header is signed that is not sent"
    assert {"host", "x-amz-date", "x-amz-target"} <= set(signed)
    assert ("x-amz-security-token" in headers) == ("x-amz-security-token" in signed)

    auth = SigV4Auth(Credentials(access, secret), service, region)
    own = AWSRequest("POST", endpoint + request.path, data=request.body, headers={name: headers[name] for name in signed})
    own.context["timestamp"] = date
    assert signature == auth.signature(auth.string_to_sign(own, auth.canonical_request(own)), own)
    return access


def age(request):
    """How many seconds ago the request was signed, by its own date."""
    signed_at = datetime.strptime(dict(request.headers)["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
    return (datetime.now(timezone.utc) - signed_at).total_seconds()
