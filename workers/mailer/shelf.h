/* shelf.h - the compiled templates that lazod has sent, by id.
 *
 * Belongs to the loop's thread. A template never changes once it is here, so sender threads may
 * render it while the loop goes on; whoever hands one to a thread holds it with shelf_hold() until
 * the thread is done. Beyond the limit the one that has not been asked for longest leaves the
 * shelf; lazod sends a template once a session, so a job whose template is gone is given back and
 * another session begun. */
#ifndef LAZO_MAILER_SHELF_H
#define LAZO_MAILER_SHELF_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

struct shelf;
struct template;

/* One version of a template, ready to render. */
struct letter_template {
    struct template *subject, *html, *text; /* NULL where the part is empty */
    const char *language;
    const char *broken; /* why it cannot be used ("html 3:7: ..."); NULL: it can */
};

#define SHELF_MAX 500

/* shelf_new() - empty, child of ctx; at most `max` templates. */
struct shelf *shelf_new(const void *ctx, size_t max);
/* shelf_put() - compiles what a message `template` brought; one with an id that is here already
 * replaces it. Returns the id, 0 where the message is malformed. A template that does not compile
 * is kept as broken, so that its jobs fail with the reason. */
int64_t shelf_put(struct shelf *, const json_t *message);
/* shelf_hold() - the template of that id, held; NULL where it is not here. shelf_release() - lets
 * go of it. */
const struct letter_template *shelf_hold(struct shelf *, int64_t id);
void shelf_release(struct shelf *, const struct letter_template *);
size_t shelf_size(const struct shelf *);

#endif
