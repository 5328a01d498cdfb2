/* Any text as a published record: it is read within its bounds, or refused with a reason. */
#include "worker/mail/dkim_record.h"
#include "worker/model/spf.h"
#include "worker/model/tag_list.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const char pem[] = "-----BEGIN PRIVATE KEY-----\n"
                          "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
                          "-----END PRIVATE KEY-----\n";

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void try_spf(const char *text)
{
    static struct spf spf;
    char problem[SPF_PROBLEM_BYTES];
    if (!spf_is_record(text))
        return;
    bool is_read = spf_parse(text, &spf, problem);
    check(is_read == (problem[0] == '\0') && spf.count <= SPF_TERMS_MAXIMUM);
    for (size_t i = 0; i < spf.count; i++)
        check(strlen(spf.terms[i].domain) < SPF_DOMAIN_BYTES &&
              strchr("+-~?", spf.terms[i].qualifier));
}

static void try_tags(const char *text)
{
    struct tag_list list;
    if (!tag_list_parse(text, &list))
        return;
    for (size_t i = 0; i < list.count; i++) {
        const struct tag *tag = &list.tags[i];
        check(tag->name >= text && tag->name + tag->name_size <= text + strlen(text));
        check(tag->value >= text && tag->value + tag->value_size <= text + strlen(text));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct crypto_private_key *key;
    char *text = malloc(size + 1);
    if (key == NULL)
        key = crypto_private_key_parse(pem, sizeof pem - 1, NULL);
    if (text == NULL || key == NULL)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    try_spf(text);
    try_tags(text);
    (void)dkim_record_problem(text, key);
    (void)dkim_record_is_test(text);
    free(text);
    return 0;
}
