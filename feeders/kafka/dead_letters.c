/*
 * dead_letters.c
 *	  Rejected records to the dead-letter topic, each at least once.
 *
 * Must not know why a record was rejected, nor the batches.
 *
 * A round: get some from PostgreSQL, send them, await the broker's word on each,
 * report them as sent; until there are none.  Whatever goes wrong, the round
 * begins anew.
 */
#include "dead_letters.h"

#include <stdio.h>
#include <stdlib.h>

#include "client.h"
#include "daemon/backoff.h"
#include "daemon/clock.h"

/* As for the topic that is read. */
#define TOPIC_GRACE_MS 30000
#define CHECK_INTERVAL_MS 2000
#define CHECK_TIMEOUT_MS 200

typedef enum LettersState
{
	LETTERS_UNCHECKED, /* nobody knows whether the topic exists */
	LETTERS_NONE,
	LETTERS_SENDING, /* the broker has not answered for all of them */
	LETTERS_SENT	 /* PostgreSQL is to be told */
} LettersState;

struct DeadLetters
{
	const FeederConfig *config;
	const Log		   *log;
	Gauges			   *gauges;
	Client				client;
	rd_kafka_topic_t   *topic;
	DaemonStatus		health;
	int64_t				topic_missing_since; /* 0: it is not missing */

	int32_t *shards; /* whose letters are ours */
	int		 shard_count;
	bool	 due; /* there may be some in PostgreSQL */

	LettersState state;
	PGresult	*letters; /* of this round */
	int			 outstanding;
	int			 refused;
	int			 failed;
	char		 problem[256];
	Backoff		 backoff;
	int64_t		 retry_at; /* nothing is begun before */
};

/* ---- what the broker says ---- */

static void
letters_topic_missing(DeadLetters *letters)
{
	log_error(letters->log, "dead-letter topic does not exist",
			  LOG_TEXT("topic", letters->config->dlq_topic),
			  LOG_TEXT("hint", "create it, or name another (--dlq-topic, DLQ_TOPIC)"));
	letters->health = DAEMON_FATAL;
}

static void
letters_topic_forbidden(DeadLetters *letters, const char *error)
{
	log_error(letters->log, "Kafka refused access to the dead-letter topic",
			  LOG_TEXT("topic", letters->config->dlq_topic), LOG_TEXT("error", error),
			  LOG_TEXT("hint", "grant WRITE and DESCRIBE on it"));
	letters->health = DAEMON_FATAL;
}

/* The broker will not take this one, ever.  It stays where it is, and holds up no other. */
static void
letters_refused(DeadLetters *letters, int row, const char *error)
{
	StoreLetter letter = store_letter(letters->letters, row);

	letters->refused++;
	log_warning(letters->log, "dead letter refused by the broker, kept in PostgreSQL alone",
				LOG_TEXT("partition", letter.shard), LOG_TEXT("offset", letter.position),
				LOG_TEXT("error", error),
				LOG_TEXT("hint", "raise max.message.bytes of the dead-letter topic above that of "
								 "the topic that is read: headers are added"));
}

static void
letters_outcome(DeadLetters *letters, int row, rd_kafka_resp_err_t error)
{
	const char *text = rd_kafka_err2str(error);

	switch (error)
	{
		case RD_KAFKA_RESP_ERR_NO_ERROR:
			break;
		case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
		case RD_KAFKA_RESP_ERR_INVALID_RECORD:
		case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
			letters_refused(letters, row, text);
			break;
		case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
			if (letters->health != DAEMON_FATAL)
				letters_topic_forbidden(letters, text);
			break;
		case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
		case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
			if (letters->health != DAEMON_FATAL)
				letters_topic_missing(letters);
			break;
		default:
			letters->failed++;
			snprintf(letters->problem, sizeof(letters->problem), "%s", text);
			break;
	}
}

/* ---- callbacks: called by dead_letters_poll ---- */

static DeadLetters *
letters_of(void *opaque)
{
	return ((Client *) opaque)->owner;
}

static void
on_delivery(rd_kafka_t *kafka, const rd_kafka_message_t *message, void *opaque)
{
	DeadLetters *letters = letters_of(opaque);

	(void) kafka;
	letters->outstanding--;
	letters_outcome(letters, (int) (intptr_t) message->_private, message->err);
}

/* The consumer meets the same brokers, and says what is wrong with them. */
static void
on_error(rd_kafka_t *kafka, int error, const char *reason, void *opaque)
{
	const DeadLetters *letters = letters_of(opaque);

	(void) kafka;
	log_debug(letters->log, "Kafka producer", LOG_INTEGER("code", error),
			  LOG_TEXT("error", reason));
}

/* ---- opening and closing ---- */

static DaemonStatus
letters_create(DeadLetters *letters)
{
	static const ClientCallbacks callbacks = {.error = on_error, .delivery = on_delivery};

	if (client_open(&letters->client, PROPERTIES_PRODUCER, letters->config, &callbacks,
					letters->log, letters) != DAEMON_OK)
		return DAEMON_FATAL;
	letters->topic = rd_kafka_topic_new(letters->client.kafka, letters->config->dlq_topic, NULL);
	if (letters->topic != NULL)
		return DAEMON_OK;
	log_error(letters->log, "could not prepare the dead-letter topic",
			  LOG_TEXT("topic", letters->config->dlq_topic),
			  LOG_TEXT("error", rd_kafka_err2str(rd_kafka_last_error())));
	return DAEMON_FATAL;
}

DaemonStatus
dead_letters_open(const FeederConfig *config, const Log *log, Gauges *gauges, DeadLetters **letters)
{
	DeadLetters *new;

	*letters = NULL;
	if (config->dlq_topic == NULL)
		return DAEMON_OK;
	new = calloc(1, sizeof(*new));
	if (new == NULL)
	{
		log_error(log, "out of memory");
		return DAEMON_FATAL;
	}
	new->config = config;
	new->log = log;
	new->gauges = gauges;
	backoff_init(&new->backoff, "dead-letter topic");
	if (letters_create(new) != DAEMON_OK)
	{
		dead_letters_close(new);
		return DAEMON_FATAL;
	}
	*letters = new;
	return DAEMON_OK;
}

void
dead_letters_close(DeadLetters *letters)
{
	if (letters == NULL)
		return;
	if (letters->topic != NULL)
		rd_kafka_topic_destroy(letters->topic);
	/* what is under way is sent again by whoever has the partition next */
	if (letters->client.kafka != NULL)
		rd_kafka_purge(letters->client.kafka, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
	client_close(&letters->client);
	PQclear(letters->letters);
	free(letters->shards);
	free(letters);
}

/* ---- whose letters ---- */

bool
dead_letters_assign(DeadLetters *letters, const Partitions *partitions)
{
	int32_t *shards;

	if (letters == NULL)
		return true;
	shards = calloc((size_t) partitions->count + 1, sizeof(*shards));
	if (shards == NULL)
		return false;
	for (int i = 0; i < partitions->count; i++)
		shards[i] = partitions->items[i].id;
	free(letters->shards);
	letters->shards = shards;
	letters->shard_count = partitions->count;
	letters->due = partitions->count > 0;
	return true;
}

void
dead_letters_due(DeadLetters *letters)
{
	if (letters != NULL)
		letters->due = true;
}

/* ---- a round ---- */

static DaemonStatus
letters_check_topic(DeadLetters *letters)
{
	int64_t							now = clock_milliseconds();
	rd_kafka_resp_err_t				error;
	const struct rd_kafka_metadata *metadata;

	letters->retry_at = now + CHECK_INTERVAL_MS;
	if (rd_kafka_metadata(letters->client.kafka, 0, letters->topic, &metadata, CHECK_TIMEOUT_MS) !=
		RD_KAFKA_RESP_ERR_NO_ERROR)
		return DAEMON_OK; /* no broker is reached: the consumer says so */
	error = metadata->topic_cnt > 0 ? metadata->topics[0].err : RD_KAFKA_RESP_ERR_NO_ERROR;
	rd_kafka_metadata_destroy(metadata);
	switch (error)
	{
		case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
			letters_topic_forbidden(letters, rd_kafka_err2str(error));
			break;
		case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
		case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
			if (letters->topic_missing_since == 0)
			{
				log_warning(letters->log, "dead-letter topic does not exist, waiting for it",
							LOG_TEXT("topic", letters->config->dlq_topic),
							LOG_INTEGER("seconds", TOPIC_GRACE_MS / 1000));
				letters->topic_missing_since = now;
			}
			else if (now - letters->topic_missing_since > TOPIC_GRACE_MS)
				letters_topic_missing(letters);
			break;
		default: /* it is there, or is just being made */
			letters->state = LETTERS_NONE;
			letters->retry_at = 0;
			break;
	}
	return letters->health;
}

static void
letters_add_header(rd_kafka_headers_t *headers, const char *name, const char *value)
{
	if (value != NULL)
		rd_kafka_header_add(headers, name, -1, value, -1);
}

/* The message's own headers, and where it comes from and why it is here. */
static rd_kafka_headers_t *
letters_headers(const DeadLetters *letters, StoreLetter *letter)
{
	rd_kafka_headers_t *headers = rd_kafka_headers_new(16);
	const char		   *name;
	const char		   *value;
	size_t				name_length;
	size_t				value_length;

	while (pgarray_next(&letter->header_names, &name, &name_length) &&
		   pgarray_next(&letter->header_values, &value, &value_length))
		rd_kafka_header_add(headers, name, (ssize_t) name_length, value, (ssize_t) value_length);
	letters_add_header(headers, "x-topk-pipeline", letters->config->pipeline);
	letters_add_header(headers, "x-topk-topic", letters->config->topic);
	letters_add_header(headers, "x-topk-partition", letter->shard);
	letters_add_header(headers, "x-topk-offset", letter->position);
	letters_add_header(headers, "x-topk-time", letter->time);
	letters_add_header(headers, "x-topk-reason", letter->reason);
	letters_add_header(headers, "x-topk-detail", letter->detail);
	return headers;
}

/* Its time is now: with the one it had the topic's retention might delete it at once. */
static void
letters_send(DeadLetters *letters, int row)
{
	StoreLetter			letter = store_letter(letters->letters, row);
	rd_kafka_headers_t *headers = letters_headers(letters, &letter);
	rd_kafka_resp_err_t error = rd_kafka_producev(
		letters->client.kafka, RD_KAFKA_V_RKT(letters->topic),
		RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY(letter.key, letter.key_length),
		RD_KAFKA_V_VALUE((void *) letter.payload, letter.payload_length),
		RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_OPAQUE((void *) (intptr_t) row), RD_KAFKA_V_END);

	if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
		letters->outstanding++;
	else
	{
		rd_kafka_headers_destroy(headers);
		letters_outcome(letters, row, error);
	}
}

static DaemonStatus
letters_get(DeadLetters *letters, Store *store)
{
	DaemonStatus status =
		store_dead_letters(store, letters->shards, letters->shard_count, &letters->letters);

	if (status != DAEMON_OK)
		return status;
	letters->due = PQntuples(letters->letters) > 0;
	if (!letters->due)
	{
		PQclear(letters->letters);
		letters->letters = NULL;
		return DAEMON_OK;
	}
	letters->refused = 0;
	letters->failed = 0;
	letters->state = LETTERS_SENDING;
	for (int row = 0; row < PQntuples(letters->letters); row++)
		letters_send(letters, row);
	return letters->health;
}

static void
letters_end_round(DeadLetters *letters)
{
	PQclear(letters->letters);
	letters->letters = NULL;
	letters->state = LETTERS_NONE;
}

/* The broker has answered for all of them. */
static void
letters_answered(DeadLetters *letters)
{
	if (letters->failed == 0)
	{
		letters->state = LETTERS_SENT;
		return;
	}
	letters->retry_at =
		clock_milliseconds() + backoff_failed(&letters->backoff, letters->log, letters->problem);
	letters_end_round(letters);
}

static DaemonStatus
letters_report(DeadLetters *letters, Store *store)
{
	DaemonStatus status = store_dead_letters_sent(store, letters->letters);

	if (status != DAEMON_OK)
		return status;
	gauges_letters(letters->gauges, PQntuples(letters->letters) - letters->refused,
				   letters->refused);
	backoff_succeeded(&letters->backoff, letters->log);
	letters_end_round(letters);
	return DAEMON_OK;
}

/* ---- the turns of the loop ---- */

DaemonStatus
dead_letters_poll(DeadLetters *letters)
{
	if (letters == NULL)
		return DAEMON_OK;
	client_heard(&letters->client);
	rd_kafka_poll(letters->client.kafka, 0);
	if (letters->health == DAEMON_OK && letters->state == LETTERS_UNCHECKED &&
		clock_milliseconds() >= letters->retry_at)
		return letters_check_topic(letters);
	if (letters->state == LETTERS_SENDING && letters->outstanding == 0)
		letters_answered(letters);
	return letters->health;
}

bool
dead_letters_want_store(const DeadLetters *letters)
{
	if (letters == NULL)
		return false;
	return letters->state == LETTERS_SENT || (letters->state == LETTERS_NONE && letters->due &&
											  clock_milliseconds() >= letters->retry_at);
}

DaemonStatus
dead_letters_exchange(DeadLetters *letters, Store *store)
{
	if (!dead_letters_want_store(letters))
		return DAEMON_OK;
	return letters->state == LETTERS_SENT ? letters_report(letters, store)
										  : letters_get(letters, store);
}

bool
dead_letters_idle(const DeadLetters *letters)
{
	return letters == NULL || (!letters->due && letters->letters == NULL);
}

int
dead_letters_fd(const DeadLetters *letters)
{
	return letters != NULL ? letters->client.fd : -1;
}
