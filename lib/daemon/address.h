/*
 * address.h
 *	  Where a program listens, as options name it.
 */
#ifndef DAEMON_ADDRESS_H
#define DAEMON_ADDRESS_H

#include <stdbool.h>

#define ADDRESS_HOST_SIZE 256
#define ADDRESS_PORT_SIZE 8

/* Split HOST:PORT or [HOST]:PORT; an empty host is all addresses.  False if it is neither. */
extern bool address_split(const char *address, char host[ADDRESS_HOST_SIZE],
						  char port[ADDRESS_PORT_SIZE]);

#endif /* DAEMON_ADDRESS_H */
