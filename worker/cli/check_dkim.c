/* Is each key of a domain published, and the right one? */
#include "worker/cli/check.h"
#include "worker/mail/dkim_record.h"

#include <stdio.h>
#include <string.h>

enum { NAME_BYTES = DKIM_SELECTOR_BYTES + DKIM_DOMAIN_BYTES + 16, RSA_BITS_ADVISED = 2048 };

static void look_at_record(struct check *check, const char *name, const struct dkim_key *key,
                           const char *what_it_does, const struct dns_texts *texts)
{
    unsigned bits = crypto_private_key_bits(key->key);
    bool is_rsa = crypto_private_key_kind(key->key) == CRYPTO_KEY_RSA;
    const char *problem = dkim_record_problem(texts->texts[0], key->key);
    if (texts->count > 1)
        check_find(check, "dkim", name, CHECK_BAD, "%zu records, of which receivers take any",
                   texts->count);
    else if (problem != NULL)
        check_find(check, "dkim", name, CHECK_BAD, "the record %s", problem);
    else if (dkim_record_is_test(texts->texts[0]))
        check_find(check, "dkim", name, CHECK_NOTE,
                   "published, and %s, but as a test (t=y): receivers may pass it over",
                   what_it_does);
    else if (is_rsa && bits < RSA_BITS_ADVISED)
        check_find(check, "dkim", name, CHECK_NOTE,
                   "published, and %s; %u bits are few: make a key of %d", what_it_does, bits,
                   RSA_BITS_ADVISED);
    else
        check_find(check, "dkim", name, CHECK_GOOD, "published (%s, %u bits), and %s",
                   is_rsa ? "rsa" : "ed25519", bits, what_it_does);
}

static bool record_is_good(const struct dns_texts *texts, const struct dkim_key *key)
{
    return texts->kind == DNS_FOUND && texts->count == 1 &&
           dkim_record_problem(texts->texts[0], key->key) == NULL;
}

static void check_key(struct check *check, const char *domain, const struct dkim_key *key,
                      bool is_waiting)
{
    char name[NAME_BYTES];
    struct buf record;
    struct dns_texts texts = {0};

    (void)snprintf(name, sizeof name, "%s._domainkey.%s", key->selector, domain);
    bool has_answer = check_ask(check, "dkim", name, &texts);
    if (has_answer && texts.kind == DNS_NONE)
        check_find(check, "dkim", name, is_waiting ? CHECK_NOTE : CHECK_BAD,
                   is_waiting ? "not published yet: publish it before its turn"
                              : "not published, and signs: receivers cannot verify it");
    else if (has_answer)
        look_at_record(check, name, key, is_waiting ? "waits for its turn" : "signs", &texts);
    if (!has_answer || !record_is_good(&texts, key)) {
        buf_init(&record, DKIM_RECORD_BYTES);
        if (dkim_record_write(key->key, &record))
            check_publish(check, name, record.data);
        else
            check->has_failed = true;
        buf_free(&record);
    }
    dns_texts_free(&texts);
}

void check_dkim_entry(struct check *check, const struct dkim_entry *entry)
{
    for (size_t i = 0; i < entry->signing.key_count; i++)
        check_key(check, entry->signing.name, &entry->signing.keys[i], false);
    for (size_t i = 0; i < entry->waiting_count; i++)
        check_key(check, entry->signing.name, &entry->waiting[i], true);
}

void check_dkim(struct check *check, const char *domain)
{
    for (size_t i = 0; i < dkim_keys_count(check->keys); i++) {
        const struct dkim_entry *entry = dkim_keys_at(check->keys, i);
        if (strcmp(entry->signing.name, domain) == 0)
            check_dkim_entry(check, entry);
    }
    if (dkim_keys_find(check->keys, domain) == NULL)
        check_find(check, "dkim", domain, CHECK_NOTE,
                   "no key in [dkim] key_dir: its mails go unsigned, unless the relay signs them");
}
