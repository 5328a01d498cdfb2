/* The subcommands in the order that --help lists them. */
#include "worker/cli/cli.h"

#include <stddef.h>
#include <sysexits.h>

static const struct cli_option check_options[] = {
    {"explain", NULL, "write every setting: value in force, where it came from, what it does"},
    {"markdown", NULL, "write the reference of all settings (docs/configuration.md)"},
    {"offline", NULL, "ask neither the database nor the DNS"},
    {"json", NULL, "write one JSON object"},
    {"accept-restored", NULL,
     "after a restore: let mail go though workers that are waited for will not come"},
    {NULL, NULL, NULL},
};

static const struct cli_option status_options[] = {
    {"json", NULL, "write one JSON object"},
    {"watch", NULL, "write it anew each second"},
    {NULL, NULL, NULL},
};

static const struct cli_option why_options[] = {
    {"json", NULL, "write a JSON array of conditions"},
    {NULL, NULL, NULL},
};

static const struct cli_option restrict_options[] = {
    {"lift", NULL, "let mail go again"},
    {"reason", "TEXT", "kept with the change"},
    {NULL, NULL, NULL},
};

static const struct cli_option cancel_options[] = {
    {"reason", "TEXT", "kept with the change"},
    {NULL, NULL, NULL},
};

static const struct cli_option retry_options[] = {
    {"failed", NULL, "what was refused, or found no way out in time"},
    {"uncertain", NULL, "what may have arrived: its recipient may get it twice"},
    {"tenant", "TENANT", "of this tenant alone"},
    {"course", "REF", "about this course alone (the portal's ref; with --tenant)"},
    {"kind", "KIND", "of this kind alone: course_alert, course_cancelled, ..."},
    {"since", "TIME", "what ended at or after this (2026-11-22T09:00:00Z)"},
    {"dry-run", NULL, "say how many, and put nothing back"},
    {"reason", "TEXT", "kept with the change"},
    {"json", NULL, "write a JSON array"},
    {NULL, NULL, NULL},
};

static const struct cli_option erase_options[] = {
    {"retention", NULL, "delete what its tenant keeps no longer (the tenant's fact retention)"},
    {"dry-run", NULL, "with --retention: count, and delete nothing"},
    {"json", NULL, "with --retention: write one JSON object"},
    {NULL, NULL, NULL},
};

static const struct cli_option preview_options[] = {
    {"kind", "KIND", "which mail: course_alert, course_cancelled, ..."},
    {"tenant", "TENANT", "whose mail; a sample may go without, and shows a made-up tenant"},
    {"course", "COURSE", "the portal's ref of a course, with --person"},
    {"person", "PERSON", "the portal's ref of a person, with --course"},
    {"sample", NULL, "made-up facts; a word behind it names which (the first)"},
    {"format", "FORMAT", "eml (the whole mail), text or html"},
    {"language", "LANGUAGE", "en-GB or cy in place of the recipient's own"},
    {"output", "FILE", "write there, readable by you alone"},
    {"list", NULL, "name the kinds and their samples"},
    {NULL, NULL, NULL},
};

static const struct cli_command commands[] = {
    {"migrate", "", 0, 0, "bring the database to this version's schema", NULL, true,
     cli_run_migrate},
    {"worker", "", 0, 0, "send what is due, until stopped", NULL, true, cli_run_worker},
    {"web", "", 0, 0, "serve the pages that mails link to, until stopped", NULL, true, cli_run_web},
    {"check", "", 0, 0,
     "check settings, secrets, templates and database, and DKIM, SPF and DMARC of each tenant",
     check_options, true, cli_run_check},
    {"status", "", 0, 0, "show the queue, rates and trouble", status_options, true, cli_run_status},
    {"why", "TENANT COURSE PERSON", 3, 3, "say why a person is alerted to a course, or is not",
     why_options, true, cli_run_why},
    {"tenant", "list | grant SLUG LOGIN | revoke SLUG LOGIN | live SLUG", 1, 3,
     "list tenants, grant one to a login, let one go live", NULL, true, cli_run_tenant},
    {"restrict", "TENANT PERSON", 2, 2, "send a person no mail at all (GDPR article 18)",
     restrict_options, true, cli_run_restrict},
    {"cancel", "TENANT JOB", 2, 2, "send no more of a job", cancel_options, true, cli_run_cancel},
    {"retry", "", 0, 0, "send failed or uncertain mail again", retry_options, true, cli_run_retry},
    {"preview", "[SAMPLE]", 0, 1, "show a mail as it would be sent", preview_options, true,
     cli_run_preview},
    {"receive", "", 0, 99, "take a mail on standard input", NULL, false, cli_run_unavailable},
    {"import", "", 0, 99, "load facts from CSV files", NULL, false, cli_run_unavailable},
    {"export", "", 0, 99, "write all that is kept on a person", NULL, false, cli_run_unavailable},
    {"erase", "[REF...]", 0, 99,
     "delete what is kept no longer (a person, by REF, cannot be erased yet)", erase_options, true,
     cli_run_erase},
    {"report", "", 0, 99, "report on a course or a job", NULL, false, cli_run_unavailable},
    {NULL, NULL, 0, 0, NULL, NULL, false, NULL},
};

const struct cli_command *cli_commands(void)
{
    return commands;
}

int cli_run_unavailable(const struct cli_arguments *arguments)
{
    const struct error error = {.exit_status = EX_UNAVAILABLE, .text = "not available yet"};
    return cli_fail(arguments, &error);
}
