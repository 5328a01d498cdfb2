/* Any bytes as a settings file: refused with a reason, or values within what the table allows. */
#include "worker/base/config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct setting table[] = {
    {"smtp", "url", SETTING_URL, "", 1, 100, "smtp://localhost:25", "Where.", false},
    {"smtp", "connections", SETTING_INTEGER, "", 1, 1000, "20", "How many.", false},
    {"smtp", "password_file", SETTING_PATH, "", 0, 100, "", "Which.", true},
    {"web", "trusted", SETTING_BOOLEAN, "", 0, 0, "no", "Whether.", false},
    {NULL, NULL, SETTING_TEXT, "", 0, 0, NULL, NULL, false},
};
static const struct setting *const tables[] = {table, NULL};

static void check_values(const struct config *config)
{
    int64_t connections = config_integer(config, "smtp", "connections");
    size_t url_size = strlen(config_text(config, "smtp", "url"));
    const char *path = config_text(config, "smtp", "password_file");
    if (connections < 1 || connections > 1000 || url_size < 1 || url_size > 100)
        abort();
    if (path[0] != '\0' && path[0] != '/')
        abort();
    (void)config_is_true(config, "web", "trusted");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    int fd = memfd_create("config", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);

    struct error error = {0};
    struct config *config = config_load(path, tables, &error);
    if (config)
        check_values(config);
    else if (error.exit_status == 0 || strncmp(error.text, path, strlen(path)) != 0)
        abort();
    config_free(config);

    char secret[16];
    if (config_read_secret(path, secret, sizeof(secret), &error) && secret[0] == '\0')
        abort();
    (void)close(fd);
    return 0;
}
