"""One version: do all the files that have to name it agree?  And META.json: would PGXN take it?"""

import json
import re
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]

# https://pgxn.org/spec/: what PGXN's indexer insists on.
REQUIRED = {"name", "version", "abstract", "maintainer", "license", "provides", "meta-spec"}
KNOWN = REQUIRED | {"description", "generated_by", "tags", "no_index", "prereqs", "release_status", "resources"}
SEMVER = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?")
TERM = re.compile(r"[^\s/\\:\x00-\x1f\x7f]{2,}")
PHASES = {"configure", "build", "test", "runtime", "develop"}
RELATIONS = {"requires", "recommends", "suggests", "conflicts"}


def found(path, pattern):
    match = re.search(pattern, (CHECKOUT / path).read_text(), re.MULTILINE)
    return match[1] if match else None


def check():
    """Yields (what was checked, what is wrong or "")."""
    meta = json.loads((CHECKOUT / "META.json").read_text())
    version = meta["version"]
    for path, pattern in {"lib/daemon/version.h": r'TOPK_VERSION "(.*)"',
                          "packaging/lambda/template.yaml": r"SemanticVersion: (.*)"}.items():
        yield f"{path} has META.json's version", differs(found(path, pattern), version)
    for name, extension in meta["provides"].items():
        installed = found(f"extension/{name}.control", r"^default_version = '(.*)'")
        yield f"{name}.control has META.json's version", differs(installed, version.rpartition(".")[0])
        yield f"META.json leads to {name}'s script", differs(extension["file"], script(name, installed))
        yield f"META.json has one version of {name}", differs(extension["version"], version)
    yield "lib/daemon/version.h has topk_pipeline's version", differs(
        found("lib/daemon/version.h", r'TOPK_PIPELINE_VERSION "(.*)"'),
        found("extension/topk_pipeline.control", r"^default_version = '(.*)'"))
    released = meta["release_status"] == "stable"
    yield "CHANGELOG.md begins with this version, or what is to be it", differs(
        found("CHANGELOG.md", r"^## \[(.*?)\]"), version if released else "Unreleased")
    yield "META.json is as PGXN takes it", "\n".join(pgxn_problems(meta))


def script(name, version):
    """Of one file, or the first of those that the Makefile makes it of."""
    whole = f"extension/{name}--{version}.sql"
    return whole if (CHECKOUT / whole).is_file() else f"extension/{name}/head.sql"


def differs(seen, wanted):
    return "" if seen == wanted else f"it is {seen}, not {wanted}"


def pgxn_problems(meta):
    """What PGXN's meta specification 1.0.0 does not allow, line by line."""
    for key in REQUIRED - meta.keys():
        yield f"{key} is missing"
    for key in meta.keys() - KNOWN:
        if not re.match("x_", key, re.IGNORECASE):
            yield f"{key} is unknown"
    for key in ("name", "abstract", "description", "generated_by"):
        if not isinstance(meta.get(key, "-"), str) or not meta.get(key, "-").strip():
            yield f"{key} is no text"
    if meta["meta-spec"].get("version") != "1.0.0":
        yield "meta-spec is not 1.0.0"
    for name, version in [(meta["name"], meta["version"])] + [(name, what.get("version")) for name, what in meta["provides"].items()]:
        if not TERM.fullmatch(name):
            yield f"{name} is no name"
        if not SEMVER.fullmatch(str(version)):
            yield f"{name}: {version} is no semantic version"
    for name, what in meta["provides"].items():
        for key in ("file", "docfile"):
            if not (CHECKOUT / what.get(key, "")).is_file():
                yield f"{name}: {key} is no file"
        for key in what.keys() - {"file", "docfile", "version", "abstract"}:
            yield f"{name}: {key} is unknown"
    if meta.get("release_status") not in ("stable", "testing", "unstable"):
        yield "release_status is none"
    for phase, relations in meta.get("prereqs", {}).items():
        for relation, needs in relations.items():
            if phase not in PHASES or relation not in RELATIONS:
                yield f"prereqs: {phase} {relation} is unknown"
            for name, version in needs.items():
                if not SEMVER.fullmatch(re.sub(r"^[<>=!]+ *", "", str(version))) and version != 0:
                    yield f"prereqs: {name} {version} is no version"
    tags = meta.get("tags", [])
    for tag in tags:
        if not isinstance(tag, str) or not 0 < len(tag) <= 255 or re.search(r"[/\\\x00-\x1f\x7f]", tag):
            yield f"tags: {tag} is none"
    if len(tags) != len(set(tags)):
        yield "tags: one is there twice"
