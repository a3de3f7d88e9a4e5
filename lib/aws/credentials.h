/*
 * credentials.h
 *	  AWS credentials, found where the AWS SDKs look and renewed ahead of expiry.
 *
 * The places, in order; the first one that is configured is kept to:
 *
 *	environment		AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
 *	web identity	AWS_WEB_IDENTITY_TOKEN_FILE, AWS_ROLE_ARN, AWS_ROLE_SESSION_NAME
 *	profile			AWS_PROFILE in ~/.aws/credentials and ~/.aws/config: keys,
 *					credential_process, role_arn with web_identity_token_file
 *	container		AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI (ECS, EKS Pod Identity)
 *	instance		EC2's metadata service, version 2
 *
 * "Standardized credential providers" in the AWS SDKs and Tools Reference Guide describes them.
 * It must not know what the credentials are for.  One thread.
 */
#ifndef AWS_CREDENTIALS_H
#define AWS_CREDENTIALS_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/aws.h"
#include "daemon/log.h"
#include "daemon/status.h"

typedef struct Credentials Credentials;

/* Asks nobody yet.  The strings must outlive it; region is where STS is asked.  FATAL without memory. */
extern DaemonStatus credentials_open(const char *program, const char *region, const Log *log,
									 Credentials **credentials);
extern void			credentials_close(Credentials *credentials);

/*
 * What to sign the next request with; *keys live until the next call.  Costs
 * nothing until the keys are about to expire; then the source is asked, for
 * seconds at most (30 for a credential_process).  While it does not answer, keys that have
 * not expired stay in use.
 *
 * RETRY: the source does not answer, credentials_problem says why.
 * FATAL: there is no source, or what it is configured with is wrong.
 */
extern DaemonStatus credentials_get(Credentials *credentials, AwsCredentials *keys);

/*
 * AWS says that the keys have expired.  True: the next credentials_get asks
 * the source anew; false: the source can't have other ones.
 */
extern bool credentials_reject(Credentials *credentials);

/* Changes whenever the keys do: whose request was signed with earlier ones need not reject these. */
extern unsigned credentials_generation(const Credentials *credentials);

/* When the keys expire, in Unix seconds; 0: never, or there are none yet. */
extern int64_t credentials_expiry(const Credentials *credentials);

/* Where the keys come from ("environment"), NULL before they were got. */
extern const char *credentials_source(const Credentials *credentials);

/* Why the last credentials_get did not answer OK; without secrets. */
extern const char *credentials_problem(const Credentials *credentials);

/* What to do about a FATAL one, or NULL if the problem says it all. */
extern const char *credentials_hint(const Credentials *credentials);

#endif /* AWS_CREDENTIALS_H */
