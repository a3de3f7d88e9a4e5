/*
 * daemon_base64_test.c
 *	  base64.h and aws.h.
 */
#include "daemon/base64.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/aws.h"
#include "tap.h"

/* RFC 4648, section 10 */
static void
test_vectors(void)
{
	static const char *const vectors[][2] = {
		{"", ""},
		{"f", "Zg=="},
		{"fo", "Zm8="},
		{"foo", "Zm9v"},
		{"foob", "Zm9vYg=="},
		{"fooba", "Zm9vYmE="},
		{"foobar", "Zm9vYmFy"},
	};

	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
	{
		char		  *text = base64_encode(vectors[i][0], strlen(vectors[i][0]));
		size_t		   length;
		unsigned char *bytes = base64_decode(vectors[i][1], strlen(vectors[i][1]), &length);

		ok(strcmp(text, vectors[i][1]) == 0, "\"%s\" is encoded", vectors[i][0]);
		ok(bytes != NULL && length == strlen(vectors[i][0]) &&
			   memcmp(bytes, vectors[i][0], length) == 0,
		   "and decoded");
		free(text);
		free(bytes);
	}
}

static void
test_strictness(void)
{
	static const char *const bad[] = {"Z",	   "Zg=",  "Zg",	   "Z===", "Zm9v\n",
									  " Zm9v", "Zm9*", "Zg==Zg==", "=AAA", "Zm-_",
									  "====",  "==",   "Zm9v===="};
	unsigned char			 all[256];
	size_t					 length;
	char					*text;
	unsigned char			*bytes;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(base64_decode(bad[i], strlen(bad[i]), &length) == NULL, "\"%s\" is refused",
		   bad[i][0] == ' ' ? "space" : bad[i]);
	ok(base64_decode("Zm\0v", 4, &length) == NULL, "a NUL is refused");
	for (int i = 0; i < 256; i++)
		all[i] = (unsigned char) i;
	text = base64_encode(all, sizeof(all));
	bytes = base64_decode(text, strlen(text), &length);
	ok(bytes != NULL && length == sizeof(all) && memcmp(bytes, all, length) == 0,
	   "every byte survives");
	free(text);
	free(bytes);
}

/* Each byte at each place of a text of three groups: only digits are taken. */
static void
test_every_byte(void)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	bool			  right = true;

	for (size_t at = 0; at < 12; at++)
		for (int byte = 0; byte < 256; byte++)
		{
			char		   text[13] = "Zm9vYmFyQkFa";
			bool		   is_digit = byte != 0 && strchr(digits, byte) != NULL;
			bool		   is_padding = byte == '=' && at == 11;
			size_t		   length = 0;
			unsigned char *bytes;

			text[at] = (char) byte;
			bytes = base64_decode(text, 12, &length);
			right = right && (bytes != NULL) == (is_digit || is_padding) &&
					(bytes == NULL || length == (is_padding ? 8 : 9));
			free(bytes);
		}
	ok(right, "of all bytes the digits are taken, at every place, and a padding at the end");
}

static void
test_credentials(void)
{
	AwsCredentials credentials;
	const char	  *missing;

	unsetenv("AWS_ACCESS_KEY_ID");
	unsetenv("AWS_SECRET_ACCESS_KEY");
	unsetenv("AWS_SESSION_TOKEN");
	ok(!aws_credentials_from_environment(&credentials, &missing) &&
		   strcmp(missing, "AWS_ACCESS_KEY_ID") == 0,
	   "no key: its variable is named");
	setenv("AWS_ACCESS_KEY_ID", "a", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "", 1);
	ok(!aws_credentials_from_environment(&credentials, &missing) &&
		   strcmp(missing, "AWS_SECRET_ACCESS_KEY") == 0,
	   "an empty secret is none");
	setenv("AWS_SECRET_ACCESS_KEY", "s", 1);
	ok(aws_credentials_from_environment(&credentials, &missing) && missing == NULL &&
		   credentials.session_token == NULL,
	   "a token is not needed");
	setenv("AWS_SESSION_TOKEN", "t", 1);
	ok(aws_credentials_from_environment(&credentials, &missing) &&
		   strcmp(credentials.session_token, "t") == 0,
	   "but taken");
}

int
main(void)
{
	test_vectors();
	test_strictness();
	test_every_byte();
	test_credentials();
	return done_testing();
}
