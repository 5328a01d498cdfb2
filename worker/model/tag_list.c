/* Takes a tag list apart. */
#include "worker/model/tag_list.h"

#include <string.h>
#include <strings.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void trim(const char **text, size_t *size)
{
    while (*size > 0 && is_blank(**text)) {
        (*text)++;
        (*size)--;
    }
    while (*size > 0 && is_blank((*text)[*size - 1]))
        (*size)--;
}

static bool is_name(const char *name, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        char c = name[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_letter && (i == 0 || (c != '_' && (c < '0' || c > '9'))))
            return false;
    }
    return size > 0;
}

static const struct tag *find(const struct tag_list *list, const char *name, size_t size)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->tags[i].name_size == size && memcmp(list->tags[i].name, name, size) == 0)
            return &list->tags[i];
    return NULL;
}

static bool tag_take(struct tag_list *list, const char *text, size_t size)
{
    const char *equals = memchr(text, '=', size);
    if (equals == NULL)
        return false;
    struct tag tag = {
        .name = text,
        .name_size = (size_t)(equals - text),
        .value = equals + 1,
        .value_size = size - (size_t)(equals - text) - 1,
    };
    trim(&tag.name, &tag.name_size);
    trim(&tag.value, &tag.value_size);
    if (!is_name(tag.name, tag.name_size) || find(list, tag.name, tag.name_size) != NULL ||
        list->count == TAG_LIST_MAXIMUM)
        return false;
    list->tags[list->count++] = tag;
    return true;
}

bool tag_list_parse(const char *text, struct tag_list *list)
{
    list->count = 0;
    while (*text != '\0') {
        size_t step = strcspn(text, ";");
        const char *tag = text;
        size_t size = step;
        text += step + (text[step] == ';');
        trim(&tag, &size);
        bool is_last_and_empty = size == 0 && text[strspn(text, " \t\r\n")] == '\0';
        if (!is_last_and_empty && !tag_take(list, tag, size))
            return false;
    }
    return true;
}

const struct tag *tag_list_find(const struct tag_list *list, const char *name)
{
    return find(list, name, strlen(name));
}

bool tag_is(const struct tag *tag, const char *value)
{
    return tag->value_size == strlen(value) && strncasecmp(tag->value, value, tag->value_size) == 0;
}
