/* What a mail that came in is. One mail for each sort and each careless writer; then thousands that
 * are broken. */
#include "common/buf.h"
#include "common/mem.h"
#include "common/utf8.h"
#include "workers/inbox/classify.h"
#include "workers/inbox/mailtext.h"
#include "workers/inbox/reason.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#define DSN_HEAD                                                                                   \
    "Return-Path: <>\nFrom: MAILER-DAEMON@mx.example.org\nTo: bounce+AbC_9-x@lazo.example\n"       \
    "Subject: Undelivered Mail\nMIME-Version: 1.0\n"                                               \
    "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n"                  \
    "--b\nContent-Type: text/plain\n\nSorry.\n\n--b\nContent-Type: message/delivery-status\n\n"    \
    "Reporting-MTA: dns; mx.example.org\n\n"
#define DSN_TAIL                                                                                   \
    "\n--b\nContent-Type: message/rfc822\n\nFrom: ong@lazo.example\nTo: ana@example.org\n"         \
    "Message-ID: <m1@lazo.example>\n\nHola\n--b--\n"

static const char dsn[] = DSN_HEAD
    "Final-Recipient: rfc822; ana@Example.ORG\nAction: failed\nStatus: 5.1.1\n"
    "Diagnostic-Code: smtp; 550 5.1.1 <ana@example.org>:\n Recipient address rejected: User "
    "unknown\n\n"
    "Final-Recipient: rfc822; eva@example.org\nAction: delayed\nStatus: 4.4.1\n\n"
    "Final-Recipient: rfc822; luis@example.org\nAction: failed\nStatus: 5.2.2 (full)\n" DSN_TAIL;

static const char arf[] =
    "From: fbl@isp.example\nTo: abuse@lazo.example\nSubject: complaint\nMIME-Version: 1.0\n"
    "Content-Type: multipart/report; report-type=feedback-report; boundary=b\n\n"
    "--b\nContent-Type: text/plain\n\nA report.\n\n--b\nContent-Type: message/feedback-report\n\n"
    "Feedback-Type: abuse\nUser-Agent: x\nOriginal-Rcpt-To: <ana@example.org>\n\n"
    "--b\nContent-Type: message/rfc822\n\nFrom: ong@lazo.example\nTo: redacted@example.org\n"
    "Message-ID: <m2@lazo.example>\n\nHola\n--b--\n";

static const char prose[] =
    "Return-Path: <>\nFrom: Mail Delivery System <Mailer-Daemon@mx.example>\nTo: ong@lazo.example\n"
    "Subject: Mail delivery failed: returning message to sender\n\n"
    "A message that you sent could not be delivered to one or more of its\nrecipients. "
    "The following address(es) failed:\n\n  ana@example.org\n    host mx.example.org: 550 No such "
    "user\n\n"
    "------ This is a copy of the message ------\n\nFrom: ong@lazo.example\nTo: ana@example.org, "
    "other@example.net\n";

static const char reply[] = "From: Ana <ana@example.org>\nTo: ong@lazo.example\nSubject: Re: "
                            "Gracias\nIn-Reply-To: <m3@lazo.example>\n\nDe nada.\n";

/* Gives the only finding's class word, "none", or "many". */
static const char *class_of(const char *mail)
{
    void *ctx = mem_must(talloc_new(NULL));
    struct findings *all = classify_mail(ctx, mail, strlen(mail));
    const char *word = all->n == 0  ? "none"
                       : all->n > 1 ? "many"
                                    : finding_class_name(all->items[0].class);

    talloc_free(ctx);
    return word;
}

static void test_report(void **state)
{
    void *ctx = mem_must(talloc_new(NULL));
    struct findings *all = classify_mail(ctx, dsn, strlen(dsn));

    (void)state;
    assert_int_equal(all->n, 2);
    assert_int_equal(all->items[0].class, FINDING_HARD);
    assert_string_equal(all->items[0].recipient, "ana@example.org");
    assert_string_equal(all->items[0].status, "5.1.1");
    assert_string_equal(all->items[0].message_id, "<m1@lazo.example>");
    assert_string_equal(
        all->items[0].reason,
        "smtp; 550 5.1.1 <ana@example.org>: Recipient address rejected: User unknown");
    assert_string_equal(all->items[1].recipient, "luis@example.org");
    assert_int_equal(all->items[1].class, FINDING_SOFT);
    assert_string_equal(all->items[1].status, "5.2.2");
    assert_string_equal(classify_token(ctx, dsn, strlen(dsn)), "AbC_9-x");
    talloc_free(ctx);
}

static void test_reports_by_careless_writers(void **state)
{
    (void)state;
    /* a delay, a delivery */
    assert_string_equal(
        class_of(DSN_HEAD
                 "Final-Recipient: rfc822; a@b.example\nAction: delayed\nStatus: 4.4.1\n" DSN_TAIL),
        "none");
    assert_string_equal(
        class_of(
            DSN_HEAD
            "Final-Recipient: rfc822; a@b.example\nAction: delivered\nStatus: 2.0.0\n" DSN_TAIL),
        "none");
    /* no action; no type before the address; no empty line between two */
    assert_string_equal(
        class_of(DSN_HEAD "Final-Recipient: rfc822; a@b.example\nStatus: 5.1.1\n" DSN_TAIL),
        "hard");
    assert_string_equal(
        class_of(DSN_HEAD "Final-Recipient: a@b.example\nAction: Failed\nStatus: 5.1.1\n" DSN_TAIL),
        "hard");
    assert_string_equal(
        class_of(DSN_HEAD
                 "Final-Recipient: rfc822; a@b.example\nAction: failed\nStatus: 5.1.1\n"
                 "Final-Recipient: rfc822; c@b.example\nAction: failed\nStatus: 5.1.1\n" DSN_TAIL),
        "many");
    /* a code that the words refute */
    assert_string_equal(
        class_of(DSN_HEAD "Final-Recipient: rfc822; a@b.example\nAction: failed\nStatus: 5.1.1\n"
                          "Diagnostic-Code: smtp; 550 IP address blacklisted\n" DSN_TAIL),
        "policy");
    assert_string_equal(
        class_of(DSN_HEAD "Final-Recipient: rfc822; a@b.example\nAction: failed\nStatus: 5.0.0\n"
                          "Diagnostic-Code: smtp; 550 5.1.1 unheard-of\n" DSN_TAIL),
        "hard");
    /* Gmail's own codes speak of the sender */
    assert_string_equal(
        class_of(DSN_HEAD "Final-Recipient: rfc822; a@b.example\nAction: failed\nStatus: 5.7.26\n"
                          "Diagnostic-Code: smtp; 550-5.7.26 Unauthenticated email\n" DSN_TAIL),
        "policy");
}

static void test_complaint(void **state)
{
    void *ctx = mem_must(talloc_new(NULL));
    struct findings *all = classify_mail(ctx, arf, strlen(arf));
    char *mail = mem_strdup(ctx, arf), *type = strstr(mail, "abuse\n");

    (void)state;
    assert_int_equal(all->n, 1);
    assert_int_equal(all->items[0].class, FINDING_COMPLAINT);
    assert_string_equal(all->items[0].recipient, "ana@example.org");
    assert_string_equal(all->items[0].message_id, "<m2@lazo.example>");
    assert_string_equal(all->items[0].reason, "abuse");
    type = strstr(mail, "Feedback-Type: abuse");
    memcpy(type, "Feedback-Type: fraud", 20);
    assert_string_equal(class_of(mail), "complaint");
    memcpy(type, "Feedback-Type:not-spam", 22); /* eats the line end */
    assert_true(strcmp(class_of(mail), "complaint") != 0);
    talloc_free(ctx);
}

static void test_prose(void **state)
{
    void *ctx = mem_must(talloc_new(NULL));
    struct findings *all = classify_mail(ctx, prose, strlen(prose));

    (void)state;
    assert_int_equal(all->n, 1);
    assert_int_equal(all->items[0].class, FINDING_HARD);
    assert_string_equal(all->items[0].recipient, "ana@example.org");
    talloc_free(ctx);
    /* the same words, from a person */
    assert_string_equal(
        class_of("From: ana@example.org\nTo: ong@lazo.example\nSubject: Mail delivery failed\n\n"
                 "Could not be delivered:\n  eva@example.org\n    550 No such user\n"),
        "none");
}

static void test_people_and_machines(void **state)
{
    static const struct {
        const char *headers, *wanted;
    } mails[] = {
        {"Subject: Re: hola\nIn-Reply-To: <m@lazo.example>\n", "reply"},
        {"Subject: RV: hola\n", "reply"},
        {"Subject: hola\n", "none"},
        {"Subject: Re: hola\nAuto-Submitted: no\n", "reply"},
        {"Subject: Re: hola\nAuto-Submitted: auto-replied\n", "auto-reply"},
        {"Subject: Re: hola\nX-Autoreply: yes\n", "auto-reply"},
        {"Subject: Re: hola\nPrecedence: auto_reply\n", "auto-reply"},
        {"Subject: Respuesta autom\xc3\xa1tica: hola\n", "auto-reply"},
        {"Subject: =?utf-8?Q?Respuesta_autom=C3=A1tica?=: hola\n", "auto-reply"},
        {"Subject: Fuera de la oficina\n", "auto-reply"},
        {"Subject: Re: hola\nList-Id: <x.example>\n", "none"},
        {"Subject: Re: hola\nPrecedence: bulk\n", "none"},
        {"Subject: Re: hola\nReturn-Path: <>\n", "none"},
        {"Subject: unsubscribe\n", "unsubscribe"},
        {"Subject: BAJA\n", "unsubscribe"},
        {"Subject: x\nDelivered-To: unsubscribe+t@lazo.example\n", "unsubscribe"},
        {"Subject: unsubscribe\nAuto-Submitted: auto-generated\n", "unsubscribe"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(mails) / sizeof(mails[0]); i++) {
        MEM_SCOPED char *mail =
            mem_printf(NULL, "From: Ana <ana@example.org>\nTo: ong@lazo.example\n%s\nHola.\n",
                       mails[i].headers);

        if (strcmp(class_of(mail), mails[i].wanted) != 0)
            fail_msg("%s is %s", mails[i].headers, class_of(mail));
    }
    assert_string_equal(class_of("From: MAILER-DAEMON@x.example\nTo: o@l.example\nSubject: "
                                 "Warning: delayed\n\n24 hours\n"),
                        "none");
}

static void test_no_mail(void **state)
{
    MEM_SCOPED char *deep = mem_strdup(NULL, "From: a@b.example\n");

    (void)state;
    assert_string_equal(class_of(""), "none");
    assert_string_equal(class_of("\n"), "none");
    assert_string_equal(class_of("From "), "none");
    for (int i = 0; i < 300; i++)
        deep = mem_must(talloc_asprintf_append(
            deep, "Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i));
    assert_string_equal(class_of(deep), "none");
}

static void test_tokens(void **state)
{
    static const struct {
        const char *headers, *wanted;
    } mails[] = {
        {"To: bounce+abc@lazo.example\n", "abc"},
        {"To: \"x\" <bounce+abc@lazo.example>\n", "abc"},
        {"To: me@lazo.example\nDelivered-To: bounce+AbC-_9@lazo.example\n", "AbC-_9"},
        {"To: other@x.example, b+t@lazo.example\n", "t"},
        {"To: me@lazo.example\n", ""},
        {"To: bounce+@lazo.example\n", ""},
        {"To: +x\n", ""},
        {"", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(mails) / sizeof(mails[0]); i++) {
        MEM_SCOPED char *mail = mem_printf(NULL, "From: a@b.example\n%s\nx\n", mails[i].headers);
        MEM_SCOPED char *token = classify_token(NULL, mail, strlen(mail));

        assert_string_equal(token, mails[i].wanted);
    }
}

static void test_codes(void **state)
{
    static const struct {
        const char *text, *status;
        int reply;
    } texts[] = {
        {"550 5.1.1 no", "5.1.1", 550},
        {"550-5.7.26 x", "5.7.26", 550},
        {"smtp;450 4.2.2", "4.2.2", 450},
        {"from 192.0.2.25 said: 421", "", 421},
        {"version 4.8.5.36", "", 0},
        {"10.5.1.1", "", 0},
        {"x5.1.1", "", 0},
        {"[#4.1.9].", "4.1.9", 0},
        {"(5.2.2)", "5.2.2", 0},
        {"3.1.1", "", 0},
        {"5.1", "", 0},
        {"15501", "", 0},
        {"port 25, 5500 bytes", "", 0},
        {"5.1.1a", "", 0},
        {"", "", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        char status[FINDING_STATUS] = "";

        reason_status(texts[i].text, status);
        if (strcmp(status, texts[i].status) != 0 || reason_reply(texts[i].text) != texts[i].reply)
            fail_msg("%s: %s %d", texts[i].text, status, reason_reply(texts[i].text));
    }
}

/* Rule 30 of STANDARDS.md, and its "never": no words raise a 4.x.x, a policy, a size or a quota to
 * hard. */
static void test_verdicts(void **state)
{
    static const struct {
        const char *status, *text;
        enum finding_class wanted;
    } cases[] = {
        {"5.1.1", "", FINDING_HARD},
        {"5.1.2", "", FINDING_HARD},
        {"5.1.3", "", FINDING_HARD},
        {"5.1.6", "", FINDING_HARD},
        {"5.1.10", "", FINDING_HARD},
        {"5.1.7", "", FINDING_POLICY},
        {"5.1.8", "", FINDING_POLICY},
        {"5.2.1", "", FINDING_SOFT},
        {"5.2.1", "No such user here", FINDING_HARD},
        {"5.2.1", "mailbox disabled, not accepting messages", FINDING_SOFT},
        {"5.2.2", "", FINDING_SOFT},
        {"5.2.2", "user unknown", FINDING_SOFT},
        {"5.2.3", "", FINDING_POLICY},
        {"5.3.4", "user unknown", FINDING_POLICY},
        {"5.4.4", "Host not found", FINDING_HARD},
        {"5.4.4", "", FINDING_SOFT},
        {"5.7.1", "user unknown", FINDING_POLICY},
        {"5.7.26", "", FINDING_POLICY},
        {"5.0.0", "", FINDING_SOFT},
        {"", "550 user unknown", FINDING_HARD},
        {"", "450 user unknown", FINDING_SOFT},
        {"", "no existe: usuario desconocido", FINDING_HARD},
        {"4.1.1", "User unknown", FINDING_SOFT},
        {"4.7.0", "blocked for spam", FINDING_POLICY},
        {"5.1.1", "mailbox is full", FINDING_SOFT},
        {"5.1.1", "message refused by DMARC policy", FINDING_POLICY},
        {"5.1.1", "see https://x.example/?spam=1 for <no-spam@x.example>", FINDING_HARD},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char shown[FINDING_STATUS];
        enum finding_class got = reason_judge(cases[i].status, cases[i].text, shown);

        if (got != cases[i].wanted)
            fail_msg("%s %s: %s", cases[i].status, cases[i].text, finding_class_name(got));
    }
}

static void test_addresses(void **state)
{
    static const struct {
        const char *text, *wanted; /* NULL: none */
    } texts[] = {
        {"<Ana.Ruiz@Example.ORG>:", "Ana.Ruiz@example.org"},
        {"to ana@example.org.", "ana@example.org"},
        {"\"a b\"@example.org", "\"a b\"@example.org"},
        {"'ana@example.org'", "ana@example.org"},
        {"mailto:ana+x@example.org?a", "ana+x@example.org"},
        {"a@b", NULL},
        {"root@localhost x", "root@localhost"},
        {"@example.org", NULL},
        {"a@.example", NULL},
        {"a@@b.example", NULL},
        {"", NULL},
        {"x@ y@z.example", "y@z.example"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        MEM_SCOPED char *got = mailtext_address(NULL, texts[i].text, strlen(texts[i].text), NULL);

        if ((got == NULL) != (texts[i].wanted == NULL) ||
            (got != NULL && strcmp(got, texts[i].wanted) != 0))
            fail_msg("%s: %s", texts[i].text, got == NULL ? "none" : got);
    }
}

static void check_findings(const struct findings *all)
{
    json_t *list = classify_json(all);

    assert_int_equal(json_array_size(list), all->n);
    for (size_t i = 0; i < all->n; i++) {
        const struct finding *f = &all->items[i];

        assert_true(utf8_valid(f->reason, strlen(f->reason)) &&
                    strlen(f->reason) <= FINDING_REASON);
        assert_true(utf8_valid(f->recipient, strlen(f->recipient)));
        assert_true(utf8_valid(f->message_id, strlen(f->message_id)));
    }
    json_decref(list);
}

/* Bytes changed, dropped and doubled, ends cut off: never a crash, never text that is no UTF-8. */
static void test_broken_mails(void **state)
{
    static const char *const mails[] = {dsn, arf, prose, reply};
    unsigned seed = (unsigned)time(NULL);

    (void)state;
    print_message("seed %u\n", seed);
    srand(seed);
    for (int round = 0; round < 3000; round++) {
        void *ctx = mem_must(talloc_new(NULL));
        const char *whole = mails[rand() % 4];
        size_t n = strlen(whole);
        char *mail = mem_strdup(ctx, whole);

        for (int k = rand() % 12; k > 0; k--)
            mail[(size_t)rand() % n] =
                (char)(rand() % 3 > 0 ? rand() : "\n\r :;<>@\"-+=\\"[rand() % 12]);
        if (rand() % 3 == 0)
            n = (size_t)rand() % n;
        check_findings(classify_mail(ctx, mail, n));
        (void)classify_token(ctx, mail, n);
        talloc_free(ctx);
    }
}

/* A mail whose lines, fields, addresses or attachments never end costs no more than another, and is
 * read as far as it matters. */
static void test_endless_mails(void **state)
{
    void *ctx = mem_must(talloc_new(NULL));
    struct buf mail;
    struct findings *all;

    (void)state;
    buf_init(&mail, ctx, 64 << 20);
    buf_str(&mail, "From: mailer-daemon@x.example\nSubject: undeliverable\n\nfailed, from");
    for (int i = 0; i < 20000; i++)
        buf_printf(&mail, " a%d@b.example", i);
    all = classify_mail(ctx, mail.data, mail.len);
    check_findings(all);
    assert_int_equal(all->n, 0);

    buf_reset(&mail);
    buf_str(&mail, "Content-Type: multipart/report; report-type=delivery-status; boundary=x\n\n"
                   "--x\nContent-Type: message/delivery-status\n\nFinal-Recipient: rfc822;"
                   "anna@ong.example\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550\n");
    for (int i = 0; i < 50000; i++)
        buf_str(&mail, " no\n");
    buf_str(&mail, "\n--x\nContent-Type: image/png\n\n");
    while (mail.len < 32 << 20)
        buf_str(
            &mail,
            "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABAQAAAAA3bvkkAAAACklEQVR4AWNgAAAAAgABc3UBGAAAAABJ\n");
    all = classify_mail(ctx, mail.data, mail.len);
    check_findings(all);
    assert_int_equal(all->n, 1);
    assert_int_equal(all->items[0].class, FINDING_HARD);
    assert_string_equal(all->items[0].recipient, "anna@ong.example");
    talloc_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_report),
        cmocka_unit_test(test_reports_by_careless_writers),
        cmocka_unit_test(test_complaint),
        cmocka_unit_test(test_prose),
        cmocka_unit_test(test_people_and_machines),
        cmocka_unit_test(test_no_mail),
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_codes),
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_broken_mails),
        cmocka_unit_test(test_endless_mails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
