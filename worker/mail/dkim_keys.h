/* The DKIM keys of all domains, read from a folder: every key of a domain signs its mails, and one
 * that waits for its turn is only checked. It knows files, and nothing of mails. */
#ifndef HANDBELL_MAIL_DKIM_KEYS_H
#define HANDBELL_MAIL_DKIM_KEYS_H

#include "worker/base/config.h"
#include "worker/base/error.h"
#include "worker/mail/dkim.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    DKIM_KEY_FILE_BYTES = 16 * 1024,
    DKIM_DOMAINS_MAXIMUM = 10000,
    DKIM_WAITING_MAXIMUM = 4, /* of one domain */
};

/* The rows of section [dkim]. */
extern const struct setting dkim_settings[];

/* `signing` is what dkim_sign takes; `waiting` are the keys whose turn has not come. */
struct dkim_entry {
    struct dkim_domain signing;
    size_t waiting_count;
    struct dkim_key waiting[DKIM_WAITING_MAXIMUM];
};

struct dkim_keys;

/* Reads `folder` ("": there are no keys):
 *     DOMAIN/SELECTOR.pem        signs
 *     DOMAIN/SELECTOR.pem.next   waits
 *     dkim_DOMAIN_SELECTOR.pem   the same, as systemd names the credentials of a folder `dkim`
 * Names that start with a dot, files of other names beside keys, and whatever ends otherwise are
 * left alone; but a folder that is no domain's, a domain's folder without a key, and a key file
 * that stands in no domain's folder are refused, for its mails would go unsigned. So are: a file
 * that its group or others may open (but for root's group, which systemd's access lists show as), a
 * file past DKIM_KEY_FILE_BYTES or no regular one, what crypto_private_key_parse refuses, and more
 * than the limits above and in dkim.h. NULL with `error` (EX_CONFIG, EX_NOINPUT, EX_OSERR) naming
 * domain, selector and reason, never content. Held once; ended by dkim_keys_let_go. */
struct dkim_keys *dkim_keys_read(const char *folder, struct error *error);

/* One holder more, one less (NULL is fine); the last one overwrites the keys. One thread's alone:
 * other threads may use what it holds for them. */
struct dkim_keys *dkim_keys_hold(struct dkim_keys *keys);
void dkim_keys_let_go(struct dkim_keys *keys);

size_t dkim_keys_count(const struct dkim_keys *keys);
/* In the order of their names. */
const struct dkim_entry *dkim_keys_at(const struct dkim_keys *keys, size_t index);
/* The keys that sign for the domain, in any case of letters; NULL where none does. */
const struct dkim_domain *dkim_keys_find(const struct dkim_keys *keys, const char *domain);

#endif
