/* fuzz_template.c - any bytes as a template: compiled, and rendered within small limits, plain and
 * as HTML. The input is its own partial, so that partials are played through too. */
#include "common/buf.h"
#include "common/diag.h"
#include "common/mem.h"
#include "common/template/template.h"

#include <jansson.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static const char DATA[] =
    "{\"a\": [1, \"b\", null, 2.5, {\"c\": \"<d>\"}, [3, 4]], \"c\": \"25.00\", \"d\": "
    "\"2026-03-02\","
    "\"e\": {\"f\": {\"g\": \"\\u00f1\"}}, \"i\": 9223372036854775807, \"n\": -9223372036854775807,"
    "\"r\": 1e300, \"s\": \"one two three\", \"t\": true, \"z\": null}";

static const struct template *itself(void *arg, const char *name)
{
    return name[0] == '\0' ? NULL : arg;
}

static void render(const void *ctx, const struct template *t, json_t *data, bool html)
{
    struct template_env env = {
        .data = data,
        .escape_html = html,
        .locale = html ? "es" : NULL,
        .time_zone = html ? "Europe/Madrid" : NULL,
        .limits = {.max_output = 10000, .max_steps = 5000, .max_depth = 20, .max_memory = 200000},
        .partial = itself,
        .arg = (void *)(uintptr_t)t,
    };
    struct template_missing missing;
    struct buf out;
    struct diag d;
    diag_init(&d, ctx);
    buf_init(&out, ctx, 20000);
    template_missing_init(&missing, ctx);
    if (template_render(t, &env, &out, &missing, &d) == diag_any(&d) || out.len > 10000)
        bug("a rendering and its diagnosis disagree");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static json_t *data;
    void *ctx MEM_SCOPED = mem_must(talloc_new(NULL));
    struct diag d;
    if (data == NULL)
        data = json_loads(DATA, 0, NULL);
    diag_init(&d, ctx);
    const struct template *t = template_compile(ctx, (const char *)bytes, n, &d);
    if ((t == NULL) != diag_any(&d))
        bug("a template and its diagnosis disagree");
    if (t == NULL)
        return 0;
    render(ctx, t, data, false);
    render(ctx, t, data, true);
    return 0;
}
