/*
 * log.c
 *	  Formats one event as logfmt or JSON; must not know what the events mean.
 */
#include "daemon/log.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/clock.h"

#define LOG_LINE_MAX 8192
#define LOG_VALUE_MAX 1024

const char *const log_level_names[] = {"debug", "info", "warning", "error", NULL};
const char *const log_format_names[] = {"logfmt", "json", NULL};

Log
log_to_stderr(const char *program, int format, int level)
{
	return (Log) {.fd = STDERR_FILENO,
				  .program = program,
				  .format = (LogFormat) format,
				  .level = (LogLevel) level};
}

/* Room for the end of the line is kept out of limit. */
typedef struct LogLine
{
	char   bytes[LOG_LINE_MAX];
	size_t length;
	size_t limit;
	bool   full;
} LogLine;

static void
line_append(LogLine *line, const char *bytes, size_t length)
{
	if (line->full || length > line->limit - line->length)
	{
		line->full = true;
		return;
	}
	memcpy(line->bytes + line->length, bytes, length);
	line->length += length;
}

static void
line_append_text(LogLine *line, const char *text)
{
	line_append(line, text, strlen(text));
}

/* Length of the well-formed UTF-8 sequence at text, which ends with NUL; 0 if there is none. */
static size_t
utf8_sequence_length(const unsigned char *text)
{
	size_t length;

	if (text[0] < 0x80)
		return 1;
	if (text[0] >= 0xc2 && text[0] <= 0xdf)
		length = 2;
	else if (text[0] >= 0xe0 && text[0] <= 0xef)
		length = 3;
	else if (text[0] >= 0xf0 && text[0] <= 0xf4)
		length = 4;
	else
		return 0;

	for (size_t i = 1; i < length; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;

	/* overlong forms, surrogates, beyond U+10FFFF */
	if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
		(text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f))
		return 0;
	return length;
}

/* The escapes of JSON, which logfmt's readers know as well. */
static void
line_append_quoted(LogLine *line, const char *text)
{
	const unsigned char *next = (const unsigned char *) text;
	const unsigned char *end = next + strnlen(text, LOG_VALUE_MAX);

	line_append_text(line, "\"");
	while (next < end)
	{
		size_t length = utf8_sequence_length(next);
		char   escape[8];

		if (length == 0)
			line_append_text(line, "\\ufffd");
		else if (*next == '"' || *next == '\\')
		{
			snprintf(escape, sizeof(escape), "\\%c", *next);
			line_append_text(line, escape);
		}
		else if (*next < 0x20 || *next == 0x7f)
		{
			snprintf(escape, sizeof(escape), "\\u%04x", *next);
			line_append_text(line, escape);
		}
		else
			line_append(line, (const char *) next, length);
		next += length == 0 ? 1 : length;
	}
	line_append_text(line, "\"");
}

/* logfmt needs quotes only around what could be misread. */
static bool
text_is_plain(const char *text)
{
	if (*text == '\0' || strlen(text) > LOG_VALUE_MAX)
		return false;
	for (; *text != '\0'; text++)
	{
		unsigned char c = (unsigned char) *text;

		if (c <= ' ' || c >= 0x7f || c == '"' || c == '=' || c == '\\')
			return false;
	}
	return true;
}

static void
line_append_value(LogLine *line, LogFormat format, const LogField *field)
{
	char number[64];

	switch (field->type)
	{
		case LOG_FIELD_TEXT:
			if (format == LOG_FORMAT_LOGFMT && text_is_plain(field->text))
				line_append_text(line, field->text);
			else
				line_append_quoted(line, field->text);
			break;
		case LOG_FIELD_INTEGER:
			snprintf(number, sizeof(number), "%" PRId64, field->integer);
			line_append_text(line, number);
			break;
		case LOG_FIELD_REAL:
			snprintf(number, sizeof(number), "%.6g", field->real);
			line_append_text(line, isfinite(field->real) ? number : "null");
			break;
		case LOG_FIELD_BOOLEAN:
			line_append_text(line, field->integer != 0 ? "true" : "false");
			break;
		case LOG_FIELD_END:
			break;
	}
}

/* Appends the field whole or not at all. */
static void
line_append_field(LogLine *line, LogFormat format, const LogField *field)
{
	size_t before = line->length;

	if (field->type == LOG_FIELD_TEXT && field->text == NULL)
		return;
	if (before > 0)
		line_append_text(line, format == LOG_FORMAT_JSON ? "," : " ");
	if (format == LOG_FORMAT_JSON)
	{
		line_append_quoted(line, field->key);
		line_append_text(line, ":");
	}
	else
	{
		line_append_text(line, field->key);
		line_append_text(line, "=");
	}
	line_append_value(line, format, field);
	if (line->full)
	{
		line->length = before;
		line->full = false;
	}
}

static void
format_time(char *buffer, size_t size)
{
	int64_t	  now = clock_unix_milliseconds();
	time_t	  seconds = (time_t) (now / 1000);
	struct tm utc;
	char	  date[32];

	gmtime_r(&seconds, &utc);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(buffer, size, "%s.%03dZ", date, (int) (now % 1000));
}

void
log_event(const Log *log, LogLevel level, const char *message, const LogField *fields)
{
	LogLine line = {.limit = LOG_LINE_MAX - 4};
	bool	json = log->format == LOG_FORMAT_JSON;
	char	now[64];
	char	whole[LOG_LINE_MAX];
	int		length;

	if (level < log->level)
		return;

	format_time(now, sizeof(now));
	line_append_field(&line, log->format, &LOG_TEXT("ts", now));
	line_append_field(&line, log->format, &LOG_TEXT("level", log_level_names[level]));
	line_append_field(&line, log->format, &LOG_TEXT("program", log->program));
	line_append_field(&line, log->format, &LOG_TEXT("msg", message));
	for (; fields->type != LOG_FIELD_END; fields++)
		line_append_field(&line, log->format, fields);

	/* one write, so that lines of several threads don't mix */
	length =
		snprintf(whole, sizeof(whole), json ? "{%.*s}\n" : "%.*s\n", (int) line.length, line.bytes);
	if (write(log->fd, whole, (size_t) length) < 0)
		return; /* nowhere left to say it */
}
