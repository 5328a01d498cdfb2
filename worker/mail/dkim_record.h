/* The TXT record that publishes a DKIM key (RFC 6376 section 3.6.1, RFC 8463 section 4). */
#ifndef HANDBELL_MAIL_DKIM_RECORD_H
#define HANDBELL_MAIL_DKIM_RECORD_H

#include "worker/base/buf.h"
#include "worker/base/crypto.h"

enum { DKIM_RECORD_BYTES = 2048 };

/* "v=DKIM1; k=rsa; p=...". False as buf_append. */
bool dkim_record_write(const struct crypto_private_key *key, struct buf *out);

/* What is wrong with a published record for this key; NULL where it verifies what the key signs. */
const char *dkim_record_problem(const char *published, const struct crypto_private_key *key);
/* Whether the record says that the domain tests DKIM (t=y), so that receivers may pass it over. */
bool dkim_record_is_test(const char *published);

#endif
