/* Collects findings and writes them. Looks at nothing itself. */
#include "worker/cli/check.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_BYTES = 600, STRING_BYTES = 255 /* RFC 1035 section 3.3.14 */ };

static const char *const state_names[] = {"good", "note", "bad", "unknown"};

static bool set_text(struct json *object, const char *key, const char *text)
{
    return json_set(object, key, json_new_text(text, strlen(text)));
}

void check_begin_domain(struct check *check)
{
    check->findings = json_new_array();
    check->records = json_new_array();
    check->unanswered_in_row = 0;
    check->asked = 0;
    check->answered = 0;
}

void check_end_domain(struct check *check, const char *domain, struct json *tenants)
{
    struct json *object = json_new_object();
    bool is_whole = object != NULL && set_text(object, "domain", domain);
    if (check->asked > 0)
        check->silent_domains_in_row = check->answered == 0 ? check->silent_domains_in_row + 1 : 0;
    is_whole = is_whole && json_set(object, "tenants", tenants != NULL ? json_hold(tenants) : NULL);
    is_whole = is_whole && json_set(object, "findings", json_hold(check->findings));
    is_whole = is_whole && json_set(object, "records", json_hold(check->records));
    if (is_whole)
        is_whole = json_append(check->domains, object);
    else
        json_free(object);
    json_free(tenants);
    json_free(check->findings);
    json_free(check->records);
    check->findings = NULL;
    check->records = NULL;
    check->has_failed = check->has_failed || !is_whole;
}

void check_find(struct check *check, const char *what, const char *name, enum check_state state,
                const char *format, ...)
{
    char text[TEXT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    check->has_bad = check->has_bad || state == CHECK_BAD;
    check->has_unknown = check->has_unknown || state == CHECK_UNKNOWN;
    struct json *finding = json_new_object();
    if (finding != NULL && set_text(finding, "what", what) && set_text(finding, "name", name) &&
        set_text(finding, "state", state_names[state]) && set_text(finding, "text", text)) {
        check->has_failed = !json_append(check->findings, finding) || check->has_failed;
        return;
    }
    json_free(finding);
    check->has_failed = true;
}

void check_publish(struct check *check, const char *name, const char *text)
{
    for (size_t i = 0; i < json_array_count(check->records); i++)
        if (strcmp(json_find_text(json_array_at(check->records, i), "name"), name) == 0)
            return;
    struct json *record = json_new_object();
    if (record != NULL && set_text(record, "name", name) && set_text(record, "type", "TXT") &&
        set_text(record, "text", text)) {
        check->has_failed = !json_append(check->records, record) || check->has_failed;
        return;
    }
    json_free(record);
    check->has_failed = true;
}

bool check_ask(struct check *check, const char *what, const char *name, struct dns_texts *texts)
{
    if (check->is_offline) {
        check_find(check, what, name, CHECK_NOTE, "not asked (--offline)");
        return false;
    }
    if (check->unanswered_in_row >= CHECK_UNANSWERED_MOST ||
        check->silent_domains_in_row >= CHECK_SILENT_DOMAINS_MOST) {
        check_find(check, what, name, CHECK_UNKNOWN, "not asked: the DNS does not answer");
        return false;
    }
    dns_query_txt(&check->dns, name, texts);
    check->asked++;
    if (texts->kind == DNS_FOUND || texts->kind == DNS_NONE) {
        check->answered++;
        check->unanswered_in_row = 0;
        return true;
    }
    check->unanswered_in_row += texts->kind == DNS_UNANSWERED;
    check_find(check, what, name, CHECK_UNKNOWN, "the DNS: %s", texts->reason);
    dns_texts_free(texts);
    return false;
}

/* ---- As people read it. ---- */

static void write_finding(const struct json *finding)
{
    (void)printf("  %-8s %-9s  %s: %s\n", json_find_text(finding, "state"),
                 json_find_text(finding, "what"), json_find_text(finding, "name"),
                 json_find_text(finding, "text"));
}

/* As a zone file has it: strings of at most 255 bytes, quoted. */
static void write_record(const struct json *record)
{
    const char *text = json_find_text(record, "text");
    size_t left = strlen(text);
    bool is_long = left > STRING_BYTES;
    (void)printf("    %s. IN TXT %s", json_find_text(record, "name"), is_long ? "(" : "");
    do {
        size_t size = left < STRING_BYTES ? left : STRING_BYTES;
        (void)printf(is_long ? "\n        \"%.*s\"" : "\"%.*s\"", (int)size, text);
        text += size;
        left -= size;
    } while (left > 0);
    (void)puts(is_long ? " )" : "");
}

static void write_domain(const struct json *domain)
{
    const struct json *tenants = json_find(domain, "tenants");
    const struct json *findings = json_find(domain, "findings");
    const struct json *records = json_find(domain, "records");
    (void)printf("\n%s", json_find_text(domain, "domain"));
    for (size_t i = 0; i < json_array_count(tenants); i++)
        (void)printf("%s%s", i == 0 ? " (" : ", ", json_text(json_array_at(tenants, i), NULL));
    (void)puts(json_array_count(tenants) > 0 ? ")" : " (no tenant sends from it)");
    for (size_t i = 0; i < json_array_count(findings); i++)
        write_finding(json_array_at(findings, i));
    if (json_array_count(records) > 0)
        (void)puts("  to publish:");
    for (size_t i = 0; i < json_array_count(records); i++)
        write_record(json_array_at(records, i));
}

void check_write_text(const struct check *check)
{
    for (size_t i = 0; i < json_array_count(check->domains); i++)
        write_domain(json_array_at(check->domains, i));
}
