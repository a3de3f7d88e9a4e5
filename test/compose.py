"""docker/compose.yml and init.sql: does nobody get more than he needs?"""

import re
from pathlib import Path

import yaml

CHECKOUT = Path(__file__).resolve().parents[1]
# Who connects as whom, by the service's name, and which page has its settings.
ROLES = {"feeder": "feeder", "sync": "mirror", "query": "reader"}
PAGES = {"feeder": "kafka.md", "sync": "ddb-sync.md", "query": "query.md", "table": "ddb-sync.md"}
GRANT = re.compile(r"^GRANT [^;]* TO (\w+);", re.MULTILINE)


def check():
    """Yields (what was checked, what is wrong or "")."""
    services = yaml.safe_load((CHECKOUT / "docker" / "compose.yml").read_text())["services"]
    for name, role in ROLES.items():
        seen = role_of(services[name]["environment"])
        yield f"compose.yml: {name} is {role} in PostgreSQL", "" if seen == role else f"it is {seen}"
    others = {name: role_of(service.get("environment", {})) for name, service in services.items() if name not in ROLES}
    yield "compose.yml: nobody else connects to PostgreSQL", "\n".join(f"{name} as {role}" for name, role in others.items() if role)
    for name, page in PAGES.items():
        known = set(re.findall(r"^\|.*\| `([A-Z_]+)` \|", (CHECKOUT / "docs" / page).read_text(), re.MULTILINE))
        settings = {setting for setting in services[name]["environment"] if not re.match("PG|AWS_.*KEY", setting)}
        yield f"compose.yml: {name} knows its settings", "\n".join(settings - known)
    ports = [port for service in services.values() for port in service.get("ports", [])]
    yield "compose.yml: all ports are loopback", "\n".join(port for port in ports if not port.startswith("127.0.0.1:"))
    admin = services["grafana"]["environment"].get("GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION")
    yield "compose.yml: Grafana has no administrator", "" if admin == "true" else f"GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION is {admin}"
    # There is no dead-letter topic.
    documented = {grant for grant in grants("docs/pipeline.md") if "dead_letters_sent" not in grant}
    yield "init.sql: grants what docs/pipeline.md does", "\n".join(sorted(grants("docker/init.sql") ^ documented))


def role_of(environment):
    named = re.search(r"\buser=(\w+)", environment.get("TOPK_DSN", ""))
    return named[1] if named else environment.get("PGUSER")


def grants(path):
    """What a file grants to these roles, with single spaces."""
    return {" ".join(match[0].split()) for match in GRANT.finditer((CHECKOUT / path).read_text()) if match[1] in ROLES.values()}
