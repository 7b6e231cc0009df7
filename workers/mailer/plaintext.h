/* plaintext.h - a readable text of an HTML mail, for the people and programs that show no HTML.
 * Pure.
 *
 * Simple on purpose: tags go, blocks become lines, a link keeps its address behind its words, the
 * usual entities are decoded. It is used where a template brings no text part of its own. */
#ifndef LAZO_MAILER_PLAINTEXT_H
#define LAZO_MAILER_PLAINTEXT_H

struct buf;

/* plaintext_of_html() - appends the text of `html` (UTF-8, any quality). Linear in its length. */
void plaintext_of_html(struct buf *out, const char *html);

#endif
