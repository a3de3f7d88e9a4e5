/*
 * tls.h
 *	  TLS for the listener, through OpenSSL: version 1.2 or later, ALPN h2 and http/1.1.
 *
 * Must not know what is said over it.
 */
#ifndef QUERY_TLS_H
#define QUERY_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "daemon/log.h"

typedef struct Tls		  Tls;
typedef struct TlsSession TlsSession;

/* certificate: PEM, its chain after it.  NULL, logged, if one of the files can't be used. */
extern Tls *tls_open(const char *certificate, const char *key, const Log *log);
extern void tls_close(Tls *tls);

/* A server's end of a session over a connected, non-blocking socket.  NULL without memory. */
extern TlsSession *tls_accept(Tls *tls, int fd);
/* NULL is no error. */
extern void tls_end(TlsSession *session);

/* As recv and send do, errno among it; the handshake is made on the way. */
extern ssize_t tls_read(TlsSession *session, void *bytes, size_t length);
extern ssize_t tls_write(TlsSession *session, const void *bytes, size_t length);

/* Has bytes been received that tls_read gives without the socket being readable? */
extern bool tls_has_more(const TlsSession *session);

/* Tell the client that nothing follows. */
extern void tls_say_goodbye(TlsSession *session);

#endif /* QUERY_TLS_H */
