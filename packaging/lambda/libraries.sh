#!/bin/sh
# libraries.sh FOLDER
#	  Builds libcurl and libpq for the Lambda function, from Debian's sources, static and without
#	  what it has no use for, into FOLDER/lib and FOLDER/include.
#
# Debian's own link 30 libraries (Kerberos, LDAP, SSH, ...), not all of which exist in a static form,
# and which a cold start would have to load.  A minute, once; `touch` nothing, delete FOLDER to build anew.
set -eu

folder=$(mkdir -p "${1:?usage: libraries.sh FOLDER}" && cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
log=$folder/build.log
CC=${CC:-cc}
# For another machine than this one: both configures have to be told.
CROSS=
[ "$($CC -dumpmachine)" = "$(gcc -dumpmachine)" ] || CROSS="--host=$($CC -dumpmachine)"
# Where it is built is not to be seen in it.
FLAGS="-O2 -ffunction-sections -fdata-sections -ffile-prefix-map=$folder=."

# Only HTTP, over TLS; signing for AWS is what needs authentication.  The certificates are where Lambda has them.
CURL_OPTIONS="--disable-shared --disable-dependency-tracking --with-openssl --enable-http --enable-proxy --enable-headers-api
	--with-ca-bundle=/etc/pki/tls/certs/ca-bundle.crt --without-ca-path
	--without-zlib --without-brotli --without-zstd --without-libpsl --without-libidn2 --without-nghttp2 --without-librtmp
	--without-libssh2 --without-libgsasl
	--disable-alt-svc --disable-cookies --disable-dict --disable-doh --disable-file --disable-ftp --disable-get-easy-options
	--disable-gopher --disable-hsts --disable-imap --disable-ldap --disable-ldaps --disable-libcurl-option --disable-manual
	--disable-mime --disable-mqtt --disable-netrc --disable-ntlm --disable-pop3 --disable-rtsp --disable-smb --disable-smtp
	--disable-telnet --disable-tftp --disable-tls-srp --disable-unix-sockets --disable-websockets"

PG_OPTIONS='--with-ssl=openssl --without-readline --without-zlib --without-icu'

# Not `|| fail`: that would make sh go on after an error.
show_failure()
{
	[ $? = 0 ] || tail -n 20 "$log" >&2
}

# unpack(package): with Debian's patches, which are where security fixes are; but not those that only rename libcurl
# for its other packages.
unpack()
{
	rm -rf "${folder:?}/source" "${folder:?}/$1"
	"$here/../debian_source.sh" "$folder/source" "$1"
	dpkg-source --skip-patches --no-check --extract "$folder/source/${1}_"*.dsc "$folder/$1"
	cd "$folder/$1"
	for patch in $(grep -v -e '^#' -e '^[0-9]*_gnutls' -e '^[0-9]*_nss' debian/patches/series || true); do
		patch --silent -p1 <"debian/patches/$patch"
	done
}

build_curl()
{
	unpack curl
	./configure --quiet --prefix=/usr $CROSS $CURL_OPTIONS CC="$CC" CFLAGS="$FLAGS"
	make --silent -C lib install prefix="$folder"
	make --silent -C include install prefix="$folder"
}

build_libpq()
{
	unpack postgresql-15
	./configure --quiet --prefix=/usr --sysconfdir=/etc/postgresql-common $CROSS $PG_OPTIONS CC="$CC" CFLAGS="$FLAGS"
	make --silent -C src/backend generated-headers
	make --silent -C src/common libpgcommon.a
	make --silent -C src/port libpgport.a
	make --silent -C src/interfaces/libpq libpq.a
	cp src/common/libpgcommon.a src/port/libpgport.a src/interfaces/libpq/libpq.a "$folder/lib"
}

for program in make patch dpkg-source; do
	command -v $program >/dev/null || { echo "$program is needed: install the Debian packages make, patch and dpkg-dev" >&2; exit 1; }
done
echo "building libcurl and libpq for the Lambda function; $log tells how far it is"
trap show_failure EXIT
{
	build_curl
	build_libpq
} >"$log" 2>&1
cd /
rm -rf "$folder/source" "$folder/curl" "$folder/postgresql-15"
