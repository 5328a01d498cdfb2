/* How a set lies in memory, and the steps of loading it: the product's folders, then each tenant's.
 * For the files of this folder alone. */
#ifndef HANDBELL_TEMPLATES_TEMPLATE_LOAD_H
#define HANDBELL_TEMPLATES_TEMPLATE_LOAD_H

#include "templates/template_folder.h"

/* A tenant that has templates of its own: the kinds that they touch, in alphabetical order. */
struct template_tenant {
    struct arena arena;
    const char *slug;
    struct template_entry *entries;
    size_t count;
};

struct template_set {
    struct arena arena;
    struct template_partials partials;
    struct template_entry kinds[TEMPLATE_KINDS_MAXIMUM];
    size_t kind_count;
    const char *languages[TEMPLATE_LANGUAGES_MAXIMUM];
    size_t language_count;
    struct template_tenant *tenants; /* by slug */
    size_t tenant_count;
    const char **problems;
    size_t problem_count;
};

/* While loading: what tenants' files are laid over. `scratch` goes when the set stands. */
struct template_load {
    struct template_set *set;
    struct arena scratch;
    struct template_files files;
    struct template_fields shared_fields;
    struct template_layers kinds[TEMPLATE_KINDS_MAXIMUM]; /* without tenants */
};

/* Fills set and load from the product's folder. */
bool template_load_product(struct template_load *load, const char *directory, struct error *error);
/* Then from the tenants'. A tenant's mistake becomes a problem of the set; false with `error` where
 * the folder cannot be read, or without memory. */
bool template_load_tenants(struct template_load *load, const char *overrides, struct error *error);

#endif
