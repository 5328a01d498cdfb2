/* Transactions that wait for a session of a relay. */
#ifndef HANDBELL_IO_SMTP_LINE_H
#define HANDBELL_IO_SMTP_LINE_H

#include "worker/io/smtp.h"

/* First to last, by their own `next`; the line owns none of them. Zeroed: empty. */
struct smtp_line {
    struct smtp_transaction *first;
    struct smtp_transaction *last;
    unsigned count;
};

/* Puts it last. */
void smtp_line_push(struct smtp_line *line, struct smtp_transaction *transaction);
/* Puts it first. */
void smtp_line_push_front(struct smtp_line *line, struct smtp_transaction *transaction);
/* Takes the first; NULL: there is none. */
struct smtp_transaction *smtp_line_pop(struct smtp_line *line);

#endif
