/* Proves the engine's limits, its errors, and that values never become structure. */
#include "templates/template.h"
#include "templates/template_fields.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

struct fixture {
    struct arena arena;
    struct buf out;
    struct error error;
};

static int fixture_make(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    arena_init(&fixture->arena, 64 << 20);
    buf_init(&fixture->out, 100000);
    *state = fixture;
    return 0;
}

static int fixture_free(void **state)
{
    struct fixture *fixture = *state;
    arena_free(&fixture->arena);
    buf_free(&fixture->out);
    free(fixture);
    return 0;
}

static struct template *compile(struct fixture *fixture, const char *source)
{
    return template_compile(&fixture->arena, "mail", source, strlen(source), &fixture->error);
}

static bool render(struct fixture *fixture, const char *source, const char *context,
                   enum template_escape escape)
{
    struct template *template = compile(fixture, source);
    assert_non_null(template);
    struct json *json = json_parse(context, strlen(context), NULL);
    assert_non_null(json);
    const struct json *stack[] = {json};
    buf_reset(&fixture->out);
    bool is_done = template_render(template, stack, 1, escape, &fixture->out);
    json_free(json);
    return is_done;
}

static void each_escape_makes_its_output_safe(void **state)
{
    struct fixture *fixture = *state;
    static const char context[] = "{\"x\":\"<b>'a'\\r\\n\\u2028Bcc: y\\u0000\\u202e&\\t{{x}}%s\"}";
    assert_true(render(fixture, "{{x}}", context, TEMPLATE_ESCAPE_HTML));
    assert_string_equal(fixture->out.data, "&lt;b&gt;&#39;a&#39;\n\nBcc: y&amp;\t{{x}}%s");
    assert_true(render(fixture, "{{x}}|{{{x}}}", context, TEMPLATE_ESCAPE_TEXT));
    assert_string_equal(fixture->out.data, "<b>'a'\n\nBcc: y&\t{{x}}%s|<b>'a'\n\nBcc: y&\t{{x}}%s");
    assert_true(render(fixture, "A\n{{{x}}}\r\n", context, TEMPLATE_ESCAPE_HEADER));
    assert_string_equal(fixture->out.data, "A <b>'a' Bcc: y & {{x}}%s");
}

static void a_value_that_begins_a_link_must_be_one(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *source;
        const char *value;
        const char *expected;
    } rows[] = {
        {"<a href=\"{{x}}\">", "https://example.org/?a=1&b",
         "<a href=\"https://example.org/?a=1&amp;b\">"},
        {"<a href=\"{{x}}\">", "HTTP://example.org", "<a href=\"HTTP://example.org\">"},
        {"<a href=\"{{x}}\">", "mailto:a@example.org", "<a href=\"mailto:a@example.org\">"},
        {"<a href=\"{{x}}\">", "tel:+441632960123", "<a href=\"tel:+441632960123\">"},
        {"<a href=\"{{x}}\">", "javascript:alert(1)", "<a href=\"#\">"},
        {"<a href=\"{{x}}\">", " javascript:alert(1)", "<a href=\"#\">"},
        {"<a href=\"{{x}}\">", "data:text/html,x", "<a href=\"#\">"},
        {"<a href=\"{{x}}\">", "//evil.example.org", "<a href=\"#\">"},
        {"<a href=\"{{x}}\">", "/path", "<a href=\"#\">"},
        {"<a href=\"{{x}}\">", "http:/", "<a href=\"#\">"},
        {"<a href=\"{{x}}\">", "", "<a href=\"\">"},
        {"<a HREF = '{{{x}}}'>", "vbscript:x", "<a HREF = '#'>"},
        {"<img src=\"{{x}}\">", "file:///etc/passwd", "<img src=\"#\">"},
        {"<img src=\"{{x}}\">", "cid:logo", "<img src=\"cid:logo\">"},
        {"<form action=\"{{#x}}{{.}}{{/x}}\">", "javascript:x", "<form action=\"#\">"},
        {"<a href=\"/u/{{x}}\">", "javascript:x", "<a href=\"/u/javascript:x\">"},
        {"<a title=\"{{x}}\">", "javascript: x", "<a title=\"javascript: x\">"},
        {"=\"{{x}}", "a", "=\"a"},
        {"href\"{{x}}", "a", "href\"a"},
        {"\"{{x}}", "a", "\"a"},
        {"{{x}}", "javascript: x", "javascript: x"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char context[100];
        (void)snprintf(context, sizeof(context), "{\"x\":\"%s\"}", rows[i].value);
        assert_true(render(fixture, rows[i].source, context, TEMPLATE_ESCAPE_HTML));
        assert_string_equal(fixture->out.data, rows[i].expected);
    }
    assert_true(render(fixture, "href=\"{{x}}", "{\"x\":\"a\"}", TEMPLATE_ESCAPE_TEXT));
    assert_string_equal(fixture->out.data, "href=\"a");
}

static void an_empty_text_counts_as_nothing(void **state)
{
    struct fixture *fixture = *state;
    static const char source[] = "{{#a}}yes{{/a}}{{^a}}no{{/a}}";
    assert_true(render(fixture, source, "{\"a\":\"\"}", TEMPLATE_ESCAPE_TEXT));
    assert_string_equal(fixture->out.data, "no");
    assert_true(render(fixture, source, "{\"a\":0}", TEMPLATE_ESCAPE_TEXT));
    assert_string_equal(fixture->out.data, "yes");
}

static void the_innermost_context_is_asked_first(void **state)
{
    struct fixture *fixture = *state;
    struct template *template = compile(fixture, "{{a}}{{b}}{{c}}");
    struct json *outer = json_parse("{\"a\":1,\"b\":2}", 13, NULL);
    struct json *inner = json_parse("{\"b\":3,\"c\":4}", 13, NULL);
    const struct json *stack[] = {outer, inner};
    assert_true(template_render(template, stack, 2, TEMPLATE_ESCAPE_TEXT, &fixture->out));
    assert_string_equal(fixture->out.data, "134");
    json_free(outer);
    json_free(inner);
}

static void a_malformed_template_is_refused_with_its_line(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *source;
        const char *problem;
    } rows[] = {
        {"a\n{{b", "mail: line 2: a tag that is not closed"},
        {"{{", "mail: line 1: a tag that is not closed"},
        {"{{{b}}", "mail: line 1: a tag that is not closed"},
        {"{{=<% %>", "mail: line 1: a tag that is not closed"},
        {"{{=<%=}}", "mail: line 1: delimiters must be two words without '='"},
        {"\n\n{{#a}}", "mail: line 3: \"a\" is never closed"},
        {"{{#a}}\n{{/b}}", "mail: line 2: closes \"b\" where \"a\" of line 1 is open"},
        {"{{/a}}", "mail: line 1: closes \"a\", which is not open"},
        {"{{}}", "mail: line 1: a tag without a name"},
        {"{{a b}}", "mail: line 1: a tag without a name"},
        {"{{a..b}}", "mail: line 1: a tag without a name"},
        {"{{.a}}", "mail: line 1: a tag without a name"},
        {"{{a.}}", "mail: line 1: a tag without a name"},
        {"{{> .}}", "mail: line 1: a tag without a name"},
        {"{{!\n\n}}\n{{a|b}}", "mail: line 4: a tag without a name"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_null(compile(fixture, rows[i].source));
        assert_ptr_equal(strstr(fixture->error.text, rows[i].problem), fixture->error.text);
    }
}

static void a_template_past_its_size_or_depth_is_refused(void **state)
{
    struct fixture *fixture = *state;
    static char large[TEMPLATE_SOURCE_BYTES + 1];
    memset(large, 'a', sizeof(large));
    assert_null(template_compile(&fixture->arena, "mail", large, sizeof(large), &fixture->error));
    assert_non_null(strstr(fixture->error.text, "larger than"));
    assert_non_null(
        template_compile(&fixture->arena, "mail", large, sizeof(large) - 1, &fixture->error));
    char nested[33 * 12 + 1] = "";
    for (int i = 0; i < 32; i++)
        strcat(nested, "{{#a}}");
    for (int i = 0; i < 32; i++)
        strcat(nested, "{{/a}}");
    assert_non_null(compile(fixture, nested));
    nested[0] = '\0';
    for (int i = 0; i < 33; i++)
        strcat(nested, "{{#a}}");
    assert_null(compile(fixture, nested));
    assert_non_null(strstr(fixture->error.text, "nested deeper than 32"));
    memset(large, 'n', TEMPLATE_NAME_BYTES + 5);
    memcpy(large, "{{", 2);
    memcpy(large + TEMPLATE_NAME_BYTES + 3, "}}", 3);
    assert_null(compile(fixture, large));
}

static const struct template *find_self(void *context, const char *name)
{
    return strcmp(name, "self") == 0 ? context : NULL;
}

static void what_includes_itself_for_ever_fails_and_leaves_no_trace(void **state)
{
    struct fixture *fixture = *state;
    static const char *const sources[] = {
        "x{{>self}}",
        "{{<self}}{{/self}}",
        "{{>self}}{{>self}}{{>self}}{{>self}}{{>self}}{{>self}}{{>self}}{{>self}}",
        "{{<self}}{{$a}}{{$a}}{{/a}}{{/a}}{{/self}}{{$a}}{{/a}}",
    };
    struct json *json = json_parse("{}", 2, NULL);
    const struct json *stack[] = {json};
    buf_append_text(&fixture->out, "before");
    for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
        struct template *template = compile(fixture, sources[i]);
        assert_true(template_link(template, find_self, template, true, &fixture->error));
        assert_false(template_render(template, stack, 1, TEMPLATE_ESCAPE_TEXT, &fixture->out));
        assert_string_equal(fixture->out.data, "before");
    }
    json_free(json);
}

static const struct template *find_next(void *context, const char *name)
{
    assert_string_equal(name, "next");
    return context;
}

static void a_partial_that_is_missing_is_an_error_when_strict(void **state)
{
    struct fixture *fixture = *state;
    struct template *template = compile(fixture, "\n{{#a}}\n{{>footer}}\n{{/a}}");
    assert_false(template_link(template, find_self, NULL, true, &fixture->error));
    assert_string_equal(fixture->error.text, "mail: line 3: no partial \"footer\"");
    assert_true(template_link(template, find_self, NULL, false, &fixture->error));
}

static void output_past_the_ceiling_fails_and_leaves_no_trace(void **state)
{
    struct fixture *fixture = *state;
    struct buf small;
    buf_init(&small, 10);
    struct template *template = compile(fixture, "{{#a}}12345{{/a}}");
    static const enum template_escape escapes[] = {TEMPLATE_ESCAPE_TEXT, TEMPLATE_ESCAPE_HTML,
                                                   TEMPLATE_ESCAPE_HEADER};
    for (size_t i = 0; i < 3; i++) {
        struct json *fits = json_parse("{\"a\":[1,2]}", 11, NULL);
        struct json *large = json_parse("{\"a\":[1,2,3]}", 13, NULL);
        const struct json *stack[] = {large};
        assert_false(template_render(template, stack, 1, escapes[i], &small));
        assert_int_equal(small.size, 0);
        buf_reset(&small);
        stack[0] = fits;
        assert_true(template_render(template, stack, 1, escapes[i], &small));
        assert_string_equal(small.data, "1234512345");
        buf_reset(&small);
        json_free(fits);
        json_free(large);
    }
    buf_free(&small);
}

/* A list of that many, called "a", and a long text of which nothing shows. */
static struct json *lists_make(struct fixture *fixture, size_t items)
{
    buf_append_text(&fixture->out, "{\"a\":[");
    for (size_t i = 0; i < items; i++)
        buf_append_text(&fixture->out, i > 0 ? ",{}" : "{}");
    buf_append_text(&fixture->out, "],\"o\":{\"p\":\"");
    for (size_t i = 0; i < 10000; i++)
        buf_append_text(&fixture->out, "\xe2\x80\x8b");
    buf_append_text(&fixture->out, "\"}}");
    struct json *json = json_parse(fixture->out.data, fixture->out.size, NULL);
    assert_non_null(json);
    buf_reset(&fixture->out);
    return json;
}

static double cpu_seconds(void)
{
    struct timespec now;
    assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now), 0);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void what_loops_without_output_fails_in_time(void **state)
{
    struct fixture *fixture = *state;
    static char blocks[TEMPLATE_SOURCE_BYTES] = "{{<self}}";
    while (strlen(blocks) < 30000)
        strcat(blocks, "{{$b}}{{/b}}");
    strcat(blocks, "{{/self}}");
    while (strlen(blocks) < 60000)
        strcat(blocks, "{{$c}}{{/c}}");
    static const char *const sources[] = {
        /* empty loops in loops */
        "{{#a}}{{#a}}{{#a}}{{/a}}{{/a}}{{/a}}",
        /* a name that is looked for in vain through many scopes */
        "{{#a}}{{#a}}{{#o}}{{#o}}{{#o}}{{#o}}{{#o}}{{#o}}{{x}}{{x}}{{x}}{{x}}{{x}}{{x}}"
        "{{/o}}{{/o}}{{/o}}{{/o}}{{/o}}{{/o}}{{/a}}{{/a}}",
        /* a value that is read again and again, and leaves nothing */
        "{{#a}}{{#a}}{{o.p}}{{/a}}{{/a}}",
        /* blocks that are looked for among many */
        blocks,
    };
    struct json *json = lists_make(fixture, 10000);
    const struct json *stack[] = {json};
    for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
        struct template *template = compile(fixture, sources[i]);
        assert_non_null(template);
        assert_true(template_link(template, find_self, template, true, &fixture->error));
        double start = cpu_seconds();
        assert_false(template_render(template, stack, 1, TEMPLATE_ESCAPE_TEXT, &fixture->out));
        assert_true(cpu_seconds() - start < 60); /* under valgrind too; unbounded: hours */
        assert_int_equal(fixture->out.size, 0);
    }
    json_free(json);
}

/* As deep as sections, partials and blocks go together; with sanitizers on too. */
static void the_deepest_nesting_is_rendered_without_overflow(void **state)
{
    struct fixture *fixture = *state;
    enum { TEMPLATES = TEMPLATE_PARTIAL_DEPTH + 1 };
    struct template *chain[TEMPLATES];
    char source[2000];
    for (int i = 0; i < TEMPLATES; i++) {
        source[0] = '\0';
        for (int j = 0; j < TEMPLATE_SECTION_DEPTH; j++)
            strcat(source, "{{#a}}");
        strcat(source, i + 1 < TEMPLATES ? "{{>next}}" : "end");
        for (int j = 0; j < TEMPLATE_SECTION_DEPTH; j++)
            strcat(source, "{{/a}}");
        chain[i] = compile(fixture, source);
        assert_non_null(chain[i]);
    }
    for (int i = 0; i + 1 < TEMPLATES; i++)
        assert_true(template_link(chain[i], find_next, chain[i + 1], true, &fixture->error));
    struct json *json = lists_make(fixture, 1);
    const struct json *stack[] = {json};
    assert_true(template_render(chain[0], stack, 1, TEMPLATE_ESCAPE_TEXT, &fixture->out));
    assert_string_equal(fixture->out.data, "end");
    struct template_fields fields = {.names = {"a"}, .count = 1};
    assert_true(template_fields_check(&fields, chain[0], &fixture->error));
    json_free(json);
}

static void a_word_without_words_is_refused_or_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct template_fields fields = {.count = 0};
    struct template *template = compile(fixture, "a\n{{words.b}}c");
    assert_false(template_fields_check(&fields, template, &fixture->error));
    assert_string_equal(fixture->error.text, "mail: line 2: no word \"b\"");
    assert_true(render(fixture, "a\n{{words.b}}c", "{\"words\":{\"b\":1}}", TEMPLATE_ESCAPE_TEXT));
    assert_string_equal(fixture->out.data, "a\nc");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_escape_makes_its_output_safe, fixture_make,
                                        fixture_free),
        cmocka_unit_test_setup_teardown(a_value_that_begins_a_link_must_be_one, fixture_make,
                                        fixture_free),
        cmocka_unit_test_setup_teardown(an_empty_text_counts_as_nothing, fixture_make,
                                        fixture_free),
        cmocka_unit_test_setup_teardown(the_innermost_context_is_asked_first, fixture_make,
                                        fixture_free),
        cmocka_unit_test_setup_teardown(a_malformed_template_is_refused_with_its_line, fixture_make,
                                        fixture_free),
        cmocka_unit_test_setup_teardown(a_template_past_its_size_or_depth_is_refused, fixture_make,
                                        fixture_free),
        cmocka_unit_test_setup_teardown(what_includes_itself_for_ever_fails_and_leaves_no_trace,
                                        fixture_make, fixture_free),
        cmocka_unit_test_setup_teardown(a_partial_that_is_missing_is_an_error_when_strict,
                                        fixture_make, fixture_free),
        cmocka_unit_test_setup_teardown(output_past_the_ceiling_fails_and_leaves_no_trace,
                                        fixture_make, fixture_free),
        cmocka_unit_test_setup_teardown(what_loops_without_output_fails_in_time, fixture_make,
                                        fixture_free),
        cmocka_unit_test_setup_teardown(the_deepest_nesting_is_rendered_without_overflow,
                                        fixture_make, fixture_free),
        cmocka_unit_test_setup_teardown(a_word_without_words_is_refused_or_nothing, fixture_make,
                                        fixture_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
