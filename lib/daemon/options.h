/*
 * options.h
 *	  One table of options a program: flag, then environment, then default.
 *
 * --help, --version and the option tables under docs/ (--help=markdown) are
 * printed from the same table.  It must not know what an option means; what
 * two options mean together is the program's to check (options_error).
 */
#ifndef DAEMON_OPTIONS_H
#define DAEMON_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum OptionType
{
	OPTION_TEXT,	/* const char *; an empty value counts as not given */
	OPTION_INTEGER, /* int64_t within minimum .. maximum */
	OPTION_DURATION, /* int64_t milliseconds within minimum .. maximum; "500ms", "1s", "5min", "1h", "7d" */
	OPTION_FLAG, /* bool; without a value on the command line; 1/0, true/false, on/off in the environment */
	OPTION_CHOICE,	  /* int: index of the word in choices */
	OPTION_PROPERTIES /* OptionProperties: NAME=VALUE, repeatable */
} OptionType;

/*
 * Properties in the order in which they are to be applied: environment
 * first, so that a flag, coming later, wins.
 */
typedef struct OptionProperty
{
	char	   *name;
	const char *value;
} OptionProperty;

typedef struct OptionProperties
{
	OptionProperty *items;
	int				count;
} OptionProperties;

typedef struct OptionSpec
{
	const char		  *name;		/* "dsn" for --dsn */
	char			   letter;		/* 'X' for -X, or 0 */
	const char		  *environment; /* variable, or NULL.  For OPTION_PROPERTIES a prefix:
								 * KAFKA_CONF_SSL_CA_LOCATION is ssl.ca.location; two underscores mean one */
	const char		  *metavar;		/* what --help calls the value */
	OptionType		   type;
	const char		  *initial; /* the default, as text; NULL: none (NULL, 0, false) */
	const char		  *help;	/* one sentence, no full stop */
	size_t			   offset;	/* where in the program's config struct the value goes */
	int64_t			   minimum;
	int64_t			   maximum; /* both 0: not below 0 */
	const char *const *choices; /* NULL-terminated */
	bool			   required;
} OptionSpec;

typedef struct OptionsProgram
{
	const char		 *name;
	const char		 *version;
	const char		 *purpose; /* one line */
	const OptionSpec *options;
	int				  count;
	const char		 *epilogue; /* printed after the options by --help, or NULL */
} OptionsProgram;

typedef enum OptionsResult
{
	OPTIONS_RUN,
	OPTIONS_PRINTED, /* --help or --version was answered: exit 0 */
	OPTIONS_INVALID	 /* the error was written to standard error: exit 2 */
} OptionsResult;

/*
 * Fill config from the arguments and the environment.  Texts point into argv,
 * the environment or the table and are not to be freed.  An error names the
 * option, the value and what is allowed.
 */
extern OptionsResult options_parse(const OptionsProgram *program, int argc, char **argv,
								   void *config);

/* What main() returns when the result is not OPTIONS_RUN. */
extern int options_exit_status(OptionsResult result);

/* Free what options_parse allocated (properties). */
extern void options_release(const OptionsProgram *program, void *config);

/*
 * Report, in the same words as options_parse, what is wrong with an option
 * (name without dashes, NULL: with no single one): "topk-x: --name: ...".
 */
extern void options_error(const OptionsProgram *program, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif /* DAEMON_OPTIONS_H */
