/*
 * daemon_options_test.c
 *	  options.h: precedence, types, bounds, errors, help.
 */
#include "daemon/options.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/common_options.h"
#include "tap.h"

typedef struct Config
{
	CommonOptions	 common;
	const char		*table;
	int64_t			 k;
	int64_t			 interval;
	bool			 once;
	int				 start;
	OptionProperties properties;
	const char		*pipeline;
} Config;

static const char *const starts[] = {"earliest", "latest", NULL};

static const OptionSpec table[] = {
	COMMON_OPTIONS(Config, common, "127.0.0.1:9188"),
	{.name = "table",
	 .environment = "T_TABLE",
	 .metavar = "NAME",
	 .type = OPTION_TEXT,
	 .initial = "recent",
	 .help = "the table",
	 .offset = offsetof(Config, table)},
	{.name = "k",
	 .environment = "T_K",
	 .metavar = "N",
	 .type = OPTION_INTEGER,
	 .initial = "32",
	 .help = "items",
	 .offset = offsetof(Config, k),
	 .minimum = 1,
	 .maximum = 1000},
	{.name = "interval",
	 .environment = "T_INTERVAL",
	 .metavar = "TIME",
	 .type = OPTION_DURATION,
	 .initial = "1s",
	 .help = "how often",
	 .offset = offsetof(Config, interval),
	 .minimum = 10,
	 .maximum = 3600000},
	{.name = "once",
	 .environment = "T_ONCE",
	 .type = OPTION_FLAG,
	 .help = "a | b",
	 .offset = offsetof(Config, once)},
	{.name = "start",
	 .environment = "T_START",
	 .metavar = "WHERE",
	 .type = OPTION_CHOICE,
	 .initial = "latest",
	 .help = "where to start",
	 .offset = offsetof(Config, start),
	 .choices = starts},
	{.name = "property",
	 .letter = 'X',
	 .environment = "T_CONF_",
	 .metavar = "NAME=VALUE",
	 .type = OPTION_PROPERTIES,
	 .help = "pass through",
	 .offset = offsetof(Config, properties)},
	{.name = "pipeline",
	 .environment = "T_PIPELINE",
	 .metavar = "NAME",
	 .type = OPTION_TEXT,
	 .help = "which",
	 .offset = offsetof(Config, pipeline),
	 .required = true},
};

static const OptionsProgram program = {
	.name = "t",
	.version = "1",
	.purpose = "tests",
	.options = table,
	.count = sizeof(table) / sizeof(table[0]),
};

/* Everything that text wrote to one of our streams, while run ran. */
typedef struct Captured
{
	OptionsResult result;
	char		  text[16384];
} Captured;

static OptionsResult
parse(Config *config, char **arguments)
{
	char *argv[16] = {"t"};
	int	  argc = 1;

	while (arguments[argc - 1] != NULL)
	{
		argv[argc] = arguments[argc - 1];
		argc++;
	}
	argv[argc] = NULL;
	return options_parse(&program, argc, argv, config);
}

#define PARSE(config, ...) parse((config), (char *[]) {__VA_ARGS__ __VA_OPT__(, ) NULL})

/* Parse with stdout (1) or stderr (2) caught. */
static Captured
capture(int stream, char **arguments)
{
	Captured captured = {0};
	Config	 config;
	int		 saved;
	int		 pipes[2];
	ssize_t	 length;

	fflush(NULL);
	saved = dup(stream);
	if (pipe(pipes) != 0)
		abort();
	dup2(pipes[1], stream);
	close(pipes[1]);
	captured.result = parse(&config, arguments);
	fflush(NULL);
	dup2(saved, stream);
	close(saved);
	length = read(pipes[0], captured.text, sizeof(captured.text) - 1);
	captured.text[length > 0 ? length : 0] = '\0';
	close(pipes[0]);
	if (captured.result == OPTIONS_RUN)
		options_release(&program, &config);
	return captured;
}

static void
test_precedence(void)
{
	Config config;

	ok(PARSE(&config, "--pipeline=p") == OPTIONS_RUN, "defaults are accepted");
	ok(strcmp(config.table, "recent") == 0 && config.k == 32 && config.interval == 1000 &&
		   !config.once && config.start == 1 && config.common.dsn == NULL &&
		   config.common.log_level == LOG_LEVEL_INFO,
	   "without flag and variable, the default");

	setenv("T_TABLE", "env", 1);
	setenv("T_K", "64", 1);
	setenv("T_ONCE", "on", 1);
	setenv("T_START", "earliest", 1);
	setenv("T_PIPELINE", "q", 1);
	ok(PARSE(&config) == OPTIONS_RUN, "environment is accepted, a required option from it too");
	ok(strcmp(config.table, "env") == 0 && config.k == 64 && config.once && config.start == 0 &&
		   strcmp(config.pipeline, "q") == 0,
	   "the environment beats the default");

	ok(PARSE(&config, "--table", "flag", "--k=7", "--interval=250ms") == OPTIONS_RUN,
	   "flags are accepted");
	ok(strcmp(config.table, "flag") == 0 && config.k == 7 && config.interval == 250,
	   "the flag beats the environment");

	setenv("T_K", "nonsense", 1);
	ok(PARSE(&config, "--k=7") == OPTIONS_RUN && config.k == 7,
	   "a variable that a flag beats is not looked at");
	setenv("T_K", "", 1);
	setenv("T_TABLE", "", 1);
	ok(PARSE(&config) == OPTIONS_RUN && config.k == 32 && strcmp(config.table, "recent") == 0,
	   "an empty variable counts as not set");
	ok(PARSE(&config, "--table=") == OPTIONS_RUN && strcmp(config.table, "recent") == 0,
	   "an empty text counts as not given");
	unsetenv("T_TABLE");
	unsetenv("T_K");
	unsetenv("T_ONCE");
	unsetenv("T_START");
}

static void
test_durations(void)
{
	static const struct
	{
		char   *text;
		int64_t milliseconds;
	} good[] = {{"--interval=10ms", 10},
				{"--interval=2s", 2000},
				{"--interval=5min", 300000},
				{"--interval=1h", 3600000}};
	static char *bad[] = {"--interval=1",
						  "--interval=s",
						  "--interval=1 s",
						  "--interval=1S",
						  "--interval=-1s",
						  "--interval=1m",
						  "--interval=9223372036854775807d",
						  "--interval=99999999999999999999s",
						  "--interval=0",
						  "--interval=2h"};
	Config		 config;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ok(PARSE(&config, good[i].text) == OPTIONS_RUN && config.interval == good[i].milliseconds,
		   "%s is %lld ms", good[i].text, (long long) good[i].milliseconds);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(capture(2, (char *[]) {bad[i], NULL}).result == OPTIONS_INVALID, "%s is refused",
		   bad[i]);
}

static void
test_properties(void)
{
	Config config;

	setenv("T_CONF_SSL_CA_LOCATION", "/ca", 1);
	setenv("T_CONF_A__B", "c=d", 1);
	ok(PARSE(&config, "-X", "a=b=c", "-Xlinger.ms=5", "--property=e=") == OPTIONS_RUN,
	   "properties are accepted");
	ok(config.properties.count == 5, "all five are there");
	ok(strcmp(config.properties.items[2].name, "a") == 0 &&
		   strcmp(config.properties.items[2].value, "b=c") == 0 &&
		   strcmp(config.properties.items[3].name, "linger.ms") == 0 &&
		   strcmp(config.properties.items[4].value, "") == 0,
	   "those of the arguments come last, in order, and may hold = or nothing");
	for (int i = 0; i < 2; i++)
	{
		const OptionProperty *property = &config.properties.items[i];

		ok((strcmp(property->name, "ssl.ca.location") == 0 &&
			strcmp(property->value, "/ca") == 0) ||
			   (strcmp(property->name, "a_b") == 0 && strcmp(property->value, "c=d") == 0),
		   "the variable for %s has its name and value", property->name);
	}
	options_release(&program, &config);
	ok(config.properties.count == 0, "and are released");
	unsetenv("T_CONF_SSL_CA_LOCATION");
	unsetenv("T_CONF_A__B");
	ok(capture(2, (char *[]) {"-Xfine=1", "-Xnoequals", NULL}).result == OPTIONS_INVALID,
	   "a property without = is refused");
}

static void
test_errors(void)
{
	static const struct
	{
		char	   *arguments[3];
		const char *said[3];
	} cases[] = {
		{{"--k=0"}, {"--k", "\"0\"", "1 to 1000"}},
		{{"--k=7x"}, {"--k", "\"7x\"", "1 to 1000"}},
		{{"--start=middle"}, {"--start", "\"middle\"", "earliest, latest"}},
		{{"--interval=1"}, {"--interval", "\"1\"", "10ms to 1h"}},
		{{"--nonsense"}, {"--nonsense", "not an option", "--help"}},
		{{"-Z"}, {"-Z", "not an option", "--help"}},
		{{"--table"}, {"--table", "needs a value", "--help"}},
		{{"word"}, {"\"word\"", "not an option", "--help"}},
		{{"--help=xml"}, {"--help", "\"xml\"", "markdown"}},
	};
	Captured captured;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		captured = capture(2, (char **) cases[i].arguments);
		ok(captured.result == OPTIONS_INVALID, "%s is refused", cases[i].arguments[0]);
		ok(strstr(captured.text, cases[i].said[0]) != NULL &&
			   strstr(captured.text, cases[i].said[1]) != NULL &&
			   strstr(captured.text, cases[i].said[2]) != NULL,
		   "and it says which, what, and what is allowed: %.*s", (int) strcspn(captured.text, "\n"),
		   captured.text);
	}

	setenv("T_K", "1001", 1);
	captured = capture(2, (char *[]) {NULL});
	ok(captured.result == OPTIONS_INVALID && strstr(captured.text, "T_K") != NULL,
	   "a bad variable is named");
	unsetenv("T_K");

	unsetenv("T_PIPELINE");
	captured = capture(2, (char *[]) {NULL});
	ok(captured.result == OPTIONS_INVALID && strstr(captured.text, "--pipeline") != NULL &&
		   strstr(captured.text, "T_PIPELINE") != NULL,
	   "a missing required option is named, with its variable");
}

static void
test_help(void)
{
	Captured captured = capture(1, (char *[]) {"--help", NULL});

	ok(captured.result == OPTIONS_PRINTED, "--help needs nothing else");
	for (int i = 0; i < program.count; i++)
		ok(strstr(captured.text, table[i].name) != NULL &&
			   strstr(captured.text, table[i].environment) != NULL,
		   "--help shows --%s and its variable", table[i].name);
	captured = capture(1, (char *[]) {"--help=markdown", NULL});
	ok(captured.result == OPTIONS_PRINTED &&
		   strstr(captured.text, "| `--table=NAME` | `T_TABLE` | `recent` | the table |\n") != NULL,
	   "--help=markdown is a table");
	ok(strstr(captured.text, "a \\| b") != NULL, "with | escaped");
	captured = capture(1, (char *[]) {"--version", NULL});
	ok(captured.result == OPTIONS_PRINTED && strcmp(captured.text, "t 1\n") == 0, "--version");
}

int
main(void)
{
	test_precedence();
	test_durations();
	test_properties();
	test_errors();
	test_help();
	return done_testing();
}
