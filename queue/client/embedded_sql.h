/* The SQL files of queue/sql, embedded when the program is built (queue/sql/embed.cmake). */
#ifndef HANDBELL_QUEUE_CLIENT_EMBEDDED_SQL_H
#define HANDBELL_QUEUE_CLIENT_EMBEDDED_SQL_H

/* `path` is relative to queue/sql ("functions/10_claim.sql"); entries are sorted by it, and the
 * last has NULL in both. */
struct embedded_sql {
    const char *path;
    const char *text;
};

extern const struct embedded_sql embedded_sql[];

#endif
