/* One way to say that the database did not do what it was asked: more and more rarely, for the call
 * is repeated each second, and a full disk may last for a day. */
#ifndef HANDBELL_FLOW_REFUSAL_H
#define HANDBELL_FLOW_REFUSAL_H

#include "worker/base/log_pause.h"
#include "worker/io/pg_result.h"

#include <stdint.h>

/* `event` as in worker/base/log.h; `count`: messages that it was about, 0 where it is about none;
 * `tenant`: 0 for none. */
void refusal_log(struct log_pause *pause, const char *event, const struct pg_result *result,
                 int64_t tenant, int64_t count);

#endif
