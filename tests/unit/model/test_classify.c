/* What a reply means: one row a rule, and what no rule names. */
#include "worker/model/classify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct row {
    enum outcome_verb verb;
    int code;
    const char *enhanced;
    enum outcome_kind kind;
    enum outcome_scope scope;
};

static const struct row rows[] = {
    {OUTCOME_VERB_BODY, 250, "2.0.0", OUTCOME_SENT, OUTCOME_SCOPE_NONE},
    {OUTCOME_VERB_BODY, 200, "", OUTCOME_SENT, OUTCOME_SCOPE_NONE},
    /* 421 is the relay's word, wherever it stands. */
    {OUTCOME_VERB_GREETING, 421, "", OUTCOME_DEFERRED, OUTCOME_SCOPE_RELAY},
    {OUTCOME_VERB_RCPT, 421, "4.2.1", OUTCOME_DEFERRED, OUTCOME_SCOPE_RELAY},
    {OUTCOME_VERB_BODY, 421, "", OUTCOME_DEFERRED, OUTCOME_SCOPE_RELAY},
    /* A session that does not open says nothing about the mail. */
    {OUTCOME_VERB_GREETING, 554, "5.7.1", OUTCOME_DEFERRED, OUTCOME_SCOPE_RELAY},
    {OUTCOME_VERB_EHLO, 550, "", OUTCOME_DEFERRED, OUTCOME_SCOPE_RELAY},
    {OUTCOME_VERB_STARTTLS, 454, "", OUTCOME_DEFERRED, OUTCOME_SCOPE_RELAY},
    {OUTCOME_VERB_AUTH, 535, "5.7.8", OUTCOME_DEFERRED, OUTCOME_SCOPE_RELAY},
    {OUTCOME_VERB_MAIL, 530, "5.7.0", OUTCOME_DEFERRED, OUTCOME_SCOPE_RELAY},
    {OUTCOME_VERB_MAIL, 454, "4.7.0", OUTCOME_DEFERRED, OUTCOME_SCOPE_RELAY},
    {OUTCOME_VERB_RCPT, 538, "", OUTCOME_DEFERRED, OUTCOME_SCOPE_RELAY},
    /* The relay's own troubles. */
    {OUTCOME_VERB_MAIL, 452, "", OUTCOME_DEFERRED, OUTCOME_SCOPE_RELAY},
    {OUTCOME_VERB_BODY, 452, "4.3.1", OUTCOME_DEFERRED, OUTCOME_SCOPE_RELAY},
    {OUTCOME_VERB_RCPT, 451, "4.3.2", OUTCOME_DEFERRED, OUTCOME_SCOPE_RELAY},
    {OUTCOME_VERB_MAIL, 451, "4.3.0", OUTCOME_DEFERRED, OUTCOME_SCOPE_RELAY},
    {OUTCOME_VERB_MAIL, 451, "4.3.5", OUTCOME_DEFERRED, OUTCOME_SCOPE_RELAY},
    {OUTCOME_VERB_DATA, 451, "4.3.0", OUTCOME_DEFERRED, OUTCOME_SCOPE_RELAY},
    {OUTCOME_VERB_DATA, 451, "4.4.5", OUTCOME_DEFERRED, OUTCOME_SCOPE_RELAY},
    {OUTCOME_VERB_DATA, 421, "4.3.0", OUTCOME_DEFERRED, OUTCOME_SCOPE_RELAY},
    {OUTCOME_VERB_MAIL, 503, "5.5.1", OUTCOME_DEFERRED, OUTCOME_SCOPE_RELAY},
    {OUTCOME_VERB_RCPT, 503, "", OUTCOME_DEFERRED, OUTCOME_SCOPE_RELAY},
    /* A mail that no relay can be stopped by: of its content, its size, its sender. */
    {OUTCOME_VERB_BODY, 451, "4.3.0", OUTCOME_DEFERRED, OUTCOME_SCOPE_MESSAGE},
    {OUTCOME_VERB_BODY, 451, "4.3.5", OUTCOME_DEFERRED, OUTCOME_SCOPE_MESSAGE},
    {OUTCOME_VERB_BODY, 451, "4.6.0", OUTCOME_DEFERRED, OUTCOME_SCOPE_MESSAGE},
    {OUTCOME_VERB_BODY, 451, "4.7.1", OUTCOME_DEFERRED, OUTCOME_SCOPE_MESSAGE},
    {OUTCOME_VERB_MAIL, 452, "4.3.4", OUTCOME_DEFERRED, OUTCOME_SCOPE_MESSAGE},
    {OUTCOME_VERB_MAIL, 451, "4.3.3", OUTCOME_DEFERRED, OUTCOME_SCOPE_MESSAGE},
    {OUTCOME_VERB_RCPT, 452, "4.3.4", OUTCOME_DEFERRED, OUTCOME_SCOPE_MESSAGE},
    {OUTCOME_VERB_MAIL, 450, "4.1.8", OUTCOME_DEFERRED, OUTCOME_SCOPE_MESSAGE},
    {OUTCOME_VERB_MAIL, 451, "4.4.3", OUTCOME_DEFERRED, OUTCOME_SCOPE_MESSAGE},
    {OUTCOME_VERB_MAIL, 451, "4.7.1", OUTCOME_DEFERRED, OUTCOME_SCOPE_MESSAGE},
    {OUTCOME_VERB_DATA, 451, "4.7.1", OUTCOME_DEFERRED, OUTCOME_SCOPE_MESSAGE},
    {OUTCOME_VERB_DATA, 450, "4.2.0", OUTCOME_DEFERRED, OUTCOME_SCOPE_RECIPIENT},
    /* All of the recipient's domain. */
    {OUTCOME_VERB_RCPT, 451, "4.3.10", OUTCOME_DEFERRED, OUTCOME_SCOPE_DOMAIN},
    {OUTCOME_VERB_RCPT, 451, "4.3.0", OUTCOME_DEFERRED, OUTCOME_SCOPE_DOMAIN},
    {OUTCOME_VERB_RCPT, 450, "4.4.1", OUTCOME_DEFERRED, OUTCOME_SCOPE_DOMAIN},
    {OUTCOME_VERB_RCPT, 450, "4.7.28", OUTCOME_DEFERRED, OUTCOME_SCOPE_DOMAIN},
    {OUTCOME_VERB_RCPT, 451, "4.7.500", OUTCOME_DEFERRED, OUTCOME_SCOPE_DOMAIN},
    {OUTCOME_VERB_RCPT, 451, "4.7.651", OUTCOME_DEFERRED, OUTCOME_SCOPE_DOMAIN},
    {OUTCOME_VERB_BODY, 451, "4.4.1", OUTCOME_DEFERRED, OUTCOME_SCOPE_MESSAGE},
    /* One mailbox, one mail: greylisting, and what says nothing more. */
    {OUTCOME_VERB_RCPT, 451, "4.7.1", OUTCOME_DEFERRED, OUTCOME_SCOPE_RECIPIENT},
    {OUTCOME_VERB_RCPT, 450, "4.7.2", OUTCOME_DEFERRED, OUTCOME_SCOPE_RECIPIENT},
    {OUTCOME_VERB_RCPT, 450, "4.2.0", OUTCOME_DEFERRED, OUTCOME_SCOPE_RECIPIENT},
    {OUTCOME_VERB_RCPT, 452, "4.2.2", OUTCOME_DEFERRED, OUTCOME_SCOPE_RECIPIENT},
    {OUTCOME_VERB_RCPT, 450, "", OUTCOME_DEFERRED, OUTCOME_SCOPE_RECIPIENT},
    /* By verb. */
    {OUTCOME_VERB_MAIL, 451, "", OUTCOME_DEFERRED, OUTCOME_SCOPE_MESSAGE},
    {OUTCOME_VERB_MAIL, 550, "", OUTCOME_REFUSED, OUTCOME_SCOPE_MESSAGE},
    {OUTCOME_VERB_RCPT, 450, "4.7.1", OUTCOME_DEFERRED, OUTCOME_SCOPE_RECIPIENT},
    {OUTCOME_VERB_RCPT, 550, "5.1.1", OUTCOME_REFUSED, OUTCOME_SCOPE_RECIPIENT},
    {OUTCOME_VERB_RCPT, 550, "", OUTCOME_REFUSED, OUTCOME_SCOPE_RECIPIENT},
    {OUTCOME_VERB_RCPT, 550, "5.7.1", OUTCOME_REFUSED, OUTCOME_SCOPE_MESSAGE},
    {OUTCOME_VERB_DATA, 451, "", OUTCOME_DEFERRED, OUTCOME_SCOPE_MESSAGE},
    {OUTCOME_VERB_DATA, 554, "", OUTCOME_REFUSED, OUTCOME_SCOPE_MESSAGE},
    {OUTCOME_VERB_BODY, 451, "", OUTCOME_DEFERRED, OUTCOME_SCOPE_MESSAGE},
    {OUTCOME_VERB_BODY, 452, "4.2.2", OUTCOME_DEFERRED, OUTCOME_SCOPE_RECIPIENT},
    {OUTCOME_VERB_BODY, 554, "5.7.1", OUTCOME_REFUSED, OUTCOME_SCOPE_MESSAGE},
    {OUTCOME_VERB_BODY, 550, "5.1.10", OUTCOME_REFUSED, OUTCOME_SCOPE_RECIPIENT},
    {OUTCOME_VERB_BODY, 552, "5.2.2", OUTCOME_REFUSED, OUTCOME_SCOPE_RECIPIENT},
    /* Out of step. */
    {OUTCOME_VERB_BODY, 354, "", OUTCOME_UNCERTAIN, OUTCOME_SCOPE_RELAY},
    {OUTCOME_VERB_DATA, 250, "", OUTCOME_DEFERRED, OUTCOME_SCOPE_RELAY},
    {OUTCOME_VERB_MAIL, 354, "", OUTCOME_DEFERRED, OUTCOME_SCOPE_RELAY},
};

static void each_reply_has_its_meaning(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *row = &rows[i];
        struct classification meaning = classify_reply(row->verb, row->code, row->enhanced);
        if (meaning.kind != row->kind || meaning.scope != row->scope)
            fail_msg("row %zu: %s %d %s is %s of %s", i, outcome_verb_name(row->verb), row->code,
                     row->enhanced, outcome_kind_name(meaning.kind),
                     outcome_scope_name(meaning.scope));
    }
}

/* Nothing but the reply to the end of the data can make a mail sent or uncertain. */
static void only_the_end_of_the_data_sends(void **state)
{
    (void)state;
    for (int verb = OUTCOME_VERB_CONNECT; verb < OUTCOME_VERB_BODY; verb++) {
        for (int code = 0; code < 1000; code++) {
            enum outcome_kind kind = classify_reply((enum outcome_verb)verb, code, "").kind;
            assert_true(kind == OUTCOME_DEFERRED || kind == OUTCOME_REFUSED);
        }
    }
}

static void a_lost_connection_is_uncertain_after_the_data_alone(void **state)
{
    (void)state;
    assert_int_equal(classify_loss(false).kind, OUTCOME_DEFERRED);
    assert_int_equal(classify_loss(true).kind, OUTCOME_UNCERTAIN);
    assert_int_equal(classify_loss(true).scope, OUTCOME_SCOPE_RELAY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_reply_has_its_meaning),
        cmocka_unit_test(only_the_end_of_the_data_sends),
        cmocka_unit_test(a_lost_connection_is_uncertain_after_the_data_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
