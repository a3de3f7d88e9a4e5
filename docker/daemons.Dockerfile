# daemons.Dockerfile
#	  The daemons, an image for each:
#
#	docker build --file docker/daemons.Dockerfile --target kafka-feeder --tag topk-kafka-feeder .
#
# and likewise ddb-sync and query.  Settings come from the environment: docs/kafka.md, docs/ddb-sync.md, docs/query.md.
# hadolint global ignore=DL3008
# (Versions are Debian's: a stable release gets security fixes, and a pinned one would go from the archive.)

FROM debian:bookworm-slim AS build
RUN apt-get update && apt-get install --yes --no-install-recommends \
	gcc libc6-dev make pkg-config \
	librdkafka-dev libjansson-dev libyajl-dev libcurl4-openssl-dev libpq-dev libssl-dev libmicrohttpd-dev uthash-dev \
	libprotobuf-c-dev protobuf-c-compiler libexpat1-dev zlib1g-dev libnghttp2-dev libhttp-parser-dev \
	&& rm -rf /var/lib/apt/lists/*
COPY . /topk
RUN make -C /topk daemons && strip /topk/build/topk-*

# What all have: the libraries, a user without a home, and a question for the loop.
FROM debian:bookworm-slim AS daemon
RUN apt-get update && apt-get install --yes --no-install-recommends \
	ca-certificates libcurl4 libjansson4 libmicrohttpd12 libpq5 libssl3 libyajl2 \
	&& rm -rf /var/lib/apt/lists/* \
	&& useradd --system --uid 711 --no-create-home --shell /usr/sbin/nologin topk
COPY --chmod=755 docker/healthy.sh /usr/local/bin/healthy
USER 711
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["healthy"]

FROM daemon AS kafka-feeder
USER 0
RUN apt-get update && apt-get install --yes --no-install-recommends librdkafka1 \
	&& rm -rf /var/lib/apt/lists/*
COPY --from=build /topk/build/topk-kafka-feeder /usr/local/bin/
USER 711
ENV METRICS_ADDR=:9187
EXPOSE 9187
ENTRYPOINT ["topk-kafka-feeder"]

FROM daemon AS ddb-sync
USER 0
RUN apt-get update && apt-get install --yes --no-install-recommends libexpat1 zlib1g \
	&& rm -rf /var/lib/apt/lists/*
COPY --from=build /topk/build/topk-ddb-sync /usr/local/bin/
USER 711
ENV METRICS_ADDR=:9188
EXPOSE 9188
ENTRYPOINT ["topk-ddb-sync"]

FROM daemon AS query
USER 0
RUN apt-get update && apt-get install --yes --no-install-recommends \
	libexpat1 zlib1g libprotobuf-c1 libnghttp2-14 libhttp-parser2.9 \
	&& rm -rf /var/lib/apt/lists/*
COPY --from=build /topk/build/topk-query /usr/local/bin/
USER 711
ENV METRICS_ADDR=:9189 GRPC_ADDR=:50051
EXPOSE 9189 50051
ENTRYPOINT ["topk-query"]
