/* fuzz_journey.c - any bytes as YAML, and what is YAML as the definition of a journey: a program or
 * mistakes, never both; its steps lead only forward. */
#include "common/mem.h"
#include "common/yamlj.h"
#include "daemon/decide/journey.h"
#include "tests/fuzz/catalogue.h"

#include <jansson.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void play(const void *ctx, const json_t *definition)
{
    struct journey_def *def;
    struct diag d;
    size_t n;

    diag_init(&d, ctx);
    def = journey_parse(ctx, definition, &catalogue, &d);
    if ((def == NULL) != diag_any(&d))
        bug("a journey and its diagnosis disagree");
    if (def == NULL)
        return;
    for (size_t i = 0; i < def->n_steps; i++) {
        const struct journey_step *s = &def->steps[i];

        if ((s->kind == JOURNEY_STEP_branch || s->kind == JOURNEY_STEP_jump) &&
            (s->to <= i || s->to > def->n_steps))
            bug("step %d leads to %d", (int)i, (int)s->to);
    }
    journey_uses(ctx, def, JOURNEY_STEP_send, &n);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    void *ctx MEM_SCOPED = mem_must(talloc_new(NULL));
    struct diag d;
    json_t *json;

    diag_init(&d, ctx);
    json = yamlj_parse((const char *)bytes, n, &d);
    if ((json == NULL) != diag_any(&d))
        bug("a document and its diagnosis disagree");
    if (json == NULL)
        return 0;
    play(ctx, json);
    json_decref(json);
    return 0;
}
