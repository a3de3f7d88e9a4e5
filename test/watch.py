"""The alerts and the dashboard: do the metrics that they name exist?

Run as a program, it prints the dashboard's expressions as rules, for promtool to read.
"""

import json
import re
from pathlib import Path

import yaml

CHECKOUT = Path(__file__).resolve().parents[1]
ALERTS = CHECKOUT / "docker" / "prometheus" / "alerts.yml"
DASHBOARD = CHECKOUT / "docker" / "grafana" / "dashboards" / "topk.json"
SOURCES = ("lib/daemon", "lib/aws", "feeders", "ddb-sync", "query")
METRIC = re.compile(r"\b(?:topk|kafka|process)_[a-z_]+\b")


def check():
    """Yields (what was checked, what is wrong or "")."""
    sources = "".join(path.read_text() for folder in SOURCES for path in sorted((CHECKOUT / folder).rglob("*.c")))
    exported = set(re.findall(r'"((?:topk|kafka|process)_[a-z_]+)"', sources))
    for path, expressions in ((ALERTS, alerts()), (DASHBOARD, dashboard())):
        named = set(METRIC.findall("\n".join(expressions)))
        unknown = sorted(named - exported)
        yield f"{path.name}: its metrics exist", "" if named and not unknown else f"no daemon has {unknown}"


def alerts():
    return [rule["expr"] for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def dashboard():
    """As Prometheus gets them: Grafana fills in its own variables."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return [target["expr"].replace("$__rate_interval", "1m") for panel in panels for target in panel["targets"]]


if __name__ == "__main__":
    rules = [{"record": f"dashboard:expression_{number}", "expr": expression} for number, expression in enumerate(dashboard())]
    print(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
