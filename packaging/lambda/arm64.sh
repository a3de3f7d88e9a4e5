#!/bin/sh
# arm64.sh
#	  Builds build/lambda-arm64.zip on a machine of another kind: cross-compiled, in a root of Debian that is made for it.
#
# Needs root and mmdebstrap.  The first run makes the root and the libraries, in a few minutes; later ones find them.
set -eu

cd "$(dirname "$0")/../.."
root=$PWD/build/lambda-arm64
TOOLS=gcc,gcc-aarch64-linux-gnu,libc6-dev,make,pkg-config,dpkg-dev,patch,perl,python3,ca-certificates,protobuf-c-compiler,uthash-dev
# What PACKAGES of the Makefile names, and the C library.
LIBRARIES='libc6 librdkafka libjansson libyajl libcurl4-openssl libpq libssl libmicrohttpd libprotobuf-c libexpat1 zlib1g libnghttp2'
CROSS=aarch64-linux-gnu

packages=$TOOLS
for library in $LIBRARIES; do
	packages=$packages,$library-dev:arm64
done
test/debian_root.sh make "$root" bookworm "$packages" --architectures="$(dpkg --print-architecture),arm64"
test/copy_checkout.sh "$root/topk"
test/debian_root.sh run "$root" sh -ec "
	apt-get update --quiet=2
	PKG_CONFIG_LIBDIR=/usr/lib/$CROSS/pkgconfig:/usr/share/pkgconfig make --silent -C /topk lambda.zip \
		CC=$CROSS-gcc AR=$CROSS-ar STRIP=$CROSS-strip LAMBDA_LIBRARIES=/lambda-libraries"
cp "$root/topk/build/lambda.zip" build/lambda-arm64.zip
