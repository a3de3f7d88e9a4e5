# postgres.Dockerfile
#	  The official image of PostgreSQL, and the extensions topk and topk_pipeline:
#
#	docker build --file docker/postgres.Dockerfile --tag topk-postgres .
# hadolint global ignore=DL3008

FROM postgres:17-bookworm AS build
RUN apt-get update && apt-get install --yes --no-install-recommends \
	gcc libc6-dev make postgresql-server-dev-17 \
	&& rm -rf /var/lib/apt/lists/*
COPY . /topk
RUN make -C /topk install PG_CONFIG=/usr/lib/postgresql/17/bin/pg_config DESTDIR=/installed

FROM postgres:17-bookworm
COPY --from=build /installed /
# postgres
USER 999
# Not by the socket, which the server that runs the first scripts has too.
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s CMD ["pg_isready", "--quiet", "--host=127.0.0.1"]
