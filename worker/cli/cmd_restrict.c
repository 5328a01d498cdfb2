/* handbell restrict: a person's data is kept and no mail is sent (GDPR article 18), or, with
 * --lift, mail goes again. */
#include "worker/cli/cli.h"
#include "worker/cli/database.h"

int cli_run_restrict(const struct cli_arguments *arguments)
{
    const char *reason = cli_option_text(arguments, "reason", NULL);
    const char *parameters[] = {arguments->argv[0], arguments->argv[1], reason};
    bool is_lifted = cli_has_option(arguments, "lift");
    return cli_database_act(arguments, is_lifted ? QUEUE_UNRESTRICT_PERSON : QUEUE_RESTRICT_PERSON,
                            parameters, reason, "", "");
}
