/*
 * common_options.h
 *	  The options that every daemon has: where PostgreSQL is, logs, metrics.
 *	  One that serves no metrics takes the first and the last group alone.
 *
 *	typedef struct Config
 *	{
 *		CommonOptions common;
 *		...
 *	} Config;
 *
 *	static const OptionSpec options[] = {
 *		COMMON_OPTIONS(Config, common, "127.0.0.1:9188"),
 *		...
 *	};
 */
#ifndef DAEMON_COMMON_OPTIONS_H
#define DAEMON_COMMON_OPTIONS_H

#include "daemon/log.h"
#include "daemon/options.h"

typedef struct CommonOptions
{
	const char *dsn;			 /* NULL: libpq's environment */
	const char *metrics_address; /* "off" disables */
	int			log_format;		 /* LogFormat */
	int			log_level;		 /* LogLevel */
} CommonOptions;

#define COMMON_DSN_OPTION(Config, member)                                                       \
	{.name = "dsn",                                                                             \
	 .environment = "TOPK_DSN",                                                                 \
	 .metavar = "CONNINFO",                                                                     \
	 .type = OPTION_TEXT,                                                                       \
	 .help = "PostgreSQL connection string or URI; what it leaves open comes from libpq's own " \
			 "variables (PGHOST, PGSERVICE, PGPASSFILE, ...)",                                  \
	 .offset = offsetof(Config, member.dsn)}

#define COMMON_METRICS_OPTION(Config, member, metrics_default)                     \
	{.name = "metrics-addr",                                                       \
	 .environment = "METRICS_ADDR",                                                \
	 .metavar = "HOST:PORT",                                                       \
	 .type = OPTION_TEXT,                                                          \
	 .initial = (metrics_default),                                                 \
	 .help = "where /healthz, /readyz and /metrics are served; off disables them", \
	 .offset = offsetof(Config, member.metrics_address)}

#define COMMON_LOG_OPTIONS(Config, member)                                              \
	{.name = "log-format",                                                              \
	 .environment = "LOG_FORMAT",                                                       \
	 .metavar = "FORMAT",                                                               \
	 .type = OPTION_CHOICE,                                                             \
	 .initial = "logfmt",                                                               \
	 .help = "format of the log lines on standard error",                               \
	 .offset = offsetof(Config, member.log_format),                                     \
	 .choices = log_format_names},                                                      \
	{                                                                                   \
		.name = "log-level", .environment = "LOG_LEVEL", .metavar = "LEVEL",            \
		.type = OPTION_CHOICE, .initial = "info", .help = "least severe events to log", \
		.offset = offsetof(Config, member.log_level), .choices = log_level_names        \
	}

#define COMMON_OPTIONS(Config, member, metrics_default)                                        \
	COMMON_DSN_OPTION(Config, member), COMMON_METRICS_OPTION(Config, member, metrics_default), \
		COMMON_LOG_OPTIONS(Config, member)

/* Are they well-formed?  Else options_error has said so. */
extern bool common_options_check(const OptionsProgram *program, const CommonOptions *options);

#endif /* DAEMON_COMMON_OPTIONS_H */
