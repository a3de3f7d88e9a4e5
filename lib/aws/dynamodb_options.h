/*
 * dynamodb_options.h
 *	  The options that say which table of DynamoDB a program works with.
 *
 *	typedef struct Config
 *	{
 *		DynamoDbOptions dynamodb;
 *		...
 *	} Config;
 *
 *	static const OptionSpec options[] = {
 *		DYNAMODB_OPTIONS(Config, dynamodb),
 *		...
 *	};
 */
#ifndef AWS_DYNAMODB_OPTIONS_H
#define AWS_DYNAMODB_OPTIONS_H

#include <stdbool.h>

#include "daemon/options.h"

typedef struct DynamoDbOptions
{
	const char *table;
	const char *endpoint; /* NULL: AWS's for the region */
	const char *region;
} DynamoDbOptions;

#define DYNAMODB_OPTIONS(Config, member)                                                     \
	{.name = "ddb-table",                                                                    \
	 .environment = "DDB_TABLE",                                                             \
	 .metavar = "NAME",                                                                      \
	 .type = OPTION_TEXT,                                                                    \
	 .initial = "recently_interacted",                                                       \
	 .help = "DynamoDB table, with the keys pk (S) and sk (N)",                              \
	 .offset = offsetof(Config, member.table)},                                              \
		{.name = "ddb-endpoint",                                                             \
		 .environment = "DDB_ENDPOINT",                                                      \
		 .metavar = "URL",                                                                   \
		 .type = OPTION_TEXT,                                                                \
		 .help = "where DynamoDB is, http or https, if not at AWS's endpoint of the region", \
		 .offset = offsetof(Config, member.endpoint)},                                       \
	{                                                                                        \
		.name = "aws-region", .environment = "AWS_REGION", .metavar = "REGION",              \
		.type = OPTION_TEXT, .initial = "us-east-1", .help = "AWS region of the table",      \
		.offset = offsetof(Config, member.region)                                            \
	}

/* Are they well-formed, and the credentials in the environment, if any, complete?  Else options_error has said so. */
extern bool dynamodb_options_check(const OptionsProgram *program, const DynamoDbOptions *options);

#endif /* AWS_DYNAMODB_OPTIONS_H */
