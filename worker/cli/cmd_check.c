/* handbell check: are settings and templates good, and will the mails of each tenant be believed?
 */
#include "queue/client/migrate.h"
#include "worker/base/json.h"
#include "worker/cli/check.h"
#include "worker/cli/check_files.h"
#include "worker/cli/check_life.h"
#include "worker/cli/check_relays.h"
#include "worker/cli/check_standby.h"
#include "worker/cli/check_templates.h"
#include "worker/cli/database.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

static const char page_start[] =
    "# Settings\n\n"
    "`handbell` reads `/etc/handbell/handbell.conf`, or the file that `--config` names: sections "
    "in\n"
    "brackets, `key = value` lines, lines that start with `#` or `;` are comments. What stands "
    "behind\n"
    "the `=` is the value, whole. A variable in the environment overrides the file. An unknown\n"
    "section, key or variable of a section is an error, and so is a key set twice.\n"
    "`handbell check --explain` shows what is in force and where it came from.\n\n"
    "This page is written by `handbell check --markdown`.\n";

/* ---- The domains that tenants send from. ---- */

/* Rows come in the order of their domains: those of one are looked at together. */
static size_t check_tenants_of_domain(struct check *check, const struct pg_result *rows,
                                      size_t first)
{
    const char *domain = pg_result_text(rows, first, 2, NULL);
    const char *bounce = NULL;
    struct json *tenants = json_new_array();
    size_t row = first;

    check_begin_domain(check);
    check_dkim(check, domain);
    check_spf(check, domain);
    for (; row < pg_result_rows(rows); row++) {
        const char *slug = pg_result_text(rows, row, 0, NULL);
        const char *its_bounce = pg_result_text(rows, row, 3, NULL);
        if (strcmp(pg_result_text(rows, row, 2, NULL), domain) != 0)
            break;
        if (tenants != NULL && !json_append(tenants, json_new_text(slug, strlen(slug))))
            check->has_failed = true;
        if (bounce != NULL && strcmp(bounce, its_bounce) == 0)
            continue;
        bounce = its_bounce;
        if (*bounce != '\0' && strcmp(bounce, domain) != 0)
            check_spf(check, bounce);
        check_dmarc(check, domain, bounce);
    }
    check_end_domain(check, domain, tenants);
    return row;
}

static bool domain_is_in(const struct pg_result *rows, const char *domain)
{
    for (size_t i = 0; rows != NULL && i < pg_result_rows(rows); i++)
        if (strcmp(pg_result_text(rows, i, 2, NULL), domain) == 0)
            return true;
    return false;
}

/* `rows` is NULL where no database was asked. */
static void check_domains(struct check *check, const struct pg_result *rows)
{
    size_t done = 0;
    for (size_t row = 0; rows != NULL && row < pg_result_rows(rows) && done < CHECK_DOMAINS_MOST;
         done++)
        row = check_tenants_of_domain(check, rows, row);
    for (size_t i = 0; i < dkim_keys_count(check->keys) && done < CHECK_DOMAINS_MOST; i++) {
        const struct dkim_entry *entry = dkim_keys_at(check->keys, i);
        if (domain_is_in(rows, entry->signing.name))
            continue;
        check_begin_domain(check);
        check_dkim_entry(check, entry);
        check_end_domain(check, entry->signing.name, json_new_array());
        done++;
    }
    if (done == CHECK_DOMAINS_MOST) {
        (void)fprintf(stderr, "handbell check: the first %d domains were looked at, no more\n",
                      CHECK_DOMAINS_MOST);
        check->has_unknown = true;
    }
}

/* ---- The answer. ---- */

static bool set_text(struct json *object, const char *key, const char *text)
{
    return json_set(object, key, json_new_text(text, strlen(text)));
}

static bool write_json(const struct check *check, const struct check_life *life,
                       int templates_status, const char *database)
{
    struct json *report = json_new_object();
    bool is_whole =
        report != NULL && set_text(report, "settings", "good") &&
        set_text(report, "templates", templates_status == EX_OK ? "good" : "bad") &&
        set_text(report, "database", database) &&
        (life->gate == NULL || json_set(report, "gate", json_hold(life->gate))) &&
        (check->safety == NULL || json_set(report, "safety", json_hold(check->safety))) &&
        json_set(report, "files", json_hold(check->files)) &&
        json_set(report, "kept", json_hold(life->kept)) &&
        json_set(report, "domains", json_hold(check->domains));
    char *text = is_whole ? json_print(report) : NULL;
    if (text != NULL)
        (void)puts(text);
    free(text);
    json_free(report);
    return text != NULL;
}

static int check_end(const struct cli_arguments *arguments, struct check *check,
                     const struct check_life *life, int templates_status, const char *database)
{
    struct error error = {.exit_status = templates_status, .text = "the templates are not good"};
    if (!cli_has_option(arguments, "json")) {
        check_files_write(check->files);
        (void)printf("database: %s\n", database);
        check_standby_write(check->safety);
        check_life_write(life);
        check_write_text(check);
    } else if (!write_json(check, life, templates_status, database)) {
        check->has_failed = true;
    }
    if (check->has_failed)
        error_set(&error, EX_OSERR, "no memory");
    else if (templates_status == EX_OK && check->has_bad_files)
        error_set(&error, EX_CONFIG, "a file that is needed is not good: see what is bad");
    else if (templates_status == EX_OK && check->is_unmigrated)
        error_set(&error, EX_CONFIG, "the database is not ready: see above");
    else if (life->is_closed)
        error_set(&error, EX_TEMPFAIL, "nothing is sent: see the gate");
    else if (templates_status == EX_OK && check->has_bad)
        error_set(&error, EX_CONFIG, "mails will not be believed: see what is bad");
    else if (templates_status == EX_OK && check->has_unknown)
        error_set(&error, EX_TEMPFAIL, "not all could be found out: see above");
    return error.exit_status == EX_OK ? EX_OK : cli_fail(arguments, &error);
}

/* The database is one thing to be checked: without it the keys still are. */
static int check_run(const struct cli_arguments *arguments, struct check *check,
                     int templates_status)
{
    struct error error = {0};
    struct pg_result rows = {.kind = PG_RESULT_UNSENT};
    struct pg_sync *sync = NULL;
    struct check_life life;
    bool has_rows = false;
    if (!check->is_offline) {
        sync = cli_database_open(arguments, false, &error);
        has_rows = sync != NULL && cli_database_call(sync, QUEUE_MAIL_DOMAINS, NULL, &rows, &error);
        check->has_unknown = !has_rows;
        check->is_unmigrated =
            has_rows ? !migrate_look(sync, &error) : error.exit_status == EX_CONFIG;
    }
    check->has_failed = !check_files_look(check->config, &check->files, &check->has_bad_files);
    check->has_failed = !check_standby_look(sync, &check->safety) || check->has_failed;
    check->has_failed = !check_life_look(&life, arguments, sync) || check->has_failed;
    check->has_unknown = check->has_unknown || (sync != NULL && life.gate == NULL);
    check_domains(check, has_rows ? &rows : NULL);
    static const char prefix[] = "database: ";
    const char *without = check->is_offline ? "not asked (--offline)" : error.text;
    if (strncmp(without, prefix, sizeof prefix - 1) == 0)
        without += sizeof prefix - 1;
    bool is_good = has_rows && !check->is_unmigrated;
    int status = check_end(arguments, check, &life, templates_status, is_good ? "good" : without);
    check_life_free(&life);
    pg_sync_clear(&rows);
    pg_sync_free(sync);
    return status;
}

/* The status of the templates: settings that were not good have not come so far. */
static int check_settings_and_templates(const struct cli_arguments *arguments)
{
    bool is_json = cli_has_option(arguments, "json");
    if (!is_json)
        (void)printf("settings: good (%s)\n",
                     arguments->config_path ? arguments->config_path : "no file; defaults");
    return check_templates(arguments->config, is_json);
}

static int check_all(const struct cli_arguments *arguments)
{
    struct error error = {0};
    struct check check = {
        .config = arguments->config,
        .is_offline = cli_has_option(arguments, "offline"),
        .domains = json_new_array(),
    };
    int status = EX_OSERR;
    bool is_ready = check_relays(arguments->config, &error) &&
                    dns_options_from_config(arguments->config, &check.dns, &error);
    if (is_ready) {
        check.keys = dkim_keys_read(config_text(arguments->config, "dkim", "key_dir"), &error);
        is_ready = check.keys != NULL || error_prefix(&error, "[dkim] key_dir");
    }
    check.suffixes = public_suffix_new();
    if (is_ready && check.domains != NULL)
        status = check_run(arguments, &check, check_settings_and_templates(arguments));
    else
        status = cli_fail(arguments, &error);
    json_free(check.domains);
    json_free(check.safety);
    json_free(check.files);
    public_suffix_free(check.suffixes);
    dkim_keys_let_go(check.keys);
    return status;
}

int cli_run_check(const struct cli_arguments *arguments)
{
    if (cli_has_option(arguments, "accept-restored"))
        return check_life_accept(arguments);
    if (cli_has_option(arguments, "markdown")) {
        (void)fputs(page_start, stdout);
        config_write_markdown(cli_settings(), stdout);
        return EX_OK;
    }
    if (cli_has_option(arguments, "explain")) {
        config_write_explained(arguments->config, stdout);
        return EX_OK;
    }
    return check_all(arguments);
}
