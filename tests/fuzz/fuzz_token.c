/* Any bytes as a token, and as a key file: believed only when they are what would be written again.
 */
#include "worker/model/token.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_token(const char *text, size_t size)
{
    struct token_keys keys = {.count = 2};
    memset(keys.keys[0], 1, CRYPTO_KEY_BYTES);
    memset(keys.keys[1], 2, CRYPTO_KEY_BYTES);
    struct token token;
    if (!token_read(&keys, text, size, TOKEN_POWER_OPT_OUT, &token))
        return;
    char again[TOKEN_TEXT_BYTES];
    struct token_keys second = {.count = 1};
    memset(second.keys[0], 2, CRYPTO_KEY_BYTES);
    bool is_first = token_write(&keys, &token, again) && strncasecmp(again, text, size) == 0;
    bool is_second = token_write(&second, &token, again) && strncasecmp(again, text, size) == 0;
    if (size != TOKEN_TEXT_BYTES - 1 || !(is_first || is_second))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct token_keys keys;
    struct error error = {0};
    check_token((const char *)data, size);
    if (token_keys_parse("key", (const char *)data, size, &keys, &error)) {
        if (keys.count == 0 || keys.count > TOKEN_KEYS_MAXIMUM)
            abort();
    } else if (keys.count != 0 || error.text[0] == '\0') {
        abort();
    }
    return 0;
}
