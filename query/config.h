/*
 * config.h
 *	  What topk-query was told by its options and environment.
 */
#ifndef QUERY_CONFIG_H
#define QUERY_CONFIG_H

#include "aws/dynamodb_options.h"
#include "daemon/common_options.h"

#define PROGRAM_NAME "topk-query"

typedef enum StoreKind
{
	STORE_KIND_DYNAMODB,
	STORE_KIND_POSTGRES
} StoreKind;

typedef struct Config
{
	CommonOptions common;

	/* who may ask, and how much */
	const char *listen;
	const char *certificate; /* NULL: no TLS */
	const char *key;
	const char *token_file; /* NULL: no token is asked for */
	const char *origins;	/* NULL: none */
	int64_t		connections_max;
	int64_t		streams_max;
	int64_t		live_max;
	int64_t		entities_max;
	int64_t		body_max;
	int64_t		timeout_ms;

	/* where answers come from */
	int				store; /* StoreKind */
	DynamoDbOptions dynamodb;
	int64_t			concurrency; /* requests to the store at once */
	const char	   *pipeline;	 /* of PostgreSQL */
	int64_t			k;
	int64_t			window_ms;
	int64_t			retention_ms;
	int64_t			cache_ttl_ms;
	int64_t			cache_bytes;
	int64_t			live_interval_ms;
	const char	   *metrics_urls; /* of the daemons, for /v1/status; NULL: none */
} Config;

/*
 * Read and check everything that can be checked without a connection.
 * Problems have been written to standard error.
 */
extern OptionsResult config_read(int argc, char **argv, Config *config);

#endif /* QUERY_CONFIG_H */
