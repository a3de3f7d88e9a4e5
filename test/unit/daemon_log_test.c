/*
 * daemon_log_test.c
 *	  log.h: both formats, escaping, levels, bounds.
 */
#include "daemon/log.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "tap.h"

typedef struct Catcher
{
	Log	 log;
	int	 fd; /* where the lines can be read */
	char line[16384];
} Catcher;

static void
catcher_open(Catcher *catcher, LogFormat format)
{
	int fds[2];

	if (pipe(fds) != 0)
		abort();
	catcher->fd = fds[0];
	catcher->log = (Log) {.fd = fds[1], .program = "t", .format = format, .level = LOG_LEVEL_INFO};
}

/* The one line that was logged. */
static const char *
catcher_read(Catcher *catcher)
{
	ssize_t length = read(catcher->fd, catcher->line, sizeof(catcher->line) - 1);

	catcher->line[length > 0 ? length : 0] = '\0';
	return catcher->line;
}

/* What follows the timestamp and level. */
static const char *
after_program(const char *line)
{
	const char *found = strstr(line, "program=t ");

	return found != NULL ? found + strlen("program=t ") : line;
}

static void
test_logfmt(void)
{
	Catcher		catcher;
	const char *line;

	catcher_open(&catcher, LOG_FORMAT_LOGFMT);
	log_info(&catcher.log, "two words", LOG_TEXT("host", "db1"), LOG_INTEGER("port", 5432),
			 LOG_REAL("seconds", 1.5), LOG_BOOLEAN("ready", true), LOG_TEXT("absent", NULL));
	line = catcher_read(&catcher);
	ok(strcmp(after_program(line),
			  "msg=\"two words\" host=db1 port=5432 seconds=1.5 ready=true\n") == 0,
	   "logfmt: %.*s", (int) strcspn(line, "\n"), line);
	ok(strncmp(line, "ts=20", 5) == 0 && strstr(line, "Z level=info ") != NULL,
	   "begins with time and level");

	log_info(&catcher.log, "plain");
	ok(strcmp(after_program(catcher_read(&catcher)), "msg=plain\n") == 0,
	   "an event without fields");

	log_info(&catcher.log, "x", LOG_TEXT("v", "a\"b\\c\nd\te"), LOG_TEXT("empty", ""),
			 LOG_TEXT("eq", "a=b"));
	ok(strcmp(after_program(catcher_read(&catcher)),
			  "msg=x v=\"a\\\"b\\\\c\\u000ad\\u0009e\" empty=\"\" eq=\"a=b\"\n") == 0,
	   "what could be misread is quoted and escaped");

	log_debug(&catcher.log, "hidden");
	log_error(&catcher.log, "shown");
	ok(strcmp(after_program(catcher_read(&catcher)), "msg=shown\n") == 0,
	   "events below the level are not written");
}

static void
test_json(void)
{
	Catcher	 catcher;
	json_t	*object;
	char	 utf8[64];
	char	 long_value[5000];
	LogField fields[41];

	catcher_open(&catcher, LOG_FORMAT_JSON);
	log_warning(&catcher.log, "a \"message\"", LOG_TEXT("text", "tab\there \x01 \xc3\xa9"),
				LOG_INTEGER("n", -7), LOG_REAL("infinite", 1e308 * 10), LOG_BOOLEAN("no", false));
	object = json_loads(catcher_read(&catcher), 0, NULL);
	ok(object != NULL, "JSON can be parsed");
	ok(strcmp(json_string_value(json_object_get(object, "msg")), "a \"message\"") == 0 &&
		   strcmp(json_string_value(json_object_get(object, "text")), "tab\there \x01 \xc3\xa9") ==
			   0 &&
		   json_integer_value(json_object_get(object, "n")) == -7 &&
		   json_is_null(json_object_get(object, "infinite")) &&
		   json_is_false(json_object_get(object, "no")) &&
		   strcmp(json_string_value(json_object_get(object, "level")), "warning") == 0,
	   "and says what was logged");
	json_decref(object);

	/* truncated, overlong, surrogate, beyond Unicode, stray */
	snprintf(utf8, sizeof(utf8), "a\xc3|\xc0\xaf|\xed\xa0\x80|\xf5\x80\x80\x80|\xff|\xe2\x82");
	log_info(&catcher.log, "m", LOG_TEXT("text", utf8));
	object = json_loads(catcher_read(&catcher), 0, NULL);
	ok(object != NULL &&
		   strncmp(json_string_value(json_object_get(object, "text")), "a\xef\xbf\xbd|", 5) == 0,
	   "invalid UTF-8 becomes U+FFFD");
	json_decref(object);

	memset(long_value, 'x', sizeof(long_value));
	long_value[sizeof(long_value) - 1] = '\0';
	for (int i = 0; i < 40; i++)
		fields[i] = LOG_TEXT("key", long_value);
	fields[40] = (LogField) {.type = LOG_FIELD_END};
	log_event(&catcher.log, LOG_LEVEL_INFO, "m", fields);
	catcher_read(&catcher);
	ok(strlen(catcher.line) <= 8192 && strlen(catcher.line) > 4096,
	   "a long line is bounded: %zu bytes", strlen(catcher.line));
	object = json_loads(catcher.line, 0, NULL);
	ok(object != NULL && strlen(json_string_value(json_object_get(object, "key"))) == 1024,
	   "and still JSON, its values cut at 1 kB");
	json_decref(object);
}

int
main(void)
{
	test_logfmt();
	test_json();
	return done_testing();
}
