/* bus.h - the messages between lazod and its workers, and nothing else that they share.
 *
 * The bus is ZeroMQ: lazod binds a ROUTER, each worker connects a DEALER. A message is two frames:
 * its type's name, and a JSON object (UTF-8). ZeroMQ's own heartbeats stay off (LIBRARIES.md,
 * finding 1): both sides ping.
 *
 * A worker's session, from the first hello until the socket is closed:
 *
 *     worker                           lazod
 *     hello  {worker, sort, session,            gives back to the queue what this worker had and
 *             held, credit}                     neither holds nor reports; "held" are the leases
 *                                               it still works on
 *                             welcome  {session, lease}
 *     result {session, items}                   writes them in one transaction, then
 *                             ack      {session, leases}       the worker forgets them
 *                             template {session, id, language, subject, html, text}
 *                                               once a session, before the first job that needs it
 *                             jobs     {session, items}        as many as it has credit for
 *     credit {session, n}                       n more jobs are welcome
 *     ping   {session}        pong     {session}               every bus.ping; silence for
 *                                               bus.dead_after ends the session
 *                             again    {}       lazod does not know this session: say hello anew
 *
 * `lease` is bus.lease in microseconds. lazod renews the leases of a worker that it hears; so a
 * worker that has heard lazod within half of that may act on them. After a longer silence it gives
 * its jobs back: another one may have them.
 *
 * `worker` is the worker's lasting name (the journal's), `session` a random number made anew with
 * each socket. A message of another session is dropped: so what was on its way when a connection
 * broke is never worked on twice. A worker keeps each result until its ack, over lazod's restarts;
 * results of unknown leases are acknowledged and change nothing.
 *
 * A job: {"lease", "id", "attempt", "sort": "mail" | "hook", ...what the sort needs}
 *   mail: "to", "to_name", "from", "from_name", "reply_to"?, "bounce_to", "message_id", "language",
 *         "time_zone", "currency", "now" (RFC 3339), "template": id of a template message,
 *         "class": 0|1|2, "unsubscribe"?: https URL, "list_id"?,
 *         "data": what the template sees {"contact": {...}, "interaction": {...}?,
 *                 "organisation": {...}, "campaign": {...}?, "unsubscribe_url"?, ...}
 *   hook: "url", "secrets": [base64, ...], "webhook_id": the delivery's constant id,
 *         "body": the exact JSON text to sign and send
 * A result: {"lease", "id", "state": "sent" | "failed" | "retry" | "uncertain",
 *            "status": text of the relay or endpoint (at most 500 bytes),
 *            "code": "5.1.1" (enhanced status or HTTP status) or "",
 *            "hard": true where the address does not exist, "gone": true on HTTP 410}
 *
 * The inbox sends, in its own session (sort "inbox", no credit):
 *     mail_in {session, items: [{"id", "class", "recipient", "status", "reason", "message_id",
 *              "token"}]}                       -> ack {session, ids}
 *   "id" is a text that stays the same when the mail is told again; "class" is as lazo-inbox
 *   --classify has it; "message_id" is of the message of ours that it speaks of; "token" what stood
 *   behind the "+" of the address it came to. The last two may be "".
 */
#ifndef LAZO_COMMON_BUS_H
#define LAZO_COMMON_BUS_H

#include <ev.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The types of messages; the names on the wire are the words themselves. */
#define BUS_TYPES(X)                                                                               \
    X(hello)                                                                                       \
    X(welcome)                                                                                     \
    X(result)                                                                                      \
    X(ack)                                                                                         \
    X(template)                                                                                    \
    X(jobs)                                                                                        \
    X(credit)                                                                                      \
    X(ping)                                                                                        \
    X(pong)                                                                                        \
    X(again)                                                                                       \
    X(mail_in)
enum bus_type {
#define X(name) BUS_##name,
    BUS_TYPES(X)
#undef X
        BUS_TYPE_COUNT
};
const char *bus_type_name(enum bus_type);
bool bus_type_parse(const char *s, size_t n, enum bus_type *ret_type);

/* --- one ZeroMQ socket on the loop ------------------------------------------------------- */

struct bus;

/* `peer` (ROUTER: the identity that ZeroMQ gave; DEALER: empty) and `body` are borrowed until the
 * callback returns. A message that is malformed (wrong frames, unknown type, body that is no JSON
 * object) never reaches it; bus_refused() counts those. */
typedef void bus_fn(void *arg, const void *peer, size_t peer_len, enum bus_type, json_t *body);

/* bus_bind() - a ROUTER at `address`, its ipc file for us alone (umask 077). bus_connect() - a
 * DEALER. NULL and errno on failure. Children of ctx; freeing one closes its socket (what was sent
 * may linger 500 ms). Not to be freed from within its own callback. Buses of one process live on
 * one thread. */
struct bus *bus_bind(const void *ctx, struct ev_loop *, const char *address, bus_fn *, void *arg);
struct bus *bus_connect(const void *ctx, struct ev_loop *, const char *address, bus_fn *,
                        void *arg);
/* bus_send() - false where the peer is gone or its queue is full; nothing was sent then. peer is
 * NULL for a DEALER. `body` is borrowed. A message of more than BUS_MESSAGE_MAX bytes is a bug; the
 * other side would drop the connection. */
#define BUS_MESSAGE_MAX (32 * 1024 * 1024)
bool bus_send(struct bus *, const void *peer, size_t peer_len, enum bus_type, const json_t *body);
uint64_t bus_refused(const struct bus *);

#endif
