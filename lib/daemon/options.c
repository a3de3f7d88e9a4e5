/*
 * options.c
 *	  Reads a program's option table from the environment and the arguments.
 *
 * Must not know any option but --help and --version.
 */
#include "daemon/options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "daemon/options_print.h"
#include "daemon/status.h"

extern char **environ;

#define GETOPT_HELP 1
#define GETOPT_VERSION 2
#define GETOPT_FIRST 256 /* beyond every letter */

typedef struct DurationUnit
{
	const char *name;
	int64_t		milliseconds;
} DurationUnit;

static const DurationUnit duration_units[] = {
	{"ms", 1}, {"s", 1000}, {"min", 60 * 1000}, {"h", 3600 * 1000}, {"d", 24 * 3600 * 1000},
};

#define DURATION_UNITS ((int) (sizeof(duration_units) / sizeof(duration_units[0])))

static void *
option_target(const OptionSpec *option, void *config)
{
	return (char *) config + option->offset;
}

void
options_error(const OptionsProgram *program, const char *name, const char *format, ...)
{
	char	message[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	fprintf(stderr, "%s: %s%s%s%s\nTry \"%s --help\".\n", program->name, name != NULL ? "--" : "",
			name != NULL ? name : "", name != NULL ? ": " : "", message, program->name);
}

/* ---- one value ---- */

/* A decimal integer and what follows it; false if there is none or it does not fit. */
static bool
parse_integer(const char *text, int64_t *value, const char **rest)
{
	char	 *end;
	long long parsed;

	if (!isdigit((unsigned char) text[0]) && text[0] != '-')
		return false;
	errno = 0;
	parsed = strtoll(text, &end, 10);
	if (errno != 0 || end == text)
		return false;
	*value = parsed;
	*rest = end;
	return true;
}

static bool
parse_duration(const char *text, int64_t *value)
{
	const char *unit;
	int64_t		number;

	if (!parse_integer(text, &number, &unit))
		return false;
	if (number == 0 && *unit == '\0')
	{
		*value = 0;
		return true;
	}
	for (int i = 0; i < DURATION_UNITS; i++)
		if (strcmp(unit, duration_units[i].name) == 0)
			return !__builtin_mul_overflow(number, duration_units[i].milliseconds, value);
	return false;
}

static bool
parse_flag(const char *text, bool *value)
{
	static const char *const words[] = {"0", "1", "false", "true", "off", "on", "no", "yes", NULL};

	for (int i = 0; words[i] != NULL; i++)
		if (strcasecmp(text, words[i]) == 0)
		{
			*value = i % 2 == 1;
			return true;
		}
	return false;
}

static bool
parse_choice(const OptionSpec *option, const char *text, int *value)
{
	for (int i = 0; option->choices[i] != NULL; i++)
		if (strcmp(text, option->choices[i]) == 0)
		{
			*value = i;
			return true;
		}
	return false;
}

static bool
within_bounds(const OptionSpec *option, int64_t value)
{
	if (option->minimum == 0 && option->maximum == 0)
		return value >= 0;
	return value >= option->minimum && value <= option->maximum;
}

/* Appends to the option's properties; takes over name, which is NULL without memory. */
static bool
add_property(OptionProperties *properties, char *name, const char *value)
{
	OptionProperty *grown =
		realloc(properties->items, sizeof(*grown) * (size_t) (properties->count + 1));

	if (grown == NULL || name == NULL)
	{
		if (grown != NULL)
			properties->items = grown;
		free(name);
		return false;
	}
	grown[properties->count] = (OptionProperty) {.name = name, .value = value};
	properties->items = grown;
	properties->count++;
	return true;
}

static bool
parse_property(OptionProperties *properties, const char *text)
{
	const char *equals = strchr(text, '=');

	if (equals == NULL || equals == text)
		return false;
	return add_property(properties, strndup(text, (size_t) (equals - text)), equals + 1);
}

/* Store text as the option's value; false if it is not one. */
static bool
set_value(const OptionSpec *option, const char *text, void *config)
{
	void	   *target = option_target(option, config);
	int64_t		number;
	const char *rest;

	switch (option->type)
	{
		case OPTION_TEXT:
			*(const char **) target = text;
			return true;
		case OPTION_INTEGER:
			if (!parse_integer(text, &number, &rest) || *rest != '\0' ||
				!within_bounds(option, number))
				return false;
			*(int64_t *) target = number;
			return true;
		case OPTION_DURATION:
			if (!parse_duration(text, &number) || !within_bounds(option, number))
				return false;
			*(int64_t *) target = number;
			return true;
		case OPTION_FLAG:
			return parse_flag(text, target);
		case OPTION_CHOICE:
			return parse_choice(option, text, target);
		case OPTION_PROPERTIES:
			return parse_property(target, text);
	}
	return false;
}

/* Store text, which came from the named source, or complain. */
static bool
take_value(const OptionsProgram *program, const OptionSpec *option, const char *text,
		   const char *source, void *config)
{
	char allowed[256];

	if (set_value(option, text, config))
		return true;
	options_allowed(option, allowed, sizeof(allowed));
	options_error(program, option->name, "\"%s\"%s%s is not allowed; %s", text,
				  source != NULL ? " in the environment variable " : "",
				  source != NULL ? source : "", allowed);
	return false;
}

/* ---- the environment ---- */

/* SSL_CA_LOCATION is ssl.ca.location; two underscores are one in the property's name. */
static char *
property_name(const char *variable, size_t length)
{
	char  *name = malloc(length + 1);
	size_t used = 0;

	if (name == NULL)
		return NULL;
	for (size_t i = 0; i < length; i++)
	{
		if (variable[i] != '_')
			name[used++] = (char) tolower((unsigned char) variable[i]);
		else if (i + 1 < length && variable[i + 1] == '_')
		{
			name[used++] = '_';
			i++;
		}
		else
			name[used++] = '.';
	}
	name[used] = '\0';
	return name;
}

static bool
take_properties(const OptionsProgram *program, const OptionSpec *option, void *config)
{
	size_t prefix = strlen(option->environment);

	for (char **variable = environ; *variable != NULL; variable++)
	{
		const char *equals = strchr(*variable, '=');

		if (equals == NULL || strncmp(*variable, option->environment, prefix) != 0 ||
			equals == *variable + prefix)
			continue;
		if (!add_property(option_target(option, config),
						  property_name(*variable + prefix, (size_t) (equals - *variable) - prefix),
						  equals + 1))
		{
			options_error(program, option->name, "out of memory");
			return false;
		}
	}
	return true;
}

static bool
take_environment(const OptionsProgram *program, const OptionSpec *option, void *config, bool *given)
{
	const char *value;

	if (option->environment == NULL)
		return true;
	if (option->type == OPTION_PROPERTIES)
		return take_properties(program, option, config);
	value = getenv(option->environment);
	if (value == NULL || *value == '\0')
		return true;
	*given = true;
	return take_value(program, option, value, option->environment, config);
}

/* ---- the arguments ---- */

/* getopt_long's view of the table: long_options has room for count + 3, letters for 2 * count + 2. */
static void
make_getopt_tables(const OptionsProgram *program, struct option *long_options, char *letters)
{
	int n = 0;

	*letters++ = ':'; /* a missing value answers ':' */
	for (; n < program->count; n++)
	{
		const OptionSpec *option = &program->options[n];

		long_options[n] = (struct option) {
			.name = option->name,
			.has_arg = option->type == OPTION_FLAG ? no_argument : required_argument,
			.val = GETOPT_FIRST + n,
		};
		if (option->letter == 0)
			continue;
		*letters++ = option->letter;
		if (option->type != OPTION_FLAG)
			*letters++ = ':';
	}
	*letters = '\0';
	long_options[n++] = (struct option) {"help", optional_argument, NULL, GETOPT_HELP};
	long_options[n++] = (struct option) {"version", no_argument, NULL, GETOPT_VERSION};
	long_options[n] = (struct option) {NULL, 0, NULL, 0};
}

static OptionsResult
print_help(const OptionsProgram *program, const char *format)
{
	if (format == NULL)
		options_print_help(program, stdout);
	else if (strcmp(format, "markdown") == 0)
		options_print_markdown(program, stdout);
	else
	{
		options_error(program, "help", "\"%s\" is not allowed; allowed is markdown", format);
		return OPTIONS_INVALID;
	}
	return OPTIONS_PRINTED;
}

/* The table's entry for what getopt_long answered. */
static int
option_index(const OptionsProgram *program, int answer)
{
	if (answer >= GETOPT_FIRST)
		return answer - GETOPT_FIRST;
	for (int i = 0; i < program->count; i++)
		if (program->options[i].letter == answer)
			return i;
	return -1;
}

/* Fill texts with the arguments as they were given, the last one of each option; properties are stored. */
static OptionsResult
read_arguments(const OptionsProgram *program, int argc, char **argv, void *config,
			   struct option *long_options, char *letters, const char **texts)
{
	int answer;

	optind = 0; /* start afresh, glibc's way */
	opterr = 0;
	make_getopt_tables(program, long_options, letters);
	while ((answer = getopt_long(argc, argv, letters, long_options, NULL)) != -1)
	{
		const OptionSpec *option;
		int				  index;

		if (answer == GETOPT_HELP)
			return print_help(program, optarg);
		if (answer == GETOPT_VERSION)
		{
			printf("%s %s\n", program->name, program->version);
			return OPTIONS_PRINTED;
		}
		if (answer == ':' || answer == '?')
		{
			options_error(program, NULL, "%s %s", argv[optind - 1],
						  answer == ':' ? "needs a value" : "is not an option, or not a whole one");
			return OPTIONS_INVALID;
		}
		index = option_index(program, answer);
		option = &program->options[index];
		if (option->type != OPTION_PROPERTIES)
			texts[index] = option->type == OPTION_FLAG ? "true" : optarg;
		else if (!take_value(program, option, optarg, NULL, config))
			return OPTIONS_INVALID;
	}
	if (optind < argc)
	{
		options_error(program, NULL, "\"%s\" is not an option", argv[optind]);
		return OPTIONS_INVALID;
	}
	return OPTIONS_RUN;
}

/* Flag, then environment, then default. */
static bool
settle_option(const OptionsProgram *program, const OptionSpec *option, const char *text,
			  void *config)
{
	bool given = false;

	if (option->type == OPTION_PROPERTIES)
		return true;
	if (text != NULL && !(option->type == OPTION_TEXT && *text == '\0'))
		return take_value(program, option, text, NULL, config);
	if (!take_environment(program, option, config, &given))
		return false;
	if (given)
		return true;
	if (option->initial != NULL)
		return take_value(program, option, option->initial, NULL, config);
	if (!option->required)
		return true;
	options_error(program, option->name, "a value is required%s%s",
				  option->environment != NULL ? ", or the environment variable " : "",
				  option->environment != NULL ? option->environment : "");
	return false;
}

static void
clear_config(const OptionsProgram *program, void *config)
{
	for (int i = 0; i < program->count; i++)
	{
		void *target = option_target(&program->options[i], config);

		switch (program->options[i].type)
		{
			case OPTION_TEXT:
				*(const char **) target = NULL;
				break;
			case OPTION_INTEGER:
			case OPTION_DURATION:
				*(int64_t *) target = 0;
				break;
			case OPTION_FLAG:
				*(bool *) target = false;
				break;
			case OPTION_CHOICE:
				*(int *) target = 0;
				break;
			case OPTION_PROPERTIES:
				*(OptionProperties *) target = (OptionProperties) {0};
				break;
		}
	}
}

OptionsResult
options_parse(const OptionsProgram *program, int argc, char **argv, void *config)
{
	size_t		   count = (size_t) program->count;
	struct option *long_options = calloc(count + 3, sizeof(*long_options));
	char		  *letters = calloc(2 * count + 2, 1);
	const char	 **texts = calloc(count + 1, sizeof(*texts));
	OptionsResult  result = OPTIONS_INVALID;
	bool		   ignored;

	clear_config(program, config);
	if (long_options == NULL || letters == NULL || texts == NULL)
	{
		options_error(program, NULL, "out of memory");
		goto done;
	}

	/* properties of the environment come first, so that a later one wins */
	for (int i = 0; i < program->count; i++)
		if (program->options[i].type == OPTION_PROPERTIES &&
			!take_environment(program, &program->options[i], config, &ignored))
			goto done;

	result = read_arguments(program, argc, argv, config, long_options, letters, texts);
	for (int i = 0; i < program->count && result == OPTIONS_RUN; i++)
		if (!settle_option(program, &program->options[i], texts[i], config))
			result = OPTIONS_INVALID;

done:
	if (result != OPTIONS_RUN)
		options_release(program, config);
	free(texts);
	free(letters);
	free(long_options);
	return result;
}

int
options_exit_status(OptionsResult result)
{
	return result == OPTIONS_PRINTED ? DAEMON_EXIT_OK : DAEMON_EXIT_CONFIGURATION;
}

void
options_release(const OptionsProgram *program, void *config)
{
	for (int i = 0; i < program->count; i++)
	{
		OptionProperties *properties = option_target(&program->options[i], config);

		if (program->options[i].type != OPTION_PROPERTIES)
			continue;
		for (int j = 0; j < properties->count; j++)
			free(properties->items[j].name);
		free(properties->items);
		*properties = (OptionProperties) {0};
	}
}
