/* The settings of all modules. A module keeps its own table beside the code that reads it. */
#include "queue/client/queue.h"
#include "templates/template_set.h"
#include "worker/cli/cli.h"
#include "worker/flow/relay_options.h"
#include "worker/flow/worker_options.h"
#include "worker/io/dns.h"
#include "worker/io/http.h"
#include "worker/io/smtp.h"
#include "worker/mail/dkim_keys.h"

static const struct setting security_settings[] = {
    {"security", "key_file", SETTING_PATH, "", 1, 1000, "/etc/handbell/key",
     "The file of signing keys: 32 random bytes in hex a line; the first signs, all verify.",
     false},
    {NULL, NULL, SETTING_TEXT, "", 0, 0, NULL, NULL, false},
};

const struct setting *const *cli_settings(void)
{
    static const struct setting *const tables[] = {
        database_settings, worker_settings,   smtp_settings[0], relay_settings[0],
        smtp_settings[1],  relay_settings[1], smtp_settings[2], relay_settings[2],
        smtp_settings[3],  relay_settings[3], smtp_settings[4], relay_settings[4],
        smtp_settings[5],  relay_settings[5], smtp_settings[6], relay_settings[6],
        smtp_settings[7],  relay_settings[7], http_settings,    template_settings,
        security_settings, dkim_settings,     dns_settings,     NULL,
    };
    return tables;
}
