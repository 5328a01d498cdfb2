/* Mailboxes that several people read: a mail to one says in its subject for whom it is. */
#ifndef HANDBELL_MODEL_SHARED_MAILBOX_H
#define HANDBELL_MODEL_SHARED_MAILBOX_H

#include <stdbool.h>

/* Whether the part of `address` before its last '@' is one that an organisation uses, not a person:
 * "office", "head.teacher", "admin2", "Enquiries+cpd". Letters of either case; digits at the end,
 * what follows a '+', and '.', '-' and '_' are left aside. False for NULL and for what has no '@'.
 */
bool shared_mailbox_is_generic(const char *address);

#endif
