/* Are the files there that worker and pages will want? Must not know what is in them. */
#include "worker/cli/check_files.h"

#include "worker/base/crypto.h"
#include "worker/io/smtp.h"
#include "worker/model/token_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SECRET_BYTES = 8192 };

struct search {
    const struct config *config;
    struct json *findings;
    bool has_bad;
    bool is_whole;
};

static void find(struct search *search, const char *state, const char *text)
{
    struct json *finding = json_new_object();
    search->has_bad = search->has_bad || strcmp(state, "bad") == 0;
    bool is_whole = finding != NULL &&
                    json_set(finding, "state", json_new_text(state, strlen(state))) &&
                    json_set(finding, "text", json_new_text(text, strlen(text)));
    if (!is_whole)
        json_free(finding);
    search->is_whole = is_whole && json_append(search->findings, finding) && search->is_whole;
}

/* Units read such a file as credentials, which root opens for them. */
static bool is_shut(const char *path)
{
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file >= 0)
        close(file);
    return file < 0 && errno == EACCES;
}

static void find_shut(struct search *search, const char *section, const char *key, const char *path)
{
    char text[ERROR_TEXT_BYTES];
    (void)snprintf(text, sizeof text, "[%s] %s: %.300s: this login may not read it", section, key,
                   path);
    find(search, "note", text);
}

static void look_at_key(struct search *search)
{
    const char *path = config_text(search->config, "security", "key_file");
    struct token_keys keys;
    struct error error;
    char text[ERROR_TEXT_BYTES];
    if (is_shut(path)) {
        find_shut(search, "security", "key_file", path);
    } else if (token_keys_read(path, &keys, &error)) {
        (void)snprintf(text, sizeof text, "[security] key_file: %zu key%s", (size_t)keys.count,
                       keys.count == 1 ? "" : "s");
        find(search, "good", text);
        token_keys_wipe(&keys);
    } else {
        (void)error_prefix(&error, "[security] key_file");
        find(search, "bad", error.text);
    }
}

static void look_at_secret(struct search *search, const char *section, const char *key)
{
    const char *path = config_text(search->config, section, key);
    char secret[SECRET_BYTES];
    struct error error;
    if (*path == '\0')
        return;
    if (is_shut(path)) {
        find_shut(search, section, key, path);
    } else if (!config_read_secret(path, secret, sizeof secret, &error)) {
        (void)error_prefix(&error, "[%s] %s", section, key);
        find(search, "bad", error.text);
    }
    crypto_wipe(secret, sizeof secret);
}

/* Settings that are not good have not come so far; a URL is looked at for its TLS alone. */
static void look_at_certificates(struct search *search, const char *section)
{
    const char *path = config_text(search->config, section, "ca_file");
    struct smtp_url url;
    char text[ERROR_TEXT_BYTES];
    if (!smtp_url_parse(config_text(search->config, section, "url"), &url, NULL) ||
        url.tls == SMTP_TLS_NONE || access(path, R_OK) == 0)
        return;
    (void)snprintf(text, sizeof text, "[%s] ca_file: %.300s: %s", section, path, strerror(errno));
    find(search, "bad", text);
}

bool check_files_look(const struct config *config, struct json **findings, bool *has_bad)
{
    struct search search = {.config = config, .findings = json_new_array(), .is_whole = true};
    *findings = search.findings;
    if (search.findings == NULL)
        return false;
    look_at_key(&search);
    for (unsigned relay = 1; relay <= SMTP_RELAYS; relay++) {
        const char *section = smtp_section(relay);
        if (*config_text(config, section, "url") == '\0')
            continue;
        look_at_secret(&search, section, "password_file");
        look_at_secret(&search, section, "token_file");
        look_at_certificates(&search, section);
    }
    *has_bad = search.has_bad;
    return search.is_whole;
}

void check_files_write(const struct json *findings)
{
    for (size_t i = 0; i < json_array_count(findings); i++) {
        const struct json *finding = json_array_at(findings, i);
        (void)printf("file: %s: %s\n", json_find_text(finding, "state"),
                     json_find_text(finding, "text"));
    }
}
