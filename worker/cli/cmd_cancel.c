/* handbell cancel: what of a job still waits is not sent. */
#include "worker/cli/cli.h"
#include "worker/cli/database.h"

#include <stdlib.h>
#include <sysexits.h>

int cli_run_cancel(const struct cli_arguments *arguments)
{
    const char *parameters[] = {arguments->argv[0], arguments->argv[1]};
    struct error error = {0};
    char *end;
    long long job = strtoll(arguments->argv[1], &end, 10);
    if (job < 1 || *end != '\0') {
        error_set(&error, EX_USAGE, "JOB is a number, as job_report shows it");
        return cli_fail(arguments, &error);
    }
    return cli_database_act(arguments, QUEUE_CANCEL_JOB, parameters,
                            cli_option_text(arguments, "reason", NULL), "",
                            " mails will not be sent");
}
