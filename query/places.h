/*
 * places.h
 *	  Which of the entities of a read an answer is about.
 */
#ifndef QUERY_PLACES_H
#define QUERY_PLACES_H

#include "rpc.h"

typedef struct Places Places;

/* The entities, each given once, must outlive it, but for places_free.  NULL without memory. */
extern Places *places_make(const RpcEntity *entities, int count);
extern void	   places_free(Places *places);

/* Its index, -1 if it is none of them. */
extern int places_find(const Places *places, const char *bytes, size_t length);

#endif /* QUERY_PLACES_H */
