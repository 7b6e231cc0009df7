/* smtp.c - a session over libesmtp 1.1.0.
 *
 * The library's own return value says little; what became of a message is read from the replies it
 * kept (verdict.c). What else has to be known of it:
 *   - the next message is added one ahead, on the answer to MAIL: when DATA is refused the library
 * looks for the next message before it tells us. One that was added and not reached is untried.
 *   - after a write that timed out it goes on with the bytes behind the lost ones. So the message
 * is handed over in pieces, with a deadline asked before each and before the end: a message with a
 * hole never gets its end.
 *   - the end of a message is the callback's empty answer with errno 0. Just before it the offer is
 * noted on disk: until then the relay cannot have accepted the message, from then on it may have.
 *   - after a refused AUTH it goes on without. We listen for the relay's 235 and end no message
 * before it.
 *   - it checks certificates against the wrong name; OpenSSL does it for us (smtptls.c). */
#include "workers/mailer/smtp.h"

#include "common/clock.h"
#include "common/mem.h"
#include "workers/mailer/connect.h"
#include "workers/mailer/smtptls.h"

#include <errno.h>
#include <libesmtp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define PIECE           8192
#define CONNECT_WAIT_MS 30000
#define SESSION_TIME_US (60 * CLOCK_SECOND_US)

struct smtp {
    struct smtp_options options;
    struct smtp_tls *tls; /* NULL: none */
    char server[300];
};

/* A message's passage through a session. It lives as long as the session, because the library keeps
 * pointers to it; the message itself is the caller's again, and may be gone, once it is finished.
 */
struct passage {
    struct smtp_run *run;
    struct smtp_message *message; /* NULL: finished */
    size_t handed;
    int64_t cut_at_us;
    bool mail_answered, offered, complete;
    const char *trouble;
};

/* One session under way. */
struct smtp_run {
    void *scratch; /* owner of the passages */
    struct smtp *smtp;
    const struct smtp_ops *ops;
    void *arg;
    smtp_session_t session;
    int64_t began_us;
    int added;
    bool ahead;     /* a message is added whose MAIL was not answered yet */
    bool connected; /* the socket was */
    bool answered;  /* at least one MAIL was answered while we were let in */
    bool in;        /* no AUTH is needed, or it was accepted */
    /* Lines of the relay while AUTH is under way. */
    bool line_start, auth_sent;
    char code[4];
    int code_len, auth_code;
    const char *tls_trouble;
    char farewell[SMTP_WHY - 32]; /* the relay's words where it answered 421 to MAIL */
};

static int ms(int64_t us)
{
    int64_t n = us / 1000;
    return n < 1 ? 1 : n > INT32_MAX ? INT32_MAX : (int)n;
}

/* --- one message ------------------------------------------------------------------------ */

static struct reply reply_of(const smtp_status_t *s)
{
    struct reply r = {0};
    if (s != NULL) {
        r.code = s->code;
        r.enhanced[0] = s->enh_class;
        r.enhanced[1] = s->enh_subject;
        r.enhanced[2] = s->enh_detail;
        r.text = s->text;
    }
    return r;
}

static void recipient_reply(smtp_recipient_t recipient, const char *mailbox, void *arg)
{
    (void)mailbox;
    *(struct reply *)arg = reply_of(smtp_recipient_status(recipient));
}

/* Tells the caller what became of it, once. `answered`: the library said that the message has had
 * its last answer. */
static void finish(struct passage *p, smtp_message_t message, bool answered)
{
    struct smtp_run *run = p->run;
    struct smtp_message *m = p->message;
    if (m == NULL)
        return;
    p->message = NULL;
    struct replies r = {.mail = reply_of(smtp_reverse_path_status(message)),
                        .data = reply_of(smtp_message_transfer_status(message)),
                        .complete = p->complete,
                        .trouble = p->trouble};
    smtp_enumerate_recipients(message, recipient_reply, &r.rcpt);
    /* With CHUNKING the 250 of an earlier chunk may stand there. */
    if (!answered && r.data.code < 400)
        r.data.code = 0;
    if (!p->mail_answered || !run->in) {
        run->ops->untried(run->arg, m);
        return;
    }
    struct verdict v;
    verdict_of(&r, &v);
    run->ops->done(run->arg, m, &v);
}

/* libesmtp asks for the message. len NULL: it will read from the start. */
static const char *hand_over(void **ctx, int *len, void *arg)
{
    struct passage *p = arg;
    struct smtp_run *run = p->run;
    (void)ctx;
    if (len == NULL) {
        p->handed = 0;
        p->cut_at_us = clock_monotonic_us() + run->smtp->options.timeout_us;
        return NULL;
    }
    *len = 0;
    if (!run->in)
        p->trouble = "the relay refused AUTH";
    else if (clock_monotonic_us() > p->cut_at_us)
        p->trouble = "the relay took too long to take the message";
    if (p->trouble != NULL || p->message == NULL) {
        errno = ECANCELED;
        return NULL;
    }
    size_t left = p->message->size - p->handed;
    if (left > 0) {
        const char *piece = p->message->bytes + p->handed;
        *len = (int)(left < PIECE ? left : PIECE);
        p->handed += (size_t)*len;
        errno = 0;
        return piece;
    }
    if (!p->offered && !run->ops->offer(run->arg, p->message)) {
        p->trouble = "it may no longer be sent, or the journal cannot be written";
        errno = EIO;
        return NULL;
    }
    p->offered = true;
    p->complete = true;
    errno = 0;
    return NULL;
}

static void add(struct smtp_run *run, struct smtp_message *m)
{
    struct passage *p = mem_new(run->scratch, struct passage);
    p->run = run;
    p->message = m;
    smtp_message_t message = smtp_add_message(run->session);
    if (message == NULL)
        bug("libesmtp: out of memory");
    smtp_message_set_application_data_release(message, p, NULL);
    if (!smtp_set_reverse_path(message, m->from) || smtp_add_recipient(message, m->to) == NULL ||
        !smtp_set_messagecb(message, hand_over, p))
        bug("libesmtp: a message cannot be made");
    smtp_size_set_estimate(message, m->size);
    run->added++;
    run->ahead = true;
}

static void add_next(struct smtp_run *run, bool wait)
{
    if (run->ahead || run->added >= run->smtp->options.per_session ||
        clock_monotonic_us() - run->began_us > SESSION_TIME_US)
        return;
    struct smtp_message *m = run->ops->next(run->arg, wait);
    if (m != NULL)
        add(run, m);
}

/* --- what the library tells ------------------------------------------------------------- */

static void on_mail_status(struct smtp_run *run, smtp_message_t message)
{
    struct passage *p = smtp_message_get_application_data(message);
    const struct reply r = reply_of(smtp_reverse_path_status(message));
    run->ahead = false;
    p->mail_answered = r.code != 421;
    if (r.code == 421)
        snprintf(run->farewell, sizeof run->farewell, "%s", r.text != NULL ? r.text : "");
    else if (run->in)
        run->answered = true;
    if (r.code < 200 || r.code > 299)
        finish(p, message, true);
    /* Not let in, or told to go: another message would only be refused with this one. */
    if (run->in && r.code != 421)
        add_next(run, false);
}

static void on_sent(struct smtp_run *run, smtp_message_t message)
{
    finish(smtp_message_get_application_data(message), message, true);
    add_next(run, true);
}

static void on_event(smtp_session_t session, int event, void *arg, ...)
{
    struct smtp_run *run = arg;
    va_list ap;
    (void)session;
    va_start(ap, arg);
    if (event == SMTP_EV_CONNECT) {
        run->connected = true;
    } else if (event == SMTP_EV_MAILSTATUS) {
        (void)va_arg(ap, const char *);
        on_mail_status(run, va_arg(ap, smtp_message_t));
    } else if (event == SMTP_EV_MESSAGESENT) {
        on_sent(run, va_arg(ap, smtp_message_t));
    } else if (event == SMTP_EV_EXTNA_STARTTLS) {
        run->tls_trouble = "the relay offers no STARTTLS";
    } else if (event == SMTP_EV_INVALID_PEER_CERTIFICATE) {
        (void)va_arg(ap, long);
        int *ok = va_arg(ap, int *);
        *ok = !smtp_tls_checks(run->smtp->tls);
        if (!*ok)
            run->tls_trouble = "the relay's certificate is not valid";
    } else if (event == SMTP_EV_WRONG_PEER_CERTIFICATE) {
        /* It compares with the canonical name of the address; OpenSSL has compared with the
         * relay's. */
        *va_arg(ap, int *) = 1;
    } else if (event == SMTP_EV_NO_PEER_CERTIFICATE) {
        *va_arg(ap, int *) = !smtp_tls_checks(run->smtp->tls);
    }
    va_end(ap);
}

/* All that goes over the connection before the messages: only the answer to AUTH is looked at. */
static void on_traffic(const char *buf, int n, int writing, void *arg)
{
    struct smtp_run *run = arg;
    if (run->in)
        return;
    if (writing != SMTP_CB_READING) {
        run->auth_sent = run->auth_sent || (n > 5 && strncasecmp(buf, "AUTH ", 5) == 0);
        return;
    }
    for (int i = 0; i < n; i++) {
        if (run->line_start && run->code_len < 3) {
            run->code[run->code_len++] = buf[i];
            if (run->code_len == 3 && run->auth_sent) {
                int code = (int)strtol(run->code, NULL, 10);
                run->in = code == 235;
                if (code >= 400 && run->auth_code == 0)
                    run->auth_code = code;
            }
        }
        if (buf[i] == '\n') {
            run->line_start = true;
            run->code_len = 0;
        }
    }
}

static int answer_auth(auth_client_request_t request, char **result, int fields, void *arg)
{
    const struct relay *relay = arg;
    for (int i = 0; i < fields; i++) {
        const char *value = request[i].flags & AUTH_USER   ? relay->user
                            : request[i].flags & AUTH_PASS ? relay->password
                                                           : "";
        result[i] = (char *)(uintptr_t)value;
    }
    return 1;
}

/* --- a session -------------------------------------------------------------------------- */

static void set_timeouts(struct smtp_run *run)
{
    static const int waits[] = {Timeout_GREETING, Timeout_ENVELOPE, Timeout_DATA, Timeout_TRANSFER};
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++)
        smtp_set_timeout(run->session, waits[i] | Timeout_OVERRIDE_RFC2822_MINIMUM,
                         ms(run->smtp->options.timeout_us));
    smtp_set_timeout(run->session, Timeout_DATA2 | Timeout_OVERRIDE_RFC2822_MINIMUM,
                     ms(run->smtp->options.dot_timeout_us));
}

static auth_context_t prepare(struct smtp_run *run)
{
    const struct smtp_options *o = &run->smtp->options;
    auth_context_t auth = NULL;
    run->session = smtp_create_session();
    if (run->session == NULL)
        bug("libesmtp: out of memory");
    smtp_set_server(run->session, run->smtp->server);
    if (o->hostname[0] != '\0')
        smtp_set_hostname(run->session, o->hostname);
    smtp_set_eventcb(run->session, on_event, run);
    set_timeouts(run);
    smtp_tls_use(run->smtp->tls, run->session);
    if (o->relay->user != NULL) {
        auth = auth_create_context();
        auth_set_mechanism_flags(auth, AUTH_PLUGIN_PLAIN, 0);
        auth_set_interact_cb(auth, answer_auth, (void *)(uintptr_t)o->relay);
        smtp_auth_set_context(run->session, auth);
        smtp_set_monitorcb(run->session, on_traffic, run, 0);
    }
    return auth;
}

static void leftover(smtp_message_t message, void *arg)
{
    struct passage *p = smtp_message_get_application_data(message);
    (void)arg;
    if (p->trouble == NULL && p->handed > 0 && !p->complete)
        p->trouble = "the connection was lost while the message was handed over";
    finish(p, message, false);
}

static void explain(const struct smtp_run *run, char out[SMTP_WHY])
{
    char text[128];
    const char *tls = smtp_tls_trouble();
    if (run->tls_trouble != NULL || tls != NULL)
        snprintf(out, SMTP_WHY, "%s%s%s", run->tls_trouble != NULL ? run->tls_trouble : "TLS",
                 tls != NULL ? ": " : "", tls != NULL ? tls : "");
    else if (!run->in && run->auth_code != 0)
        snprintf(out, SMTP_WHY, "the relay refused AUTH with %d", run->auth_code);
    else if (run->connected && !run->in && run->answered)
        snprintf(out, SMTP_WHY, "the relay offers no AUTH that we know");
    else if (run->farewell[0] != '\0')
        snprintf(out, SMTP_WHY, "the relay said 421 %s", run->farewell);
    else
        snprintf(out, SMTP_WHY, "%s: %s", run->connected ? "no session" : "no connection",
                 smtp_strerror(smtp_errno(), text, sizeof text));
}

bool smtp_run(struct smtp *smtp, struct smtp_message *first, const struct smtp_ops *ops, void *arg,
              char ret_why[SMTP_WHY])
{
    struct smtp_run run = {.scratch = mem_must(talloc_new(NULL)),
                           .smtp = smtp,
                           .ops = ops,
                           .arg = arg,
                           .began_us = clock_monotonic_us(),
                           .in = smtp->options.relay->user == NULL,
                           .line_start = true};
    auth_context_t auth = prepare(&run);
    add(&run, first);
    (void)smtp_tls_trouble();
    connect_begin(CONNECT_WAIT_MS, ms(smtp->options.timeout_us));
    smtp_start_session(run.session);
    connect_end();
    if (!run.answered)
        explain(&run, ret_why);
    smtp_enumerate_messages(run.session, leftover, &run);
    smtp_destroy_session(run.session);
    if (auth != NULL)
        auth_destroy_context(auth);
    talloc_free(run.scratch);
    return run.answered;
}

struct smtp *smtp_new(const void *ctx, const struct smtp_options *options, char **ret_why)
{
    struct smtp *smtp = mem_new(ctx, struct smtp);
    smtp->options = *options;
    snprintf(smtp->server, sizeof smtp->server, "%s:%d", options->relay->host,
             options->relay->port);
    auth_client_init();
    if (options->relay->tls != RELAY_TLS_OFF) {
        smtp->tls = smtp_tls_new(smtp, options->relay, options->ca_file, ret_why);
        if (smtp->tls == NULL) {
            talloc_free(smtp);
            return NULL;
        }
    }
    return smtp;
}
