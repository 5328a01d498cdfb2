/* What a reply means, as a table read from the top: the first row that fits decides. A relay that
 * turns away the session, or wants us to log in, says nothing about the mail: the mail waits. */
#include "worker/model/classify.h"

#include <stddef.h>
#include <string.h>

enum {
    CONNECT = 1 << OUTCOME_VERB_CONNECT,
    GREETING = 1 << OUTCOME_VERB_GREETING,
    EHLO = 1 << OUTCOME_VERB_EHLO,
    STARTTLS = 1 << OUTCOME_VERB_STARTTLS,
    AUTH = 1 << OUTCOME_VERB_AUTH,
    MAIL = 1 << OUTCOME_VERB_MAIL,
    RCPT = 1 << OUTCOME_VERB_RCPT,
    DATA = 1 << OUTCOME_VERB_DATA,
    BODY = 1 << OUTCOME_VERB_BODY,
    SESSION = CONNECT | GREETING | EHLO | STARTTLS | AUTH,
    TRANSACTION = MAIL | RCPT | DATA | BODY,
    ANY = SESSION | TRANSACTION,
};

/* `enhanced` is a prefix ("5.7." is every policy status); "" fits all. */
struct rule {
    unsigned verbs;
    int code_first;
    int code_last;
    const char *enhanced;
    struct classification meaning;
};

static const struct rule rules[] = {
    /* The service is closing the channel: RFC 5321 3.8, at any point. */
    {ANY, 421, 421, "", {OUTCOME_DEFERRED, OUTCOME_SCOPE_RELAY}},
    {SESSION, 0, 999, "", {OUTCOME_DEFERRED, OUTCOME_SCOPE_RELAY}},
    {BODY, 200, 299, "", {OUTCOME_SENT, OUTCOME_SCOPE_NONE}},
    /* Our login, not the mail: RFC 4954 6 (454, 530, 534, 535, 538), RFC 3207 4 (454, 530). */
    {TRANSACTION, 454, 454, "", {OUTCOME_DEFERRED, OUTCOME_SCOPE_RELAY}},
    {TRANSACTION, 530, 538, "", {OUTCOME_DEFERRED, OUTCOME_SCOPE_RELAY}},
    /* "Bad sequence": the two sides are out of step, or a login is wanted that was not offered. */
    {MAIL | RCPT | DATA, 503, 503, "", {OUTCOME_DEFERRED, OUTCOME_SCOPE_RELAY}},
    /* The relay's disk is full, or it takes nothing just now: RFC 3463 3.4. */
    {TRANSACTION, 400, 499, "4.3.1", {OUTCOME_DEFERRED, OUTCOME_SCOPE_RELAY}},
    {TRANSACTION, 400, 499, "4.3.2", {OUTCOME_DEFERRED, OUTCOME_SCOPE_RELAY}},
    /* What this mail is, or needs: a feature, or its size (RFC 3463 3.4). */
    {MAIL | RCPT | DATA, 400, 499, "4.3.3", {OUTCOME_DEFERRED, OUTCOME_SCOPE_MESSAGE}},
    {MAIL | RCPT | DATA, 400, 499, "4.3.4", {OUTCOME_DEFERRED, OUTCOME_SCOPE_MESSAGE}},
    /* All else of 4.3 is trouble of the mail system, and congestion is (3.5). To MAIL and DATA it
     * is the relay's: no recipient is in question, and the mail was not seen. To its end the same
     * words may be about the mail alone (a filter fails on it), and one mail must not stop a relay.
     * 4.1, 4.4 and 4.7 to MAIL are about its sender, and so about one tenant. */
    {MAIL | DATA, 400, 499, "4.3.", {OUTCOME_DEFERRED, OUTCOME_SCOPE_RELAY}},
    {MAIL | DATA, 400, 499, "4.4.5", {OUTCOME_DEFERRED, OUTCOME_SCOPE_RELAY}},
    {MAIL, 452, 452, "", {OUTCOME_DEFERRED, OUTCOME_SCOPE_RELAY}},
    /* Policy looks at who sends what: the address may be perfectly alive. */
    {RCPT, 500, 599, "5.7.", {OUTCOME_REFUSED, OUTCOME_SCOPE_MESSAGE}},
    /* Some relays look the recipient up after the data only. */
    {DATA | BODY, 500, 599, "5.1.", {OUTCOME_REFUSED, OUTCOME_SCOPE_RECIPIENT}},
    {DATA | BODY, 500, 599, "5.2.", {OUTCOME_REFUSED, OUTCOME_SCOPE_RECIPIENT}},
    {DATA | BODY, 400, 499, "4.2.", {OUTCOME_DEFERRED, OUTCOME_SCOPE_RECIPIENT}},
    /* The mail system behind the domain, the way to it (RFC 3463 3.4, 3.5), or too much mail for
     * it: "mail flood detected" (IANA), "server busy" and "has exceeded its rate" as Exchange
     * Online says them. All else of 4.7 is greylisting and policy, which look at one mail. */
    {RCPT, 400, 499, "4.3.", {OUTCOME_DEFERRED, OUTCOME_SCOPE_DOMAIN}},
    {RCPT, 400, 499, "4.4.", {OUTCOME_DEFERRED, OUTCOME_SCOPE_DOMAIN}},
    {RCPT, 400, 499, "4.7.28", {OUTCOME_DEFERRED, OUTCOME_SCOPE_DOMAIN}},
    {RCPT, 400, 499, "4.7.500", {OUTCOME_DEFERRED, OUTCOME_SCOPE_DOMAIN}},
    {RCPT, 400, 499, "4.7.650", {OUTCOME_DEFERRED, OUTCOME_SCOPE_DOMAIN}},
    {RCPT, 400, 499, "4.7.651", {OUTCOME_DEFERRED, OUTCOME_SCOPE_DOMAIN}},
    {RCPT, 400, 499, "", {OUTCOME_DEFERRED, OUTCOME_SCOPE_RECIPIENT}},
    {RCPT, 500, 599, "", {OUTCOME_REFUSED, OUTCOME_SCOPE_RECIPIENT}},
    {MAIL | DATA | BODY, 400, 499, "", {OUTCOME_DEFERRED, OUTCOME_SCOPE_MESSAGE}},
    {MAIL | DATA | BODY, 500, 599, "", {OUTCOME_REFUSED, OUTCOME_SCOPE_MESSAGE}},
    /* A reply that makes no sense here: the two sides are out of step. */
    {BODY, 0, 999, "", {OUTCOME_UNCERTAIN, OUTCOME_SCOPE_RELAY}},
};

struct classification classify_reply(enum outcome_verb verb, int code, const char *enhanced)
{
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        const struct rule *rule = &rules[i];
        if ((rule->verbs & (1u << verb)) == 0 || code < rule->code_first || code > rule->code_last)
            continue;
        if (strncmp(enhanced, rule->enhanced, strlen(rule->enhanced)) != 0)
            continue;
        /* "4.3.1" must not fit "4.3.10". */
        if (rule->enhanced[0] != '\0' && rule->enhanced[strlen(rule->enhanced) - 1] != '.' &&
            enhanced[strlen(rule->enhanced)] != '\0')
            continue;
        return rule->meaning;
    }
    return (struct classification){OUTCOME_DEFERRED, OUTCOME_SCOPE_RELAY};
}

struct classification classify_loss(bool has_data_ended)
{
    return (struct classification){has_data_ended ? OUTCOME_UNCERTAIN : OUTCOME_DEFERRED,
                                   OUTCOME_SCOPE_RELAY};
}
