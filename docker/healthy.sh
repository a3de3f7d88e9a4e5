#!/bin/bash
# healthy.sh
#	  Does the daemon of this container answer /healthz with 200?  With bash's own sockets: the image has no client.
set -eu

exec 3<>"/dev/tcp/127.0.0.1/${METRICS_ADDR##*:}"
printf 'GET /healthz HTTP/1.0\r\n\r\n' >&3
read -r _ status _ <&3
[ "$status" = 200 ]
