/* The settings of all modules. A module keeps its own table beside the code that reads it. */
#include "worker/cli/cli.h"

static const struct setting security_settings[] = {
    {"security", "key_file", SETTING_PATH, "", 1, 1000, "/etc/handbell/key",
     "The file of signing keys: 32 random bytes in hex a line; the first signs, all verify.",
     false},
    {NULL, NULL, SETTING_TEXT, "", 0, 0, NULL, NULL, false},
};

const struct setting *const *cli_settings(void)
{
    static const struct setting *const tables[] = {security_settings, NULL};
    return tables;
}
