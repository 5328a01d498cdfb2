/* The command line: one row per subcommand, one parser for all of them. Exit statuses follow
 * sysexits.h. Knows nothing of what a subcommand does. */
#ifndef HANDBELL_CLI_CLI_H
#define HANDBELL_CLI_CLI_H

#include "worker/base/config.h"
#include "worker/base/error.h"

#include <stdbool.h>
#include <stdio.h>

enum { CLI_OPTIONS_MAXIMUM = 12 };

/* An option of one subcommand, beside --config FILE and --help, which all have. `value_name` is
 * what
 * --help calls its value ("SECONDS"), NULL where it takes none. A list ends with a row whose `name`
 * is NULL. */
struct cli_option {
    const char *name;
    const char *value_name;
    const char *help;
};

/* What a subcommand is called with. `config` is loaded; `config_path` is the file that it came
 * from, NULL where the default file does not exist (to load it again: config_load(config_path,
 * cli_settings(), ...)). `argv[0..argc-1]` are the words behind the options. All of it is the
 * dispatcher's and alive until the subcommand returns. */
struct cli_arguments {
    const struct cli_command *command;
    struct config *config;
    const char *config_path;
    int argc;
    char **argv;
    const char *values[CLI_OPTIONS_MAXIMUM]; /* beside command->options; read by the calls below */
};

/* `operands` is the usage of the words behind the options ("TENANT COURSE PERSON", "" for none), of
 * which there must be `operands_minimum` to `operands_maximum`. `options` is NULL for none.
 * `is_available` is false for a subcommand whose feature does not exist yet. */
struct cli_command {
    const char *name;
    const char *operands;
    int operands_minimum;
    int operands_maximum;
    const char *summary;
    const struct cli_option *options;
    bool is_available;
    int (*run)(const struct cli_arguments *arguments);
};

/* All subcommands; the last row's `name` is NULL. */
const struct cli_command *cli_commands(void);
/* The tables of every module's settings, ended by NULL, for config_load. */
const struct setting *const *cli_settings(void);

/* Parses the command line, loads the settings and runs the subcommand. The process's exit status.
 */
int cli_main(int argc, char **argv);

/* Whether the option `name` (one of the subcommand's own; asking for another is a broken invariant:
 * abort) was given. */
bool cli_has_option(const struct cli_arguments *arguments, const char *name);
/* Its value, or `otherwise`. Given twice, the last one counts. */
const char *cli_option_text(const struct cli_arguments *arguments, const char *name,
                            const char *otherwise);

/* Writes "handbell SUBCOMMAND: TEXT" to standard error and returns error->exit_status, so that a
 * subcommand can end with it. */
int cli_fail(const struct cli_arguments *arguments, const struct error *error);

/* The subcommands. Each is in worker/cli/cmd_NAME.c. */
int cli_run_migrate(const struct cli_arguments *arguments);
int cli_run_worker(const struct cli_arguments *arguments);
int cli_run_web(const struct cli_arguments *arguments);
int cli_run_check(const struct cli_arguments *arguments);
int cli_run_status(const struct cli_arguments *arguments);
int cli_run_why(const struct cli_arguments *arguments);
int cli_run_restrict(const struct cli_arguments *arguments);
int cli_run_cancel(const struct cli_arguments *arguments);
int cli_run_retry(const struct cli_arguments *arguments);
int cli_run_tenant(const struct cli_arguments *arguments);
int cli_run_erase(const struct cli_arguments *arguments);
int cli_run_preview(const struct cli_arguments *arguments);
/* Says that the feature is not available yet: EX_UNAVAILABLE. */
int cli_run_unavailable(const struct cli_arguments *arguments);

#endif
