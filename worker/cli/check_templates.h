/* The part of `handbell check` that loads the templates of mails, with those of tenants, and of
 * pages. */
#ifndef HANDBELL_CLI_CHECK_TEMPLATES_H
#define HANDBELL_CLI_CHECK_TEMPLATES_H

#include "worker/base/config.h"

/* Loads what [templates] names, as a worker would. Writes what there is to standard output, unless
 * `is_quiet`, and each mistake (one for each tenant whose own templates are wrong) to standard
 * error. EX_OK, or what the first mistake ends a process with. */
int check_templates(const struct config *config, bool is_quiet);

#endif
