# lambda.Dockerfile
#	  topk-lambda-feeder as a container image of AWS Lambda:
#
#	docker build --file docker/lambda.Dockerfile --tag topk-lambda-feeder .
#
# For arm64 build with --platform linux/arm64.  The second stage holds the function, the certificates of public
# authorities (for Secrets Manager) and nothing else.

FROM debian:12-slim AS build
# Of Debian 12 the newest, with its security updates.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends \
	gcc libc6-dev make pkg-config dpkg-dev patch perl python3 ca-certificates \
	librdkafka-dev libjansson-dev libyajl-dev libcurl4-openssl-dev libpq-dev libssl-dev libmicrohttpd-dev uthash-dev \
	libprotobuf-c-dev protobuf-c-compiler libexpat1-dev zlib1g-dev libnghttp2-dev libhttp-parser-dev
COPY . /topk
RUN make -C /topk lambda.zip

FROM scratch
COPY --from=build /topk/build/lambda/bootstrap /var/runtime/bootstrap
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt
ENTRYPOINT ["/var/runtime/bootstrap"]
