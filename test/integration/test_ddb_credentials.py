"""Where topk-ddb-sync finds its AWS credentials, and how it renews them."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aws_server import ROLE, AwsServer, Keys
from ddb import PROGRAM, eventually

NONE = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true", "HOME": "/nonexistent"}
ONE = Keys("AKIDONE", "secret/one", "token+one=")
TWO = Keys("AKIDTWO", "secret/two", "token+two=")


@pytest.fixture
def aws():
    with AwsServer() as aws:
        aws.keys = ONE
        yield aws


@pytest.fixture
def signed(sync, proxy):
    """signed(source, **environment): one window is mirrored with ONE's keys, from this source."""
    proxy.secrets = {ONE.access: ONE.secret}

    def run(source, **environment):
        sync.ingest({"a": 1})
        done = sync.once(endpoint=proxy.endpoint, **{**NONE, **environment})
        assert f'source="{source}"' in done.log.replace(f"source={source} ", f'source="{source}" ')
        assert proxy.requests[-1].headers.get("X-Amz-Security-Token") == ONE.token
        assert ONE.secret not in done.log and ONE.token not in done.log
        return done
    return run


def refused(sync, proxy, said, **environment):
    sync.ingest({"a": 1})
    done = sync.run("--once", endpoint=proxy.endpoint, **{**NONE, **environment})
    assert done.status == 1 and not proxy.requests
    errors = re.findall("level=error .*", done.log)
    assert len(errors) == 1 and said in errors[0]


def write(folder, **files):
    for name, text in files.items():
        (folder / name).write_text(text)
    return {"AWS_SHARED_CREDENTIALS_FILE": str(folder / "credentials"), "AWS_CONFIG_FILE": str(folder / "config")}


# ---- the sources ----

def test_environment(signed):
    signed("environment", AWS_ACCESS_KEY_ID=ONE.access, AWS_SECRET_ACCESS_KEY=ONE.secret, AWS_SESSION_TOKEN=ONE.token)


def test_web_identity(signed, aws, tmp_path):
    aws.web_token = "header.payload/+=.signature"
    (tmp_path / "token").write_text(aws.web_token + "\n")
    signed("web identity", AWS_ENDPOINT_URL_STS=aws.url, AWS_WEB_IDENTITY_TOKEN_FILE=str(tmp_path / "token"), AWS_ROLE_ARN=ROLE)


def test_profile_with_keys(signed, tmp_path):
    keys = f"aws_access_key_id={ONE.access}\naws_secret_access_key = {ONE.secret}\n# a comment\naws_session_token = {ONE.token}\n"
    files = write(tmp_path, credentials=f"[other]\naws_access_key_id = no\naws_secret_access_key = no\n\n[mine]\n{keys}",
                  config="[default]\nregion = x\n")
    signed("profile", AWS_PROFILE="mine", **files)
    files = write(tmp_path, credentials="", config=f"[profile other]\ns3 =\n  aws_access_key_id = no\n[default]\n{keys}")
    signed("profile", **files)


def test_profile_with_a_process(signed, tmp_path):
    (tmp_path / "keys.json").write_text(ONE.json("SessionToken", Version=1))
    signed("profile", AWS_PROFILE="p", **write(tmp_path, config=f"[profile p]\ncredential_process = cat '{tmp_path}/keys.json'\n"))


def test_profile_with_a_web_identity(signed, aws, tmp_path):
    aws.web_token = "token"
    (tmp_path / "token").write_text("token")
    signed("profile", AWS_ENDPOINT_URL_STS=aws.url, **write(
        tmp_path, config=f"[default]\nrole_arn = {ROLE}\nweb_identity_token_file = {tmp_path}/token\nrole_session_name = me\n"))
    assert "RoleSessionName=me" in aws.requests[-1].body


def test_container_by_full_uri(signed, aws, tmp_path):
    aws.container_token = "Bearer token"
    (tmp_path / "token").write_text("Bearer token\n")
    signed("container", AWS_CONTAINER_CREDENTIALS_FULL_URI=aws.url + "/container", AWS_CONTAINER_AUTHORIZATION_TOKEN="wrong",
           AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=str(tmp_path / "token"))
    signed("container", AWS_CONTAINER_CREDENTIALS_FULL_URI=aws.url + "/container", AWS_CONTAINER_AUTHORIZATION_TOKEN="Bearer token")


def test_container_by_relative_uri():
    """In a network of its own, in which the agent's address is this machine's."""
    if os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("ip"):
        pytest.skip("needs root, unshare and ip")
    script = f"""
import subprocess, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from aws_server import AwsServer, Keys
with AwsServer(("169.254.170.2", 80)) as aws:
    aws.keys = Keys("AKIDONE", "secret", "token")
    done = subprocess.run([{str(PROGRAM)!r}, "--create-table", "--ddb-endpoint", "http://127.0.0.1:9", "--metrics-addr", "off"],
                          capture_output=True, text=True, timeout=3)
"""
    script = script.replace('capture_output=True, text=True, timeout=3)', 'stderr=subprocess.PIPE, text=True)').replace(
        "done = subprocess.run(", "child = subprocess.Popen(") + """
    for line in child.stderr:
        if "source=container" in line:
            print([request.path for request in aws.requests])
            break
    child.kill()
"""
    done = subprocess.run(["unshare", "--net", "sh", "-c", 'ip link set lo up && ip address add 169.254.170.2/32 dev lo && exec "$@"',
                           "sh", sys.executable, "-c", script], capture_output=True, text=True, timeout=20,
                          env={**os.environ, **NONE, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/container/v2?id=1"})
    assert done.stdout == "['/container/v2?id=1']\n", done.stderr


def test_instance(signed, aws):
    signed("instance", AWS_EC2_METADATA_DISABLED="", AWS_EC2_METADATA_SERVICE_ENDPOINT=aws.url)
    assert [request.method for request in aws.requests] == ["PUT", "GET", "GET"]


def test_the_order(signed, aws, tmp_path):
    """Each source beats those after it; what is taken away uncovers the next."""
    aws.web_token = "token"
    (tmp_path / "token").write_text("token")
    sources = [
        ("environment", {"AWS_ACCESS_KEY_ID": ONE.access, "AWS_SECRET_ACCESS_KEY": ONE.secret, "AWS_SESSION_TOKEN": ONE.token}),
        ("web identity", {"AWS_ENDPOINT_URL_STS": aws.url, "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"), "AWS_ROLE_ARN": ROLE}),
        ("profile", write(tmp_path, credentials=f"[default]\naws_access_key_id={ONE.access}\naws_secret_access_key={ONE.secret}\n"
                                                f"aws_session_token={ONE.token}\n")),
        ("container", {"AWS_CONTAINER_CREDENTIALS_FULL_URI": aws.url + "/container"}),
        ("instance", {"AWS_EC2_METADATA_DISABLED": "", "AWS_EC2_METADATA_SERVICE_ENDPOINT": aws.url}),
    ]
    for place, (name, _) in enumerate(sources):
        signed(name, **{variable: value for _, source in sources[place:] for variable, value in source.items()})


# ---- what is wrong ----

@pytest.mark.parametrize("url", ["http://example.com/x", "http://10.0.0.1/", "http://169.254.170.2.example.com/", "ftp://127.0.0.1/",
                                 "http://127.0.0.1@example.com/", "http://169.254.169.254/"])
def test_keys_are_not_fetched_in_the_clear_from_elsewhere(sync, proxy, url):
    refused(sync, proxy, "AWS_CONTAINER_CREDENTIALS_FULL_URI must be https://", AWS_CONTAINER_CREDENTIALS_FULL_URI=url)


def test_what_only_a_person_can_mend(sync, proxy, tmp_path):
    refused(sync, proxy, "AWS_PROFILE")
    refused(sync, proxy, "is in neither file", AWS_PROFILE="nobody")
    refused(sync, proxy, "AWS_ROLE_ARN", AWS_WEB_IDENTITY_TOKEN_FILE="/x")
    refused(sync, proxy, "no aws_secret_access_key", **write(tmp_path, credentials="[default]\naws_access_key_id = a\n"))
    refused(sync, proxy, "not supported", **write(tmp_path, config="[default]\nsso_session = s\n", credentials=""))
    refused(sync, proxy, "not supported", **write(tmp_path, config=f"[default]\nrole_arn = {ROLE}\nsource_profile = x\n"))


def test_a_source_that_is_away_is_waited_for(sync, proxy, aws):
    proxy.secrets = {ONE.access: ONE.secret}
    aws.away = True
    sync.ingest({"a": 1})
    worker = sync.start(endpoint=proxy.endpoint, **NONE, AWS_CONTAINER_CREDENTIALS_FULL_URI=aws.url + "/container")
    worker.wait_for("level=warning .*no credentials.*HTTP status 500")
    aws.away = False
    sync.shows({"a": 1})
    assert worker.terminate() == 0


# ---- renewal ----

def test_renewed_ahead_of_expiry(sync, proxy, aws):
    """While the source is away the old ones go on as long as they hold."""
    proxy.secrets = {ONE.access: ONE.secret, TWO.access: TWO.secret}
    aws.keys = Keys(ONE.access, ONE.secret, ONE.token, expires_in=8)
    worker = sync.start("--interval", "50ms", endpoint=proxy.endpoint, **NONE,
                        AWS_CONTAINER_CREDENTIALS_FULL_URI=aws.url + "/container")
    sync.ingest({"a": 1})
    sync.shows({"a": 1})
    aws.keys = TWO

    def renewed():
        sync.ingest({"a": 1})
        time.sleep(0.1)
        return TWO.access in proxy.requests[-1].headers["Authorization"]
    assert eventually(renewed, timeout=8)
    assert len(aws.requests) == 2
    assert "problem" not in worker.log()
    assert worker.terminate() == 0


def test_an_expired_token_is_replaced(sync, proxy, aws, tmp_path):
    """Web identity: the token file is read again."""
    proxy.secrets = {ONE.access: ONE.secret, TWO.access: TWO.secret}
    aws.web_token = "first"
    (tmp_path / "token").write_text("first")
    worker = sync.start("--interval", "50ms", endpoint=proxy.endpoint, **NONE, AWS_ENDPOINT_URL_STS=aws.url, AWS_ROLE_ARN=ROLE,
                        AWS_WEB_IDENTITY_TOKEN_FILE=str(tmp_path / "token"))
    sync.ingest({"a": 1})
    sync.shows({"a": 1})
    time.sleep(5)  # a source is left alone for as long
    proxy.expired = {ONE.access}
    aws.web_token, aws.keys = "second", TWO
    (tmp_path / "token").write_text("second")
    sync.ingest({"a": 1})
    sync.shows({"a": 2})
    assert worker.log().count("source=\"web identity\"") == 2
    assert worker.terminate() == 0
    assert not {ONE.secret, TWO.secret, "first", "second"} & set(re.split(r"[\s=\"]", worker.log()))


@pytest.mark.parametrize("broken", ["exit 1", "echo '{}'", "echo no JSON", "sleep 60", "yes"])
def test_a_process_that_fails_is_tried_again(sync, proxy, tmp_path, broken):
    if broken == "sleep 60" and not os.environ.get("SOAK"):
        pytest.skip("takes the 30 s that a process may take")
    proxy.secrets = {ONE.access: ONE.secret}
    keys = tmp_path / "keys.json"
    files = write(tmp_path, config=f"[default]\ncredential_process = if [ -e {keys} ]; then cat {keys}; else {broken}; fi\n")
    sync.ingest({"a": 1})
    worker = sync.start(endpoint=proxy.endpoint, **NONE, **files)
    worker.wait_for("level=warning .*no credentials.*credential_process", timeout=60)
    keys.write_text(json.dumps({"Version": 1, "AccessKeyId": ONE.access, "SecretAccessKey": ONE.secret}))
    sync.shows({"a": 1})
    assert worker.terminate() == 0
