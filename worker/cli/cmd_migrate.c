/* handbell migrate: brings the database to this program's schema. */
#include "queue/client/migrate.h"
#include "worker/cli/cli.h"
#include "worker/cli/database.h"

#include <sysexits.h>

int cli_run_migrate(const struct cli_arguments *arguments)
{
    struct error error = {0};
    struct pg_sync *sync = cli_database_open(arguments, true, &error);
    bool is_done = sync != NULL && migrate_run(sync, stdout, &error);
    pg_sync_free(sync);
    return is_done ? EX_OK : cli_fail(arguments, &error);
}
