/* What receivers are asked to do with mails that fail, and whether From, signature and bounce
 * domain belong together (RFC 7489). */
#include "worker/cli/check.h"
#include "worker/model/tag_list.h"

#include <stdio.h>
#include <string.h>

enum { NAME_BYTES = DKIM_DOMAIN_BYTES + 16 };

static bool is_dmarc(const char *text)
{
    static const char version[] = "DMARC1";
    struct tag_list list;
    if (!tag_list_parse(text, &list) || list.count == 0)
        return false;
    const struct tag *v = tag_list_find(&list, "v");
    return v == &list.tags[0] && v->value_size == sizeof version - 1 &&
           memcmp(v->value, version, sizeof version - 1) == 0;
}

/* "v=DMARC1" at the start of a record that is none otherwise. */
static bool is_broken(const char *text)
{
    return strncmp(text, "v=DMARC1", 8) == 0 && !is_dmarc(text);
}

static bool is_policy(const struct tag *tag)
{
    return tag_is(tag, "none") || tag_is(tag, "quarantine") || tag_is(tag, "reject");
}

/* `policy` is "p", or "sp" for a domain below the one whose record it is. */
static void look_at_policy(struct check *check, const char *name, const char *record, bool is_below,
                           const char *bounce_domain, const char *domain)
{
    struct tag_list list;
    (void)tag_list_parse(record, &list);
    const struct tag *p = tag_list_find(&list, "p");
    const struct tag *sp = is_below ? tag_list_find(&list, "sp") : NULL;
    const struct tag *aspf = tag_list_find(&list, "aspf");
    const struct tag *used = sp != NULL ? sp : p;
    if (p == NULL || !is_policy(p) || (sp != NULL && !is_policy(sp))) {
        check_find(check, "dmarc", name, CHECK_BAD,
                   "the record has no policy (p=none, quarantine or reject)");
        return;
    }
    if (tag_is(used, "none"))
        check_find(check, "dmarc", name, CHECK_NOTE,
                   "%.*s=none: nobody is stopped from using the domain; p=quarantine when all your "
                   "mail is signed",
                   (int)used->name_size, used->name);
    else
        check_find(check, "dmarc", name, CHECK_GOOD, "%.*s=%.*s", (int)used->name_size, used->name,
                   (int)used->value_size, used->value);
    if (aspf != NULL && tag_is(aspf, "s") && *bounce_domain != '\0' &&
        strcmp(bounce_domain, domain) != 0)
        check_find(check, "alignment", bounce_domain, CHECK_NOTE,
                   "aspf=s: SPF of a bounce domain other than %s does not count, DKIM alone does",
                   domain);
}

/* True when the name has a record, good or bad, or no answer came: no other is to be asked. */
static bool look_at_name(struct check *check, const char *name, bool is_below,
                         const char *bounce_domain, const char *domain)
{
    struct dns_texts texts = {0};
    const char *record = NULL;
    size_t count = 0;
    bool is_spoilt = false;
    if (!check_ask(check, "dmarc", name, &texts))
        return true;
    for (size_t i = 0; i < texts.count; i++) {
        is_spoilt = is_spoilt || is_broken(texts.texts[i]);
        if (is_dmarc(texts.texts[i])) {
            record = texts.texts[i];
            count++;
        }
    }
    if (count > 1)
        check_find(check, "dmarc", name, CHECK_BAD, "%zu v=DMARC1 records: receivers take none",
                   count);
    else if (count == 0 && is_spoilt)
        check_find(check, "dmarc", name, CHECK_BAD, "the record cannot be read");
    else if (count == 1)
        look_at_policy(check, name, record, is_below, bounce_domain, domain);
    dns_texts_free(&texts);
    return count > 0 || is_spoilt;
}

static void check_alignment(struct check *check, const char *domain, const char *organisation,
                            const char *bounce_domain)
{
    const char *other = public_suffix_organisation(check->suffixes, bounce_domain);
    if (check->suffixes == NULL)
        check_find(check, "alignment", domain, CHECK_UNKNOWN, "no public suffix list here");
    else if (organisation == NULL)
        check_find(check, "alignment", domain, CHECK_BAD,
                   "is a public suffix: nobody's own domain, so no mail from it is trusted");
    else if (*bounce_domain != '\0' && (other == NULL || strcmp(other, organisation) != 0))
        check_find(check, "alignment", bounce_domain, CHECK_BAD,
                   "the bounce domain is not below %s, as From is: SPF does not count",
                   organisation);
    else
        check_find(check, "alignment", domain, CHECK_GOOD, "From, %s%s share %s",
                   dkim_keys_find(check->keys, domain) != NULL ? "d=" : "envelope",
                   *bounce_domain != '\0' ? " and the bounce domain" : "", organisation);
}

void check_dmarc(struct check *check, const char *domain, const char *bounce_domain)
{
    const char *organisation = public_suffix_organisation(check->suffixes, domain);
    char name[NAME_BYTES];
    char own_name[NAME_BYTES];
    bool is_below = organisation != NULL && strcmp(organisation, domain) != 0;

    (void)snprintf(own_name, sizeof own_name, "_dmarc.%s", domain);
    (void)snprintf(name, sizeof name, "_dmarc.%s", is_below ? organisation : domain);
    if (!look_at_name(check, own_name, false, bounce_domain, domain) &&
        !(is_below && look_at_name(check, name, true, bounce_domain, domain))) {
        check_find(check, "dmarc", own_name, CHECK_BAD,
                   is_below ? "no v=DMARC1 record there, and none at %s" : "no v=DMARC1 record",
                   name);
        check_publish(check, name, "v=DMARC1; p=none");
    } else if (check->is_offline) {
        check_publish(check, name, "v=DMARC1; p=none");
    }
    check_alignment(check, domain, organisation, bounce_domain);
}
