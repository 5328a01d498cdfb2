/* Does a domain say who may send for it, in one record that receivers can read to its end? */
#include "worker/cli/check.h"
#include "worker/io/smtp.h"
#include "worker/model/spf.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HOST_BYTES = 256, TERM_BYTES = HOST_BYTES + 8 };

/* One domain's record and all that it includes, as a receiver walks through them. */
struct walk {
    struct check *check;
    const char *domain; /* the one that is checked */
    unsigned lookups;
    bool lets_everybody;
};

/* The mechanism that names a relay: the host of its url, or this one. "" where it has no name. */
static void relay_mechanism(const struct check *check, unsigned relay, char text[TERM_BYTES])
{
    const char *section = smtp_section(relay);
    struct smtp_url url;
    char host[HOST_BYTES] = "";
    unsigned char address[sizeof(struct in6_addr)];
    text[0] = '\0';
    if (!smtp_is_configured(check->config, relay) ||
        !smtp_url_parse(config_text(check->config, section, "url"), &url, NULL))
        return;
    if (!url.is_this_host)
        (void)snprintf(host, sizeof host, "%s", url.host);
    else if (config_text(check->config, section, "hostname")[0] != '\0')
        (void)snprintf(host, sizeof host, "%s", config_text(check->config, section, "hostname"));
    else if (gethostname(host, sizeof host - 1) != 0)
        host[0] = '\0';
    if (inet_pton(AF_INET, host, address) == 1)
        (void)snprintf(text, TERM_BYTES, " ip4:%s", host);
    else if (inet_pton(AF_INET6, host, address) == 1)
        (void)snprintf(text, TERM_BYTES, " ip6:%s", host);
    else if (strchr(host, '.') != NULL)
        (void)snprintf(text, TERM_BYTES, " a:%s", host);
    else
        (void)snprintf(text, TERM_BYTES, " mx");
}

/* The record that names the relays, each once. */
static void publish_advice(struct check *check, const char *domain)
{
    char text[SMTP_RELAYS * TERM_BYTES + 16] = "v=spf1";
    for (unsigned relay = 1; relay <= SMTP_RELAYS; relay++) {
        char term[TERM_BYTES], other[TERM_BYTES];
        bool is_new = true;
        relay_mechanism(check, relay, term);
        for (unsigned before = 1; before < relay && is_new; before++) {
            relay_mechanism(check, before, other);
            is_new = strcmp(term, other) != 0;
        }
        if (is_new)
            (void)strncat(text, term, sizeof text - strlen(text) - 1);
    }
    (void)strncat(text, " ~all", sizeof text - strlen(text) - 1);
    check_publish(check, domain, text);
}

/* The one SPF record of `name`, in `spf`. Otherwise states why not and returns false. */
static bool record_read(struct walk *walk, const char *name, bool is_included, struct spf *spf)
{
    struct check *check = walk->check;
    struct dns_texts texts = {0};
    char problem[SPF_PROBLEM_BYTES];
    const char *record = NULL;
    size_t count = 0;
    bool is_read = false;

    if (!check_ask(check, "spf", name, &texts)) {
        if (!is_included && check->is_offline)
            publish_advice(check, walk->domain);
        return false;
    }
    for (size_t i = 0; i < texts.count; i++)
        if (spf_is_record(texts.texts[i])) {
            record = texts.texts[i];
            count++;
        }
    if (count == 0 && is_included)
        check_find(check, "spf", walk->domain, CHECK_BAD,
                   "names %s, which has no v=spf1 record: receivers take none", name);
    else if (count == 0)
        check_find(check, "spf", name, CHECK_BAD,
                   "no v=spf1 record: it must name the servers that your relay sends from");
    else if (count > 1)
        check_find(check, "spf", walk->domain, CHECK_BAD,
                   "%zu v=spf1 records at %s: receivers take none", count, name);
    else if (!spf_parse(record, spf, problem))
        check_find(check, "spf", walk->domain, CHECK_BAD,
                   "the record of %s %s: receivers take none", name, problem);
    else
        is_read = true;
    if (count == 0 && !is_included)
        publish_advice(check, name);
    dns_texts_free(&texts);
    return is_read;
}

/* Each include counts one, whatever it names: a circle of them ends at the limit. What stands
 * behind "all" is never looked at (RFC 7208 section 5.1). `is_pass`: who this record passes may
 * send. False, and it has been stated, where receivers give up. */
static bool record_walk(struct walk *walk, const struct spf *spf, bool is_pass)
{
    bool has_all = spf_find(spf, SPF_ALL) != NULL;
    for (size_t i = 0; i < spf->count; i++) {
        const struct spf_term *term = &spf->terms[i];
        bool is_ignored = term->kind == SPF_REDIRECT && has_all;
        if (term->kind == SPF_ALL) {
            walk->lets_everybody = walk->lets_everybody || (is_pass && term->qualifier == '+');
            return true;
        }
        if (is_ignored || !spf_term_asks(term))
            continue;
        if (++walk->lookups > SPF_LOOKUPS_MAXIMUM) {
            check_find(walk->check, "spf", walk->domain, CHECK_BAD,
                       "asks for more than %d lookups: receivers take none", SPF_LOOKUPS_MAXIMUM);
            return false;
        }
        if ((term->kind != SPF_INCLUDE && term->kind != SPF_REDIRECT) || term->has_macro)
            continue;
        struct spf *included = malloc(sizeof *included);
        bool is_good = included != NULL && record_read(walk, term->domain, true, included) &&
                       record_walk(walk, included, is_pass && term->qualifier == '+');
        walk->check->has_failed = walk->check->has_failed || included == NULL;
        free(included);
        if (!is_good)
            return false;
    }
    return true;
}

void check_spf(struct check *check, const char *domain)
{
    struct walk walk = {.check = check, .domain = domain};
    struct spf *spf = malloc(sizeof *spf);
    if (spf == NULL) {
        check->has_failed = true;
        return;
    }
    if (record_read(&walk, domain, false, spf) && record_walk(&walk, spf, true)) {
        const struct spf_term *all = spf_find(spf, SPF_ALL);
        if (walk.lets_everybody)
            check_find(check, "spf", domain, CHECK_BAD, "lets everybody send (+all)");
        else if (all == NULL && spf_find(spf, SPF_REDIRECT) == NULL)
            check_find(check, "spf", domain, CHECK_NOTE,
                       "%u of %d lookups; it does not say what of all others: end it with ~all",
                       walk.lookups, SPF_LOOKUPS_MAXIMUM);
        else
            check_find(check, "spf", domain, CHECK_GOOD, "one record, %u of %d lookups",
                       walk.lookups, SPF_LOOKUPS_MAXIMUM);
    }
    free(spf);
}
