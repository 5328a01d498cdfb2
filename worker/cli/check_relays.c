/* The relays' settings, as the worker reads them. */
#include "worker/cli/check_relays.h"

#include "worker/flow/relay_options.h"
#include "worker/io/smtp.h"

bool check_relays(const struct config *config, struct error *error)
{
    struct relay_options relays[SMTP_RELAYS];
    bool is_good = relay_options_read(config, relays, error);
    for (unsigned relay = 1; relay <= SMTP_RELAYS && is_good; relay++) {
        struct smtp_options options;
        is_good = !relays[relay - 1].is_configured ||
                  smtp_options_from_config(config, relay, &options, error);
    }
    return is_good;
}
