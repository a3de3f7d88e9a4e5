/*
 * tap.h
 *	  The Test Anything Protocol for unit tests: ok(...), then done_testing().
 *
 * One translation unit a test program; knows nothing of what is tested.
 */
#ifndef TAP_H
#define TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

static int tap_count;
static int tap_failed;

/* One test: did condition hold?  The format describes what should be. */
#define ok(condition, ...) tap_ok((condition), #condition, __FILE__, __LINE__, __VA_ARGS__)

__attribute__((format(printf, 5, 6))) static bool
tap_ok(bool passed, const char *expression, const char *file, int line, const char *format, ...)
{
	va_list arguments;

	printf("%sok %d - ", passed ? "" : "not ", ++tap_count);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	printf("\n");
	if (!passed)
	{
		tap_failed++;
		printf("# failed: %s (%s:%d)\n", expression, file, line);
	}
	return passed;
}

/* The plan; the exit status of main. */
static int
done_testing(void)
{
	printf("1..%d\n", tap_count);
	return tap_failed > 0;
}

#endif /* TAP_H */
