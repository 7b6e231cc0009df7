/* message.c - see message.h. The one file that knows GMime and GLib. */
#include "workers/inbox/message.h"

#include "common/buf.h"
#include "common/mem.h"

#include <ctype.h>
#include <gmime/gmime.h>
#include <string.h>
#include <strings.h>

#define NESTED_MOST  200 /* parts in parts; GMime reads them recursively */
#define HEADERS_MOST 500 /* kept */

struct header {
    const char *name, *value;
};

struct headers {
    struct header *items;
    size_t n, cap;
    const char *type;
    GMimeContentType *content_type; /* a reference of ours */
};

struct collector {
    struct message *m;
    struct buf text, html, status, feedback, original;
    bool seen_report; /* what follows a report part is the returned mail */
};

static size_t count_nocase(const char *bytes, size_t n, const char *word)
{
    size_t found = 0, len = strlen(word);

    for (size_t i = 0; i + len <= n; i++)
        if (strncasecmp(bytes + i, word, len) == 0)
            found++;
    return found;
}

/* --- texts of parts ---------------------------------------------------------------------- */

static void add_clean(struct buf *b, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (s[i] != '\r' && s[i] != '\0')
            buf_char(b, s[i]);
}

/* The content of a part as bytes, its transfer encoding undone. */
static void add_bytes(struct buf *b, GMimePart *part)
{
    GMimeDataWrapper *content = g_mime_part_get_content(part);
    GMimeStream *stream;
    GByteArray *bytes;

    if (content == NULL)
        return;
    stream = g_mime_stream_mem_new();
    g_mime_data_wrapper_write_to_stream(content, stream);
    bytes = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(stream));
    add_clean(b, (const char *)bytes->data, bytes->len);
    g_object_unref(stream);
}

static void add_text(struct buf *b, GMimeTextPart *part)
{
    char *text = g_mime_text_part_get_text(part);

    if (text != NULL)
        add_clean(b, text, strlen(text));
    else
        add_bytes(b, GMIME_PART(part));
    buf_char(b, '\n');
    g_free(text);
}

static bool element_is(const char *tag, size_t n, const char *names)
{
    char word[16];

    if (n == 0 || n > sizeof(word) - 3)
        return false;
    snprintf(word, sizeof(word), " %.*s ", (int)n, tag);
    return strcasestr(names, word) != NULL;
}

static size_t entity(const char *s, char *ret)
{
    static const struct {
        const char *name;
        char c;
    } known[] = {{"&lt;", '<'},   {"&gt;", '>'},   {"&amp;", '&'}, {"&quot;", '"'},
                 {"&#39;", '\''}, {"&nbsp;", ' '}, {"&#64;", '@'}};

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strncmp(s, known[i].name, strlen(known[i].name)) == 0) {
            *ret = known[i].c;
            return strlen(known[i].name);
        }
    }
    return 0;
}

/* The words of an HTML text: tags become spaces or line ends; style and script are left out. */
static void add_words(struct buf *out, const char *s)
{
    while (*s != '\0' && !buf_full(out)) {
        char c = *s;
        size_t len;

        if (c == '<') {
            const char *tag = s + 1 + (s[1] == '/'), *end = strchr(s, '>');
            size_t n = 0;

            while (isalnum((unsigned char)tag[n]))
                n++;
            if (end == NULL)
                return;
            if (s[1] != '/' && element_is(tag, n, " style script head title ")) {
                const char *close = strcasestr(end, "</");

                while (close != NULL && strncasecmp(close + 2, tag, n) != 0)
                    close = strcasestr(close + 2, "</");
                if (close == NULL || (end = strchr(close, '>')) == NULL)
                    return;
            }
            buf_char(out, element_is(tag, n, " p br div tr table li h1 h2 h3 h4 pre ul ol hr td ")
                              ? '\n'
                              : ' ');
            s = end + 1;
        } else if (c == '&' && (len = entity(s, &c)) > 0) {
            buf_char(out, c);
            s += len;
        } else {
            buf_char(out, c);
            s++;
        }
    }
}

/* --- the tree ---------------------------------------------------------------------------- */

static void collect(struct collector *c, GMimeObject *object, int depth);

static void collect_message(struct collector *c, GMimeMessage *inner)
{
    char *headers = g_mime_object_get_headers(GMIME_OBJECT(inner), NULL);
    GMimeObject *body = g_mime_message_get_mime_part(inner);

    if (headers != NULL)
        add_clean(&c->original, headers, strlen(headers));
    buf_char(&c->original, '\n');
    if (body != NULL && GMIME_IS_TEXT_PART(body))
        add_text(&c->original, GMIME_TEXT_PART(body));
    g_free(headers);
}

static void collect_part(struct collector *c, GMimeObject *object)
{
    GMimeContentType *type = g_mime_object_get_content_type(object);
    const char *sub = g_mime_content_type_get_media_subtype(type);
    bool is_text = g_mime_content_type_is_type(type, "text", "*");

    if (sub == NULL)
        return;
    if (strcasestr(sub, "delivery-status") != NULL) {
        add_bytes(&c->status, GMIME_PART(object));
        buf_str(&c->status, "\n\n");
        c->seen_report = true;
    } else if (strcasecmp(sub, "feedback-report") == 0) {
        add_bytes(&c->feedback, GMIME_PART(object));
        c->seen_report = true;
    } else if (strcasestr(sub, "disposition-notification") != NULL) {
        c->m->disposition = true;
    } else if (strcasestr(sub, "rfc822") != NULL) {
        add_bytes(&c->original, GMIME_PART(object));
    } else if (is_text && c->seen_report) {
        add_text(&c->original, GMIME_TEXT_PART(object));
    } else if (is_text && strcasecmp(sub, "html") == 0) {
        add_text(&c->html, GMIME_TEXT_PART(object));
    } else if (is_text) {
        add_text(&c->text, GMIME_TEXT_PART(object));
    }
}

static void collect(struct collector *c, GMimeObject *object, int depth)
{
    if (depth > NESTED_MOST || object == NULL)
        return;
    if (GMIME_IS_MULTIPART(object)) {
        GMimeMultipart *multi = GMIME_MULTIPART(object);
        const char *prologue = g_mime_multipart_get_prologue(multi);

        /* A report whose boundary never comes is all prologue. */
        if (g_mime_multipart_get_count(multi) == 0 && prologue != NULL)
            add_clean(&c->text, prologue, strlen(prologue));
        for (int i = 0; i < g_mime_multipart_get_count(multi); i++)
            collect(c, g_mime_multipart_get_part(multi, i), depth + 1);
    } else if (GMIME_IS_MESSAGE_PART(object)) {
        GMimeMessage *inner = g_mime_message_part_get_message(GMIME_MESSAGE_PART(object));

        if (inner != NULL)
            collect_message(c, inner);
    } else if (GMIME_IS_PART(object)) {
        collect_part(c, object);
    }
}

/* --- the headers ------------------------------------------------------------------------- */

static void read_headers(struct headers *h, GMimeObject *object)
{
    GMimeHeaderList *list = g_mime_object_get_header_list(object);

    for (int i = 0; i < g_mime_header_list_get_count(list) && h->n < HEADERS_MOST; i++) {
        GMimeHeader *header = g_mime_header_list_get_header_at(list, i);
        const char *raw = g_mime_header_get_raw_value(header);
        char *text, *decoded;

        if (raw == NULL)
            continue;
        text = g_mime_utils_header_unfold(raw);
        decoded = g_mime_utils_header_decode_text(NULL, text);
        mem_grow(h, &h->items, &h->cap, h->n + 1);
        h->items[h->n++] = (struct header){mem_strdup(h, g_mime_header_get_name(header)),
                                           mem_strdup(h, g_strstrip(decoded))};
        g_free(decoded);
        g_free(text);
    }
}

static int headers_release(struct headers *h)
{
    if (h->content_type != NULL)
        g_object_unref(h->content_type);
    return 0;
}

static void read_type(struct headers *h, GMimeObject *body)
{
    GMimeContentType *type = body == NULL ? NULL : g_mime_object_get_content_type(body);
    char *text, *small;

    h->type = "";
    if (type == NULL)
        return;
    text = g_mime_content_type_get_mime_type(type);
    small = g_ascii_strdown(text, -1);
    h->type = mem_strdup(h, small);
    h->content_type = g_object_ref(type);
    g_free(small);
    g_free(text);
}

const char *message_header(const struct message *m, const char *name)
{
    const struct headers *h = m->headers;

    for (size_t i = 0; i < h->n; i++)
        if (strcasecmp(h->items[i].name, name) == 0)
            return h->items[i].value;
    return "";
}

const char *message_type(const struct message *m)
{
    return ((const struct headers *)m->headers)->type;
}

const char *message_type_parameter(const struct message *m, const char *name)
{
    const struct headers *h = m->headers;
    const char *value =
        h->content_type == NULL ? NULL : g_mime_content_type_get_parameter(h->content_type, name);

    return value == NULL ? "" : value;
}

/* --- the mail ---------------------------------------------------------------------------- */

static GMimeMessage *read_mail(const char *bytes, size_t n)
{
    GMimeStream *stream = g_mime_stream_mem_new_with_buffer(bytes, n);
    GMimeParser *parser = g_mime_parser_new_with_stream(stream);
    GMimeMessage *mail = g_mime_parser_construct_message(parser, NULL);

    g_object_unref(parser);
    g_object_unref(stream);
    return mail;
}

static void fill(struct message *m, GMimeMessage *mail)
{
    GMimeObject *body = g_mime_message_get_mime_part(mail);
    struct headers *h = mem_new(m, struct headers);
    struct collector c = {.m = m};
    struct buf *all[] = {&c.text, &c.html, &c.status, &c.feedback, &c.original};

    talloc_set_destructor(h, headers_release);
    m->headers = h;
    read_headers(h, GMIME_OBJECT(mail));
    read_type(h, body);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        buf_init(all[i], m, MESSAGE_TEXT_MAX);
    collect(&c, body, 0);
    if (c.text.len < 20)
        add_words(&c.text, c.html.data);
    m->text = c.text.data;
    m->status = c.status.data;
    m->feedback = c.feedback.data;
    m->original = c.original.data;
}

struct message *message_parse(const void *ctx, const char *bytes, size_t n)
{
    static bool ready;
    struct message *m;
    GMimeMessage *mail;
    const char *line_end;

    if (!ready)
        g_mime_init();
    ready = true;
    if (n >= 5 && memcmp(bytes, "From ", 5) == 0 && (line_end = memchr(bytes, '\n', n)) != NULL) {
        n -= (size_t)(line_end + 1 - bytes);
        bytes = line_end + 1;
    }
    if (n > MESSAGE_MAX)
        n = MESSAGE_MAX;
    if (n == 0 ||
        count_nocase(bytes, n, "multipart/") + count_nocase(bytes, n, "message/") > NESTED_MOST)
        return NULL;
    mail = read_mail(bytes, n);
    if (mail == NULL)
        return NULL;
    m = mem_new(ctx, struct message);
    fill(m, mail);
    g_object_unref(mail);
    return m;
}
