/*
 * topk_module.c
 *	  What makes the shared library a PostgreSQL module.
 *
 * Must not know what the functions of the extension do.
 */
#include "postgres.h"

#include "fmgr.h"

#ifdef PG_MODULE_MAGIC_EXT
PG_MODULE_MAGIC_EXT(.name = "topk", .version = "1.0");
#else
PG_MODULE_MAGIC;
#endif
