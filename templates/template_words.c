/* Words files: lines to texts to trees, and finding a word again. Knows no kind and no value. */
#include "templates/template_words.h"

#include "templates/template_files.h"
#include "worker/model/plain_text.h"

#include <stdlib.h>
#include <sysexits.h>

struct reader {
    struct template_words *words;
    struct arena *arena;
    const char *at;
    const char *end;
    unsigned line;   /* of what `at` points to */
    struct buf text; /* what is being gathered, over lines that go on */
    struct error *error;
};

static bool refuse(struct reader *reader, unsigned line, const char *problem)
{
    return error_set(reader->error, EX_CONFIG, "%s: line %u: %s", reader->words->path, line,
                     problem);
}

static bool no_memory(struct reader *reader)
{
    return error_set(reader->error, EX_OSERR, "%s: out of memory", reader->words->path);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
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

/* The next line without the blanks around it. */
static const char *line_next(struct reader *reader, size_t *size)
{
    const char *line = reader->at;
    const char *newline = memchr(line, '\n', (size_t)(reader->end - line));
    *size = (size_t)((newline == NULL ? reader->end : newline) - line);
    reader->at = newline == NULL ? reader->end : newline + 1;
    reader->line++;
    trim(&line, size);
    return line;
}

static bool text_gather(struct reader *reader, const char *text, size_t size)
{
    unsigned line = reader->line - 1;
    buf_reset(&reader->text);
    while (size > 0 && text[size - 1] == '\\') {
        buf_append(&reader->text, text, size - 1);
        if (reader->at == reader->end)
            return refuse(reader, line, "nothing follows the '\\' at its end");
        text = line_next(reader, &size);
    }
    buf_append(&reader->text, text, size);
    if (reader->text.is_out_of_memory)
        return no_memory(reader);
    if (reader->text.has_failed)
        return error_set(reader->error, EX_CONFIG, "%s: line %u: a text of more than %d bytes",
                         reader->words->path, line, TEMPLATE_WORD_BYTES);
    return true;
}

/* Recursion ends at TEMPLATE_SECTION_DEPTH. */
static bool nodes_check(struct reader *reader, const struct template_node *node)
{
    for (; node != NULL; node = node->next) {
        if (node->kind == TEMPLATE_WORD)
            return refuse(reader, node->line, "a word names no other word");
        if (node->kind != TEMPLATE_TEXT && node->kind != TEMPLATE_VARIABLE &&
            node->kind != TEMPLATE_SECTION && node->kind != TEMPLATE_INVERTED)
            return refuse(reader, node->line,
                          "a word holds no other tags than variables and sections");
        if (!nodes_check(reader, node->children))
            return false;
    }
    return true;
}

/* Escapes the literal text. A word stands within a line: nothing in it starts one, so that no
 * indent of a partial comes between. Recursion as above. */
static bool nodes_escape(struct arena *arena, struct template_node *node,
                         bool (*escape)(struct buf *, const char *, size_t))
{
    struct buf text;
    buf_init(&text, TEMPLATE_WORD_BYTES * sizeof("&quot;"));
    bool is_fine = true;
    for (; node != NULL && is_fine; node = node->next) {
        node->starts_line = false;
        if (node->kind == TEMPLATE_TEXT) {
            buf_reset(&text);
            is_fine = escape(&text, node->text, node->size);
            node->text = is_fine ? arena_copy(arena, text.data, text.size) : NULL;
            node->size = text.size;
            is_fine = node->text != NULL;
        }
        is_fine = is_fine && nodes_escape(arena, node->children, escape);
    }
    buf_free(&text);
    return is_fine;
}

static const struct template *text_compile(struct reader *reader, unsigned line,
                                           bool (*escape)(struct buf *, const char *, size_t))
{
    struct template *template =
        template_compile_at(reader->arena, reader->words->path, line, reader->text.data,
                            reader->text.size, reader->error);
    if (template == NULL || !nodes_check(reader, template->children))
        return NULL;
    if (!nodes_escape(reader->arena, template->children, escape)) {
        no_memory(reader);
        return NULL;
    }
    return template;
}

static bool word_add(struct reader *reader, const char *name, size_t name_size, unsigned line)
{
    struct template_words *words = reader->words;
    struct template_word *word = &words->at[words->count];
    uint32_t hash = template_word_hash(name, name_size);
    for (size_t i = 0; i < words->count; i++)
        if (words->at[i].hash == hash && strlen(words->at[i].name) == name_size &&
            memcmp(words->at[i].name, name, name_size) == 0)
            return error_set(reader->error, EX_CONFIG,
                             "%s: line %u: the word \"%s\" stands in line %u already", words->path,
                             line, words->at[i].name, words->at[i].line);
    *word = (struct template_word){.hash = hash, .line = line};
    word->name = arena_copy(reader->arena, name, name_size);
    if (word->name == NULL)
        return no_memory(reader);
    word->plain = text_compile(reader, line, plain_text_append_body);
    if (word->plain == NULL)
        return false;
    word->html = text_compile(reader, line, plain_text_append_html);
    if (word->html == NULL)
        return false;
    words->count++;
    return true;
}

static bool line_read(struct reader *reader)
{
    unsigned line = reader->line;
    size_t size = 0;
    const char *text = line_next(reader, &size);
    if (size == 0 || text[0] == '#')
        return true;
    const char *equals = memchr(text, '=', size);
    if (equals == NULL)
        return refuse(reader, line, "is no \"NAME = TEXT\"");
    const char *name = text;
    size_t name_size = (size_t)(equals - text);
    size -= name_size + 1;
    text = equals + 1;
    trim(&name, &name_size);
    trim(&text, &size);
    if (!template_is_name(name, name_size) ||
        name_size > TEMPLATE_NAME_BYTES - TEMPLATE_WORD_PREFIX_BYTES)
        return refuse(reader, line, "a word's name is of a-z, 0-9 and '_', and not too long");
    if (reader->words->count == TEMPLATE_WORDS_MAXIMUM)
        return error_set(reader->error, EX_CONFIG, "%s: line %u: more than %d words",
                         reader->words->path, line, TEMPLATE_WORDS_MAXIMUM);
    if (!text_gather(reader, text, size))
        return false;
    if (reader->text.size == 0)
        return error_set(reader->error, EX_CONFIG,
                         "%s: line %u: the word \"%.*s\" has no text; where it shall say nothing, "
                         "write {{! nothing }}",
                         reader->words->path, line, (int)name_size, name);
    return word_add(reader, name, name_size, line);
}

static int order_of(const struct template_word *word, uint32_t hash, const char *name)
{
    if (word->hash != hash)
        return word->hash < hash ? -1 : 1;
    return strcmp(word->name, name);
}

static int compare_words(const void *a, const void *b)
{
    const struct template_word *other = b;
    return order_of(a, other->hash, other->name);
}

bool template_words_parse(struct template_words *words, struct arena *arena, const char *path,
                          const char *text, size_t size, struct error *error)
{
    static const char mark[] = "\xef\xbb\xbf"; /* what some editors put before UTF-8 */
    bool has_mark = size >= sizeof(mark) - 1 && memcmp(text, mark, sizeof(mark) - 1) == 0;
    struct reader reader = {.words = words,
                            .arena = arena,
                            .at = text + (has_mark ? sizeof(mark) - 1 : 0),
                            .end = text + size,
                            .line = 1,
                            .error = error};
    size_t lines = 1;
    for (size_t i = 0; i < size && lines < TEMPLATE_WORDS_MAXIMUM; i++)
        lines += text[i] == '\n';
    words->path = path;
    words->count = 0;
    words->at = arena_alloc(arena, lines * sizeof(*words->at));
    if (words->at == NULL)
        return no_memory(&reader);
    buf_init(&reader.text, TEMPLATE_WORD_BYTES);
    bool is_read = true;
    while (is_read && reader.at < reader.end)
        is_read = line_read(&reader);
    buf_free(&reader.text);
    if (is_read && words->count > 0)
        qsort(words->at, words->count, sizeof(*words->at), compare_words);
    return is_read;
}

struct template_word *template_words_find(const struct template_words *words, const char *name,
                                          uint32_t hash)
{
    size_t low = 0;
    size_t high = words->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = order_of(&words->at[middle], hash, name);
        if (order == 0)
            return &words->at[middle];
        if (order > 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

struct template_word *template_view_find(const struct template_view *view, const char *name,
                                         uint32_t hash)
{
    struct template_word *word = NULL;
    for (size_t i = 0; view != NULL && i < view->layer_count && word == NULL; i++)
        word = template_words_find(view->layers[i], name, hash);
    return word;
}

const struct template *template_view_target(const struct template_view *view,
                                            const struct template *target)
{
    if (target == NULL || view == NULL || view->partials == NULL ||
        view->partials[target->number] == NULL)
        return target;
    return view->partials[target->number];
}
