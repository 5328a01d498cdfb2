/* The keys that sign tokens, as read from the key file: the first signs, all verify, so that a new
 * first line rotates the key while links in old mails go on working. */
#ifndef HANDBELL_MODEL_TOKEN_KEYS_H
#define HANDBELL_MODEL_TOKEN_KEYS_H

#include "worker/base/crypto.h"
#include "worker/base/error.h"

#include <stddef.h>
#include <stdint.h>

enum { TOKEN_KEYS_MAXIMUM = 8, TOKEN_KEYS_FILE_BYTES = 4096 };

struct token_keys {
    size_t count;
    uint8_t keys[TOKEN_KEYS_MAXIMUM][CRYPTO_KEY_BYTES];
};

/* Reads `path`: 32 random bytes in hex (64 digits, either case) a line, at least one and at most
 * TOKEN_KEYS_MAXIMUM, the file at most TOKEN_KEYS_FILE_BYTES; empty lines, lines that start with
 * '#' and blanks around a key are fine. A file that is no regular file, or that anybody may read or
 * write (mode bits for others), is refused. False with `error` (EX_NOINPUT or EX_CONFIG) naming the
 * path and, where it is one line's fault, the line's number, never its text; `keys` is then empty.
 * Ended by token_keys_wipe. */
bool token_keys_read(const char *path, struct token_keys *keys, struct error *error);
/* As above, from text already read; `name` stands for the path in errors. */
bool token_keys_parse(const char *name, const char *text, size_t size, struct token_keys *keys,
                      struct error *error);
/* Overwrites the keys; `keys` is then empty. */
void token_keys_wipe(struct token_keys *keys);

#endif
