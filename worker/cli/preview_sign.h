/* The signatures of a previewed mail, as the worker would put them there. */
#ifndef HANDBELL_CLI_PREVIEW_SIGN_H
#define HANDBELL_CLI_PREVIEW_SIGN_H

#include "worker/base/buf.h"
#include "worker/base/config.h"
#include "worker/base/error.h"
#include "worker/base/json.h"

/* Signs `mail` with every key of the from_address's domain in [dkim] key_dir, as of now: a time
 * that lies ahead, as a sample's does, would be believed by nobody. Where there is none, the mail
 * is left as it is; so too, with a line on standard error, where this account may not read the
 * keys. False with `error` as dkim_sign. */
bool preview_sign(const struct config *config, const struct json *tenant, struct buf *mail,
                  struct error *error);

#endif
