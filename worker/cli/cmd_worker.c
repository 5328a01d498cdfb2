/* `handbell worker`: sends, until it is told to stop. */
#include "worker/cli/cli.h"
#include "worker/flow/worker.h"

int cli_run_worker(const struct cli_arguments *arguments)
{
    struct error error = {0};
    int exit_status = worker_run(arguments->config_path, cli_settings(), &error);
    return exit_status == 0 ? 0 : cli_fail(arguments, &error);
}
