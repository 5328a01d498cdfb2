/* Intrusive doubly linked lists: the link lies inside the object, so joining and leaving cost no
 * memory and cannot fail. Which list holds an object can thus say its state. */
#ifndef HANDBELL_BASE_LIST_H
#define HANDBELL_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

/* Zeroed: in no list. `list` names the one that holds it. */
struct list_link {
    struct list_link *next;
    struct list_link *previous;
    struct list *list;
};

/* Zeroed: empty. */
struct list {
    struct list_link *first;
    struct list_link *last;
    size_t count;
};

/* Takes `link` out of whatever list holds it; in none, does nothing. */
static inline void list_leave(struct list_link *link)
{
    struct list *list = link->list;
    if (list == NULL)
        return;
    if (link->previous != NULL)
        link->previous->next = link->next;
    else
        list->first = link->next;
    if (link->next != NULL)
        link->next->previous = link->previous;
    else
        list->last = link->previous;
    list->count--;
    link->next = NULL;
    link->previous = NULL;
    link->list = NULL;
}

/* Puts `link` at the end of `list`, out of the one that held it. */
static inline void list_join(struct list *list, struct list_link *link)
{
    list_leave(link);
    link->list = list;
    link->previous = list->last;
    if (list->last != NULL)
        list->last->next = link;
    else
        list->first = link;
    list->last = link;
    list->count++;
}

static inline bool list_is_empty(const struct list *list)
{
    return list->first == NULL;
}

/* The object of `type` whose member `member` is the link at `pointer` (not NULL). */
#define LIST_OBJECT(pointer, type, member)                                                         \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* Visits each link; the body may take the one that it is at out of the list. */
#define LIST_EACH(link, list)                                                                      \
    for (struct list_link *link = (list)->first, *link##_next = link != NULL ? link->next : NULL;  \
         link != NULL; link = link##_next, link##_next = link != NULL ? link->next : NULL)

#endif
