/*
 * properties.h
 *	  The properties that librdkafka's clients are made with: our defaults, what
 *	  the user sets, and what nobody may set.
 *
 * Must not know what the clients do.
 */
#ifndef KAFKA_PROPERTIES_H
#define KAFKA_PROPERTIES_H

#include <stdbool.h>
#include <stddef.h>

#include <librdkafka/rdkafka.h>

#include "config.h"

typedef enum PropertiesClient
{
	PROPERTIES_CONSUMER = 1,
	PROPERTIES_PRODUCER = 2 /* of dead letters */
} PropertiesClient;

/*
 * For rd_kafka_new, which takes it over.  NULL when a property is refused; problem
 * then says why.  The user's properties are for both clients: librdkafka passes
 * over those that are not for the one it makes.
 */
extern rd_kafka_conf_t *properties_conf(const FeederConfig *config, PropertiesClient client,
										char *problem, size_t problem_size);

/* Can clients be made with them?  Else problem says what is wrong.  Connects nowhere. */
extern bool properties_check(const FeederConfig *config, char *problem, size_t problem_size);

#endif /* KAFKA_PROPERTIES_H */
