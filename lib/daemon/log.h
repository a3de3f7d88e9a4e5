/*
 * log.h
 *	  One line an event on standard error: logfmt or JSON, key/value pairs.
 *
 * The message is a constant; what varies goes into fields.  Never log a
 * payload, an entity, or a secret.  It must not know what the daemons do.
 *
 *	log_info(log, "connected", LOG_TEXT("host", host), LOG_INTEGER("port", 5432));
 *
 * gives, in one write(2),
 *
 *	ts=2026-01-31T12:00:00.123Z level=info program=topk-ddb-sync msg=connected host=db1 port=5432
 */
#ifndef DAEMON_LOG_H
#define DAEMON_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum LogLevel
{
	LOG_LEVEL_DEBUG,
	LOG_LEVEL_INFO,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_ERROR
} LogLevel;

typedef enum LogFormat
{
	LOG_FORMAT_LOGFMT,
	LOG_FORMAT_JSON
} LogFormat;

/* The words of the two enums above, in their order, for an OPTION_CHOICE. */
extern const char *const log_level_names[];
extern const char *const log_format_names[];

typedef struct Log
{
	int			fd; /* 2, but for tests */
	const char *program;
	LogFormat	format;
	LogLevel	level; /* less severe events are not written */
} Log;

/* A log on standard error; format and level are as an OPTION_CHOICE of the words above has them. */
extern Log log_to_stderr(const char *program, int format, int level);

typedef enum LogFieldType
{
	LOG_FIELD_END = 0,
	LOG_FIELD_TEXT,
	LOG_FIELD_INTEGER,
	LOG_FIELD_REAL,
	LOG_FIELD_BOOLEAN
} LogFieldType;

typedef struct LogField
{
	LogFieldType type;
	const char	*key;
	const char	*text;
	int64_t		 integer; /* integers and booleans */
	double		 real;
} LogField;

/* A NULL text leaves the field out. */
#define LOG_TEXT(key, value) ((LogField) {LOG_FIELD_TEXT, (key), (value), 0, 0})
#define LOG_INTEGER(key, value) ((LogField) {LOG_FIELD_INTEGER, (key), NULL, (int64_t) (value), 0})
#define LOG_REAL(key, value) ((LogField) {LOG_FIELD_REAL, (key), NULL, 0, (value)})
#define LOG_BOOLEAN(key, value) ((LogField) {LOG_FIELD_BOOLEAN, (key), NULL, (value) ? 1 : 0, 0})

/* More than LOG_FIELDS_MAX don't compile; what is left of the array ends it, as LOG_FIELD_END is 0. */
#define LOG_FIELDS_MAX 16
#define LOG_FIELDS(...) ((const LogField[LOG_FIELDS_MAX + 1]) {__VA_ARGS__})

#define log_debug(log, message, ...) \
	log_event((log), LOG_LEVEL_DEBUG, (message), LOG_FIELDS(__VA_ARGS__))
#define log_info(log, message, ...) \
	log_event((log), LOG_LEVEL_INFO, (message), LOG_FIELDS(__VA_ARGS__))
#define log_warning(log, message, ...) \
	log_event((log), LOG_LEVEL_WARNING, (message), LOG_FIELDS(__VA_ARGS__))
#define log_error(log, message, ...) \
	log_event((log), LOG_LEVEL_ERROR, (message), LOG_FIELDS(__VA_ARGS__))

/*
 * Write one event.  fields ends with LOG_FIELD_END.  Values are quoted and
 * escaped, invalid UTF-8 becomes U+FFFD, a value is cut at 1 kB, and fields that
 * would make the line longer than 8 kB are left out.  Thread-safe; errors of the write itself are ignored.
 */
extern void log_event(const Log *log, LogLevel level, const char *message, const LogField *fields);

#endif /* DAEMON_LOG_H */
