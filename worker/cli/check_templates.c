/* Are the templates good? Knows no kind by name. */
#include "worker/cli/check_templates.h"

#include "templates/template_set.h"
#include "worker/flow/pages.h"

#include <sysexits.h>

static void set_describe(const struct template_set *set)
{
    (void)printf("templates: good (%zu kinds;", template_set_kind_count(set));
    for (size_t i = 0; i < template_set_language_count(set); i++)
        (void)printf("%s %s", i > 0 ? "," : "", template_set_language_at(set, i));
    if (template_set_tenant_count(set) > 0)
        (void)printf("; tenants with their own: %zu", template_set_tenant_count(set));
    (void)printf(")\n");
}

static bool pages_check(const char *directory, struct error *error)
{
    struct pages *pages = pages_load(directory, error);
    pages_free(pages);
    return pages != NULL;
}

int check_templates(const struct config *config, bool is_quiet)
{
    struct error error = {0};
    const char *directory = config_text(config, "templates", "dir");
    struct template_set *set =
        template_set_load(directory, config_text(config, "templates", "overrides"), &error);
    if (set == NULL || !pages_check(directory, &error)) {
        (void)fprintf(stderr, "handbell check: [templates] %s\n", error.text);
        template_set_free(set);
        return error.exit_status;
    }
    size_t problems = template_set_problem_count(set);
    for (size_t i = 0; i < problems; i++)
        (void)fprintf(stderr, "handbell check: [templates] overrides: %s\n",
                      template_set_problem_at(set, i));
    if (problems == 0 && !is_quiet)
        set_describe(set);
    template_set_free(set);
    return problems > 0 ? EX_CONFIG : EX_OK;
}
