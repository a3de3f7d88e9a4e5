/*
 * topk_planner.c
 *	  What the planner asks: how many rows a listing of items returns.
 *
 * A wrong guess makes a poor join with the table that has the items' names.
 * See PostgreSQL's nodes/supportnodes.h.  Must not know the lists themselves.
 */
#include "topk.h"

#include <math.h>

#include "nodes/nodeFuncs.h"
#include "nodes/supportnodes.h"
#include "optimizer/optimizer.h"

PG_FUNCTION_INFO_V1(topk_top_support);
PG_FUNCTION_INFO_V1(topk_heavy_hitters_support);

/* The value of an argument of the call, if the planner can tell it. */
static bool
planned_argument(const SupportRequestRows *request, int number, Datum *value)
{
	Node *argument = list_nth(((FuncExpr *) request->node)->args, number);
	Node *estimated = estimate_expression_value(request->root, argument);

	if (!IsA(estimated, Const) || ((Const *) estimated)->constisnull)
		return false;
	*value = ((Const *) estimated)->constvalue;
	return true;
}

/* The request, if it is for the rows of a call. */
static SupportRequestRows *
rows_request(FunctionCallInfo fcinfo)
{
	SupportRequestRows *request = (SupportRequestRows *) PG_GETARG_POINTER(0);

	return IsA(request, SupportRequestRows) && is_funcclause(request->node) ? request : NULL;
}

/* n rows of topk_top(summary, n): a summary with fewer is the exception. */
Datum
topk_top_support(PG_FUNCTION_ARGS)
{
	SupportRequestRows *request = rows_request(fcinfo);
	Datum				n;

	if (request == NULL || !planned_argument(request, 1, &n))
		PG_RETURN_POINTER(NULL);
	request->rows = Max(DatumGetInt32(n), 1);
	PG_RETURN_POINTER(request);
}

/* topk_heavy_hitters(summary, share): no more than 1 / share items can have that share of the total. */
Datum
topk_heavy_hitters_support(PG_FUNCTION_ARGS)
{
	SupportRequestRows *request = rows_request(fcinfo);
	Datum				share;

	if (request == NULL || !planned_argument(request, 1, &share) || !(DatumGetFloat8(share) > 0))
		PG_RETURN_POINTER(NULL);
	request->rows = fmin(fmax(floor(1 / DatumGetFloat8(share)), 1), MG_K_MAX);
	PG_RETURN_POINTER(request);
}
