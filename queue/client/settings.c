/* Section [database]: where PostgreSQL is, and how long to wait for it. */
#include "queue/client/queue.h"

const struct setting database_settings[] = {
    {"database", "url", SETTING_TEXT, "", 1, 4000, "postgresql:///handbell",
     "Where PostgreSQL (15 or newer) is: any libpq connection string, several hosts included. "
     "A pooler before it must keep sessions (pgbouncer's pool_mode = session). A password belongs "
     "in the file that "
     "passfile=... in it names, or in ~/.pgpass.",
     true},
    {"database", "connect_timeout", SETTING_INTEGER, "s", 1, 300, "10",
     "How long one attempt to connect may take.", false},
    {"database", "query_timeout", SETTING_INTEGER, "s", 1, 300, "15",
     "How long the database may take to answer a call before the connection is given up. Keep it "
     "below [worker] lease.",
     false},
    {NULL, NULL, SETTING_TEXT, "", 0, 0, NULL, NULL, false},
};
