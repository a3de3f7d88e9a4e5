/*
 * base64.h
 *	  RFC 4648 base64 with padding, through OpenSSL.
 */
#ifndef DAEMON_BASE64_H
#define DAEMON_BASE64_H

#include <stddef.h>

/* A new NUL-terminated string that the caller frees, or NULL without memory. */
extern char *base64_encode(const void *bytes, size_t length);

/*
 * New bytes that the caller frees (one NUL is added beyond *length), or NULL
 * without memory or if text is not base64 through and through.
 */
extern unsigned char *base64_decode(const char *text, size_t text_length, size_t *length);

#endif /* DAEMON_BASE64_H */
