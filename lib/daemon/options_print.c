/*
 * options_print.c
 *	  --help and --help=markdown; must not read arguments or the environment.
 */
#include "daemon/options_print.h"

#include <inttypes.h>
#include <string.h>

#define HELP_COLUMN 30
#define HELP_WIDTH 100

static bool
option_bounded(const OptionSpec *option)
{
	return option->minimum != 0 || option->maximum != 0;
}

/* In the largest unit that divides it, as parse_duration reads it. */
static void
format_duration(int64_t milliseconds, char *buffer, size_t size)
{
	if (milliseconds == 0)
		snprintf(buffer, size, "0");
	else if (milliseconds % (24 * 3600 * 1000) == 0)
		snprintf(buffer, size, "%" PRId64 "d", milliseconds / (24 * 3600 * 1000));
	else if (milliseconds % (3600 * 1000) == 0)
		snprintf(buffer, size, "%" PRId64 "h", milliseconds / (3600 * 1000));
	else if (milliseconds % (60 * 1000) == 0)
		snprintf(buffer, size, "%" PRId64 "min", milliseconds / (60 * 1000));
	else if (milliseconds % 1000 == 0)
		snprintf(buffer, size, "%" PRId64 "s", milliseconds / 1000);
	else
		snprintf(buffer, size, "%" PRId64 "ms", milliseconds);
}

static void
format_choices(const OptionSpec *option, char *buffer, size_t size)
{
	FILE *out = fmemopen(buffer, size, "w");

	buffer[0] = '\0';
	if (out == NULL)
		return;
	for (int i = 0; option->choices[i] != NULL; i++)
		fprintf(out, "%s%s", i > 0 ? ", " : "", option->choices[i]);
	fclose(out);
	buffer[size - 1] = '\0';
}

void
options_allowed(const OptionSpec *option, char *buffer, size_t size)
{
	char low[32];
	char high[32];
	char choices[160];

	switch (option->type)
	{
		case OPTION_INTEGER:
			if (option_bounded(option))
				snprintf(buffer, size, "allowed are %" PRId64 " to %" PRId64, option->minimum,
						 option->maximum);
			else
				snprintf(buffer, size, "allowed are whole numbers from 0");
			break;
		case OPTION_DURATION:
			format_duration(option->minimum, low, sizeof(low));
			format_duration(option->maximum, high, sizeof(high));
			if (option_bounded(option))
				snprintf(buffer, size, "allowed are %s to %s, with a unit of ms, s, min, h or d",
						 low, high);
			else
				snprintf(buffer, size,
						 "allowed are whole numbers with a unit of ms, s, min, h or d");
			break;
		case OPTION_FLAG:
			snprintf(buffer, size, "allowed are on and off");
			break;
		case OPTION_CHOICE:
			format_choices(option, choices, sizeof(choices));
			snprintf(buffer, size, "allowed are %s", choices);
			break;
		case OPTION_PROPERTIES:
			snprintf(buffer, size, "allowed is NAME=VALUE");
			break;
		case OPTION_TEXT:
			snprintf(buffer, size, "any text is allowed");
			break;
	}
}

/* "-X, --name=METAVAR" */
static void
format_usage(const OptionSpec *option, char *buffer, size_t size)
{
	char letter[8] = "";

	if (option->letter != 0)
		snprintf(letter, sizeof(letter), "-%c, ", option->letter);
	if (option->type == OPTION_FLAG)
		snprintf(buffer, size, "%s--%s", letter, option->name);
	else
		snprintf(buffer, size, "%s--%s=%s", letter, option->name, option->metavar);
}

/* "KAFKA_BROKERS", "KAFKA_CONF_..." or "" */
static void
format_environment(const OptionSpec *option, char *buffer, size_t size)
{
	snprintf(buffer, size, "%s%s", option->environment != NULL ? option->environment : "",
			 option->environment != NULL && option->type == OPTION_PROPERTIES ? "..." : "");
}

/* What the option is for, with the choices if it has some. */
static void
format_meaning(const OptionSpec *option, char *buffer, size_t size)
{
	char choices[160] = "";

	if (option->type == OPTION_CHOICE)
		format_choices(option, choices, sizeof(choices));
	snprintf(buffer, size, "%s%s%s", option->help, choices[0] != '\0' ? ": " : "", choices);
}

/* Words of text from column on, broken at HELP_WIDTH. */
static void
print_wrapped(FILE *file, const char *text)
{
	int used = HELP_COLUMN;

	while (*text != '\0')
	{
		int length = (int) strcspn(text, " ");

		if (used > HELP_COLUMN && used + 1 + length > HELP_WIDTH)
		{
			fprintf(file, "\n%*s", HELP_COLUMN, "");
			used = HELP_COLUMN;
		}
		used += fprintf(file, "%s%.*s", used > HELP_COLUMN ? " " : "", length, text);
		text += length;
		text += strspn(text, " ");
	}
	fprintf(file, "\n");
}

static void
print_option(const OptionSpec *option, FILE *file)
{
	char usage[128];
	char environment[96];
	char meaning[1024];
	char text[2048];

	format_usage(option, usage, sizeof(usage));
	format_environment(option, environment, sizeof(environment));
	format_meaning(option, meaning, sizeof(meaning));
	snprintf(text, sizeof(text), "%s%s%s%s%s%s%s%s", meaning, environment[0] != '\0' ? " [" : "",
			 environment, environment[0] != '\0' ? "]" : "",
			 option->initial != NULL ? " (default: " : "",
			 option->initial != NULL ? option->initial : "", option->initial != NULL ? ")" : "",
			 option->required ? " (required)" : "");

	if (fprintf(file, "  %s", usage) >= HELP_COLUMN)
		fprintf(file, "\n%*s", HELP_COLUMN, "");
	else
		fprintf(file, "%*s", HELP_COLUMN - 2 - (int) strlen(usage), "");
	print_wrapped(file, text);
}

void
options_print_help(const OptionsProgram *program, FILE *file)
{
	fprintf(file, "%s %s: %s\n\nUsage:\n  %s [OPTION]...\n\nOptions [environment variable]:\n",
			program->name, program->version, program->purpose, program->name);
	for (int i = 0; i < program->count; i++)
		print_option(&program->options[i], file);
	fprintf(file, "  %-*s%s\n", HELP_COLUMN - 2, "--help[=markdown]",
			"print this, or the options as a Markdown table");
	fprintf(file, "  %-*s%s\n", HELP_COLUMN - 2, "--version", "print the version");
	if (program->epilogue != NULL)
		fprintf(file, "\n%s\n", program->epilogue);
}

static void
print_cell(FILE *file, const char *text, bool code)
{
	if (*text == '\0')
	{
		fprintf(file, " |");
		return;
	}
	fprintf(file, code ? " `" : " ");
	for (; *text != '\0'; text++)
		fprintf(file, *text == '|' ? "\\%c" : "%c", *text);
	fprintf(file, code ? "` |" : " |");
}

void
options_print_markdown(const OptionsProgram *program, FILE *file)
{
	fprintf(file, "| option | environment | default | meaning |\n|---|---|---|---|\n");
	for (int i = 0; i < program->count; i++)
	{
		const OptionSpec *option = &program->options[i];
		char			  usage[128];
		char			  environment[96];
		char			  meaning[1024];

		format_usage(option, usage, sizeof(usage));
		format_environment(option, environment, sizeof(environment));
		format_meaning(option, meaning, sizeof(meaning));
		fprintf(file, "|");
		print_cell(file, usage, true);
		print_cell(file, environment, true);
		print_cell(file,
				   option->required			 ? "required"
				   : option->initial != NULL ? option->initial
											 : "",
				   !option->required);
		print_cell(file, meaning, false);
		fprintf(file, "\n");
	}
}
