/* Any bytes as replies: read whole or in pieces they mean the same, and no more is kept than said.
 */
#include "worker/io/smtp_hello.h"
#include "worker/io/smtp_reply.h"
#include "worker/model/classify.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The replies up to the first that is broken or unfinished, mixed into one number. */
static unsigned long digest(const char *bytes, size_t size, size_t piece)
{
    struct smtp_reply reply;
    struct outcome outcome;
    unsigned long sum = 0;
    size_t at = 0;
    smtp_reply_init(&reply);
    while (at < size && reply.state != SMTP_REPLY_BROKEN) {
        size_t rest = size - at < piece ? size - at : piece;
        size_t used = smtp_reply_feed(&reply, bytes + at, rest);
        if (used == 0 || used > rest || reply.text_size >= sizeof reply.text)
            abort();
        at += used;
        if (reply.state != SMTP_REPLY_COMPLETE)
            continue;
        memset(&outcome, 0, sizeof outcome);
        smtp_reply_describe(&reply, &outcome);
        if (reply.code < 200 || reply.code > 599 || strchr(outcome.text, '@') != NULL)
            abort();
        sum = sum * 31 + (unsigned long)reply.code;
        for (const char *c = outcome.text; *c != '\0'; c++)
            sum = sum * 31 + (unsigned char)*c;
        for (int verb = OUTCOME_VERB_CONNECT; verb <= OUTCOME_VERB_BODY; verb++)
            sum =
                sum * 31 + classify_reply((enum outcome_verb)verb, reply.code, reply.enhanced).kind;
    }
    return sum * 31 + at * 4 + reply.state;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;
    struct smtp_hello hello;
    unsigned long whole = digest(bytes, size, size);
    if (whole != digest(bytes, size, 1) || whole != digest(bytes, size, 3))
        abort();
    smtp_hello_init(&hello, SMTP_TLS_STARTTLS, true);
    for (size_t at = 0; at < size;) {
        const char *end = memchr(bytes + at, '\n', size - at);
        size_t line = end == NULL ? size - at : (size_t)(end - bytes - (ptrdiff_t)at) + 1;
        if (!smtp_hello_take_line(&hello, bytes + at, line))
            break;
        at += line;
    }
    return 0;
}
