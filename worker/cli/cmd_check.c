/* `handbell check`: are the settings good, and the templates? Asks neither database nor relay. */
#include "worker/cli/check_templates.h"
#include "worker/cli/cli.h"

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

int cli_run_check(const struct cli_arguments *arguments)
{
    if (cli_has_option(arguments, "markdown")) {
        (void)fputs(page_start, stdout);
        config_write_markdown(cli_settings(), stdout);
        return EX_OK;
    }
    if (cli_has_option(arguments, "explain")) {
        config_write_explained(arguments->config, stdout);
        return EX_OK;
    }
    (void)printf("settings: good (%s)\n",
                 arguments->config_path ? arguments->config_path : "no file; defaults");
    return check_templates(arguments->config);
}
