/* The subcommands in the order that --help lists them. */
#include "worker/cli/cli.h"

#include <stddef.h>
#include <sysexits.h>

static const struct cli_option check_options[] = {
    {"explain", NULL, "write every setting: value in force, where it came from, what it does"},
    {"markdown", NULL, "write the reference of all settings (docs/configuration.md)"},
    {NULL, NULL, NULL},
};

static const struct cli_command commands[] = {
    {"worker", "", 0, 0, "send what is due, until stopped", NULL, true, cli_run_worker},
    {"check", "", 0, 0, "check the settings", check_options, true, cli_run_check},
    {"preview", "", 0, 99, "show a mail as it would be sent", NULL, false, cli_run_unavailable},
    {"receive", "", 0, 99, "take a mail on standard input", NULL, false, cli_run_unavailable},
    {"import", "", 0, 99, "load facts from CSV files", NULL, false, cli_run_unavailable},
    {"export", "", 0, 99, "write all that is kept on a person", NULL, false, cli_run_unavailable},
    {"erase", "", 0, 99, "erase a person", NULL, false, cli_run_unavailable},
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
