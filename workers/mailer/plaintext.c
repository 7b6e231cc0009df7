/* plaintext.c - HTML to text in one pass. The state is what the next character needs: whether a
 * blank is owed, how many line ends are owed, and the address of the link that is open. */
#include "workers/mailer/plaintext.h"

#include "common/buf.h"
#include "common/mem.h"
#include "common/utf8.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct walk {
    struct buf *out;
    bool blank;  /* a blank is owed before the next word */
    int lines;   /* line ends owed before it */
    bool any;    /* something was written */
    size_t link; /* where the open link's words began in the output */
    char *href;  /* its address, or NULL */
};

static void put(struct walk *w, const char *s, size_t n)
{
    if (w->any && w->lines > 0)
        buf_add(w->out, "\n\n", (size_t)(w->lines > 2 ? 2 : w->lines));
    else if (w->any && w->blank)
        buf_char(w->out, ' ');
    w->blank = false;
    w->lines = 0;
    w->any = true;
    buf_add(w->out, s, n);
}

static void put_codepoint(struct walk *w, uint32_t c)
{
    char s[4];
    size_t n = 0;
    if (c == 0xa0 || c <= ' ') {
        w->blank = true;
        return;
    }
    if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000) || (c >= 0x7f && c < 0xa0))
        return;
    if (c < 0x80) {
        s[n++] = (char)c;
    } else if (c < 0x800) {
        s[n++] = (char)(0xc0 | c >> 6);
        s[n++] = (char)(0x80 | (c & 63));
    } else if (c < 0x10000) {
        s[n++] = (char)(0xe0 | c >> 12);
        s[n++] = (char)(0x80 | (c >> 6 & 63));
        s[n++] = (char)(0x80 | (c & 63));
    } else {
        s[n++] = (char)(0xf0 | c >> 18);
        s[n++] = (char)(0x80 | (c >> 12 & 63));
        s[n++] = (char)(0x80 | (c >> 6 & 63));
        s[n++] = (char)(0x80 | (c & 63));
    }
    put(w, s, n);
}

/* The entity at `s` ("&...;"): its code point, and its length in bytes; 0 where there is none. */
static size_t entity(const char *s, uint32_t *ret_c)
{
    static const struct {
        const char *name;
        uint32_t c;
    } known[] = {
        {"&amp;", '&'},      {"&lt;", '<'},       {"&gt;", '>'},        {"&quot;", '"'},
        {"&apos;", '\''},    {"&nbsp;", 0xa0},    {"&euro;", 0x20ac},   {"&copy;", 0xa9},
        {"&mdash;", 0x2014}, {"&ndash;", 0x2013}, {"&hellip;", 0x2026}, {"&rsquo;", 0x2019},
        {"&lsquo;", 0x2018}, {"&ldquo;", 0x201c}, {"&rdquo;", 0x201d},  {"&aacute;", 0xe1},
        {"&eacute;", 0xe9},  {"&iacute;", 0xed},  {"&oacute;", 0xf3},   {"&uacute;", 0xfa},
        {"&ntilde;", 0xf1},  {"&iexcl;", 0xa1},   {"&iquest;", 0xbf},   {"&middot;", 0xb7}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strncmp(s, known[i].name, strlen(known[i].name)) == 0) {
            *ret_c = known[i].c;
            return strlen(known[i].name);
        }
    if (s[1] != '#')
        return 0;
    bool hex = s[2] == 'x' || s[2] == 'X';
    const char *digits = s + 2 + hex;
    size_t n = strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789");
    if (n == 0 || n > 8 || digits[n] != ';')
        return 0;
    *ret_c = (uint32_t)strtoul(digits, NULL, hex ? 16 : 10);
    return (size_t)(digits + n + 1 - s);
}

static bool tag_is(const char *name, size_t n, const char *const *names)
{
    for (; *names != NULL; names++)
        if (strlen(*names) == n && strncasecmp(*names, name, n) == 0)
            return true;
    return false;
}

/* A copy of an address as it stands in HTML, where & is written &amp;. */
static char *address_of(const void *ctx, const char *s, size_t n)
{
    char *copy = mem_strndup(ctx, s, n);
    char *w = copy;
    for (const char *p = copy; *p != '\0'; p += strncmp(p, "&amp;", 5) == 0 ? 5 : 1)
        *w++ = *p;
    *w = '\0';
    return copy;
}

/* The value of href in the tag of `n` bytes where it is an address of the web, child of ctx; or
 * NULL. */
static char *href_of(const void *ctx, const char *tag, size_t n)
{
    for (size_t i = 1; i + 5 < n; i++) {
        if (strncasecmp(tag + i, "href=", 5) != 0 || tag[i - 1] > ' ')
            continue;
        char quote = tag[i + 5];
        bool has_quote = quote == '"' || quote == '\'';
        size_t from = i + 5 + has_quote;
        size_t to = from;
        while (to < n && (has_quote ? tag[to] != quote : tag[to] > ' '))
            to++;
        bool web = to - from > 7 && strncasecmp(tag + from, "http", 4) == 0;
        return web ? address_of(ctx, tag + from, to - from) : NULL;
    }
    return NULL;
}

/* Writes the open link's address behind its words, unless they are the address. */
static void close_link(struct walk *w)
{
    if (w->href == NULL)
        return;
    const char *words = w->out->data + w->link;
    words += strspn(words, " \n");
    bool wordless = *words == '\0';
    if (strcmp(words, w->href) != 0) {
        w->blank = true;
        if (!wordless)
            put(w, "(", 1);
        put(w, w->href, strlen(w->href));
        buf_str(w->out, wordless ? "" : ")");
    }
    talloc_free(w->href);
    w->href = NULL;
}

/* Handles the tag at `s` ("<...>"); returns where the text goes on. */
static const char *tag(struct walk *w, const char *s)
{
    static const char *const paragraphs[] = {"p",  "h1", "h2", "h3",    "h4",         "h5", "h6",
                                             "ul", "ol", "hr", "table", "blockquote", NULL};
    static const char *const lines[] = {"br",      "div",    "tr",     "li",
                                        "section", "header", "footer", NULL};
    static const char *const cells[] = {"td", "th", NULL};
    static const char *const silent[] = {"script", "style", "title", NULL};
    static const char *const links[] = {"a", NULL};
    if (strncmp(s, "<!--", 4) == 0) {
        const char *end = strstr(s + 4, "-->");
        return end != NULL ? end + 3 : s + strlen(s);
    }
    bool closing = s[1] == '/';
    const char *name = s + 1 + closing;
    size_t n = strcspn(name, " \t\r\n/>");
    const char *end = s + strcspn(s, ">");
    size_t size = (size_t)(end - s);
    if (tag_is(name, n, paragraphs))
        w->lines = 2;
    else if (tag_is(name, n, lines))
        w->lines += w->lines < 1 || (n == 2 && strncasecmp(name, "br", 2) == 0);
    else if (tag_is(name, n, cells))
        w->blank = true;
    else if (tag_is(name, n, links)) {
        close_link(w);
        w->link = w->out->len;
        w->href = closing ? NULL : href_of(w->out->data, s, size);
    }
    if (n == 2 && !closing && strncasecmp(name, "li", 2) == 0) {
        put(w, "- ", 2);
        w->blank = false;
    }
    if (!closing && tag_is(name, n, silent)) {
        char stop[16] = "</";
        memcpy(stop + 2, name, n);
        stop[2 + n] = '\0';
        const char *found = strcasestr(end, stop);
        return found != NULL ? found : s + strlen(s);
    }
    return *end == '>' ? end + 1 : end;
}

void plaintext_of_html(struct buf *out, const char *html)
{
    struct walk w = {.out = out};
    const char *s = html;
    while (*s != '\0') {
        uint32_t c = 0;
        size_t n = 0;
        if (*s == '<' && (s[1] == '/' || s[1] == '!' || (s[1] | 32) >= 'a') && (s[1] | 32) <= 'z') {
            s = tag(&w, s);
        } else if (*s == '&' && (n = entity(s, &c)) > 0) {
            put_codepoint(&w, c);
            s += n;
        } else if ((unsigned char)*s <= ' ') {
            w.blank = true;
            s++;
        } else {
            put(&w, s, 1);
            s++;
        }
    }
    close_link(&w);
    if (w.any)
        buf_char(out, '\n');
}
