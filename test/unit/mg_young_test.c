/*
 * mg_young_test.c
 *	  A summary of few items takes little memory, and is like any other.
 */
#include "mg/mg.h"
#include "tap.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#define MUCH 300 /* a weight that no young summary takes */

static MgSummary *
create(int k)
{
	MgSummary *summary;

	if (mg_create(&mg_malloc_allocator, k, &summary) != MG_OK)
		abort();
	return summary;
}

static MgStatus
add(MgSummary *summary, const char *item, int64_t weight)
{
	return mg_add(summary, item, strlen(item), weight);
}

/* Items 0 .. count - 1, in an order that depends on first; item i weighs 1 + i % 3. */
static void
add_numbers(MgSummary *summary, int first, int count)
{
	char item[32];

	for (int i = 0; i < count; i++)
	{
		int number = (first + i) % count;

		snprintf(item, sizeof(item), "item-%d", number);
		if (add(summary, item, 1 + number % 3) != MG_OK)
			abort();
	}
}

/* Are the bytes of both the same, in either form? */
static bool
same(const MgSummary *a, const MgSummary *b)
{
	bool result = true;

	for (MgForm form = MG_PARTIAL; form <= MG_FINAL; form++)
	{
		unsigned char *a_bytes, *b_bytes;
		size_t		   a_size, b_size;

		if (mg_encode(a, form, 0, &a_bytes, &a_size) != MG_OK ||
			mg_encode(b, form, 0, &b_bytes, &b_size) != MG_OK)
			abort();
		result = result && a_size == b_size && memcmp(a_bytes, b_bytes, a_size) == 0;
		free(a_bytes);
		free(b_bytes);
	}
	return result;
}

/* The same summary, made to give up its youth at once. */
static MgSummary *
settled(int k, int count)
{
	MgSummary	  *summary = create(k);
	MgSummary	  *decoded;
	unsigned char *bytes;
	size_t		   size;

	add_numbers(summary, 0, count);
	if (mg_encode(summary, MG_PARTIAL, 0, &bytes, &size) != MG_OK ||
		mg_decode(&mg_malloc_allocator, bytes, size, &decoded, NULL) != MG_OK)
		abort();
	free(bytes);
	mg_free(summary);
	return decoded;
}

static void
test_memory(void)
{
	MgSummary *summary = create(1000);
	size_t	   few, many;

	add_numbers(summary, 0, 70);
	few = mg_memory(summary);
	add_numbers(summary, 0, 500);
	many = mg_memory(summary);
	ok(few < 1300, "70 items take %zu bytes", few);
	ok(many > 500 * 24, "500 items take %zu", many);
	mg_free(summary);
}

static void
test_same_bytes(void)
{
	for (int k = 1; k <= 100; k *= 10)
	{
		bool all = true;

		for (int count = 0; count < 75; count++)
		{
			MgSummary *young = create(k), *old = settled(k, count);

			add_numbers(young, count / 2, count);
			all = all && same(young, old);
			mg_free(young);
			mg_free(old);
		}
		ok(all, "items in another order, and from bytes, encode the same at k = %d", k);
	}
}

/* What ends the youth of a summary, and that nothing is lost by it. */
static void
test_end(void)
{
	static char	 long_item[1100];
	const size_t lengths[] = {0, 1, 14, 15, 255, 256, 1020, 1021, 1022, 1100};
	MgSummary	*summary = create(10);

	memset(long_item, 'x', sizeof(long_item));
	for (int i = 0; i < 255; i++)
		add(summary, "a", 1);
	ok(mg_total(summary) == 255 && mg_size(summary) == 1, "255 of an item");
	add(summary, "a", 1);
	add(summary, "a", 1);
	ok(mg_total(summary) == 257 && mg_size(summary) == 1, "and 257");
	mg_free(summary);

	summary = create(10);
	add(summary, "a", 1);
	ok(add(summary, "b", INT64_MAX) == MG_COUNT_OVERFLOW && mg_size(summary) == 1,
	   "a total past 2^63 - 1 is refused");
	ok(add(summary, "a", INT64_MAX - 1) == MG_OK && mg_total(summary) == INT64_MAX,
	   "2^63 - 1 itself is reached");
	mg_free(summary);

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
	{
		summary = create(10);
		add(summary, "a", 1);
		mg_add(summary, lengths[i] == 0 ? NULL : long_item, lengths[i], 2);
		mg_add(summary, lengths[i] == 0 ? NULL : long_item, lengths[i], 3);
		ok(mg_total(summary) == 6 && mg_size(summary) == 2, "an item of %zu bytes", lengths[i]);
		mg_free(summary);
	}
}

static void
test_merge(void)
{
	MgSummary *young = create(20), *other = create(30), *expected = create(20);

	add_numbers(young, 0, 30);
	add_numbers(other, 7, 40);
	add_numbers(expected, 0, 30);
	add_numbers(expected, 0, 40);
	ok(mg_merge(young, other) == MG_OK && same(young, expected), "two young summaries merge");
	ok(mg_size(other) == 40 && mg_total(other) == 79, "the other is unchanged");
	mg_free(young);

	young = create(30);
	add_numbers(young, 0, 30);
	mg_merge(young, young);
	mg_free(expected);
	expected = create(30);
	add_numbers(expected, 0, 30);
	add_numbers(expected, 0, 30);
	ok(same(young, expected), "a young summary merged with itself doubles");
	mg_free(expected);

	expected = create(30);
	ok(mg_merge(expected, young) == MG_OK && same(young, expected),
	   "an empty one takes over another");
	mg_free(young);
	mg_free(other);
	mg_free(expected);
}

static void
test_resize(void)
{
	MgSummary *young = create(50), *expected = settled(5, 40);

	add_numbers(young, 0, 40);
	ok(mg_resize(young, 5) == MG_OK && same(young, expected), "a young summary can shrink");
	ok(mg_resize(young, 1000) == MG_OK && mg_k(young) == 1000, "and grow");
	mg_free(young);
	mg_free(expected);
}

/* Of unknown total from the start: an empty summary from Murmur's bytes. */
static void
test_unknown(void)
{
	MgSummary *summary;

	if (mg_murmur_decode(&mg_malloc_allocator, "\3\0\0\0\0\0\0\0", 8, &summary, NULL) != MG_OK)
		abort();
	add(summary, "a", 5);
	add(summary, "a", MUCH);
	ok(mg_total(summary) == MG_UNKNOWN && mg_error(summary) == MG_UNKNOWN && mg_size(summary) == 1,
	   "counting does not make an unknown total known");
	mg_free(summary);
}

/*
 * ---- an allocator that does not return when memory runs out, as a server's ----
 *
 * What is not released then goes with the context.
 */
typedef struct Block
{
	struct Block *next;
	struct Block *previous;
} Block;

static Block   blocks = {&blocks, &blocks};
static int	   allocations_left;
static jmp_buf out_of_memory;

static void
link_block(Block *block)
{
	block->next = blocks.next;
	block->previous = &blocks;
	block->next->previous = block->previous->next = block;
}

static void
unlink_block(Block *block)
{
	block->next->previous = block->previous;
	block->previous->next = block->next;
}

static void *
context_allocate(void *context, size_t size)
{
	Block *block;

	(void) context;
	if (allocations_left-- <= 0)
		longjmp(out_of_memory, 1);
	block = malloc(sizeof(Block) + size);
	link_block(block);
	return block + 1;
}

static void *
context_resize(void *context, void *pointer, size_t size)
{
	Block *block = (Block *) pointer - 1;

	(void) context;
	if (allocations_left-- <= 0)
		longjmp(out_of_memory, 1);
	unlink_block(block);
	block = realloc(block, sizeof(Block) + size);
	link_block(block);
	return block + 1;
}

static void
context_release(void *context, void *pointer)
{
	Block *block = (Block *) pointer - 1;

	(void) context;
	unlink_block(block);
	free(block);
}

static const MgMethods context_methods = {
	.allocate = context_allocate,
	.resize = context_resize,
	.release = context_release,
};
static const MgAllocator context_allocator = {.methods = &context_methods};

/* Whichever allocation does not return: the summary is as before, and can be used and released. */
static void
test_no_return(void)
{
	static MgSummary *volatile summary;
	static volatile int64_t added;
	volatile int			failures = 0, broken = 0;
	char					item[32];

	for (volatile int enough = 1; enough < 300; enough++)
	{
		summary = NULL;
		added = 0;
		allocations_left = enough;
		if (setjmp(out_of_memory) == 0)
		{
			unsigned char *bytes;
			size_t		   size;
			MgSummary *new;

			mg_create(&context_allocator, 2, &new);
			summary = new;
			for (int i = 0; i < 2500; i++)
			{
				snprintf(item, sizeof(item), i % 5 ? "%d" : "an item too long to be a key %d", i);
				mg_add(summary, item, strlen(item), 1);
				added++;
				if (i % 64 != 0)
					continue;
				mg_encode(summary, MG_FINAL, 4, &bytes, &size);
				context_release(NULL, bytes);
			}
		}
		else
			failures++;
		if (summary != NULL)
		{
			allocations_left = 1000000;
			broken += mg_total(summary) != added;
			add(summary, "next", 1);
			broken += mg_total(summary) != added + 1;
			mg_free(summary);
		}
		while (blocks.next != &blocks)
			context_release(NULL, blocks.next + 1);
	}
	ok(failures > 40 && failures < 299 && broken == 0,
	   "after %d allocations that did not return, %d summaries broken", failures, broken);
}

int
main(void)
{
	test_memory();
	test_same_bytes();
	test_end();
	test_merge();
	test_resize();
	test_unknown();
	test_no_return();
	return done_testing();
}
