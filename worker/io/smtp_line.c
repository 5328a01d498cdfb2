/* Waiting in line. */
#include "worker/io/smtp_line.h"

#include <stddef.h>

void smtp_line_push(struct smtp_line *line, struct smtp_transaction *transaction)
{
    transaction->next = NULL;
    if (line->last == NULL)
        line->first = transaction;
    else
        line->last->next = transaction;
    line->last = transaction;
    line->count++;
}

void smtp_line_push_front(struct smtp_line *line, struct smtp_transaction *transaction)
{
    transaction->next = line->first;
    line->first = transaction;
    if (line->last == NULL)
        line->last = transaction;
    line->count++;
}

struct smtp_transaction *smtp_line_pop(struct smtp_line *line)
{
    struct smtp_transaction *transaction = line->first;
    if (transaction == NULL)
        return NULL;
    line->first = transaction->next;
    if (line->first == NULL)
        line->last = NULL;
    line->count--;
    return transaction;
}
