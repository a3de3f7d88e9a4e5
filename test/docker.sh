#!/bin/sh
# docker.sh
#	  Checks docker/ without an engine: hadolint reads the recipes, Docker Compose its file, promtool Prometheus'
#	  settings, the alerts with their tests, and the expressions of the dashboard.
set -eu

cd "$(dirname "$0")/../docker"
tools=$PWD/../build
promtool=$tools/prometheus/usr/bin/promtool

"$tools/venv/bin/hadolint" ./*.Dockerfile
echo 'hadolint has nothing to say'

"$(echo "$tools"/venv/lib/python3*/site-packages/compose/docker-compose)" --file compose.yml config --quiet
echo 'compose.yml: Docker Compose has nothing to say'

"$promtool" check config prometheus/prometheus.yml
"$promtool" test rules prometheus/alerts_test.yml
"$tools/venv/bin/python" ../test/watch.py >"$tools/dashboard.yml"
"$promtool" check rules "$tools/dashboard.yml"
