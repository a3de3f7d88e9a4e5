/*
 * answer.c
 *	  What Lambda is told of a batch: all counted, or where to start again.
 *
 * Must not know why.
 */
#include "answer.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "sequence.h"

const char *
answer_success(void)
{
	return "{\"batchItemFailures\":[]}";
}

static int
compare(const void *a, const void *b)
{
	const KinesisText *x = a;
	const KinesisText *y = b;

	return sequence_compare(x->text, x->length, y->text, y->length);
}

/* The numbers of all records, sorted; NULL if one has none. */
static KinesisText *
sorted_numbers(const KinesisEvent *event)
{
	KinesisText *numbers = calloc((size_t) event->count + 1, sizeof(*numbers));

	for (int i = 0; numbers != NULL && i < event->count; i++)
	{
		numbers[i] = event->records[i].sequence;
		if (numbers[i].text == NULL)
		{
			free(numbers);
			return NULL;
		}
	}
	if (numbers != NULL)
		qsort(numbers, (size_t) event->count, sizeof(*numbers), compare);
	return numbers;
}

static char *
write_answer(const KinesisText *numbers, int count)
{
	json_t *failures = json_array();
	json_t *answer = json_pack("{s:o}", "batchItemFailures", failures);
	char   *text = NULL;
	bool	complete = answer != NULL;

	for (int i = 0; complete && i < count; i++)
		complete =
			json_array_append_new(failures, json_pack("{s:s%}", "itemIdentifier", numbers[i].text,
													  numbers[i].length)) == 0;
	if (complete)
		text = json_dumps(answer, JSON_COMPACT);
	json_decref(answer);
	return text;
}

/* Does AWS read from the answer what was meant: all of them, the lowest first? */
static bool
says(const char *text, const KinesisText *numbers, int count)
{
	json_t		 *answer = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	const json_t *failures = json_object_get(answer, "batchItemFailures");
	bool		  right =
		json_object_size(answer) == 1 && count > 0 && json_array_size(failures) == (size_t) count;

	for (int i = 0; right && i < count; i++)
	{
		const json_t *item = json_array_get(failures, (size_t) i);
		const json_t *number = json_object_get(item, "itemIdentifier");

		right = json_object_size(item) == 1 && json_string_length(number) == numbers[i].length &&
				memcmp(json_string_value(number), numbers[i].text, numbers[i].length) == 0;
	}
	json_decref(answer);
	return right;
}

char *
answer_failure(const KinesisEvent *event)
{
	KinesisText *numbers = sorted_numbers(event);
	char		*text = numbers != NULL ? write_answer(numbers, event->count) : NULL;

	if (text != NULL && !says(text, numbers, event->count))
	{
		free(text);
		text = NULL;
	}
	free(numbers);
	return text;
}
