/* Any bytes as a template, its own partial, its own context and its own words: refused with a line,
 * or rendered within its limits, the header form on one line. The first half is the template, the
 * second is tried as context and as words file. */
#include "templates/template_fields.h"
#include "templates/template_words.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct template *find(void *context, const char *name)
{
    return name[0] == 'p' ? context : NULL;
}

static void render(const struct template *template, const struct json *context,
                   enum template_escape escape)
{
    struct buf out;
    const struct json *const stack[] = {context};
    buf_init(&out, 64 * 1024);
    bool is_done = template_render(template, stack, 1, escape, &out);
    if (!is_done && out.size != 0)
        abort();
    for (size_t i = 0; escape == TEMPLATE_ESCAPE_HEADER && i < out.size; i++)
        if ((unsigned char)out.data[i] < ' ')
            abort();
    buf_free(&out);
}

/* A word's own markup never shows, nor does its line end. */
static void check_words(const struct template_words *words)
{
    for (size_t i = 0; i < words->count; i++) {
        const struct template_word *word = &words->at[i];
        if (template_words_find(words, word->name, word->hash) != word)
            abort();
        for (const struct template_node *node = word->html->children; node != NULL;
             node = node->next)
            if (node->kind == TEMPLATE_TEXT && (memchr(node->text, '<', node->size) != NULL ||
                                                memchr(node->text, '"', node->size) != NULL))
                abort();
        for (const struct template_node *node = word->plain->children; node != NULL;
             node = node->next)
            if (node->starts_line)
                abort();
    }
}

/* Fills `view` with the words that the bytes make; none where they are refused. */
static void read_words(struct arena *arena, const char *text, size_t size,
                       struct template_words *words, struct template_view *view)
{
    struct error error = {0};
    if (!template_words_parse(words, arena, "words", text, size, &error)) {
        if (error.text[0] == '\0')
            abort();
        return;
    }
    check_words(words);
    view->language = "en-GB";
    view->layers[view->layer_count++] = words;
}

static void check_fields(struct arena *arena, const struct template *template)
{
    static const char names[] = "a\na.b\nlist.item\n";
    struct template_fields fields = {.count = 0};
    struct error error = {0};
    if (!template_fields_parse(&fields, arena, "fields", names, sizeof(names) - 1, &error))
        abort();
    if (!template_fields_check(&fields, template, &error) && error.text[0] == '\0')
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char otherwise[] =
        "{\"a\":{\"b\":\"<x>\\r\\n\",\"c\":1.5},\"list\":[{\"item\":1},{\"item\":\"\"},[1,2]],"
        "\"t\":true,\"f\":false,\"n\":null,\"s\":\"\\u202e\\u2028\"}";
    const char *text = (const char *)data;
    size_t half = size / 2;
    struct arena arena;
    struct error error = {0};
    arena_init(&arena, 64 << 20);
    struct template *template = template_compile(&arena, "fuzz", text, half, &error);
    if (template == NULL) {
        if (error.text[0] == '\0')
            abort();
        arena_free(&arena);
        return 0;
    }
    if (!template_link(template, find, template, false, &error))
        abort();
    struct json *context = json_parse(text + half, size - half, NULL);
    if (context == NULL)
        context = json_parse(otherwise, sizeof(otherwise) - 1, NULL);
    struct template_words words = {.language = "en-GB"};
    struct template_view view = {.layer_count = 0};
    read_words(&arena, text + half, size - half, &words, &view);
    template->view = &view;
    render(template, context, TEMPLATE_ESCAPE_HTML);
    render(template, context, TEMPLATE_ESCAPE_TEXT);
    render(template, context, TEMPLATE_ESCAPE_HEADER);
    check_fields(&arena, template);
    json_free(context);
    arena_free(&arena);
    return 0;
}
