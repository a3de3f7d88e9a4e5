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

/*
 * Take a call, which ends with rpc_answer or rpc_fail, perhaps before this returns, unless it is canceled first.
 * reads must outlive it.
 */
extern void answers_begin(Reads *reads, RpcCall *call);

#endif /* QUERY_ANSWERS_H */
