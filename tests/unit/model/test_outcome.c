/* An outcome's names, and that no address survives the redaction. */
#include "worker/model/outcome.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void every_value_has_its_name(void **state)
{
    (void)state;
    assert_string_equal(outcome_kind_name(OUTCOME_SENT), "sent");
    assert_string_equal(outcome_kind_name(OUTCOME_DEFERRED), "deferred");
    assert_string_equal(outcome_kind_name(OUTCOME_REFUSED), "refused");
    assert_string_equal(outcome_kind_name(OUTCOME_UNCERTAIN), "uncertain");
    assert_string_equal(outcome_scope_name(OUTCOME_SCOPE_NONE), "none");
    assert_string_equal(outcome_scope_name(OUTCOME_SCOPE_RELAY), "relay");
    assert_string_equal(outcome_scope_name(OUTCOME_SCOPE_MESSAGE), "message");
    assert_string_equal(outcome_scope_name(OUTCOME_SCOPE_RECIPIENT), "recipient");
    for (int verb = OUTCOME_VERB_NONE; verb <= OUTCOME_VERB_BODY; verb++)
        assert_string_not_equal(outcome_verb_name((enum outcome_verb)verb), "");
    assert_string_equal(outcome_verb_name(OUTCOME_VERB_RCPT), "RCPT");
    assert_string_equal(outcome_verb_name(OUTCOME_VERB_BODY), "BODY");
}

static void addresses_are_redacted_wherever_they_stand(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"user unknown", "user unknown"},
        {"<ada@example.org>: no such user", "<address>: no such user"},
        {"ada@example.org no such user", "<address> no such user"},
        {"no user ada@example.org", "no user <address>"},
        {"no user (ada@example.org)", "no user (<address>)"},
        {"a@b.org,c@d.org; e@f.org", "<address>,<address>; <address>"},
        {"<\"ada lovelace\"@example.org> gone", "<address> gone"},
        {"<ada@[192.0.2.1]> gone", "<address> gone"},
        {"rcpt to:<ada@example.org> rejected", "rcpt to:<address> rejected"},
        {"mailto:ada+tag=x@example.org", "<address>"},
        {"@", "<address>"},
        {"a@b@c d", "<address> d"},
        {"x\"@y z", "<address> z"},
        {"tab\there\r\n\x01\x7f", "tab?here????"},
        {"caf\xc3\xa9", "caf??"},
        {"ad\xc3\xa9l@example.org gone", "<address> gone"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[OUTCOME_TEXT_BYTES];
        outcome_redact(text, sizeof(text), rows[i][0], (unsigned)strlen(rows[i][0]));
        assert_string_equal(text, rows[i][1]);
    }
}

static void the_text_is_cut_where_the_room_ends(void **state)
{
    (void)state;
    char text[8];
    outcome_redact(text, sizeof(text), "0123456789", 10);
    assert_string_equal(text, "0123456");
    outcome_redact(text, sizeof(text), "ada@example.org", 15);
    assert_string_equal(text, "<addres");
    text[0] = 'x';
    outcome_redact(text, 0, "abc", 3);
    assert_int_equal(text[0], 'x');
    outcome_redact(text, 1, "abc", 3);
    assert_string_equal(text, "");
}

/* Every text of up to seven characters out of those that matter: no address
 * is left, and nothing is written past the room. */
static void no_short_text_lets_an_address_through(void **state)
{
    (void)state;
    static const char letters[] = "a@ \"<>[";
    const unsigned count = sizeof(letters) - 1;
    unsigned total = 1;
    for (int i = 0; i < 7; i++)
        total *= count;
    for (unsigned number = 0; number < total; number++) {
        char words[7];
        unsigned rest = number;
        for (int i = 0; i < 7; i++, rest /= count)
            words[i] = letters[rest % count];
        char text[24];
        outcome_redact(text, sizeof(text), words, sizeof(words));
        assert_true(strlen(text) < sizeof(text));
        assert_null(strchr(text, '@'));
    }
}

static void a_recipient_is_hidden_wherever_it_stands_as_a_word(void **state)
{
    (void)state;
    static const char *const rows[][3] = {
        {"jo.smith is over quota", "jo.smith", "<recipient> is over quota"},
        {"no such user: JO.SMITH", "jo.smith", "no such user: <recipient>"},
        {"jo.smith%oakfield jo.smith", "jo.smith", "<recipient>%oakfield <recipient>"},
        {"joanna, jojo and bojo", "jo", "joanna, jojo and bojo"},
        {"mailbox of Zo?? is full", "Zo\xc3\xab", "mailbox of <recipient> is full"},
        {"a mailbox", "a", "a mailbox"},
        {"nothing", "", "nothing"},
        {"", "jo", ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[OUTCOME_TEXT_BYTES];
        (void)strcpy(text, rows[i][0]);
        outcome_hide(text, rows[i][1], (unsigned)strlen(rows[i][1]));
        assert_string_equal(text, rows[i][2]);
    }
}

/* The peer's words are cut at OUTCOME_TEXT_BYTES, perhaps in the middle of a name. */
static void a_recipient_at_the_end_of_a_full_text_is_hidden_too(void **state)
{
    (void)state;
    char text[OUTCOME_TEXT_BYTES];
    memset(text, ' ', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    for (unsigned kept = 1; kept <= 8; kept++) {
        memset(text, ' ', sizeof(text) - 1);
        memcpy(text + sizeof(text) - 1 - kept, "jo.smith", kept);
        outcome_hide(text, "jo.smith", 8);
        assert_int_equal(strlen(text), sizeof(text) - 1);
        assert_null(strchr(text, 'j'));
    }
    memset(text, 0, sizeof(text));
    for (unsigned i = 0; i + 3 < sizeof(text); i += 3)
        memcpy(text + i, "jo ", 3);
    outcome_hide(text, "jo", 2);
    assert_int_equal(strlen(text), sizeof(text) - 1);
    assert_null(strchr(text, 'j'));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_value_has_its_name),
        cmocka_unit_test(addresses_are_redacted_wherever_they_stand),
        cmocka_unit_test(the_text_is_cut_where_the_room_ends),
        cmocka_unit_test(a_recipient_is_hidden_wherever_it_stands_as_a_word),
        cmocka_unit_test(a_recipient_at_the_end_of_a_full_text_is_hidden_too),
        cmocka_unit_test(no_short_text_lets_an_address_through),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
