/* fuzz_request.c - any bytes as the target of a request line and as the body of a form: what is
 * accepted is UTF-8 without NUL. The first byte says which. */
#include "common/mem.h"
#include "common/utf8.h"
#include "daemon/http/http_form.h"
#include "daemon/http/http_uri.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void check(const char *s)
{
    if (!utf8_valid(s, strlen(s)))
        bug("what was accepted is not UTF-8");
}

static void check_pairs(const struct http_pairs *pairs)
{
    for (size_t i = 0; i < pairs->n; i++) {
        check(pairs->items[i].name);
        check(pairs->items[i].value);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const char *const types[] = {"application/x-www-form-urlencoded",
                                        "multipart/form-data; boundary=b",
                                        "multipart/form-data; boundary=\"b c\"; charset=utf-8"};
    void *ctx MEM_SCOPED = mem_must(talloc_new(NULL));
    char *text;
    struct http_uri uri;
    struct http_pairs pairs;

    if (n == 0)
        return 0;
    text = talloc_strndup(ctx, (const char *)bytes + 1, n - 1);
    if (bytes[0] % 4 < 3) {
        if (http_form_parse(ctx, types[bytes[0] % 4], (const char *)bytes + 1, n - 1, &pairs))
            check_pairs(&pairs);
    } else if (http_uri_parse(ctx, mem_must(text), &uri)) {
        for (size_t i = 0; i < uri.n_segments; i++)
            check(uri.segments[i]);
        check_pairs(&uri.query);
    }
    return 0;
}
