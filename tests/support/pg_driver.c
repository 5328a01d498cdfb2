/* Calls what it is told to over worker/io/pg.h, for the tests in tests/fault: pg_driver URL
 * [CALL_TIMEOUT_MS [CONNECT_TIMEOUT_MS]], one step a line on standard input, one line an event on
 * standard output.
 *
 *   call SQL           once more in the pipeline
 *   slow MS SQL        the same, with a deadline of its own
 *   again SQL          called; when its callback fires, called once more from inside it
 *   free               ends the connection, whatever is under way
 *   end                ends the connection from inside the next callback
 *
 * Steps that come in one write are taken in one turn. A call's line: its number, kind, SQLSTATE,
 * rows, first value and text, separated by tabs. "INSIDE" where a callback fired inside the call
 * that started it. Listens to the channel "driver". */
#include "worker/io/loop.h"
#include "worker/io/pg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STEPS_BYTES = 1 << 18, STATEMENTS = 60, TIMEOUT_MS = 10000 };

struct driver {
    struct loop *loop;
    struct pg *pg;
    struct loop_poll *input;
    struct pg_statement statements[STATEMENTS];
    char names[STATEMENTS][16];
    size_t statement_count;
    unsigned calls;
    bool is_calling;
    bool is_ending;
    size_t filled;
    char steps[STEPS_BYTES];
};

struct called {
    struct driver *driver;
    const struct pg_statement *statement;
    unsigned number;
    bool is_again;
};

static const struct pg_statement listening = {"driver_listen", "listen driver", 0};

static void driver_end(struct driver *driver)
{
    pg_free(driver->pg);
    driver->pg = NULL;
    loop_poll_free(driver->input);
    driver->input = NULL;
}

static void call(struct driver *driver, const struct pg_statement *statement, unsigned timeout_ms,
                 bool is_again);

static void answered(void *context, const struct pg_result *result)
{
    struct called *called = context;
    struct driver *driver = called->driver;
    bool has_value = pg_result_rows(result) > 0;
    if (driver->is_calling)
        puts("INSIDE");
    printf("%u\t%s\t%s\t%zu\t%s\t%s\n", called->number, pg_result_kind_name(result->kind),
           result->sqlstate, pg_result_rows(result),
           has_value ? pg_result_text(result, 0, 0, NULL) : "", result->text);
    fflush(stdout);
    if (driver->is_ending && driver->pg != NULL)
        driver_end(driver);
    else if (called->is_again && driver->pg != NULL)
        call(driver, called->statement, 0, false);
    free(called);
}

static void call(struct driver *driver, const struct pg_statement *statement, unsigned timeout_ms,
                 bool is_again)
{
    struct called *called = malloc(sizeof *called);
    if (called == NULL)
        abort();
    *called = (struct called){driver, statement, ++driver->calls, is_again};
    driver->is_calling = true;
    if (!pg_call(driver->pg, statement, NULL, timeout_ms, answered, called))
        abort();
    driver->is_calling = false;
}

/* The same text is the same statement, so that it is prepared once a connection. */
static const struct pg_statement *statement_of(struct driver *driver, const char *sql)
{
    size_t i = 0;
    while (i < driver->statement_count && strcmp(driver->statements[i].sql, sql) != 0)
        i++;
    if (i == driver->statement_count) {
        if (i == STATEMENTS)
            abort();
        snprintf(driver->names[i], sizeof driver->names[i], "driver_%zu", i);
        driver->statements[i] = (struct pg_statement){driver->names[i], strdup(sql), 0};
        driver->statement_count++;
    }
    return &driver->statements[i];
}

static void step_take(struct driver *driver, char *step)
{
    if (strncmp(step, "call ", 5) == 0) {
        call(driver, statement_of(driver, step + 5), 0, false);
    } else if (strncmp(step, "again ", 6) == 0) {
        call(driver, statement_of(driver, step + 6), 0, true);
    } else if (strncmp(step, "slow ", 5) == 0) {
        char *sql;
        unsigned long timeout_ms = strtoul(step + 5, &sql, 10);
        call(driver, statement_of(driver, sql + 1), (unsigned)timeout_ms, false);
    } else if (strcmp(step, "free") == 0) {
        driver_end(driver);
    } else if (strcmp(step, "end") == 0) {
        driver->is_ending = true;
    } else {
        abort();
    }
}

static void input_ready(void *context, unsigned events)
{
    struct driver *driver = context;
    ssize_t got =
        read(STDIN_FILENO, driver->steps + driver->filled, STEPS_BYTES - 1 - driver->filled);
    (void)events;
    if (got <= 0) {
        driver_end(driver);
        return;
    }
    driver->filled += (size_t)got;
    driver->steps[driver->filled] = '\0';
    char *step = driver->steps, *end;
    while ((end = strchr(step, '\n')) != NULL && driver->pg != NULL) {
        *end = '\0';
        step_take(driver, step);
        step = end + 1;
    }
    driver->filled -= (size_t)(step - driver->steps);
    memmove(driver->steps, step, driver->filled);
}

static void state_changed(void *context, enum pg_state state, const char *reason)
{
    static const char *const names[] = {"down", "up", "unfit"};
    (void)context;
    printf("state\t%s\t%s\n", names[state], reason);
    fflush(stdout);
}

static void notified(void *context, const char *channel)
{
    (void)context;
    printf("notify\t%s\n", channel);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct error error = {0};
    struct driver *driver = calloc(1, sizeof *driver);
    if (driver == NULL || argc < 2)
        abort();
    driver->loop = loop_new(&error);
    if (driver->loop == NULL)
        abort();
    const struct pg_options options = {
        .url = argv[1],
        .application_name = "pg_driver",
        .call_timeout_ms = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : TIMEOUT_MS,
        .connect_timeout_ms = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : TIMEOUT_MS,
        .first = &listening,
        .on_state = state_changed,
        .on_notify = notified,
        .context = driver,
    };
    driver->pg = pg_new(driver->loop, &options, &error);
    if (driver->pg == NULL) {
        printf("error\t%d\t%s\n", error.exit_status, error.text);
    } else {
        driver->input = loop_poll_new(driver->loop, STDIN_FILENO, input_ready, driver, &error);
        loop_poll_set(driver->input, LOOP_READABLE);
        loop_run(driver->loop);
    }
    loop_free(driver->loop);
    for (size_t i = 0; i < driver->statement_count; i++) {
        union {
            const char *from;
            char *to;
        } sql = {.from = driver->statements[i].sql};
        free(sql.to);
    }
    free(driver);
    puts("over");
    return 0;
}
