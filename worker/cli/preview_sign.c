/* Keys, a domain, and dkim_sign. */
#include "worker/cli/preview_sign.h"

#include "worker/mail/dkim.h"
#include "worker/mail/dkim_keys.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

bool preview_sign(const struct config *config, const struct json *tenant, struct buf *mail,
                  struct error *error)
{
    struct error problem = {0};
    const char *at = strrchr(json_find_text(tenant, "from_address"), '@');
    struct dkim_keys *keys = dkim_keys_read(config_text(config, "dkim", "key_dir"), &problem);
    if (keys == NULL) {
        /* Keys are the worker's alone; whoever looks at words needs none. */
        (void)fprintf(stderr, "handbell preview: shown without signatures: %s\n", problem.text);
        return true;
    }
    const struct dkim_domain *domain = at != NULL ? dkim_keys_find(keys, at + 1) : NULL;
    bool is_done = domain == NULL || dkim_sign(domain, (int64_t)time(NULL), mail, error);
    dkim_keys_let_go(keys);
    return is_done;
}
