/* Proves that a tenant may put its own file or single word in the place of a shipped one, that its
 * mistakes are its own alone, and that whoever overrides nothing shares what is shipped. */
#include "tests/unit/templates/folder.h"

static const struct template_kind *find(const struct template_set *set, const char *slug,
                                        const char *kind, const char *language)
{
    const char *const languages[] = {language};
    const struct template_kind *found = template_set_find(set, slug, kind, languages, 1);
    assert_non_null(found);
    assert_string_equal(found->language, language);
    return found;
}

static struct template_set *load(const struct folder *folder, size_t problems)
{
    struct error error = {0};
    struct template_set *set = template_set_load(folder->path, folder->overrides, &error);
    if (set == NULL)
        fail_msg("%s", error.text);
    if (template_set_problem_count(set) != problems)
        fail_msg("%zu problems; %s", template_set_problem_count(set),
                 template_set_problem_count(set) > 0 ? template_set_problem_at(set, 0) : "");
    return set;
}

static void a_single_word_is_overridden_and_all_else_is_shared(void **state)
{
    const struct folder *folder = *state;
    put(folder, "../tenants/north/alert/words.en-GB", "hello = Ey up & <{{name}}>\n");
    struct template_set *set = load(folder, 0);
    assert_int_equal(template_set_tenant_count(set), 1);
    render(find(set, "north", "alert", "en-GB")->text, TEMPLATE_ESCAPE_TEXT,
           "Ey up & <<A>>\nSo long\n");
    render(find(set, "north", "alert", "cy")->text, TEMPLATE_ESCAPE_TEXT, "Shwmae <<A>>\nHwyl\n");
    render(find(set, "south", "alert", "en-GB")->text, TEMPLATE_ESCAPE_TEXT,
           "You're here & <<A>>\nSo long\n");
    assert_ptr_equal(find(set, "north", "notice", "cy"), find(set, "south", "notice", "cy"));
    assert_ptr_equal(find(set, "north2", "alert", "cy"), find(set, "", "alert", "cy"));
    assert_null(template_set_find(set, "north", "alrt", NULL, 0));
    template_set_free(set);
}

static void a_file_is_overridden_with_words_of_its_own(void **state)
{
    const struct folder *folder = *state;
    put(folder, "../tenants/north/alert/text.mustache", "{{words.hello}}{{words.more}}{{>foot}}");
    put(folder, "../tenants/north/alert/words.en-GB", "more =, and welcome\n");
    put(folder, "../tenants/north/alert/words.cy", "more =, a chroeso\n");
    struct template_set *set = load(folder, 0);
    render(find(set, "north", "alert", "en-GB")->text, TEMPLATE_ESCAPE_TEXT,
           "You're here & <<A>>, and welcome by T");
    render(find(set, "north", "alert", "cy")->text, TEMPLATE_ESCAPE_TEXT,
           "Shwmae <<A>>, a chroeso gan T");
    render(find(set, "north", "alert", "cy")->subject, TEMPLATE_ESCAPE_HEADER, "For <A>");
    template_set_free(set);
}

static void a_partial_is_overridden_in_every_kind(void **state)
{
    const struct folder *folder = *state;
    put(folder, "../tenants/north/partials/foot.mustache", "; {{words.by}} North");
    put(folder, "../tenants/north/partials/words.cy", "by = oddi wrth\n");
    put(folder, "../tenants/north/notice/words.cy", "by = o\n");
    struct template_set *set = load(folder, 0);
    render(find(set, "north", "alert", "en-GB")->html, TEMPLATE_ESCAPE_HTML,
           "<&lt;A&gt;; by North>");
    render(find(set, "north", "alert", "cy")->html, TEMPLATE_ESCAPE_HTML,
           "<&lt;A&gt;; oddi wrth North>");
    render(find(set, "north", "notice", "cy")->html, TEMPLATE_ESCAPE_HTML, "<Hysbysiad; o North>");
    render(find(set, "south", "alert", "cy")->html, TEMPLATE_ESCAPE_HTML, "<&lt;A&gt; gan T>");
    template_set_free(set);
}

static void the_parent_itself_may_be_a_tenant_s(void **state)
{
    const struct folder *folder = *state;
    put(folder, "../tenants/north/partials/page.mustache", "[{{$body}}{{/body}}{{>foot}}]");
    struct template_set *set = load(folder, 0);
    render(find(set, "north", "alert", "cy")->html, TEMPLATE_ESCAPE_HTML, "[&lt;A&gt; gan T]");
    render(find(set, "south", "alert", "cy")->html, TEMPLATE_ESCAPE_HTML, "<&lt;A&gt; gan T>");
    template_set_free(set);
}

static void a_kind_s_word_comes_before_a_tenant_s_shared_one(void **state)
{
    const struct folder *folder = *state;
    put(folder, "notice/words.en-GB", "title = Notice\nbye = Farewell\n");
    put(folder, "../tenants/north/partials/words.en-GB", "bye = Cheers\n");
    struct template_set *set = load(folder, 0);
    render(find(set, "north", "notice", "en-GB")->text, TEMPLATE_ESCAPE_TEXT, "Notice: Farewell");
    render(find(set, "north", "alert", "en-GB")->text, TEMPLATE_ESCAPE_TEXT,
           "You're here & <<A>>\nCheers\n");
    template_set_free(set);
}

struct mistake {
    const char *file;
    const char *text;
    const char *problem;
};

/* The tenant's files are wrong: it has the shipped templates, another its own, and the mistake is
 * told. */
static void refuse(const struct mistake *mistake)
{
    void *fresh = NULL;
    folder_make_with_words(&fresh);
    const struct folder *folder = fresh;
    put(folder, "../tenants/east/notice/words.en-GB", "title = Own\n");
    put(folder, "../tenants/north/notice/words.en-GB", "title = Never\n");
    put(folder, mistake->file, mistake->text);
    struct template_set *set = load(folder, 1);
    if (strstr(template_set_problem_at(set, 0), mistake->problem) == NULL)
        fail_msg("%s [%s]: %s", mistake->file, mistake->text, template_set_problem_at(set, 0));
    assert_int_equal(template_set_tenant_count(set), 1);
    render(find(set, "east", "notice", "en-GB")->subject, TEMPLATE_ESCAPE_HEADER, "Own");
    assert_ptr_equal(find(set, "north", "notice", "cy"), find(set, "", "notice", "cy"));
    template_set_free(set);
    folder_remove(&fresh);
}

static void a_tenant_s_mistake_is_told_and_is_its_own_alone(void **state)
{
    (void)state;
    static const struct mistake mistakes[] = {
        {"../tenants/north/alrt/words.cy", "",
         "tenants/north/alrt: is no folder of a kind to override; nearest is \"alert\""},
        {"../tenants/north/partial/foot.mustache", "", "nearest is \"partials\""},
        {"../tenants/north/alert.txt", "", "north/alert.txt: is no folder of a kind"},
        {"../tenants/north/alert/htm.mustache", "",
         "alert/htm.mustache: there is no such file to override; nearest is \"html.mustache\""},
        {"../tenants/north/alert/fields", "name\n", "alert/fields: there is no such file"},
        {"../tenants/north/alert/words.cyy", "", "nearest is \"words.cy\""},
        {"../tenants/north/alert/words.en-gb", "", "nearest is \"words.en-GB\""},
        {"../tenants/north/alert/subject.mustache~", "", "nearest is \"subject.mustache\""},
        {"../tenants/north/partials/food.mustache", "",
         "partials/food.mustache: there is no such file to override; nearest is \"foot.mustache\""},
        {"../tenants/north/partials/words.pl", "", "nearest is \"words.cy\""},
        {"../tenants/north/alert/words.en-GB", "\nhelo = a\n",
         "north/alert/words.en-GB: line 2: no template uses the word \"helo\"; nearest is "
         "\"hello\""},
        {"../tenants/north/partials/words.cy", "byee = a\n",
         "partials/words.cy: line 1: no template uses the word \"byee\"; nearest is \"bye\""},
        {"../tenants/north/alert/words.cy", "hello = {{nmae}}\n",
         "north/alert/words.cy: line 1: unknown field \"nmae\"; nearest is \"name\""},
        {"../tenants/north/alert/html.mustache", "a\n{{nmae}}",
         "north/alert/html.mustache: line 2: unknown field \"nmae\"; nearest is \"name\""},
        {"../tenants/north/alert/html.mustache", "{{words.helo}}",
         "html.mustache: line 1: no word \"helo\" in cy; nearest is \"hello\""},
        {"../tenants/north/alert/html.mustache", "{{>fot}}", "no partial \"fot\""},
        {"../tenants/north/partials/foot.mustache", "{{#name}}{{>foot}}{{/name}}",
         "foot.mustache: line 1: \"foot\" lies deeper than 16 partials, parents and blocks"},
        {"../tenants/north/partials/page.mustache", "{{$bodi}}{{/bodi}}",
         "html.mustache: line 1: \"page\" has no block \"body\""},
    };
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++)
        refuse(&mistakes[i]);
}

static void a_word_that_only_the_tenant_has_must_be_used_and_be_in_each_language(void **state)
{
    const struct folder *folder = *state;
    put(folder, "../tenants/north/alert/words.en-GB", "hello = a\n\nmore = b\n");
    put(folder, "../tenants/north/alert/text.mustache", "{{words.hello}}{{words.more}}");
    put(folder, "../tenants/south/partials/words.en-GB", "buy = a\n");
    put(folder, "../tenants/south/partials/words.cy", "buy = a\n");
    put(folder, "../tenants/-west/alert/words.cy", "hello = a\n");
    struct template_set *set = load(folder, 3);
    assert_non_null(strstr(template_set_problem_at(set, 0),
                           "tenants/-west: a tenant's name has 1 to 63 letters"));
    assert_non_null(strstr(template_set_problem_at(set, 1),
                           "north/alert/words.cy: no word \"more\", which words.en-GB has in "
                           "line 3"));
    assert_non_null(strstr(template_set_problem_at(set, 2),
                           "south/partials/words.cy: line 1: no template uses the word \"buy\"; "
                           "nearest is \"by\""));
    assert_int_equal(template_set_tenant_count(set), 0);
    template_set_free(set);
}

static void what_is_no_plain_file_is_refused_at_once(void **state)
{
    const struct folder *folder = *state;
    char path[PATH_MAX];
    put(folder, "../tenants/north/alert/words.cy", "hello = a\n");
    (void)snprintf(path, sizeof(path), "%s/north/alert/html.mustache", folder->overrides);
    assert_int_equal(mkfifo(path, 0600), 0);
    struct template_set *set = load(folder, 1);
    assert_non_null(strstr(template_set_problem_at(set, 0), "html.mustache: is no plain file"));
    template_set_free(set);
    assert_int_equal(remove(path), 0);
    assert_int_equal(symlink("/dev/zero", path), 0);
    set = load(folder, 1);
    assert_non_null(strstr(template_set_problem_at(set, 0), "html.mustache: is no plain file"));
    template_set_free(set);
    assert_int_equal(remove(path), 0);
    assert_int_equal(symlink("html.mustache", path), 0);
    set = load(folder, 1);
    assert_non_null(strstr(template_set_problem_at(set, 0), "html.mustache: Too many levels"));
    template_set_free(set);
}

static void a_tenant_s_files_together_have_a_limit(void **state)
{
    const struct folder *folder = *state;
    static char text[190 * 1024];
    memset(text, '\n', sizeof(text) - 1); /* what takes the most memory */
    static const char *const files[] = {"alert/subject", "alert/text",     "alert/html",
                                        "notice/text",   "notice/subject", "notice/html"};
    for (size_t i = 0; i < 6; i++) {
        char name[80];
        (void)snprintf(name, sizeof(name), "../tenants/north/%s.mustache", files[i]);
        struct template_set *set = load(folder, 0);
        template_set_free(set);
        put(folder, name, text);
    }
    struct template_set *set = load(folder, 1);
    assert_non_null(strstr(template_set_problem_at(set, 0), "too much in one folder of templates"));
    template_set_free(set);
}

static void many_tenants_are_each_found(void **state)
{
    const struct folder *folder = *state;
    enum { TENANTS = 300 };
    for (int i = 0; i < TENANTS; i++) {
        char name[80];
        char text[80];
        (void)snprintf(name, sizeof(name), "../tenants/t%d/notice/words.cy", i);
        (void)snprintf(text, sizeof(text), "title = T%d\n", i);
        put(folder, name, text);
    }
    struct template_set *set = load(folder, 0);
    assert_int_equal(template_set_tenant_count(set), TENANTS);
    for (int i = 0; i < TENANTS; i++) {
        char slug[40];
        (void)snprintf(slug, sizeof(slug), "t%d", i);
        const struct template_kind *kind = find(set, slug, "notice", "cy");
        *slug = 'T';
        render(kind->subject, TEMPLATE_ESCAPE_HEADER, slug);
        assert_ptr_equal(find(set, slug, "notice", "cy"), find(set, "", "notice", "cy"));
    }
    template_set_free(set);
}

static void a_folder_of_tenants_that_is_not_there_is_an_error(void **state)
{
    const struct folder *folder = *state;
    struct error error = {0};
    assert_null(template_set_load(folder->path, "/nonexistent", &error));
    assert_string_equal(error.text, "/nonexistent: No such file or directory");
    struct template_set *set = template_set_load(folder->path, NULL, &error);
    assert_non_null(set);
    assert_int_equal(template_set_tenant_count(set), 0);
    template_set_free(set);
}

#define WITH_WORDS(test)                                                                           \
    cmocka_unit_test_setup_teardown(test, folder_make_with_words, folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_WORDS(a_single_word_is_overridden_and_all_else_is_shared),
        WITH_WORDS(a_file_is_overridden_with_words_of_its_own),
        WITH_WORDS(a_partial_is_overridden_in_every_kind),
        WITH_WORDS(the_parent_itself_may_be_a_tenant_s),
        WITH_WORDS(a_kind_s_word_comes_before_a_tenant_s_shared_one),
        cmocka_unit_test(a_tenant_s_mistake_is_told_and_is_its_own_alone),
        WITH_WORDS(a_word_that_only_the_tenant_has_must_be_used_and_be_in_each_language),
        WITH_WORDS(what_is_no_plain_file_is_refused_at_once),
        WITH_WORDS(a_tenant_s_files_together_have_a_limit),
        WITH_WORDS(many_tenants_are_each_found),
        WITH_WORDS(a_folder_of_tenants_that_is_not_there_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
