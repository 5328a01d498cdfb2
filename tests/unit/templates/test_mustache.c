/* Proves the language with examples of our own, where the specification's are not at hand too:
 * tags, lines that vanish, indents, partials, parents and blocks. */
#include "templates/template.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct example {
    const char *source;
    const char *context;
    const char *expected;
};

static const char *const names[] = {"p", "q", "parent", "grand"};
enum { PARTIALS = sizeof(names) / sizeof(names[0]) };

static const char *const sources[PARTIALS] = {
    "<{{a}}>",
    "one\ntwo\n",
    "[{{$x}}x of parent{{/x}}|{{$y}}y of parent{{/y}}]",
    "{{<parent}}{{$y}}y of grand{{/y}}{{/parent}}",
};

static const struct template *partial_find(void *context, const char *name)
{
    struct template *const *partials = context;
    for (size_t i = 0; i < PARTIALS; i++)
        if (strcmp(names[i], name) == 0)
            return partials[i];
    return NULL;
}

static struct template *compile(struct arena *arena, const char *name, const char *source)
{
    struct error error = {0};
    struct template *template = template_compile(arena, name, source, strlen(source), &error);
    if (template == NULL)
        fail_msg("%s", error.text);
    return template;
}

static void check(const struct example *examples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct arena arena;
        struct buf out;
        struct template *partials[PARTIALS];
        arena_init(&arena, 1 << 20);
        buf_init(&out, 1000);
        for (size_t j = 0; j < PARTIALS; j++)
            partials[j] = compile(&arena, names[j], sources[j]);
        for (size_t j = 0; j < PARTIALS; j++)
            assert_true(template_link(partials[j], partial_find, partials, true, NULL));
        struct template *template = compile(&arena, "example", examples[i].source);
        assert_true(template_link(template, partial_find, partials, false, NULL));
        struct json *json = json_parse(examples[i].context, strlen(examples[i].context), NULL);
        assert_non_null(json);
        const struct json *stack[] = {json};
        assert_true(template_render(template, stack, 1, TEMPLATE_ESCAPE_HTML, &out));
        if (strcmp(out.data, examples[i].expected) != 0)
            fail_msg("%s\nexpected [%s]\nbut was  [%s]", examples[i].source, examples[i].expected,
                     out.data);
        json_free(json);
        buf_free(&out);
        arena_free(&arena);
    }
}

#define CHECK(examples) check(examples, sizeof(examples) / sizeof((examples)[0]))

static void variables_find_their_values(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"{{a}} {{ a }} {{\ta\n}}", "{\"a\":\"x\"}", "x x x"},
        {"{{a}}|{{&a}}|{{{a}}}|{{{ a }}}", "{\"a\":\"<&>\"}", "&lt;&amp;&gt;|<&>|<&>|<&>"},
        {"{{a}},{{b}},{{c}},{{d}}", "{\"a\":1,\"b\":-0.5,\"c\":true,\"d\":1e21}",
         "1,-0.5,true,1e+21"},
        {"[{{a}}{{b}}{{c.d}}{{e}}]", "{\"a\":null,\"c\":{},\"e\":false}", "[]"},
        {"{{a.b.c}}", "{\"a\":{\"b\":{\"c\":\"deep\"}}}", "deep"},
        {"{{#a}}{{b.c}}{{/a}}", "{\"a\":{\"b\":{}},\"b\":{\"c\":\"not this\"}}", ""},
        {"{{#a}}{{.}}{{/a}}", "{\"a\":[1,\"two\",3.5]}", "1two3.5"},
        {"  {{a}}\n", "{\"a\":\"x\"}", "  x\n"},
        {"a{{! no\n {{ matter }}b", "{}", "ab"},
    };
    CHECK(examples);
}

static void sections_ask_what_is_something(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"{{#a}}y{{/a}}{{^a}}n{{/a}}", "{}", "n"},
        {"{{#a}}y{{/a}}{{^a}}n{{/a}}", "{\"a\":false}", "n"},
        {"{{#a}}y{{/a}}{{^a}}n{{/a}}", "{\"a\":[]}", "n"},
        {"{{#a}}y{{/a}}{{^a}}n{{/a}}", "{\"a\":{}}", "y"},
        {"{{#a}}y{{/a}}{{^a}}n{{/a}}", "{\"a\":[null,1]}", "yy"},
        {"{{#a}}{{b}}{{/a}}{{b}}", "{\"a\":{\"b\":1},\"b\":2}", "12"},
        {"{{#a}}{{#.}}{{.}}{{/.}};{{/a}}", "{\"a\":[[1,2],[],[3]]}", "12;;3;"},
        {"{{#a}}{{#b}}{{c}}{{d}}{{/b}}{{/a}}",
         "{\"a\":[{\"b\":[{\"c\":1},{\"c\":2}],\"d\":\"-\"}],\"d\":\"+\"}", "1-2-"},
        {"{{#a.b}}{{c}}{{/a.b}}", "{\"a\":{\"b\":{\"c\":1}}}", "1"},
    };
    CHECK(examples);
}

static void a_line_with_one_tag_alone_vanishes(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"a\n{{#t}}\nb\n{{/t}}\nc\n", "{\"t\":true}", "a\nb\nc\n"},
        {"a\r\n  {{#t}}  \r\nb\r\n\t{{/t}}\r\nc", "{\"t\":true}", "a\r\nb\r\nc"},
        {"{{#t}}\nb{{/t}}", "{\"t\":true}", "b"},
        {"{{^t}}{{/t}}\n", "{\"t\":true}", "\n"},
        {"a {{#t}}\nb\n{{/t}} c\n", "{\"t\":true}", "a \nb\n c\n"},
        {"a\n{{! c }}\nb", "{}", "a\nb"},
        {"a\n{{! c }} \n{{a}}\nb", "{\"a\":\"\"}", "a\n\nb"},
        {"{{=<% %>=}}\n<% a %>{{a}}\n<%={{ }}=%>\n{{a}}", "{\"a\":1}", "1{{a}}\n1"},
        {"\n\n{{#t}}\n\n{{/t}}\n\n", "{\"t\":true}", "\n\n\n\n"},
    };
    CHECK(examples);
}

static void partials_stand_in_their_place(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"{{>p}}", "{\"a\":\"&\"}", "<&amp;>"},
        {"{{#l}}{{>p}}{{/l}}", "{\"l\":[{\"a\":1},{\"a\":2}]}", "<1><2>"},
        {"a{{>none}}b", "{}", "ab"},
        {"  {{>q}}\nend", "{}", "  one\n  two\nend"},
        {"\t{{> q }}\n\t{{>q}}", "{}", "\tone\n\ttwo\n\tone\n\ttwo\n"},
        {"a {{>q}}\nend", "{}", "a one\ntwo\n\nend"},
        {"  {{>p}}!\n", "{\"a\":\"x\"}", "  <x>!\n"},
        {" {{>p}}\n", "{\"a\":\"x\\ny\"}", " <x\ny>"},
    };
    CHECK(examples);
}

static void blocks_are_filled_from_outside_in(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"{{$x}}default{{/x}}", "{}", "default"},
        {"{{>parent}}", "{}", "[x of parent|y of parent]"},
        {"{{<parent}}{{/parent}}", "{}", "[x of parent|y of parent]"},
        {"{{<parent}}{{$x}}mine{{/x}}{{/parent}}", "{}", "[mine|y of parent]"},
        {"{{<parent}} only blocks count {{$y}}{{a}}{{/y}} {{a}}{{/parent}}", "{\"a\":1}",
         "[x of parent|1]"},
        {"{{<grand}}{{$x}}mine{{/x}}{{/grand}}", "{}", "[mine|y of grand]"},
        {"{{<grand}}{{$y}}mine{{/y}}{{/grand}}", "{}", "[x of parent|mine]"},
        {"{{<parent}}{{$x}}{{$z}}{{/z}}{{>p}}{{/x}}{{$z}}z {{/z}}{{/parent}}", "{\"a\":1}",
         "[z <1>|y of parent]"},
        {"{{<parent}}{{$x}}first{{/x}}{{$x}}second{{/x}}{{/parent}}", "{}", "[first|y of parent]"},
        {"{{#l}}{{<parent}}{{$x}}{{.}}{{/x}}{{/parent}}{{/l}}", "{\"l\":[1,2]}",
         "[1|y of parent][2|y of parent]"},
        {"{{<none}}{{$x}}gone{{/x}}{{/none}}.", "{}", "."},
        {"{{<parent}}\n{{$x}}\none\n  two\n{{/x}}\n{{/parent}}\n", "{}",
         "[one\n  two\n|y of parent]"},
    };
    CHECK(examples);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(variables_find_their_values),
        cmocka_unit_test(sections_ask_what_is_something),
        cmocka_unit_test(a_line_with_one_tag_alone_vanishes),
        cmocka_unit_test(partials_stand_in_their_place),
        cmocka_unit_test(blocks_are_filled_from_outside_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
