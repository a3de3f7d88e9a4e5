/*
 * store_dynamodb.h
 *	  Windows from the rows that topk-ddb-sync, or Murmur, wrote to DynamoDB.
 *
 * The credentials need dynamodb:Query and dynamodb:BatchGetItem on the table, nothing else.
 */
#ifndef QUERY_STORE_DYNAMODB_H
#define QUERY_STORE_DYNAMODB_H

#include "aws/dynamodb.h"
#include "daemon/metrics.h"
#include "store.h"

/* settings and log must outlive it.  NULL, logged, without memory. */
extern Store *store_dynamodb_open(const DynamoDbSettings *settings, const Shape *shape,
								  const Log *log, Metrics *metrics);

#endif /* QUERY_STORE_DYNAMODB_H */
