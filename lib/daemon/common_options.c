/*
 * common_options.c
 *	  Checks what can be checked before anything is opened.
 */
#include "daemon/common_options.h"

#include "daemon/metrics.h"

bool
common_options_check(const OptionsProgram *program, const CommonOptions *options)
{
	if (metrics_address_valid(options->metrics_address))
		return true;
	options_error(program, "metrics-addr", "\"%s\" is not allowed; allowed are HOST:PORT and off",
				  options->metrics_address);
	return false;
}
