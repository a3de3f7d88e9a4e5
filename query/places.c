/*
 * places.c
 *	  A table of entities.
 */
#include "places.h"

#include <stdlib.h>

#include <uthash.h>

typedef struct Place
{
	UT_hash_handle hh;
	int			   index;
} Place;

struct Places
{
	Place *table;
	Place  places[];
};

Places *
places_make(const RpcEntity *entities, int count)
{
	Places *places = calloc(1, sizeof(*places) + sizeof(Place) * (size_t) count);

	for (int i = 0; i < count && places != NULL; i++)
	{
		Place *place = &places->places[i];

		place->index = i;
		HASH_ADD_KEYPTR(hh, places->table, entities[i].bytes, entities[i].length, place);
	}
	return places;
}

void
places_free(Places *places)
{
	if (places != NULL)
		HASH_CLEAR(hh, places->table);
	free(places);
}

int
places_find(const Places *places, const char *bytes, size_t length)
{
	Place *place;

	HASH_FIND(hh, places->table, bytes, length, place);
	return place != NULL ? place->index : -1;
}
