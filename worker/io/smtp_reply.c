/* The peer's replies, taken apart. Each line is: three digits, '-' or ' ' or nothing, text, line
 * end; all lines of a reply carry the same code and the one without '-' is the last. */
#include "worker/io/smtp_reply.h"

#include <stdio.h>
#include <string.h>

enum { CODE_DIGITS = 3 };

void smtp_reply_init(struct smtp_reply *reply)
{
    memset(reply, 0, sizeof *reply);
    reply->state = SMTP_REPLY_MORE;
    reply->is_first_line = true;
    reply->problem = "";
}

static void reply_break(struct smtp_reply *reply, const char *problem)
{
    reply->state = SMTP_REPLY_BROKEN;
    reply->problem = problem;
}

static void text_keep(struct smtp_reply *reply, const char *bytes, size_t size)
{
    size_t room = sizeof reply->text - 1 - reply->text_size;
    if (size > room)
        size = room;
    memcpy(reply->text + reply->text_size, bytes, size);
    reply->text_size += size;
    reply->text[reply->text_size] = '\0';
}

static size_t count_digits(const char *text)
{
    return strspn(text, "0123456789");
}

/* RFC 2034 4: class "." subject "." detail, then a space, and the class repeats the code's first
 * digit; what does not fit that is text. */
static void reply_take_enhanced(struct smtp_reply *reply)
{
    const char *subject = reply->text + 2;
    const char *detail;
    size_t subject_size;
    size_t detail_size;
    size_t size;
    if (reply->text[0] != '0' + reply->code / 100 || reply->text[1] != '.')
        return;
    subject_size = count_digits(subject);
    if (subject_size < 1 || subject_size > 3 || subject[subject_size] != '.')
        return;
    detail = subject + subject_size + 1;
    detail_size = count_digits(detail);
    if (detail_size < 1 || detail_size > 3)
        return;
    if (detail[detail_size] != ' ' && detail[detail_size] != '\0')
        return;
    size = (size_t)(detail - reply->text) + detail_size;
    memcpy(reply->enhanced, reply->text, size);
    reply->enhanced[size] = '\0';
    while (reply->text[size] == ' ')
        size++;
    memmove(reply->text, reply->text + size, reply->text_size - size + 1);
    reply->text_size -= size;
}

static void reply_end_line(struct smtp_reply *reply)
{
    if (reply->column < CODE_DIGITS) {
        reply_break(reply, "a reply line has no code");
        return;
    }
    if (reply->column == CODE_DIGITS)
        reply->is_last_line = true;
    if (reply->is_first_line)
        reply->code = reply->line_code;
    if (reply->line_code != reply->code) {
        reply_break(reply, "the lines of a reply differ in code");
        return;
    }
    if (reply->is_last_line) {
        reply_take_enhanced(reply);
        reply->state = SMTP_REPLY_COMPLETE;
        return;
    }
    reply->is_first_line = false;
    reply->column = 0;
    reply->line_code = 0;
    reply->has_cr = false;
}

/* A byte of the code or the separator behind it. */
static void reply_take_head(struct smtp_reply *reply, char byte)
{
    if (reply->column == CODE_DIGITS) {
        if (byte != ' ' && byte != '-') {
            reply_break(reply, "a reply line has no separator after its code");
            return;
        }
        reply->is_last_line = byte == ' ';
        if (!reply->is_first_line && reply->text_size > 0)
            text_keep(reply, " ", 1);
    } else {
        char lowest = reply->column == 0 ? '2' : '0';
        char highest = reply->column == 0 ? '5' : '9';
        if (byte < lowest || byte > highest) {
            reply_break(reply, "a reply line opens with no valid code");
            return;
        }
        reply->line_code = reply->line_code * 10 + (byte - '0');
    }
    reply->column++;
}

size_t smtp_reply_feed(struct smtp_reply *reply, const char *bytes, size_t size)
{
    size_t used = 0;
    if (reply->state == SMTP_REPLY_COMPLETE)
        smtp_reply_init(reply);
    while (used < size && reply->state == SMTP_REPLY_MORE) {
        char byte = bytes[used++];
        if (++reply->bytes_read > SMTP_REPLY_BYTES) {
            reply_break(reply, "a reply is longer than 64 KB");
        } else if (byte == '\n') {
            reply_end_line(reply);
        } else if (byte == '\r' && !reply->has_cr) {
            reply->has_cr = true;
        } else if (reply->column <= CODE_DIGITS && reply->has_cr) {
            reply_break(reply, "a reply line has a bare CR in its code");
        } else if (reply->column <= CODE_DIGITS) {
            reply_take_head(reply, byte);
        } else {
            reply->has_cr = false;
            text_keep(reply, &byte, 1);
        }
    }
    return used;
}

void smtp_reply_describe(const struct smtp_reply *reply, struct outcome *outcome)
{
    outcome->code = reply->code;
    snprintf(outcome->enhanced, sizeof outcome->enhanced, "%s", reply->enhanced);
    outcome_redact(outcome->text, sizeof outcome->text, reply->text, (unsigned)reply->text_size);
}
