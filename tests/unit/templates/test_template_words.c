/* Proves that words stand in each language where structure names them, escaped for their place, and
 * that what is missing, left over or misspelt in any language stops the load with file and line. */
#include "tests/unit/templates/folder.h"

static const struct template_kind *find(const struct template_set *set, const char *kind,
                                        const char *language)
{
    const char *const languages[] = {language};
    const struct template_kind *found = template_set_find(set, "", kind, languages, 1);
    assert_non_null(found);
    assert_string_equal(found->name, kind);
    return found;
}

static struct template_set *load(const struct folder *folder)
{
    struct error error = {0};
    struct template_set *set = template_set_load(folder->path, folder->overrides, &error);
    if (set == NULL)
        fail_msg("%s", error.text);
    assert_int_equal(template_set_problem_count(set), 0);
    return set;
}

static void each_language_says_it_in_its_words_escaped_for_the_place(void **state)
{
    const struct folder *folder = *state;
    put(folder, "alert/subject.mustache", "{{words.hello}}");
    put(folder, "alert/html.mustache", "{{<page}}{{$body}}{{words.hello}}{{/body}}{{/page}}");
    struct template_set *set = load(folder);
    const struct template_kind *english = find(set, "alert", "en-GB");
    const struct template_kind *welsh = find(set, "alert", "cy");
    render(english->subject, TEMPLATE_ESCAPE_HEADER, "You're here & <<A>>");
    render(english->text, TEMPLATE_ESCAPE_TEXT, "You're here & <<A>>\nSo long\n");
    render(english->html, TEMPLATE_ESCAPE_HTML, "<You&#39;re here &amp; &lt;&lt;A&gt;&gt; by T>");
    render(welsh->text, TEMPLATE_ESCAPE_TEXT, "Shwmae <<A>>\nHwyl\n");
    render(welsh->html, TEMPLATE_ESCAPE_HTML, "<Shwmae &lt;&lt;A&gt;&gt; gan T>");
    template_set_free(set);
}

static void a_kind_s_own_word_comes_before_the_shared_one(void **state)
{
    const struct folder *folder = *state;
    put(folder, "notice/words.en-GB", "title = Notice\nbye = Farewell\nby = from\n");
    struct template_set *set = load(folder);
    render(find(set, "notice", "en-GB")->text, TEMPLATE_ESCAPE_TEXT, "Notice: Farewell");
    render(find(set, "notice", "en-GB")->html, TEMPLATE_ESCAPE_HTML, "<Notice from T>");
    render(find(set, "notice", "cy")->text, TEMPLATE_ESCAPE_TEXT, "Hysbysiad: Hwyl");
    render(find(set, "alert", "en-GB")->text, TEMPLATE_ESCAPE_TEXT,
           "You're here & <<A>>\nSo long\n");
    template_set_free(set);
}

static void a_word_holds_variables_and_sections_of_where_it_stands(void **state)
{
    const struct folder *folder = *state;
    put(folder, "alert/text.mustache", "{{#courses}}\n  {{words.hello}}\n{{/courses}}\n");
    put(folder, "alert/words.en-GB",
        "hello = {{title}}{{#name}}, {{.}}{{/name}}{{^name}}!{{/name}}{{! never shown }}.\n");
    put(folder, "alert/words.cy", "hello = {{#courses}}{{title}}{{/courses}}\n");
    struct template_set *set = load(folder);
    render(find(set, "alert", "en-GB")->text, TEMPLATE_ESCAPE_TEXT, "  x, <A>.\n  y, <A>.\n");
    render(find(set, "alert", "cy")->text, TEMPLATE_ESCAPE_TEXT, "  xy\n  xy\n");
    template_set_free(set);
}

static void a_word_stands_in_its_line_whatever_it_says(void **state)
{
    const struct folder *folder = *state;
    put(folder, "alert/text.mustache", "a\n{{words.hello}}\n  {{>foot}}\n{{words.bye}}");
    put(folder, "partials/foot.mustache", "{{words.by}}\n{{words.by}}\n");
    put(folder, "alert/words.en-GB", "hello = {{! nothing }}\n");
    put(folder, "partials/words.en-GB", "by = {{#name}}by{{/name}}\nbye = end\n");
    struct template_set *set = load(folder);
    render(find(set, "alert", "en-GB")->text, TEMPLATE_ESCAPE_TEXT, "a\n\n  by\n  by\nend");
    template_set_free(set);
}

static void a_words_file_is_read_as_it_is_described(void **state)
{
    const struct folder *folder = *state;
    put(folder, "notice/words.en-GB",
        "\xef\xbb\xbf# a comment\r\n\r\n  title=A = B \\\r\n      and \\\n\t# C\r\n \t\n#bye = "
        "no\n");
    struct template_set *set = load(folder);
    render(find(set, "notice", "en-GB")->text, TEMPLATE_ESCAPE_TEXT, "A = B and # C: So long");
    put(folder, "notice/words.en-GB", "title = no newline at the end");
    template_set_free(set);
    set = load(folder);
    render(find(set, "notice", "en-GB")->subject, TEMPLATE_ESCAPE_HEADER, "no newline at the end");
    template_set_free(set);
}

static void what_a_text_pretends_is_left_out_of_a_word_too(void **state)
{
    const struct folder *folder = *state;
    put(folder, "notice/words.en-GB",
        "title = a\xe2\x80\xae"
        "b\xe2\x80\x8b\xe2\x80\xa8"
        "c\n");
    struct template_set *set = load(folder);
    render(find(set, "notice", "en-GB")->subject, TEMPLATE_ESCAPE_HEADER, "ab c");
    template_set_free(set);
}

struct mistake {
    const char *file;
    const char *text;
    const char *problem;
};

static void refuse(const struct mistake *mistake)
{
    void *fresh = NULL;
    struct error error = {0};
    folder_make_with_words(&fresh);
    const struct folder *folder = fresh;
    put(folder, mistake->file, mistake->text);
    struct template_set *set = template_set_load(folder->path, "", &error);
    if (set != NULL || strstr(error.text, mistake->problem) == NULL)
        fail_msg("%s [%s]: %s", mistake->file, mistake->text,
                 set == NULL ? error.text : "was loaded");
    folder_remove(&fresh);
}

static void a_mistake_in_words_stops_the_load_with_file_and_line(void **state)
{
    (void)state;
    static const struct mistake mistakes[] = {
        {"alert/words.cy", "# none\n",
         "shipped/alert/words.cy: no word \"hello\", which words.en-GB has in line 1"},
        {"alert/words.cy", "helo = Shwmae\n",
         "words.cy: line 1: no template uses the word \"helo\"; nearest is \"hello\""},
        {"alert/words.cy", "hello = Shwmae\n\nbye = Mwy\nby = a\ntitle = b\n",
         "words.cy: line 5: no template uses the word \"title\""},
        {"partials/words.cy", "by = gan\nbie = Hwyl\n",
         "partials/words.cy: no word \"bye\", which words.en-GB has in line 2; nearest is \"bie\""},
        {"partials/words.cy", "by = gan\n",
         "partials/words.cy: no word \"bye\", which words.en-GB has in line 2"},
        {"alert/text.mustache", "{{words.hello}}\n{{words.by}} {{words.byee}}",
         "alert/text.mustache: line 2: no word \"byee\" in cy; nearest is \"bye\""},
        {"partials/foot.mustache", "\n{{words.bi}}",
         "partials/foot.mustache: line 2: no word \"bi\" in cy; nearest is \"by\""},
        {"alert/text.mustache", "{{words.bye}}",
         "alert/words.cy: line 1: no template uses the word \"hello\""},
        {"alert/words.en-GB", "# a\nhello = a\nhello = b\n",
         "alert/words.en-GB: line 3: the word \"hello\" stands in line 2 already"},
        {"alert/words.en-GB", "\nhello = Dear \\\n  {{nmae}}\n",
         "alert/words.en-GB: line 2: unknown field \"nmae\"; nearest is \"name\""},
        {"partials/words.en-GB", "by = {{courses}}\nbye = a\n",
         "partials/words.en-GB: line 1: unknown field \"courses\""},
        {"alert/words.en-GB", "hello = {{#name}}a\n", "line 1: \"name\" is never closed"},
        {"alert/words.en-GB", "\nhello = a {{name\n", "line 2: a tag that is not closed"},
        {"alert/words.en-GB", "hello =\n", "line 1: the word \"hello\" has no text"},
        {"alert/words.en-GB", "hello\n", "line 1: is no \"NAME = TEXT\""},
        {"alert/words.en-GB", "= a\n", "line 1: a word's name is of a-z, 0-9 and '_'"},
        {"alert/words.en-GB", "He llo = a\n", "line 1: a word's name is of a-z, 0-9 and '_'"},
        {"alert/words.en-GB", "hello = a\\", "line 1: nothing follows the '\\' at its end"},
        {"alert/words.en-GB", "hello = {{words.bye}}\n", "line 1: a word names no other word"},
        {"alert/words.en-GB", "hello = {{{name}}}\n", "line 1: a word holds no other tags"},
        {"alert/words.en-GB", "hello = {{>foot}}\n", "line 1: a word holds no other tags"},
        {"alert/words.en-GB", "hello = {{#name}}{{$a}}{{/a}}{{/name}}\n",
         "line 1: a word holds no other tags"},
        {"alert/text.mustache", "{{{words.hello}}}", "line 1: a word is {{words.NAME}}"},
        {"alert/text.mustache", "{{#words.hello}}{{/words.hello}}", "a word is {{words.NAME}}"},
        {"alert/text.mustache", "{{words.a.b}}", "a word is {{words.NAME}}"},
        {"alert/text.mustache", "{{words.A}}", "a word is {{words.NAME}}"},
        {"alert/fields", "words.a\n", "alert/fields: line 1: \"words\" are no field"},
        {"alert/words.c", "", "alert/words.c: \"c\" names no language"},
        {"alert/words.en_GB", "", "\"en_GB\" names no language"},
        {"alert/words.en-gb", "", "the language is there already: words.en-GB"},
        {"alert/words.en-GB", "\nhello = \xe9t\xe9\n", "words.en-GB: line 2: is no UTF-8"},
        {"alert/html.mustache", "a\n\xc0\xaf", "html.mustache: line 2: is no UTF-8"},
        {"alert/html.mustache", "a\n\033[2J", "line 2: holds the control character 27"},
    };
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++)
        refuse(&mistakes[i]);
}

static void words_past_their_limits_are_refused(void **state)
{
    (void)state;
    static char text[300 * 1024];
    size_t size = (size_t)sprintf(text, "hello = ");
    memset(text + size, 'a', 8192);
    const struct mistake longest = {"alert/words.en-GB", text,
                                    "line 2: no template uses the word \"end\""};
    strcpy(text + size + 8192, "\nend = a\n");
    refuse(&longest); /* the longest text itself is fine */
    strcpy(text + size + 8192, "a\n");
    refuse(&(struct mistake){"alert/words.en-GB", text, "line 1: a text of more than 8192 bytes"});
    memset(text, '#', 262145);
    text[262145] = '\0';
    refuse(&(struct mistake){"alert/words.en-GB", text, "words.en-GB: larger than 262144 bytes"});
    size = 0;
    for (int i = 0; i < 1025; i++)
        size += (size_t)sprintf(text + size, "w%d = a\n", i);
    refuse(&(struct mistake){"alert/words.en-GB", text, "line 1025: more than 1024 words"});
}

static void more_languages_than_the_limit_are_refused(void **state)
{
    const struct folder *folder = *state;
    struct error error = {0};
    for (int i = 0; i < 15; i++) {
        char name[40];
        (void)snprintf(name, sizeof(name), "alert/words.x%c", 'a' + i);
        put(folder, name, "hello = a\n");
    }
    assert_null(template_set_load(folder->path, "", &error));
    assert_non_null(strstr(error.text, "more than 16 languages"));
}

static void a_language_is_found_by_itself_its_base_or_its_kin(void **state)
{
    const struct folder *folder = *state;
    static const struct {
        const char *languages[3];
        const char *chosen;
    } rows[] = {
        {{"cy", "en-GB", NULL}, "cy"},
        {{"CY", NULL, NULL}, "cy"},
        {{"cy-GB", "en-GB", NULL}, "cy"},
        {{"cy-x-gogledd", "en-GB", NULL}, "cy"},
        {{"cy-Latn-GB-x-y", NULL, NULL}, "cy"},
        {{"en", "cy", NULL}, "en-GB"},
        {{"en-US", "cy", NULL}, "en-GB"},
        {{"en-gb-oed", "cy", NULL}, "en-GB"},
        {{"pl", "cy", NULL}, "cy"},
        {{"", "cy", NULL}, "cy"},
        {{NULL, "cy", NULL}, "cy"},
        {{"pl", "de", "cy"}, "cy"},
        {{"pl", "de", "fr"}, "en-GB"},
        {{"cyx", "c", "-cy"}, "en-GB"},
        {{"-", "--", "x"}, "en-GB"},
    };
    struct template_set *set = load(folder);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct template_kind *kind =
            template_set_find(set, "nobody", "alert", rows[i].languages, 3);
        assert_non_null(kind);
        if (strcmp(kind->language, rows[i].chosen) != 0)
            fail_msg("row %zu: %s", i, kind->language);
    }
    assert_string_equal(template_set_find(set, "", "alert", NULL, 0)->language, "en-GB");
    assert_null(template_set_find(set, "", "alrt", NULL, 0));
    assert_int_equal(template_set_language_count(set), 2);
    assert_string_equal(template_set_language_at(set, 0), "cy");
    assert_string_equal(template_set_language_at(set, 1), "en-GB");
    template_set_free(set);
}

static void a_kind_has_the_languages_of_its_words_files(void **state)
{
    const struct folder *folder = *state;
    struct error error = {0};
    put(folder, "plain/fields", "");
    put(folder, "plain/subject.mustache", "Plain");
    put(folder, "plain/text.mustache", "Text {{words.by}}");
    put(folder, "plain/html.mustache", "Html");
    struct template_set *set = load(folder);
    assert_string_equal(find(set, "plain", "cy")->language, "en-GB");
    render(find(set, "plain", "cy")->text, TEMPLATE_ESCAPE_TEXT, "Text by");
    assert_true(template_set_has_language(set, "alert", "cy"));
    assert_true(template_set_has_language(set, "plain", "en-GB"));
    assert_false(template_set_has_language(set, "plain", "cy"));
    assert_false(template_set_has_language(set, "alert", "cy-GB"));
    assert_false(template_set_has_language(set, "alrt", "cy"));
    template_set_free(set);
    put(folder, "plain/words.cy", "# none\n");
    assert_null(template_set_load(folder->path, "", &error));
    assert_non_null(strstr(error.text, "shipped/plain: no words.en-GB, the language that is left"));
}

#define WITH_WORDS(test)                                                                           \
    cmocka_unit_test_setup_teardown(test, folder_make_with_words, folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_WORDS(each_language_says_it_in_its_words_escaped_for_the_place),
        WITH_WORDS(a_kind_s_own_word_comes_before_the_shared_one),
        WITH_WORDS(a_word_holds_variables_and_sections_of_where_it_stands),
        WITH_WORDS(a_word_stands_in_its_line_whatever_it_says),
        WITH_WORDS(a_words_file_is_read_as_it_is_described),
        WITH_WORDS(what_a_text_pretends_is_left_out_of_a_word_too),
        cmocka_unit_test(a_mistake_in_words_stops_the_load_with_file_and_line),
        cmocka_unit_test(words_past_their_limits_are_refused),
        WITH_WORDS(more_languages_than_the_limit_are_refused),
        WITH_WORDS(a_language_is_found_by_itself_its_base_or_its_kin),
        WITH_WORDS(a_kind_has_the_languages_of_its_words_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
