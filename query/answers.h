/*
 * answers.h
 *	  What the eight RPCs answer: which buckets a call means, and the merged summary of each entity.
 *
 * Must not know a protocol, nor which store the windows come from.
 */
#ifndef QUERY_ANSWERS_H
#define QUERY_ANSWERS_H

#include "reads.h"
#include "rpc.h"

typedef struct Answers Answers;

/* reads must outlive it; NULL without memory. */
extern Answers *answers_open(Reads *reads);

/* Calls under way are forgotten. */
extern void answers_close(Answers *answers);

/*
 * Take a call, which ends with rpc_answer or rpc_fail, perhaps before this returns.
 */
extern void answers_begin(Answers *answers, RpcCall *call);

/* The calls' deadlines, for the loop. */
extern void answers_prepare(const Answers *answers, Wait *wait);
extern void answers_dispatch(Answers *answers);

#endif /* QUERY_ANSWERS_H */
