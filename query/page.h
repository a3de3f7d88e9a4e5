/*
 * page.h
 *	  The page that people look at: its files, which are part of the program.
 */
#ifndef QUERY_PAGE_H
#define QUERY_PAGE_H

#include "server.h"

/* Serve it at /, /page.css and /page.js; no token is asked for, as it holds nothing. */
extern void page_register(Server *server);

#endif /* QUERY_PAGE_H */
