/*
 * grow.h
 *	  Arrays that become longer, one element after the other.
 */
#ifndef DAEMON_GROW_H
#define DAEMON_GROW_H

#include <stdlib.h>

#define GROW_FIRST 64

/*
 * Room for one more than the count elements that there are; the array may be NULL, with room 0.  The array, perhaps
 * elsewhere; NULL without memory, and it is as before.
 */
static inline void *
grow(void *array, int count, int *room, size_t element_size)
{
	int	  more = *room > 0 ? *room * 2 : GROW_FIRST;
	void *grown;

	if (count < *room)
		return array;
	grown = realloc(array, (size_t) more * element_size);
	if (grown != NULL)
		*room = more;
	return grown;
}

#endif /* DAEMON_GROW_H */
