/*
 * tls.c
 *	  OpenSSL with the manners of a non-blocking socket.
 *
 * A session is OpenSSL's own SSL.  Must not know what is said over it.
 */
#include "tls.h"

#include <errno.h>
#include <limits.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

/* The first that the client knows too: each length and name. */
static const unsigned char protocols[] = "\x02h2\x08http/1.1";

static SSL_CTX *
context_of(Tls *tls)
{
	return (SSL_CTX *) tls;
}

static SSL *
ssl_of(const TlsSession *session)
{
	return (SSL *) session;
}

static int
choose_protocol(SSL *ssl, const unsigned char **chosen, unsigned char *length,
				const unsigned char *offered, unsigned int offered_length, void *context)
{
	(void) ssl;
	(void) context;
	if (SSL_select_next_proto((unsigned char **) chosen, length, protocols, sizeof(protocols) - 1,
							  offered, offered_length) == OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_OK;
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static bool
load(SSL_CTX *context, const char *certificate, const char *key, const Log *log)
{
	const char *file = certificate;

	if (SSL_CTX_use_certificate_chain_file(context, certificate) == 1)
	{
		file = key;
		if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1 &&
			SSL_CTX_check_private_key(context) == 1)
			return true;
	}
	log_error(log, "could not read the certificate or its key", LOG_TEXT("file", file),
			  LOG_TEXT("problem", ERR_reason_error_string(ERR_peek_last_error())),
			  LOG_TEXT("hint", "--tls-cert and --tls-key name files in PEM that belong together"));
	return false;
}

Tls *
tls_open(const char *certificate, const char *key, const Log *log)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());

	ERR_clear_error();
	if (context == NULL || !load(context, certificate, key, log))
	{
		SSL_CTX_free(context);
		return NULL;
	}
	SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
	SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
								  SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
	return (Tls *) context;
}

void
tls_close(Tls *tls)
{
	SSL_CTX_free(context_of(tls));
}

TlsSession *
tls_accept(Tls *tls, int fd)
{
	SSL *ssl = SSL_new(context_of(tls));

	if (ssl == NULL || SSL_set_fd(ssl, fd) != 1)
	{
		SSL_free(ssl);
		return NULL;
	}
	SSL_set_accept_state(ssl);
	return (TlsSession *) ssl;
}

void
tls_end(TlsSession *session)
{
	SSL_free(ssl_of(session));
}

/* What recv or send would have answered. */
static ssize_t
result(SSL *ssl, int done)
{
	if (done > 0)
		return done;
	switch (SSL_get_error(ssl, done))
	{
		case SSL_ERROR_WANT_READ:
		case SSL_ERROR_WANT_WRITE: /* epoll tells of reading; of writing, once there is an answer */
			errno = EAGAIN;
			return -1;
		case SSL_ERROR_ZERO_RETURN:
			return 0;
		default:
			errno = EPROTO;
			return -1;
	}
}

ssize_t
tls_read(TlsSession *session, void *bytes, size_t length)
{
	ERR_clear_error();
	return result(ssl_of(session),
				  SSL_read(ssl_of(session), bytes, (int) (length < INT_MAX ? length : INT_MAX)));
}

ssize_t
tls_write(TlsSession *session, const void *bytes, size_t length)
{
	ERR_clear_error();
	return result(ssl_of(session),
				  SSL_write(ssl_of(session), bytes, (int) (length < INT_MAX ? length : INT_MAX)));
}

bool
tls_has_more(const TlsSession *session)
{
	return SSL_pending(ssl_of(session)) > 0;
}

void
tls_say_goodbye(TlsSession *session)
{
	ERR_clear_error();
	if (!SSL_in_init(ssl_of(session)))
		SSL_shutdown(ssl_of(session));
	ERR_clear_error();
}
