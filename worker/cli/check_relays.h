/* Are the relays' settings good, each by itself and beside the others'? */
#ifndef HANDBELL_CLI_CHECK_RELAYS_H
#define HANDBELL_CLI_CHECK_RELAYS_H

#include "worker/base/config.h"

/* What a worker would ask before it starts, but for files: no relay is reached, no secret read.
 * False with `error` (EX_CONFIG) naming section and key. */
bool check_relays(const struct config *config, struct error *error);

#endif
