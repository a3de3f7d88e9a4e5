/*
 * options_print.h
 *	  An option table for people: --help and the tables under docs/.  Private to options.c.
 */
#ifndef DAEMON_OPTIONS_PRINT_H
#define DAEMON_OPTIONS_PRINT_H

#include <stdio.h>

#include "daemon/options.h"

/* What a value must be, as the end of a sentence: "allowed are 1 to 1000". */
extern void options_allowed(const OptionSpec *option, char *buffer, size_t size);

/* Usage, the options with their environment variables and defaults, and the epilogue. */
extern void options_print_help(const OptionsProgram *program, FILE *file);

/* A Markdown table; "|" in texts is escaped. */
extern void options_print_markdown(const OptionsProgram *program, FILE *file);

#endif /* DAEMON_OPTIONS_PRINT_H */
