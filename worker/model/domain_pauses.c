/* The table of domains that are left alone. */
#include "worker/model/domain_pauses.h"

#include "worker/base/crypto.h"
#include "worker/model/backoff.h"

#include <ctype.h>
#include <string.h>

enum { DOMAIN_BYTES = 256 };

static bool domain_digest(const char *address, uint8_t digest[DOMAIN_PAUSE_DIGEST_BYTES])
{
    char domain[DOMAIN_BYTES];
    uint8_t whole[CRYPTO_DIGEST_BYTES];
    const char *at = strrchr(address, '@');
    size_t size = at != NULL ? strlen(at + 1) : 0;
    if (size == 0 || size > sizeof domain)
        return false;
    for (size_t i = 0; i < size; i++)
        domain[i] = (char)tolower((unsigned char)at[1 + i]);
    if (!crypto_sha256(domain, size, whole))
        return false;
    memcpy(digest, whole, DOMAIN_PAUSE_DIGEST_BYTES);
    return true;
}

static size_t pause_find(const struct domain_pauses *pauses, const uint8_t *digest)
{
    size_t i = 0;
    while (i < pauses->count &&
           memcmp(pauses->pauses[i].digest, digest, DOMAIN_PAUSE_DIGEST_BYTES) != 0)
        i++;
    return i;
}

static struct domain_pause *pause_make(struct domain_pauses *pauses, const uint8_t *digest)
{
    struct domain_pause *pause = &pauses->pauses[0];
    if (pauses->count < DOMAIN_PAUSES_MAXIMUM) {
        pause = &pauses->pauses[pauses->count++];
    } else {
        for (size_t i = 1; i < pauses->count; i++)
            if (pauses->pauses[i].until_ms < pause->until_ms)
                pause = &pauses->pauses[i];
    }
    *pause = (struct domain_pause){.openings = 0};
    memcpy(pause->digest, digest, DOMAIN_PAUSE_DIGEST_BYTES);
    return pause;
}

/* Half of it is fixed, as the relay's breaker has it: a domain that is down is not tried at once,
 * again and again. */
static void pause_open(struct domain_pause *pause, uint64_t now_ms, uint64_t chance)
{
    uint32_t limit_s = backoff_limit(DOMAIN_PAUSE_BASE_S, DOMAIN_PAUSE_CAP_S, pause->openings);
    uint32_t jitter_s =
        backoff_jitter(DOMAIN_PAUSE_BASE_S, DOMAIN_PAUSE_CAP_S, pause->openings, chance);
    pause->openings++;
    pause->until_ms = now_ms + (uint64_t)(limit_s + jitter_s) * 1000 / 2;
}

bool domain_pauses_count(struct domain_pauses *pauses, const char *address,
                         const struct outcome *outcome, uint64_t now_ms, uint64_t chance)
{
    uint8_t digest[DOMAIN_PAUSE_DIGEST_BYTES];
    bool is_trouble = outcome->kind == OUTCOME_DEFERRED && outcome->scope == OUTCOME_SCOPE_DOMAIN;
    bool is_answer = outcome->verb >= OUTCOME_VERB_RCPT && outcome->scope != OUTCOME_SCOPE_RELAY;

    if ((pauses->count == 0 && !is_trouble) || !is_answer || !domain_digest(address, digest))
        return false;
    size_t at = pause_find(pauses, digest);
    struct domain_pause *pause = at < pauses->count ? &pauses->pauses[at] : NULL;
    if (pause != NULL && now_ms < pause->until_ms)
        return false; /* what was on the wire already says nothing new */
    if (is_trouble) {
        if (pause == NULL)
            pause = pause_make(pauses, digest);
        else if (now_ms - pause->until_ms > (uint64_t)DOMAIN_PAUSE_MEMORY_S * 1000)
            pause->openings = 0;
        pause_open(pause, now_ms, chance);
    } else if (pause != NULL) {
        *pause = pauses->pauses[--pauses->count];
    }
    return is_trouble;
}

uint32_t domain_pauses_wait_s(const struct domain_pauses *pauses, const char *address,
                              uint64_t now_ms, uint64_t chance)
{
    uint8_t digest[DOMAIN_PAUSE_DIGEST_BYTES];
    if (pauses->count == 0 || !domain_digest(address, digest))
        return 0;
    size_t at = pause_find(pauses, digest);
    if (at == pauses->count || now_ms >= pauses->pauses[at].until_ms)
        return 0;
    uint32_t left_s = (uint32_t)((pauses->pauses[at].until_ms - now_ms + 999) / 1000);
    return left_s + backoff_jitter(DOMAIN_PAUSE_BASE_S, DOMAIN_PAUSE_BASE_S, 0, chance);
}
