/* Where and how to send, as an operator writes it: the rows of [smtp], the url, and what must not
 * be combined. Opens no connection. */
#include "worker/io/smtp.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum {
    MAX_CONNECTIONS = 1000,
    MAX_MESSAGE_BYTES = 100 * 1024 * 1024,
    DEFAULT_MESSAGE_BYTES = 10 * 1024 * 1024,
};

#define ROW(section, key, type, unit, least, most, normal, help)                                   \
    {                                                                                              \
        section, key, type, unit, least, most, normal, help, false                                 \
    }
#define SECONDS(section, key, most, normal, help)                                                  \
    ROW(section, key, SETTING_INTEGER, "s", 1, most, normal, help)

/* One relay's rows: the first has an address by default, the others are not there without one. */
#define RELAY(section, least, address)                                                             \
    {                                                                                              \
        ROW(section, "url", SETTING_URL, "", least, 400, address,                                  \
            "The relay. smtps:// and smtp://...?tls=required verify its certificate and name; "    \
            "off this host TLS is required unless ?tls=none says otherwise. No user name here: "   \
            "see username."),                                                                      \
            ROW(section, "connections", SETTING_INTEGER, "", 1, MAX_CONNECTIONS, "20",             \
                "The most connections to the relay at a time; fewer are open while there is less " \
                "to send, and while the relay says that they are too many."),                      \
            ROW(section, "hostname", SETTING_TEXT, "", 0, 255, "",                                 \
                "The name that EHLO gives; empty: the system's host name."),                       \
            ROW(section, "ca_file", SETTING_PATH, "", 1, 1000,                                     \
                "/etc/ssl/certs/ca-certificates.crt",                                              \
                "Certificates (PEM) that the relay's certificate is verified against. Name a "     \
                "file with the relay's own authority alone: reading the system's whole list "      \
                "costs 50 to 75 ms and 4 MB for each connection."),                                \
            ROW(section, "username", SETTING_TEXT, "", 0, 255, "",                                 \
                "Who to log in as; empty: no login. Needs TLS, but on this host."),                \
            ROW(section, "password_file", SETTING_PATH, "", 0, 1000, "",                           \
                "A file whose first line is the password; read anew for each connection."),        \
            ROW(section, "token_file", SETTING_PATH, "", 0, 1000, "",                              \
                "A file whose first line is an OAuth 2 access token (XOAUTH2), kept fresh by "     \
                "another program; read anew for each connection."),                                \
            ROW(section, "auth", SETTING_TEXT, "", 1, 16, "auto",                                  \
                "How to log in: auto, plain, login or xoauth2."),                                  \
            ROW(section, "pipelining", SETTING_BOOLEAN, "", 0, 1, "true",                          \
                "Send several commands at once where the relay offers it (RFC 2920); false for a " \
                "relay that offers it and gets it wrong."),                                        \
            ROW(section, "message_bytes", SETTING_INTEGER, "bytes", 10240, MAX_MESSAGE_BYTES,      \
                "10485760", "The largest mail that is sent; larger ones are refused."),            \
            SECONDS(section, "connect_timeout", 300, "30",                                         \
                    "Wait for the address and the connection."),                                   \
            SECONDS(section, "greeting_timeout", 3600, "300",                                      \
                    "Wait for the greeting (RFC 5321 4.5.3.2.1)."),                                \
            SECONDS(section, "hello_timeout", 3600, "300",                                         \
                    "Wait for each reply to EHLO, STARTTLS and AUTH."),                            \
            SECONDS(section, "mail_timeout", 3600, "300",                                          \
                    "Wait for the reply to MAIL (RFC 5321 4.5.3.2.2)."),                           \
            SECONDS(section, "rcpt_timeout", 3600, "300",                                          \
                    "Wait for the reply to RCPT (RFC 5321 4.5.3.2.3)."),                           \
            SECONDS(section, "data_timeout", 3600, "120",                                          \
                    "Wait for the reply to DATA (RFC 5321 4.5.3.2.4)."),                           \
            SECONDS(section, "block_timeout", 3600, "180",                                         \
                    "Wait for a piece of mail to go (RFC 5321 4.5.3.2.5)."),                       \
            SECONDS(section, "end_timeout", 3600, "600",                                           \
                    "Wait for the reply to the end (RFC 5321 4.5.3.2.6)."),                        \
            SECONDS(section, "quit_timeout", 300, "5", "Wait for the reply to QUIT."),             \
            SECONDS(section, "idle_timeout", 3600, "60",                                           \
                    "Keep a connection that has nothing to send."),                                \
            {NULL, NULL, SETTING_TEXT, NULL, 0, 0, NULL, NULL, false},                             \
    }

const struct setting smtp_settings[SMTP_RELAYS][SMTP_SETTING_ROWS] = {
    RELAY("smtp", 1, "smtp://localhost:25"),
    RELAY("smtp2", 0, ""),
    RELAY("smtp3", 0, ""),
    RELAY("smtp4", 0, ""),
    RELAY("smtp5", 0, ""),
    RELAY("smtp6", 0, ""),
    RELAY("smtp7", 0, ""),
    RELAY("smtp8", 0, ""),
};

const char *smtp_section(unsigned relay)
{
    return smtp_settings[relay - 1][0].section;
}

bool smtp_is_configured(const struct config *config, unsigned relay)
{
    return config_text(config, smtp_section(relay), "url")[0] != '\0';
}

void smtp_options_init(struct smtp_options *options)
{
    *options = (struct smtp_options){
        .section = "smtp",
        .url = "smtp://localhost:25",
        .hostname = "",
        .ca_file = "/etc/ssl/certs/ca-certificates.crt",
        .username = "",
        .password_file = "",
        .token_file = "",
        .auth = SMTP_AUTH_AUTO,
        .connections = 20,
        .may_pipeline = true,
        .message_bytes = DEFAULT_MESSAGE_BYTES,
        .timeouts = {.connect_ms = 30000,
                     .greeting_ms = 300000,
                     .hello_ms = 300000,
                     .mail_ms = 300000,
                     .rcpt_ms = 300000,
                     .data_ms = 120000,
                     .block_ms = 180000,
                     .end_ms = 600000,
                     .quit_ms = 5000,
                     .idle_ms = 60000},
    };
}

static bool auth_parse(const char *text, enum smtp_auth *auth, struct error *error)
{
    static const char *const names[] = {[SMTP_AUTH_AUTO] = "auto",
                                        [SMTP_AUTH_PLAIN] = "plain",
                                        [SMTP_AUTH_LOGIN] = "login",
                                        [SMTP_AUTH_XOAUTH2] = "xoauth2"};
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(text, names[i]) == 0) {
            *auth = i;
            return true;
        }
    }
    return error_set(error, EX_CONFIG, "auth: must be auto, plain, login or xoauth2");
}

/* What was found wrong is "key: reason": says in which section, and fails. */
static bool section_fail(const char *section, struct error *error)
{
    char text[ERROR_TEXT_BYTES];
    if (error == NULL)
        return false;
    memcpy(text, error->text, sizeof text);
    return error_set(error, error->exit_status, "[%s] %s", section, text);
}

static uint32_t timeout_ms(const struct config *config, const char *section, const char *key)
{
    return (uint32_t)(config_integer(config, section, key) * 1000);
}

bool smtp_options_from_config(const struct config *config, unsigned relay,
                              struct smtp_options *options, struct error *error)
{
    const char *section = smtp_section(relay);
    smtp_options_init(options);
    options->section = section;
    options->url = config_text(config, section, "url");
    options->hostname = config_text(config, section, "hostname");
    options->ca_file = config_text(config, section, "ca_file");
    options->username = config_text(config, section, "username");
    options->password_file = config_text(config, section, "password_file");
    options->token_file = config_text(config, section, "token_file");
    options->connections = (unsigned)config_integer(config, section, "connections");
    options->may_pipeline = config_is_true(config, section, "pipelining");
    options->message_bytes = (size_t)config_integer(config, section, "message_bytes");
    options->timeouts = (struct smtp_timeouts){
        .connect_ms = timeout_ms(config, section, "connect_timeout"),
        .greeting_ms = timeout_ms(config, section, "greeting_timeout"),
        .hello_ms = timeout_ms(config, section, "hello_timeout"),
        .mail_ms = timeout_ms(config, section, "mail_timeout"),
        .rcpt_ms = timeout_ms(config, section, "rcpt_timeout"),
        .data_ms = timeout_ms(config, section, "data_timeout"),
        .block_ms = timeout_ms(config, section, "block_timeout"),
        .end_ms = timeout_ms(config, section, "end_timeout"),
        .quit_ms = timeout_ms(config, section, "quit_timeout"),
        .idle_ms = timeout_ms(config, section, "idle_timeout"),
    };
    if (!auth_parse(config_text(config, section, "auth"), &options->auth, error))
        return section_fail(section, error);
    return smtp_options_check(options, error);
}

static bool login_check(const struct smtp_options *options, const struct smtp_url *url,
                        struct error *error)
{
    bool has_password = options->password_file[0] != '\0';
    bool has_token = options->token_file[0] != '\0';
    if (options->username[0] == '\0') {
        if (has_password || has_token)
            return error_set(error, EX_CONFIG, "username: is missing beside the secret");
        return true;
    }
    if (has_password && has_token)
        return error_set(error, EX_CONFIG, "password_file and token_file: one, not both");
    if (!has_password && !has_token)
        return error_set(error, EX_CONFIG, "password_file: is missing beside username");
    if (has_token && (options->auth == SMTP_AUTH_PLAIN || options->auth == SMTP_AUTH_LOGIN))
        return error_set(error, EX_CONFIG, "auth: a token needs xoauth2");
    if (has_password && options->auth == SMTP_AUTH_XOAUTH2)
        return error_set(error, EX_CONFIG, "token_file: is missing for xoauth2");
    if (url->tls == SMTP_TLS_NONE && !url->is_this_host)
        return error_set(error, EX_CONFIG, "username: no login without TLS off this host");
    return true;
}

static bool name_is_sane(const char *name)
{
    return strlen(name) <= 255 &&
           name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                             "abcdefghijklmnopqrstuvwxyz0123456789.-_[]:")] == '\0';
}

static bool options_check(const struct smtp_options *options, struct error *error)
{
    struct smtp_url url;
    if (!smtp_url_parse(options->url, &url, error))
        return false;
    if (!login_check(options, &url, error))
        return false;
    if (!name_is_sane(options->hostname))
        return error_set(error, EX_CONFIG, "hostname: must be a domain name");
    if (options->connections < 1 || options->connections > MAX_CONNECTIONS)
        return error_set(error, EX_CONFIG, "connections: must be 1 to %d", MAX_CONNECTIONS);
    if (options->message_bytes < 1 || options->message_bytes > MAX_MESSAGE_BYTES)
        return error_set(error, EX_CONFIG, "message_bytes: must be 1 to %d", MAX_MESSAGE_BYTES);
    return true;
}

bool smtp_options_check(const struct smtp_options *options, struct error *error)
{
    return options_check(options, error) || section_fail(options->section, error);
}
