/* test_mailer_relay.c - the whole mailer against a real SMTP server on loopback, with this program
 * as the daemon.
 *
 * The mailer runs as a process of its own (this executable with --mailer), so that it can be
 * killed; the server is tests/data/mailer/sink.py. This side keeps a ledger of jobs as lazod does:
 * leases, results, what a new session gives back. */
#include "common/bus.h"
#include "common/mem.h"
#include "tests/unit/mailer_env.h"
#include "workers/mailer/mailer.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define JOBS_MAX 4000
#define KILLS    5
#define LIMIT_S  120. /* of what hangs */
#define BATCH    50

enum job_state { QUEUED, LEASED, SENT, FAILED, RETRY, UNCERTAIN };

struct job {
    char to[80];
    int64_t lease;
    enum job_state state;
    bool again; /* a retry is queued again */
    bool hard;
    char code[16], status[600];
};

struct daemon {
    void *ctx;
    struct ev_loop *loop;
    struct bus *bus;
    ev_timer limit, kill;
    char folder[64];
    char address[128];
    struct job jobs[JOBS_MAX];
    int n;
    int64_t next_lease;
    /* The session. */
    char peer[256];
    size_t peer_len;
    json_int_t session;
    int credit;
    bool template_sent;
    /* Processes. */
    pid_t mailer, sink;
    int sink_in, port;
    int kills;
    bool timed_out;
    const char *subject, *html, *text;
};

static int finished(const struct daemon *d)
{
    int n = 0;
    for (int i = 0; i < d->n; i++)
        n += d->jobs[i].state >= SENT;
    return n;
}

static int count(const struct daemon *d, enum job_state state)
{
    int n = 0;
    for (int i = 0; i < d->n; i++)
        n += d->jobs[i].state == state;
    return n;
}

static void send_take(struct daemon *d, enum bus_type type, json_t *body)
{
    bus_send(d->bus, d->peer, d->peer_len, type, body);
    json_decref(body);
}

static json_t *job_body(const struct daemon *d, int i)
{
    char id[80];
    snprintf(id, sizeof id, "<%d.%s@lazo.test>", i, strrchr(d->folder, '.') + 1);
    return json_pack("{sI sI si ss ss ss ss ss ss ss ss ss ss ss si si ss s{s{ss}}}", "lease",
                     (json_int_t)d->jobs[i].lease, "id", (json_int_t)i + 1, "attempt", 1, "sort",
                     "mail", "to", d->jobs[i].to, "to_name", "María \"Pepa\" Núñez", "from",
                     "hola@ong.example", "from_name", "Asociación Ñandú", "bounce_to",
                     "bounce+1@ong.example", "message_id", id, "language", "es", "time_zone",
                     "Europe/Madrid", "currency", "EUR", "now", "2026-03-02T10:00:00Z", "template",
                     7, "class", 1, "unsubscribe", "https://ong.example/u/abc", "data", "contact",
                     "first_name", "Núria");
}

static void dispatch(struct daemon *d)
{
    if (d->peer_len == 0 || d->credit == 0)
        return;
    json_t *items = json_array();
    for (int i = 0; i < d->n && d->credit > 0 && json_array_size(items) < BATCH; i++) {
        if (d->jobs[i].state != QUEUED)
            continue;
        d->jobs[i].state = LEASED;
        d->jobs[i].lease = d->next_lease++;
        d->credit--;
        json_array_append_new(items, job_body(d, i));
    }
    if (json_array_size(items) == 0) {
        json_decref(items);
        return;
    }
    if (!d->template_sent)
        send_take(d, BUS_template,
                  json_pack("{sI si ss ss ss ss}", "session", d->session, "id", 7, "language", "es",
                            "subject", d->subject, "html", d->html, "text", d->text));
    d->template_sent = true;
    send_take(d, BUS_jobs, json_pack("{sI so}", "session", d->session, "items", items));
}

static struct job *job_of(struct daemon *d, json_int_t lease)
{
    for (int i = 0; i < d->n; i++)
        if (d->jobs[i].lease == lease && d->jobs[i].state == LEASED)
            return &d->jobs[i];
    return NULL;
}

static void on_hello(struct daemon *d, const void *peer, size_t n, const json_t *body)
{
    memcpy(d->peer, peer, n);
    d->peer_len = n;
    d->session = json_integer_value(json_object_get(body, "session"));
    d->credit = (int)json_integer_value(json_object_get(body, "credit"));
    d->template_sent = false;
    const json_t *held = json_object_get(body, "held");
    for (int i = 0; i < d->n; i++) {
        bool has = false;
        for (size_t k = 0; k < json_array_size(held); k++)
            has = has || json_integer_value(json_array_get(held, k)) == d->jobs[i].lease;
        if (d->jobs[i].state == LEASED && !has)
            d->jobs[i].state = QUEUED;
    }
    send_take(d, BUS_welcome, json_pack("{sI}", "session", d->session));
}

static void on_result(struct daemon *d, const json_t *body)
{
    static const char *const names[] = {"", "", "sent", "failed", "retry", "uncertain"};
    json_t *leases = json_array();
    const json_t *items = json_object_get(body, "items");
    for (size_t k = 0; k < json_array_size(items); k++) {
        const json_t *item = json_array_get(items, k);
        json_t *lease = json_object_get(item, "lease");
        struct job *job = job_of(d, json_integer_value(lease));
        json_array_append(leases, lease);
        if (job == NULL)
            continue;
        assert_int_equal(json_integer_value(json_object_get(item, "id")), job - d->jobs + 1);
        for (int s = SENT; s <= UNCERTAIN; s++)
            if (strcmp(json_string_value(json_object_get(item, "state")), names[s]) == 0)
                job->state = (enum job_state)s;
        snprintf(job->code, sizeof job->code, "%s",
                 json_string_value(json_object_get(item, "code")));
        snprintf(job->status, sizeof job->status, "%s",
                 json_string_value(json_object_get(item, "status")));
        job->hard = json_is_true(json_object_get(item, "hard"));
        if (job->state == RETRY && job->again)
            job->state = QUEUED;
    }
    send_take(d, BUS_ack, json_pack("{sI so}", "session", d->session, "leases", leases));
}

static void on_message(void *arg, const void *peer, size_t n, enum bus_type type, json_t *body)
{
    struct daemon *d = arg;
    if (type == BUS_hello)
        on_hello(d, peer, n, body);
    else if (n != d->peer_len || memcmp(peer, d->peer, n) != 0)
        return;
    else if (type == BUS_result)
        on_result(d, body);
    else if (type == BUS_credit)
        d->credit += (int)json_integer_value(json_object_get(body, "n"));
    else if (type == BUS_ping)
        send_take(d, BUS_pong, json_pack("{sI}", "session", d->session));
    dispatch(d);
    if (d->n > 0 && finished(d) == d->n)
        ev_break(d->loop, EVBREAK_ALL);
}

/* --- processes
 * -------------------------------------------------------------------------------------- */

static void start_mailer(struct daemon *d)
{
    d->mailer = fork();
    if (d->mailer == 0) {
        char self[4096] = "";
        if (readlink("/proc/self/exe", self, sizeof self - 1) > 0)
            execl(self, self, "--mailer", "--name", "m1", (char *)NULL);
        _exit(127);
    }
}

/* Another kill each time that a tenth more is finished, so that all of them hit work under way. */
static void on_kill(struct ev_loop *loop, ev_timer *w, int revents)
{
    struct daemon *d = w->data;
    (void)revents;
    if (d->kills == 0 || d->mailer == 0 || finished(d) < d->n / 10 * (KILLS - d->kills + 1)) {
        ev_timer_again(loop, w);
        return;
    }
    d->kills--;
    kill(d->mailer, SIGKILL);
    waitpid(d->mailer, NULL, 0);
    start_mailer(d);
    ev_timer_again(loop, w);
}

static void on_limit(struct ev_loop *loop, ev_timer *w, int revents)
{
    struct daemon *d = w->data;
    (void)revents;
    d->timed_out = true;
    ev_break(loop, EVBREAK_ALL);
}

/* Starts sink.py with more arguments; false where it cannot run here. */
static bool start_sink(struct daemon *d, const char *const *more)
{
    int in[2], out[2];
    char script[512], log[128], port[16] = "";
    const char *argv[20] = {"/usr/bin/python3", script, log, NULL};
    snprintf(script, sizeof script, "%s/tests/data/mailer/sink.py", repository());
    snprintf(log, sizeof log, "%s/sink.log", d->folder);
    for (int i = 3; more != NULL && *more != NULL; i++)
        argv[i] = *more++;
    assert_int_equal(pipe(in) | pipe(out), 0);
    d->sink = fork();
    if (d->sink == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        dup2(open("/dev/null", O_WRONLY), 2);
        close(in[1]);
        close(out[0]);
        execv(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    d->sink_in = in[1];
    size_t n = 0;
    while (n < sizeof port - 1 && strchr(port, '\n') == NULL && read(out[0], port + n, 1) == 1)
        n++;
    close(out[0]);
    d->port = atoi(port);
    return d->port > 0;
}

static void stop(pid_t *pid, int signal_number)
{
    if (*pid > 0) {
        kill(*pid, signal_number);
        waitpid(*pid, NULL, 0);
    }
    *pid = 0;
}

static struct daemon *daemon_new(void)
{
    struct daemon *d = mem_new(NULL, struct daemon);
    d->ctx = d;
    snprintf(d->folder, sizeof d->folder, "/tmp/lazo-mailer.XXXXXX");
    assert_non_null(mkdtemp(d->folder));
    snprintf(d->address, sizeof d->address, "ipc://%s/bus", d->folder);
    d->loop = ev_loop_new(EVFLAG_AUTO);
    d->bus = bus_bind(d, d->loop, d->address, on_message, d);
    assert_non_null(d->bus);
    d->next_lease = 1000;
    d->subject = "Gracias, {{ contact.first_name }}";
    d->html = "<p>Hola {{ contact.first_name }}, <a "
              "href=\"https://ong.example/?a=1&amp;b=2\">mira</a></p>";
    d->text = "";
    d->limit.data = d->kill.data = d;
    set("LAZO_BUS_ADDRESS", "%s", d->address);
    set("LAZO_MAIL_JOURNAL", "%s/journal", d->folder);
    set("LAZO_MAIL_MAILDIR", "%s/outbox", d->folder);
    set("LAZO_MAIL_THREADS", "8");
    set("LAZO_MAIL_PER_SESSION", "100");
    set("LAZO_MAIL_RELAY", "%s", "");
    set("LAZO_MAIL_TLS", "off");
    set("LAZO_MAIL_CA_FILE", "%s", "");
    set("LAZO_LOG_LEVEL", "%s",
        getenv("LAZO_TEST_LEVEL") != NULL ? getenv("LAZO_TEST_LEVEL") : "warning");
    return d;
}

static void daemon_free(struct daemon *d)
{
    char command[128];
    stop(&d->mailer, SIGKILL);
    if (d->sink > 0) {
        close(d->sink_in);
        stop(&d->sink, SIGTERM);
    }
    talloc_free(d->bus);
    ev_loop_destroy(d->loop);
    snprintf(command, sizeof command, "rm -rf '%s'", d->folder);
    assert_int_equal(system(command), 0);
    talloc_free(d);
}

static void add_jobs(struct daemon *d, int n, bool again)
{
    for (int i = 0; i < n; i++) {
        struct job *job = &d->jobs[d->n++];
        *job = (struct job){.again = again};
        snprintf(job->to, sizeof job->to, "c%d@ong.example", d->n);
    }
}

/* Until all jobs are finished. */
static void run(struct daemon *d)
{
    ev_timer_init(&d->limit, on_limit, LIMIT_S, 0.);
    ev_timer_start(d->loop, &d->limit);
    dispatch(d);
    ev_run(d->loop, 0);
    ev_timer_stop(d->loop, &d->limit);
    if (d->timed_out)
        fail_msg("%d of %d jobs finished in time", finished(d), d->n);
}

/* How often the sink accepted the mail of job i. */
static void read_log(const struct daemon *d, int *times)
{
    char path[128], line[512];
    snprintf(path, sizeof path, "%s/sink.log", d->folder);
    memset(times, 0, sizeof *times * (size_t)d->n);
    FILE *f = fopen(path, "r");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        int i = atoi(line + 1);
        assert_in_range(i, 0, d->n - 1);
        times[i]++;
    }
    if (f != NULL)
        fclose(f);
}

/* --- tests
 * ------------------------------------------------------------------------------------------ */

static void test_none_lost_none_twice(void **state)
{
    (void)state;
    static int times[JOBS_MAX];
    struct daemon *d = daemon_new();
    const char *const more[] = {"--delay", "0.003", NULL};
    if (!start_sink(d, more)) {
        daemon_free(d);
        skip();
    }
    set("LAZO_MAIL_RELAY", "smtp://127.0.0.1:%d", d->port);
    add_jobs(d, 2000, true);
    d->kills = KILLS;
    start_mailer(d);
    ev_timer_init(&d->kill, on_kill, 0., 0.01);
    ev_timer_again(d->loop, &d->kill);
    run(d);
    ev_timer_stop(d->loop, &d->kill);
    read_log(d, times);
    int lost = 0, twice = 0, arrived_uncertain = 0;
    for (int i = 0; i < d->n; i++) {
        lost += d->jobs[i].state == SENT && times[i] == 0;
        twice += times[i] > 1;
        arrived_uncertain += d->jobs[i].state == UNCERTAIN && times[i] == 1;
    }
    print_message("kills left %d: sent %d, uncertain %d (%d of them arrived), failed %d\n",
                  d->kills, count(d, SENT), count(d, UNCERTAIN), arrived_uncertain,
                  count(d, FAILED));
    assert_int_equal(d->kills, 0);
    assert_int_equal(lost, 0);
    assert_int_equal(twice, 0);
    assert_int_equal(count(d, SENT) + count(d, UNCERTAIN), d->n);
    /* At most one message a thread can be in doubt at each kill. */
    assert_true(count(d, UNCERTAIN) <= KILLS * 8);
    daemon_free(d);
}

static void test_each_answer(void **state)
{
    (void)state;
    static const struct {
        const char *to;
        enum job_state state;
        bool hard;
        const char *code;
    } cases[] = {
        {"a@ong.example", SENT, false, ""},
        {"r550-5.1.1@ong.example", FAILED, true, "5.1.1"},
        {"b@ong.example", SENT, false, ""},
        {"r550-5.7.1@ong.example", FAILED, false, "5.7.1"},
        {"r450-4.7.1@ong.example", RETRY, false, "4.7.1"},
        {"r550-no.such.user@ong.example", FAILED, true, "5.1.1"},
        {"d554-5.6.0@ong.example", FAILED, false, "5.6.0"},
        {"d451-4.3.0@ong.example", RETRY, false, "4.3.0"},
        {"drop@ong.example", UNCERTAIN, false, ""},
        {"c@ong.example", SENT, false, ""},
        {"not an address", FAILED, true, "5.1.3"},
        {"se\xc3\xb1or@ong.example", FAILED, false, "5.6.7"},
        {"x\r\nRCPT TO:<y@ong.example", FAILED, true, "5.1.3"},
        {"d@ONG.espa\xc3\xb1"
         "a.example",
         SENT, false, ""},
    };
    struct daemon *d = daemon_new();
    if (!start_sink(d, NULL)) {
        daemon_free(d);
        skip();
    }
    set("LAZO_MAIL_RELAY", "smtp://127.0.0.1:%d", d->port);
    set("LAZO_MAIL_THREADS", "1");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        add_jobs(d, 1, false);
        snprintf(d->jobs[i].to, sizeof d->jobs[i].to, "%s", cases[i].to);
    }
    start_mailer(d);
    run(d);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (d->jobs[i].state != cases[i].state || d->jobs[i].hard != cases[i].hard ||
            strcmp(d->jobs[i].code, cases[i].code) != 0)
            fail_msg("%s: state %d hard %d code %s status %s", cases[i].to, d->jobs[i].state,
                     d->jobs[i].hard, d->jobs[i].code, d->jobs[i].status);
        print_message("  %-34s %s\n", strchr(cases[i].to, '\r') ? "(injection)" : cases[i].to,
                      d->jobs[i].status);
    }
    daemon_free(d);
}

static void test_relay_away(void **state)
{
    (void)state;
    struct daemon *d = daemon_new();
    if (!start_sink(d, NULL)) {
        daemon_free(d);
        skip();
    }
    char port[16];
    snprintf(port, sizeof port, "%d", d->port);
    const char *const more[] = {"--port", port, NULL};
    close(d->sink_in);
    waitpid(d->sink, NULL, 0);
    set("LAZO_MAIL_RELAY", "smtp://127.0.0.1:%s", port);
    add_jobs(d, 3, false);
    start_mailer(d);
    run(d);
    assert_int_equal(count(d, RETRY), 3);
    print_message("  %s\n", d->jobs[0].status);
    assert_non_null(strstr(d->jobs[0].status, "relay: no connection"));
    /* It comes back. */
    assert_true(start_sink(d, more));
    d->n = 0;
    add_jobs(d, 20, true);
    run(d);
    assert_int_equal(count(d, SENT), 20);
    daemon_free(d);
}

static bool make_certificate(const struct daemon *d)
{
    char command[512];
    snprintf(command, sizeof command,
             "openssl req -x509 -newkey rsa:2048 -nodes -keyout %s/key.pem -out %s/cert.pem -days "
             "2 -subj "
             "/CN=localhost -addext subjectAltName=DNS:localhost >/dev/null 2>&1",
             d->folder, d->folder);
    return system(command) == 0;
}

/* Runs one job over TLS with that password and host name; returns it. */
static struct job over_tls(const char *host, const char *password, bool with_ca, char *ret_line)
{
    struct daemon *d = daemon_new();
    char cert[128], key[128];
    snprintf(cert, sizeof cert, "%s/cert.pem", d->folder);
    snprintf(key, sizeof key, "%s/key.pem", d->folder);
    const char *const more[] = {"--tls", cert, key, "--auth", "ong", "s:cr@t", NULL};
    if (!make_certificate(d) || !start_sink(d, more)) {
        daemon_free(d);
        skip();
    }
    set("LAZO_MAIL_RELAY", "smtp://ong:%s@%s:%d", password, host, d->port);
    set("LAZO_MAIL_TLS", "required");
    if (with_ca)
        set("LAZO_MAIL_CA_FILE", "%s", cert);
    add_jobs(d, 1, false);
    start_mailer(d);
    run(d);
    struct job job = d->jobs[0];
    int times[1];
    read_log(d, times);
    sprintf(ret_line, "%d", times[0]);
    print_message("  %s, %s CA: %s\n", host, with_ca ? "with" : "without", job.status);
    daemon_free(d);
    return job;
}

static void test_auth_and_tls(void **state)
{
    (void)state;
    char arrived[16];
    struct job job = over_tls("localhost", "s%3Acr%40t", true, arrived);
    assert_int_equal(job.state, SENT);
    assert_string_equal(arrived, "1");
    job = over_tls("localhost", "wrong", true, arrived);
    assert_int_equal(job.state, RETRY);
    assert_non_null(strstr(job.status, "AUTH"));
    assert_string_equal(arrived, "0");
    /* Another name than the certificate's, and a certificate of nobody's. */
    job = over_tls("127.0.0.1", "s%3Acr%40t", true, arrived);
    assert_int_equal(job.state, RETRY);
    assert_string_equal(arrived, "0");
    job = over_tls("localhost", "s%3Acr%40t", false, arrived);
    assert_int_equal(job.state, RETRY);
    assert_string_equal(arrived, "0");
}

static void test_maildir(void **state)
{
    (void)state;
    struct daemon *d = daemon_new();
    char command[256];
    add_jobs(d, 40, true);
    start_mailer(d);
    run(d);
    assert_int_equal(count(d, SENT), 40);
    /* The same mails again replace themselves. */
    d->n = 0;
    add_jobs(d, 40, true);
    run(d);
    snprintf(command, sizeof command, "test $(ls %s/outbox/new/*.eml | wc -l) = 40", d->folder);
    assert_int_equal(system(command), 0);
    kill(d->mailer, SIGTERM);
    int status = 0;
    waitpid(d->mailer, &status, 0);
    d->mailer = 0;
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    daemon_free(d);
}

static void test_template_error(void **state)
{
    (void)state;
    struct daemon *d = daemon_new();
    d->html = "<p>\n{{ contact.first_name | nonsense }}</p>";
    add_jobs(d, 2, false);
    start_mailer(d);
    run(d);
    assert_int_equal(count(d, FAILED), 2);
    print_message("  %s\n", d->jobs[0].status);
    assert_non_null(strstr(d->jobs[0].status, "html 2:"));
    assert_false(d->jobs[0].hard);
    daemon_free(d);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--mailer") == 0) {
        argv[1] = argv[0];
        return mailer_main(argc - 1, argv + 1);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_maildir),      cmocka_unit_test(test_template_error),
        cmocka_unit_test(test_each_answer),  cmocka_unit_test(test_relay_away),
        cmocka_unit_test(test_auth_and_tls), cmocka_unit_test(test_none_lost_none_twice),
    };
    if (getenv("LAZO_TEST") != NULL)
        cmocka_set_test_filter(getenv("LAZO_TEST"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
