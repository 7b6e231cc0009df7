/* fuzz_mime.c - any bytes as the texts of a mail: what comes out is a message of ASCII lines with
 * CRLF ends, the header fields that were asked for and no other, and the same bytes the second
 * time. The input is cut at each FS (0x1c) into subject, names, addresses, ids and body. */
#include "common/address.h"
#include "common/buf.h"
#include "common/mem.h"
#include "workers/mailer/journal.h"
#include "workers/mailer/mime.h"
#include "workers/mailer/plaintext.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

#define FIELDS 8

static void check_head(const char *s)
{
    static const char *const allowed[] = {"Date: ",
                                          "From: ",
                                          "To: ",
                                          "Reply-To: ",
                                          "Subject: ",
                                          "Message-ID: ",
                                          "List-Id: ",
                                          "List-Unsubscribe: ",
                                          "List-Unsubscribe-Post: ",
                                          "Feedback-ID: ",
                                          "Auto-Submitted: ",
                                          "MIME-Version: ",
                                          "Content-Type: ",
                                          "Content-Transfer-Encoding: ",
                                          " "};
    while (s[0] != '\r') {
        bool known = false;
        for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++)
            known = known || strncmp(s, allowed[i], strlen(allowed[i])) == 0;
        if (!known)
            bug("a header field that nobody asked for: %.40s", s);
        s = strstr(s, "\r\n") + 2;
    }
}

static void check_lines(const struct buf *b)
{
    size_t line = 0;
    for (size_t i = 0; i < b->len; i++) {
        unsigned char c = (unsigned char)b->data[i];
        if (c == '\r' && b->data[i + 1] == '\n') {
            line = 0;
            i++;
        } else if ((c < ' ' && c != '\t') || c >= 0x7f || ++line > 998) {
            bug("byte %u at %zu of a line of %zu", c, i, line);
        }
    }
    if (b->len < 2 || b->data[b->len - 1] != '\n')
        bug("no line end at the end");
}

/* The fields of the input as texts, children of ctx. */
static void split(const void *ctx, const uint8_t *bytes, size_t n, char *out[FIELDS])
{
    for (int i = 0; i < FIELDS; i++) {
        const uint8_t *end = i + 1 < FIELDS ? memchr(bytes, 0x1c, n) : NULL;
        size_t len = end != NULL ? (size_t)(end - bytes) : n;
        out[i] = mem_strndup(ctx, (const char *)bytes, len);
        bytes += len + (end != NULL);
        n -= len + (end != NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    MEM_SCOPED void *ctx = mem_must(talloc_new(NULL));
    struct journal_line line;
    const char *why;
    struct buf first, second, text;
    char *f[FIELDS];
    (void)journal_parse((const char *)bytes, n, &line);
    split(ctx, bytes, n < 100000 ? n : 100000, f);
    const char *to = address_envelope(ctx, f[0], &why);
    if (to != NULL && strpbrk(to, " \r\n<>\t") != NULL)
        bug("an address that is none");
    struct mime_mail m = {.to = to != NULL ? to : "a@x.example",
                          .from = "b@x.example",
                          .to_name = f[1],
                          .from_name = f[2],
                          .subject = f[3],
                          .message_id = f[4],
                          .unsubscribe = f[5],
                          .list_id = f[6],
                          .feedback_id = f[6],
                          .automatic = true,
                          .html = f[7]};
    buf_init(&text, ctx, 1 << 22);
    plaintext_of_html(&text, f[7]);
    m.text = text.data;
    buf_init(&first, ctx, 1 << 22);
    buf_init(&second, ctx, 1 << 22);
    if (!mime_write(&first, &m) || !mime_write(&second, &m))
        bug("a small mail does not fit");
    if (first.len != second.len || memcmp(first.data, second.data, first.len) != 0)
        bug("not the same bytes");
    check_lines(&first);
    check_head(first.data);
    return 0;
}
