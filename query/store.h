/*
 * store.h
 *	  Where windows are read: what DynamoDB and PostgreSQL have in common here.
 *
 * Nothing here waits: a read is begun, and done is called from store_dispatch.
 * Must not know what the windows are for.
 */
#ifndef QUERY_STORE_H
#define QUERY_STORE_H

#include "question.h"
#include "rpc.h"
#include "wait.h"
#include "windows.h"

typedef enum StoreOutcome
{
	STORE_READ,
	STORE_AWAY /* logged, once an outage */
} StoreOutcome;

/* A question, which its owner keeps until done is called, and the answer to it. */
typedef struct StoreRead
{
	const RpcEntity *entities; /* each once */
	int				 count;
	Range			 range;
	bool			 fresh; /* strongly consistent */
	Windows *windows; /* of each entity, empty before; the owner frees them, whatever the outcome */
	void (*done)(struct StoreRead *read, StoreOutcome outcome);
	void *context; /* the owner's */
	void *state;   /* the store's */
} StoreRead;

typedef struct Store
{
	/* done may be called before this returns. */
	void (*begin)(struct Store *store, StoreRead *read);
	/* Nobody wants it any more: true if it is forgotten, and done not called; false if it is on its way, and goes on. */
	bool (*forget)(struct Store *store, StoreRead *read);
	void (*prepare)(struct Store *store, Wait *wait);
	void (*dispatch)(struct Store *store);
	void (*close)(struct Store *store);

	const char *name;  /* "dynamodb" */
	Shape		shape; /* PostgreSQL tells it with the first connection */
	bool		up;	   /* as far as is known */
} Store;

#endif /* QUERY_STORE_H */
