/* From any older schema, or none, to this program's. It must not know what the files say. */
#include "queue/client/migrate.h"

#include "queue/client/embedded_sql.h"
#include "queue/client/problem.h"
#include "queue/client/statements.h"
#include "worker/base/crypto.h"

#include <stddef.h>
#include <string.h>
#include <sysexits.h>

enum { CHECKSUM_BYTES = 2 * CRYPTO_DIGEST_BYTES + 1 };

static const char migrations_folder[] = "migrations/";
static const char functions_folder[] = "functions/";

/* No statement waits long for a lock: all others who want the same table would wait behind it. */
static const char patience_script[] = "set local lock_timeout = '30s'";
static const char schema_script[] = "create schema handbell";
static const char table_script[] =
    "create table handbell.migration ("
    " path text primary key, checksum text not null, applied_at timestamptz not null default "
    "now());"
    " comment on table handbell.migration is"
    " 'Which migrations were applied, and which functions: by handbell migrate alone.'";

struct migration {
    struct pg_sync *sync;
    FILE *stream;
    struct pg_result applied; /* path, checksum */
    size_t done;
    struct error *error;
};

static bool is_in(const struct embedded_sql *file, const char *folder)
{
    return strncmp(file->path, folder, strlen(folder)) == 0;
}

static void digest_write(const uint8_t digest[CRYPTO_DIGEST_BYTES], char checksum[CHECKSUM_BYTES])
{
    for (size_t i = 0; i < CRYPTO_DIGEST_BYTES; i++)
        snprintf(checksum + 2 * i, 3, "%02x", digest[i]);
}

static bool checksum_of(const char *text, size_t size, char checksum[CHECKSUM_BYTES])
{
    uint8_t digest[CRYPTO_DIGEST_BYTES];
    if (!crypto_sha256(text, size, digest))
        return false;
    digest_write(digest, checksum);
    return true;
}

static bool script_run(struct migration *migration, const char *script)
{
    struct pg_result result;
    bool is_done = pg_sync_script(migration->sync, script, &result);
    if (!is_done)
        queue_problem(&result, migration->error);
    pg_sync_clear(&result);
    return is_done;
}

/* The line of the character at `position` (from 1). */
static size_t line_of(const char *text, unsigned position)
{
    size_t line = 1;
    for (unsigned at = 1; *text != '\0' && at < position; text++) {
        line += *text == '\n';
        /* UTF-8: a character is counted at its last byte. */
        at += ((unsigned char)text[1] & 0xC0) != 0x80;
    }
    return line;
}

static bool file_run(struct migration *migration, const struct embedded_sql *file)
{
    struct pg_result result;
    bool is_done = pg_sync_script(migration->sync, file->text, &result);
    if (!is_done) {
        queue_problem(&result, migration->error);
        if (result.position > 0)
            error_prefix(migration->error, "%s: line %zu", file->path,
                         line_of(file->text, result.position));
        else
            error_prefix(migration->error, "%s", file->path);
    }
    pg_sync_clear(&result);
    return is_done;
}

static bool note(struct migration *migration, const char *path, const char *checksum)
{
    const char *parameters[] = {path, checksum};
    struct pg_result result;
    bool is_done =
        pg_sync_call(migration->sync, queue_statement(QUEUE_MIGRATION_ADD), parameters, &result);
    if (!is_done)
        queue_problem(&result, migration->error);
    pg_sync_clear(&result);
    return is_done;
}

/* The checksum with which `path` was applied, or NULL. */
static const char *applied_checksum(const struct migration *migration, const char *path)
{
    for (size_t i = 0; i < pg_result_rows(&migration->applied); i++) {
        if (strcmp(pg_result_text(&migration->applied, i, 0, NULL), path) == 0)
            return pg_result_text(&migration->applied, i, 1, NULL);
    }
    return NULL;
}

/* After the lock: two at once must not both find nothing. */
static bool lay_ground(struct migration *migration)
{
    struct pg_result result;
    bool has_schema = false, has_table = false;
    if (!script_run(migration, "begin"))
        return false;
    bool is_done =
        pg_sync_call(migration->sync, queue_statement(QUEUE_MIGRATION_LOCK), NULL, &result);
    if (is_done) {
        pg_sync_clear(&result);
        is_done = pg_sync_call(migration->sync, queue_statement(QUEUE_MIGRATION_HAS_SCHEMA), NULL,
                               &result);
    }
    if (is_done) {
        has_schema = pg_result_is_true(&result, 0, 0);
        has_table = pg_result_is_true(&result, 0, 1);
    } else {
        queue_problem(&result, migration->error);
    }
    pg_sync_clear(&result);
    if (!is_done || !script_run(migration, patience_script))
        return false;
    if (!has_schema && !script_run(migration, schema_script))
        return error_prefix(migration->error, "schema handbell");
    if (!has_table && !script_run(migration, table_script))
        return error_prefix(migration->error, "table handbell.migration");
    is_done = pg_sync_call(migration->sync, queue_statement(QUEUE_MIGRATION_LIST), NULL,
                           &migration->applied);
    return is_done || queue_problem(&migration->applied, migration->error);
}

/* A database that a newer program has migrated is not one to touch. */
static bool refuse_unknown(struct migration *migration)
{
    for (size_t i = 0; i < pg_result_rows(&migration->applied); i++) {
        const char *path = pg_result_text(&migration->applied, i, 0, NULL);
        const struct embedded_sql *file = embedded_sql;
        while (file->path != NULL && strcmp(file->path, path) != 0)
            file++;
        if (file->path == NULL && strcmp(path, functions_folder) != 0)
            return error_set(migration->error, EX_CONFIG,
                             "%s was applied to this database and is not known to this program, "
                             "which is older than the database",
                             path);
    }
    return true;
}

static bool apply_migrations(struct migration *migration)
{
    char checksum[CHECKSUM_BYTES];
    for (const struct embedded_sql *file = embedded_sql; file->path != NULL; file++) {
        if (!is_in(file, migrations_folder))
            continue;
        if (!checksum_of(file->text, strlen(file->text), checksum))
            return error_set(migration->error, EX_OSERR, "%s: no memory", file->path);
        const char *before = applied_checksum(migration, file->path);
        if (before != NULL && strcmp(before, checksum) != 0)
            return error_set(migration->error, EX_CONFIG,
                             "%s was changed after it had been applied to this database: an "
                             "applied migration stays as it is, and a change is a new one",
                             file->path);
        if (before != NULL)
            continue;
        if (!file_run(migration, file) || !note(migration, file->path, checksum))
            return false;
        (void)fprintf(migration->stream, "applied %s\n", file->path);
        migration->done++;
    }
    return true;
}

/* One checksum over all function files, their names and their order. */
static bool functions_checksum(char checksum[CHECKSUM_BYTES], size_t *count)
{
    uint8_t chain[2 * CRYPTO_DIGEST_BYTES] = {0};
    *count = 0;
    for (const struct embedded_sql *file = embedded_sql; file->path != NULL; file++) {
        if (!is_in(file, functions_folder))
            continue;
        const char *parts[] = {file->path, file->text};
        for (size_t i = 0; i < 2; i++) {
            if (!crypto_sha256(parts[i], strlen(parts[i]), chain + CRYPTO_DIGEST_BYTES) ||
                !crypto_sha256(chain, sizeof chain, chain))
                return false;
        }
        (*count)++;
    }
    digest_write(chain, checksum);
    return true;
}

static bool apply_functions(struct migration *migration)
{
    char checksum[CHECKSUM_BYTES];
    size_t count;
    if (!functions_checksum(checksum, &count))
        return error_set(migration->error, EX_OSERR, "%s: no memory", functions_folder);
    const char *before = applied_checksum(migration, functions_folder);
    if (migration->done == 0 && before != NULL && strcmp(before, checksum) == 0)
        return true;
    for (const struct embedded_sql *file = embedded_sql; file->path != NULL; file++) {
        if (is_in(file, functions_folder) && !file_run(migration, file))
            return false;
    }
    if (!note(migration, functions_folder, checksum))
        return false;
    (void)fprintf(migration->stream, "applied %zu files of %s\n", count, functions_folder);
    migration->done++;
    return true;
}

bool migrate_run(struct pg_sync *sync, FILE *stream, struct error *error)
{
    struct migration migration = {
        .sync = sync, .stream = stream, .applied = {.kind = PG_RESULT_UNSENT}, .error = error};
    bool is_done = lay_ground(&migration) && refuse_unknown(&migration) &&
                   apply_migrations(&migration) && apply_functions(&migration);
    pg_sync_clear(&migration.applied);
    if (!is_done)
        return error_prefix(error, "nothing was changed");
    if (!script_run(&migration, "commit"))
        return error_prefix(error, "it may be done or not, run it again");
    (void)fputs(migration.done > 0 ? "the database is up to date now\n"
                                   : "the database is up to date\n",
                stream);
    return true;
}

static bool is_current(const struct migration *migration)
{
    char checksum[CHECKSUM_BYTES];
    size_t count;
    for (const struct embedded_sql *file = embedded_sql; file->path != NULL; file++)
        if (is_in(file, migrations_folder) && applied_checksum(migration, file->path) == NULL)
            return false;
    const char *functions = applied_checksum(migration, functions_folder);
    return functions != NULL && functions_checksum(checksum, &count) &&
           strcmp(functions, checksum) == 0;
}

bool migrate_look(struct pg_sync *sync, struct error *error)
{
    struct migration migration = {
        .sync = sync, .applied = {.kind = PG_RESULT_UNSENT}, .error = error};
    bool is_good = true;
    if (pg_sync_call(sync, queue_statement(QUEUE_MIGRATION_LIST), NULL, &migration.applied)) {
        is_good = refuse_unknown(&migration);
        if (is_good && !is_current(&migration))
            is_good = error_set(error, EX_CONFIG,
                                "it is of another version than this program: run handbell migrate");
    }
    pg_sync_clear(&migration.applied);
    return is_good;
}
