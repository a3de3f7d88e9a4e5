/*
 * secret.h
 *	  PostgreSQL's password: from libpq's environment, a file, or AWS Secrets Manager.
 *
 * Must not know a connection, nor log what it holds.  The password goes to libpq as PGPASSWORD.
 */
#ifndef LAMBDA_SECRET_H
#define LAMBDA_SECRET_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "daemon/log.h"
#include "daemon/status.h"

typedef struct Secret Secret;

/* FATAL, logged, without memory. */
extern DaemonStatus secret_open(const FeederConfig *config, const Log *log, Secret **secret);
extern void			secret_close(Secret *secret);

/*
 * Have the password ready, by deadline (clock_milliseconds).  Does nothing when the options name no
 * place, or when it was read before.  RETRY, logged: Secrets Manager is away.  FATAL, logged, with what to do.
 */
extern DaemonStatus secret_provide(Secret *secret, int64_t deadline);

/* Read it anew the next time.  False when there is nothing to read. */
extern bool secret_forget(Secret *secret);

#endif /* LAMBDA_SECRET_H */
