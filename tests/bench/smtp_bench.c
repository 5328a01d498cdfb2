/* The send path alone: COUNT canned mails of SIZE bytes through a pool of CONNECTIONS to URL.
 * Prints mails a second, for comparison with Postfix's smtp-source -d on the same smtp-sink. */
#include "worker/base/clock.h"
#include "worker/io/loop.h"
#include "worker/io/smtp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bench {
    struct loop *loop;
    struct smtp_client *client;
    struct smtp_transaction *transactions;
    unsigned count;
    unsigned submitted;
    unsigned done;
    unsigned sent;
    char *bytes;
    size_t size;
};

static void feed(void *context);

static void was_drained(void *context)
{
    struct bench *bench = context;
    loop_stop(bench->loop);
}

static void was_done(void *context, const struct outcome *outcome)
{
    struct bench *bench = context;
    bench->sent += outcome->kind == OUTCOME_SENT;
    if (outcome->kind != OUTCOME_SENT && bench->done < 3)
        fprintf(stderr, "%s %s\n", outcome_kind_name(outcome->kind), outcome->text);
    bench->done++;
    if (bench->done == bench->count)
        smtp_client_drain(bench->client, 5000, was_drained, bench);
}

static void feed(void *context)
{
    struct bench *bench = context;
    unsigned room = smtp_client_room(bench->client);
    while (room > 0 && bench->submitted < bench->count) {
        struct smtp_transaction *transaction = &bench->transactions[bench->submitted++];
        transaction->mail_from = "bounce+1234567890@tenant.example";
        transaction->rcpt_to = "recipient@school.example";
        transaction->bytes = bench->bytes;
        transaction->size = bench->size;
        transaction->on_done = was_done;
        transaction->context = bench;
        smtp_client_submit(bench->client, transaction);
        room--;
    }
}

/* A header and lines of 76 characters, as a composed mail has them. */
static char *make_mail(size_t size)
{
    static const char header[] = "From: <bench@tenant.example>\r\nSubject: bench\r\n\r\n";
    char *bytes = malloc(size + sizeof header);
    size_t at = sizeof header - 1;
    if (bytes == NULL)
        abort();
    memcpy(bytes, header, at);
    for (size_t column = 0; at < size; at++) {
        static const char line_end[] = "\r\n";
        bytes[at] = column < 76 ? 'x' : line_end[column - 76];
        column = column == 77 ? 0 : column + 1;
    }
    return bytes;
}

int main(int argc, char **argv)
{
    struct bench bench = {0};
    struct smtp_options options;
    struct error error;
    uint64_t began_us;
    double seconds;
    smtp_options_init(&options);
    if (argc < 5) {
        fprintf(stderr, "usage: smtp_bench URL CONNECTIONS COUNT SIZE_BYTES [no-pipelining]\n");
        return 64;
    }
    options.url = argv[1];
    options.connections = (unsigned)strtoul(argv[2], NULL, 10);
    options.may_pipeline = argc < 6;
    bench.count = (unsigned)strtoul(argv[3], NULL, 10);
    bench.size = strtoul(argv[4], NULL, 10);
    bench.bytes = make_mail(bench.size);
    bench.transactions = calloc(bench.count, sizeof *bench.transactions);
    bench.loop = loop_new(&error);
    bench.client = bench.loop == NULL ? NULL : smtp_client_new(bench.loop, &options, &error);
    if (bench.client == NULL || bench.transactions == NULL) {
        fprintf(stderr, "%s\n", error.text);
        return 70;
    }
    smtp_client_set_on_room(bench.client, feed, &bench);
    began_us = clock_monotonic_us();
    feed(&bench);
    loop_run(bench.loop);
    seconds = (double)(clock_monotonic_us() - began_us) / 1e6;
    printf("sent=%u of=%u seconds=%.3f mails_per_second=%.0f\n", bench.sent, bench.count, seconds,
           bench.sent / seconds);
    smtp_client_free(bench.client);
    loop_free(bench.loop);
    free(bench.transactions);
    free(bench.bytes);
    return bench.sent == bench.count ? 0 : 1;
}
