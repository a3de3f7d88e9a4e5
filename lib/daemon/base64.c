/*
 * base64.c
 *	  Base64 through OpenSSL's EVP, with the strictness that it lacks.
 */
#include "daemon/base64.h"

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

static const bool in_alphabet[UCHAR_MAX + 1] = {
	['A' ... 'Z'] = true, ['a' ... 'z'] = true, ['0' ... '9'] = true, ['+'] = true, ['/'] = true};

char *
base64_encode(const void *bytes, size_t length)
{
	char *text;

	if (length > INT_MAX / 2)
		return NULL;
	text = malloc((length + 2) / 3 * 4 + 1);
	if (text == NULL)
		return NULL;
	text[0] = '\0';
	EVP_EncodeBlock((unsigned char *) text, bytes, (int) length);
	return text;
}

/*
 * How many '=' end the text; -1 if it is not base64, as far as EVP_DecodeBlock does not say so.  That skips blanks
 * before the text and line ends, blanks and '-' after it, and takes '=' for a digit; it refuses all else.
 */
static int
base64_padding(const char *text, size_t length)
{
	int padding = 0;

	if (length % 4 != 0 || length > INT_MAX)
		return -1;
	while (padding < 2 && length > 0 && text[length - 1] == '=')
	{
		length--;
		padding++;
	}
	if (length == 0)
		return padding == 0 ? 0 : -1;
	if (!in_alphabet[(unsigned char) text[0]] || !in_alphabet[(unsigned char) text[length - 1]] ||
		memchr(text, '=', length) != NULL)
		return -1;
	return padding;
}

unsigned char *
base64_decode(const char *text, size_t text_length, size_t *length)
{
	int			   padding = base64_padding(text, text_length);
	unsigned char *bytes;

	if (padding < 0)
		return NULL;
	bytes = malloc(text_length / 4 * 3 + 1);
	if (bytes == NULL)
		return NULL;
	if (EVP_DecodeBlock(bytes, (const unsigned char *) text, (int) text_length) < 0)
	{
		free(bytes);
		return NULL;
	}
	*length = text_length / 4 * 3 - (size_t) padding;
	bytes[*length] = '\0';
	return bytes;
}
