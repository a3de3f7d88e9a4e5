/*
 * config.h
 *	  The options of topk-ddb-sync.
 */
#ifndef DDB_SYNC_CONFIG_H
#define DDB_SYNC_CONFIG_H

#include "aws/dynamodb_options.h"
#include "daemon/common_options.h"

#define PROGRAM_NAME "topk-ddb-sync"

typedef struct Config
{
	CommonOptions	common;
	DynamoDbOptions dynamodb;
	const char	   *pipeline;
	int64_t			interval_ms;
	int64_t			expire_interval_ms; /* 0: never */
	int64_t			concurrency;
	bool			once;
	bool			take_over; /* with once or verify */
	bool			dry_run;
	bool			verify;
	bool			import;
	bool			create_table;
} Config;

/*
 * Read and check everything that can be checked without a connection.
 * Problems have been written to standard error.
 */
extern OptionsResult config_read(int argc, char **argv, Config *config);

#endif /* DDB_SYNC_CONFIG_H */
