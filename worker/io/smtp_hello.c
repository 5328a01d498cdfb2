/* The opening of a session as it is overheard. What was offered before STARTTLS is forgotten when
 * TLS begins (RFC 3207 4.2): whoever sits in between could have written it. */
#include "worker/io/smtp_hello.h"

#include "worker/io/smtp_reply.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void smtp_hello_init(struct smtp_hello *hello, enum smtp_tls tls, bool wants_auth)
{
    memset(hello, 0, sizeof *hello);
    hello->step = OUTCOME_VERB_CONNECT;
    hello->wants_tls = tls == SMTP_TLS_STARTTLS;
    hello->is_secure = tls == SMTP_TLS_IMPLICIT;
    hello->wants_auth = wants_auth;
}

static bool is_keyword(const char *words, size_t size, const char *keyword)
{
    size_t length = strlen(keyword);
    return size >= length && strncasecmp(words, keyword, length) == 0 &&
           (size == length || words[length] == ' ' || words[length] == '=');
}

static void take_extension(struct smtp_peer *peer, const char *words, size_t size)
{
    if (is_keyword(words, size, "PIPELINING"))
        peer->has_pipelining = true;
    else if (is_keyword(words, size, "8BITMIME"))
        peer->has_8bitmime = true;
    else if (is_keyword(words, size, "SMTPUTF8"))
        peer->has_smtputf8 = true;
    else if (is_keyword(words, size, "AUTH"))
        peer->has_auth = true;
    else if (is_keyword(words, size, "SIZE")) {
        char digits[24] = "";
        peer->has_size = true;
        if (size > 5)
            memcpy(digits, words + 5, size - 5 < sizeof digits ? size - 5 : sizeof digits - 1);
        peer->size_limit = strtoull(digits, NULL, 10);
    }
}

static void take_refusal(struct smtp_hello *hello, const char *line, size_t size)
{
    struct smtp_reply reply;
    smtp_reply_init(&reply);
    hello->refusal = (struct outcome){
        .verb = hello->step == OUTCOME_VERB_CONNECT ? OUTCOME_VERB_GREETING : hello->step};
    /* A reply of several lines: its first stands for it. */
    char first[SMTP_REPLY_KEPT_BYTES];
    size_t kept = size < sizeof first - 1 ? size : sizeof first - 2;
    memcpy(first, line, kept);
    first[3] = ' ';
    first[kept] = '\n';
    smtp_reply_feed(&reply, first, kept + 1);
    if (reply.state == SMTP_REPLY_COMPLETE)
        smtp_reply_describe(&reply, &hello->refusal);
}

/* The first line of a reply says what it is. */
static void begin_reply(struct smtp_hello *hello, int code, const char *line, size_t size)
{
    hello->refusal.code = 0;
    if (code >= 400) {
        take_refusal(hello, line, size);
    } else if (code == 250) {
        hello->peer = (struct smtp_peer){0};
    } else if (code == 220 && hello->step == OUTCOME_VERB_STARTTLS) {
        hello->is_secure = true;
        hello->peer = (struct smtp_peer){0};
    } else if (code == 235) {
        hello->is_authenticated = true;
    }
}

static void end_reply(struct smtp_hello *hello, int code)
{
    if (code == 220) {
        hello->step = OUTCOME_VERB_EHLO;
    } else if (code == 250) {
        if (hello->wants_tls && !hello->is_secure)
            hello->step = OUTCOME_VERB_STARTTLS;
        else if (hello->wants_auth)
            hello->step = OUTCOME_VERB_AUTH;
    }
}

bool smtp_hello_take_line(struct smtp_hello *hello, const char *line, size_t size)
{
    int code = 0;
    hello->bytes_read += size;
    if (hello->bytes_read > SMTP_HELLO_BYTES)
        return false;
    while (size > 0 && (line[size - 1] == '\r' || line[size - 1] == '\n'))
        size--;
    if (size < 3)
        return true;
    for (size_t i = 0; i < 3; i++)
        code = code * 10 + (line[i] - '0');
    if (!hello->is_in_reply)
        begin_reply(hello, code, line, size);
    else if (code == 250 && size > 4)
        take_extension(&hello->peer, line + 4, size - 4);
    hello->is_in_reply = size > 3 && line[3] == '-';
    if (!hello->is_in_reply)
        end_reply(hello, code);
    return true;
}
