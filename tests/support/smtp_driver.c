/* Sends what it is told to over worker/io/smtp.h, for the tests in tests/fault: options as
 * key=value arguments, one step a line on standard input, one line an outcome on standard output.
 *
 *   mail NAME FROM RCPT FILE [urgent] [utf8] [stop] [noend]
 *                                                     ("-" as FROM: the null sender; stop, noend:
 *                                                     may_send_data, on_data_end say no)
 *   wait                                              until every mail so far has ended
 *   pause MS
 *
 * A line: NAME kind scope verb code enhanced data_end=N text, separated by tabs. After the last
 * step the client is drained, and the statistics follow. */
#include "worker/io/loop.h"
#include "worker/io/smtp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_BYTES = 4096, FILE_BYTES = 16 * 1024 * 1024 };

struct driver {
    struct loop *loop;
    struct smtp_client *client;
    struct loop_timer *timer;
    struct loop_defer step;
    unsigned under_way;
    unsigned long drain_ms;
    bool is_waiting;
};

struct mail {
    struct smtp_transaction transaction;
    struct driver *driver;
    char line[LINE_BYTES];
    const char *name;
    char *bytes;
    unsigned data_ends;
    bool may_send;
    bool may_end;
};

static bool mail_may_send(void *context)
{
    const struct mail *mail = context;
    return mail->may_send;
}

static bool mail_data_ended(void *context)
{
    struct mail *mail = context;
    mail->data_ends += mail->may_end ? 1 : 0;
    return mail->may_end;
}

static void mail_done(void *context, const struct outcome *outcome)
{
    struct mail *mail = context;
    struct driver *driver = mail->driver;
    printf("%s\t%s\t%s\t%s\t%d\t%s\t%u\t%s\n", mail->name, outcome_kind_name(outcome->kind),
           outcome_scope_name(outcome->scope), outcome_verb_name(outcome->verb), outcome->code,
           outcome->enhanced, mail->data_ends, outcome->text);
    fflush(stdout);
    free(mail->bytes);
    free(mail);
    driver->under_way--;
    if (driver->is_waiting && driver->under_way == 0)
        loop_defer(driver->loop, &driver->step);
}

static char *file_read(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    char *bytes = file == NULL ? NULL : malloc(FILE_BYTES);
    if (bytes == NULL) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(70);
    }
    *size = fread(bytes, 1, FILE_BYTES, file);
    fclose(file);
    return bytes;
}

static void mail_submit(struct driver *driver, const char *line)
{
    struct mail *mail = calloc(1, sizeof *mail);
    struct smtp_transaction *transaction;
    char *rest = NULL;
    char *word;
    if (mail == NULL)
        exit(70);
    transaction = &mail->transaction;
    snprintf(mail->line, sizeof mail->line, "%s", line);
    strtok_r(mail->line, " ", &rest);
    mail->driver = driver;
    mail->may_send = true;
    mail->may_end = true;
    mail->name = strtok_r(NULL, " ", &rest);
    transaction->mail_from = strtok_r(NULL, " ", &rest);
    transaction->rcpt_to = strtok_r(NULL, " ", &rest);
    if (strcmp(transaction->mail_from, "-") == 0)
        transaction->mail_from = "";
    mail->bytes = file_read(strtok_r(NULL, " ", &rest), &transaction->size);
    transaction->bytes = mail->bytes;
    while ((word = strtok_r(NULL, " ", &rest)) != NULL) {
        transaction->is_urgent |= strcmp(word, "urgent") == 0;
        transaction->needs_smtputf8 |= strcmp(word, "utf8") == 0;
        mail->may_send &= strcmp(word, "stop") != 0;
        mail->may_end &= strcmp(word, "noend") != 0;
    }
    transaction->may_send_data = mail_may_send;
    transaction->on_data_end = mail_data_ended;
    transaction->on_done = mail_done;
    transaction->context = mail;
    driver->under_way++;
    smtp_client_submit(driver->client, transaction);
}

static void was_drained(void *context)
{
    struct driver *driver = context;
    struct smtp_statistics s;
    smtp_client_statistics(driver->client, &s);
    printf("statistics\topened=%llu\tfailed=%llu\tsent=%llu\tdeferred=%llu\trefused=%llu\t"
           "uncertain=%llu\topen=%u\n",
           (unsigned long long)s.connections_opened, (unsigned long long)s.connections_failed,
           (unsigned long long)s.sent, (unsigned long long)s.deferred,
           (unsigned long long)s.refused, (unsigned long long)s.uncertain,
           s.connecting + s.idle + s.busy);
    loop_stop(driver->loop);
}

/* Takes steps until one must be waited for. */
static void take_steps(void *context)
{
    struct driver *driver = context;
    char line[LINE_BYTES];
    driver->is_waiting = false;
    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "mail ", 5) == 0) {
            mail_submit(driver, line);
        } else if (strncmp(line, "pause ", 6) == 0) {
            loop_timer_start(driver->timer, strtoul(line + 6, NULL, 10));
            return;
        } else if (strcmp(line, "wait") == 0 && driver->under_way > 0) {
            driver->is_waiting = true;
            return;
        }
    }
    smtp_client_drain(driver->client, driver->drain_ms, was_drained, driver);
}

static bool timeout_take(struct smtp_timeouts *timeouts, const char *key, const char *value)
{
    const struct {
        const char *key;
        uint32_t *ms;
    } all[] = {{"connect_ms", &timeouts->connect_ms}, {"greeting_ms", &timeouts->greeting_ms},
               {"hello_ms", &timeouts->hello_ms},     {"mail_ms", &timeouts->mail_ms},
               {"rcpt_ms", &timeouts->rcpt_ms},       {"data_ms", &timeouts->data_ms},
               {"block_ms", &timeouts->block_ms},     {"end_ms", &timeouts->end_ms},
               {"quit_ms", &timeouts->quit_ms},       {"idle_ms", &timeouts->idle_ms}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (strcmp(key, all[i].key) == 0) {
            *all[i].ms = (uint32_t)strtoul(value, NULL, 10);
            return true;
        }
    }
    return false;
}

static bool text_take(struct smtp_options *options, const char *key, const char *value)
{
    const struct {
        const char *key;
        const char **text;
    } all[] = {{"url", &options->url},
               {"hostname", &options->hostname},
               {"ca_file", &options->ca_file},
               {"username", &options->username},
               {"password_file", &options->password_file},
               {"token_file", &options->token_file}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (strcmp(key, all[i].key) == 0) {
            *all[i].text = value;
            return true;
        }
    }
    return false;
}

static void argument_take(struct driver *driver, struct smtp_options *options, char *argument)
{
    static const char *const auths[] = {"auto", "plain", "login", "xoauth2"};
    char *value = strchr(argument, '=');
    if (value == NULL)
        exit(64);
    *value++ = '\0';
    if (text_take(options, argument, value) || timeout_take(&options->timeouts, argument, value))
        return;
    if (strcmp(argument, "connections") == 0)
        options->connections = (unsigned)strtoul(value, NULL, 10);
    else if (strcmp(argument, "message_bytes") == 0)
        options->message_bytes = strtoul(value, NULL, 10);
    else if (strcmp(argument, "pipelining") == 0)
        options->may_pipeline = strcmp(value, "true") == 0;
    else if (strcmp(argument, "drain_ms") == 0)
        driver->drain_ms = strtoul(value, NULL, 10);
    else if (strcmp(argument, "auth") != 0)
        exit(64);
    for (unsigned i = 0; strcmp(argument, "auth") == 0 && i < 4; i++)
        if (strcmp(value, auths[i]) == 0)
            options->auth = i;
}

int main(int argc, char **argv)
{
    struct driver driver = {.drain_ms = 5000};
    struct smtp_options options;
    struct error error = {0};
    smtp_options_init(&options);
    for (int i = 1; i < argc; i++)
        argument_take(&driver, &options, argv[i]);
    driver.loop = loop_new(&error);
    if (driver.loop != NULL)
        driver.client = smtp_client_new(driver.loop, &options, &error);
    if (driver.client == NULL) {
        fprintf(stderr, "%s\n", error.text);
        loop_free(driver.loop);
        return error.exit_status;
    }
    driver.step = (struct loop_defer){.run = take_steps, .context = &driver};
    driver.timer = loop_timer_new(driver.loop, take_steps, &driver);
    loop_defer(driver.loop, &driver.step);
    loop_run(driver.loop);
    smtp_client_free(driver.client);
    loop_timer_free(driver.timer);
    loop_free(driver.loop);
    return 0;
}
