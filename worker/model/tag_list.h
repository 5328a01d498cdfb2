/* Tag lists, "name=value; name=value" (RFC 6376 section 3.2), as DKIM and DMARC records are. */
#ifndef HANDBELL_MODEL_TAG_LIST_H
#define HANDBELL_MODEL_TAG_LIST_H

#include <stdbool.h>
#include <stddef.h>

enum { TAG_LIST_MAXIMUM = 32 };

/* Parts of the text that was parsed, without the blanks around them. */
struct tag {
    const char *name;
    size_t name_size;
    const char *value;
    size_t value_size;
};

struct tag_list {
    size_t count;
    struct tag tags[TAG_LIST_MAXIMUM];
};

/* False for what is no tag list: no '=', a name that is none, a name twice, more tags than fit. An
 * empty tag at the end, or none at all, is fine. */
bool tag_list_parse(const char *text, struct tag_list *list);
/* NULL where there is none. Names count in their own case. */
const struct tag *tag_list_find(const struct tag_list *list, const char *name);
/* Whether the tag's value is `value`, in any case of letters. */
bool tag_is(const struct tag *tag, const char *value);

#endif
