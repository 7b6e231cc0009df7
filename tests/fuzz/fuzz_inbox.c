/* fuzz_inbox.c - any bytes as a mail that came in: what is found in it is clean, bounded text, and
 * the same the second time. */
#include "common/mem.h"
#include "common/utf8.h"
#include "workers/inbox/classify.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void check_text(const char *text, size_t max)
{
    size_t n = strlen(text);

    if (n > max || !utf8_valid(text, n) || strpbrk(text, "\r\n") != NULL)
        bug("a finding's text: %s", text);
}

static char *findings_of(const void *ctx, const char *mail, size_t n)
{
    struct findings *all = classify_mail(ctx, mail, n);
    json_t *list = classify_json(all);
    char *text = mem_must(json_dumps(list, 0)), *copy = mem_strdup(ctx, text);

    if (all->n > DSN_RECIPIENTS)
        bug("%zu findings", all->n);
    for (size_t i = 0; i < all->n; i++) {
        check_text(all->items[i].recipient, 320);
        check_text(all->items[i].reason, FINDING_REASON);
        check_text(all->items[i].message_id, 250);
        check_text(all->items[i].status, FINDING_STATUS - 1);
    }
    free(text);
    json_decref(list);
    return copy;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    MEM_SCOPED void *ctx = mem_must(talloc_new(NULL));
    const char *mail = (const char *)bytes;

    if (strcmp(findings_of(ctx, mail, n), findings_of(ctx, mail, n)) != 0)
        bug("not the same findings");
    if (strlen(classify_token(ctx, mail, n)) > 64)
        bug("a token that no local part can hold");
    return 0;
}
