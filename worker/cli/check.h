/* What `handbell check` finds out about the domains that tenants send from, collected as JSON: the
 * parts that look (check_dkim.c, check_spf.c, check_dmarc.c) state findings here, and nothing else
 * of each other. */
#ifndef HANDBELL_CLI_CHECK_H
#define HANDBELL_CLI_CHECK_H

#include "worker/base/json.h"
#include "worker/cli/cli.h"
#include "worker/io/dns.h"
#include "worker/io/public_suffix.h"
#include "worker/mail/dkim_keys.h"

#include <stdbool.h>

enum {
    /* After so many questions in a row without an answer no more are asked of a domain, and after
     * so many such domains of none: there is no network, and a check must end. */
    CHECK_UNANSWERED_MOST = 2,
    CHECK_SILENT_DOMAINS_MOST = 2,
    /* Domains looked at, so that a check ends. */
    CHECK_DOMAINS_MOST = 1000,
};

/* `bad` and `unknown` make the exit status; a `note` is worth reading. */
enum check_state { CHECK_GOOD, CHECK_NOTE, CHECK_BAD, CHECK_UNKNOWN };

struct check {
    const struct config *config;
    struct dns_options dns;
    struct public_suffix *suffixes;
    struct dkim_keys *keys;
    bool is_offline;
    unsigned asked; /* of the domain at hand */
    unsigned answered;
    unsigned unanswered_in_row;
    unsigned silent_domains_in_row;
    struct json *safety;   /* of the database; NULL: not asked */
    struct json *files;    /* that the settings name */
    struct json *domains;  /* done */
    struct json *findings; /* of the domain at hand */
    struct json *records;  /* to be published for it */
    bool is_unmigrated;    /* the database lacks the schema, or has another version's */
    bool has_bad_files;
    bool has_bad;
    bool has_unknown;
    bool has_failed; /* no memory */
};

/* A new domain; and its end, with the tenants that send from it (taken over). */
void check_begin_domain(struct check *check);
void check_end_domain(struct check *check, const char *domain, struct json *tenants);

/* States one finding: `what` is "dkim", "spf", "dmarc" or "alignment", `name` the DNS name. */
void check_find(struct check *check, const char *what, const char *name, enum check_state state,
                const char *format, ...) __attribute__((format(printf, 5, 6)));
/* States a TXT record to be published, once however often. */
void check_publish(struct check *check, const char *name, const char *text);
/* Asks the DNS, unless it has stopped answering. True when it has said something: texts, or that
 * there are none. Otherwise `what` is stated as unknown. Texts are freed by dns_texts_free. */
bool check_ask(struct check *check, const char *what, const char *name, struct dns_texts *texts);

/* The parts. Domains are in lower case. */
void check_dkim(struct check *check, const char *domain);
void check_dkim_entry(struct check *check, const struct dkim_entry *entry);
void check_spf(struct check *check, const char *domain);
void check_dmarc(struct check *check, const char *domain, const char *bounce_domain);

/* Writes what was collected as people read it. */
void check_write_text(const struct check *check);

#endif
