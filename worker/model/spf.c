/* Takes SPF records apart. */
#include "worker/model/spf.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum need { NEEDS_NOTHING, MAY_HAVE_DOMAIN, NEEDS_DOMAIN, NEEDS_IP4, NEEDS_IP6 };

static const struct form {
    const char *name;
    enum spf_kind kind;
    enum need need;
    bool is_modifier;
    bool asks;
} forms[] = {
    {"all", SPF_ALL, NEEDS_NOTHING, false, false},
    {"include", SPF_INCLUDE, NEEDS_DOMAIN, false, true},
    {"a", SPF_A, MAY_HAVE_DOMAIN, false, true},
    {"mx", SPF_MX, MAY_HAVE_DOMAIN, false, true},
    {"ptr", SPF_PTR, MAY_HAVE_DOMAIN, false, true},
    {"ip4", SPF_IP4, NEEDS_IP4, false, false},
    {"ip6", SPF_IP6, NEEDS_IP6, false, false},
    {"exists", SPF_EXISTS, NEEDS_DOMAIN, false, true},
    {"redirect", SPF_REDIRECT, NEEDS_DOMAIN, true, true},
    {"exp", SPF_EXPLANATION, NEEDS_DOMAIN, true, false},
};

static const char version[] = "v=spf1";

bool spf_is_record(const char *text)
{
    size_t size = sizeof version - 1;
    return strncasecmp(text, version, size) == 0 && (text[size] == ' ' || text[size] == '\0');
}

/* "/24" or "//64" or "/24//64" at the end of `text` is cut off. False where a number is none. */
static bool prefix_cut(char *text, long ip4_most)
{
    char *slash = strchr(text, '/');
    if (slash == NULL)
        return true;
    char *at = slash;
    bool is_good = true;
    for (long most = ip4_most; *at == '/' && is_good; most = 128) {
        char *end;
        at++;
        if (*at == '/') { /* none for IPv4 */
            at++;
            most = 128;
        } else if (at - 1 != slash) {
            is_good = false;
        }
        long value = *at >= '0' && *at <= '9' ? strtol(at, &end, 10) : -1;
        is_good = is_good && value >= 0 && value <= most;
        at = is_good ? end : at;
    }
    is_good = is_good && *at == '\0';
    *slash = '\0';
    return is_good;
}

static bool value_check(const struct form *form, char *value, struct spf_term *term)
{
    unsigned char address[16];
    bool may_have_prefix = form->need == MAY_HAVE_DOMAIN;
    if (form->need == NEEDS_IP4)
        return strstr(value, "//") == NULL && prefix_cut(value, 32) &&
               inet_pton(AF_INET, value, address) == 1;
    if (form->need == NEEDS_IP6)
        return strstr(value, "//") == NULL && prefix_cut(value, 128) &&
               inet_pton(AF_INET6, value, address) == 1;
    term->has_macro = strchr(value, '%') != NULL;
    if (may_have_prefix && !term->has_macro && !prefix_cut(value, 32))
        return false;
    if (strlen(value) >= SPF_DOMAIN_BYTES)
        return false;
    memcpy(term->domain, value, strlen(value) + 1);
    return *value != '\0' || form->need == MAY_HAVE_DOMAIN;
}

static const struct form *form_find(const char *name, size_t size, bool is_modifier)
{
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        if (forms[i].is_modifier == is_modifier && strlen(forms[i].name) == size &&
            strncasecmp(forms[i].name, name, size) == 0)
            return &forms[i];
    return NULL;
}

static bool is_qualifier(char c)
{
    return c == '+' || c == '-' || c == '~' || c == '?';
}

/* `word` is one term, and is written into. */
static bool term_parse(char *word, struct spf_term *term)
{
    size_t size = strcspn(word, ":=/");
    bool is_modifier = word[size] == '=';
    *term = (struct spf_term){.qualifier = '+', .kind = SPF_OTHER};
    if (!is_modifier && is_qualifier(*word)) {
        term->qualifier = *word++;
        size--;
    }
    const struct form *form = form_find(word, size, is_modifier);
    if (form == NULL)
        return is_modifier && size > 0;
    term->kind = form->kind;
    char *value = word + size + (word[size] == ':' || word[size] == '=');
    if (form->need == NEEDS_NOTHING)
        return word[size] == '\0';
    if (word[size] == ':' && *value == '\0')
        return false;
    return value_check(form, value, term);
}

bool spf_parse(const char *text, struct spf *spf, char problem[SPF_PROBLEM_BYTES])
{
    char word[512];
    spf->count = 0;
    problem[0] = '\0';
    for (const char *at = text + sizeof version - 1; *at != '\0';) {
        at += strspn(at, " ");
        size_t size = strcspn(at, " ");
        if (size == 0)
            break;
        (void)snprintf(word, sizeof word, "%.*s", (int)size, at);
        if (spf->count == SPF_TERMS_MAXIMUM) {
            (void)snprintf(problem, SPF_PROBLEM_BYTES, "more than %d terms", SPF_TERMS_MAXIMUM);
            return false;
        }
        struct spf_term *term = &spf->terms[spf->count];
        if (size >= sizeof word || !term_parse(word, term)) {
            (void)snprintf(problem, SPF_PROBLEM_BYTES, "cannot be read at \"%.*s\"",
                           size < 60 ? (int)size : 60, at);
            return false;
        }
        bool is_once = term->kind == SPF_REDIRECT || term->kind == SPF_EXPLANATION;
        if (is_once && spf_find(spf, term->kind) != NULL) {
            (void)snprintf(problem, SPF_PROBLEM_BYTES, "redirect= or exp= stands twice");
            return false;
        }
        spf->count++;
        at += size;
    }
    return true;
}

bool spf_term_asks(const struct spf_term *term)
{
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        if (forms[i].kind == term->kind)
            return forms[i].asks;
    return false;
}

const struct spf_term *spf_find(const struct spf *spf, enum spf_kind kind)
{
    for (size_t i = 0; i < spf->count; i++)
        if (spf->terms[i].kind == kind)
            return &spf->terms[i];
    return NULL;
}
