/*
 * address.c
 *	  HOST:PORT.
 */
#include "daemon/address.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool
address_split(const char *address, char host[ADDRESS_HOST_SIZE], char port[ADDRESS_PORT_SIZE])
{
	const char *colon = strrchr(address, ':');
	size_t		host_length;
	bool		bracketed;

	if (colon == NULL || strlen(colon + 1) == 0 || strlen(colon + 1) > 5)
		return false;
	for (const char *digit = colon + 1; *digit != '\0'; digit++)
		if (!isdigit((unsigned char) *digit))
			return false;
	if (atoi(colon + 1) > 65535)
		return false;

	host_length = (size_t) (colon - address);
	bracketed = host_length >= 2 && address[0] == '[' && colon[-1] == ']';
	if (bracketed)
	{
		address++;
		host_length -= 2;
	}
	if (host_length >= ADDRESS_HOST_SIZE ||
		(!bracketed && memchr(address, ':', host_length) != NULL))
		return false;
	snprintf(host, ADDRESS_HOST_SIZE, "%.*s", (int) host_length, address);
	snprintf(port, ADDRESS_PORT_SIZE, "%s", colon + 1);
	return true;
}
