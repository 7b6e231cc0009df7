/* api_record_patch.c - PATCH of a contact. See api_record.h.
 *
 * The recorder writes it, in a transaction of its own that begins with two statements more: the
 * condition of the request (If-Match), to which the contact is held while it is locked, and who the
 * contact is from now on (its e-mail and external id, which may be somebody else's). All of it is
 * written, or nothing. What says neither shares a transaction with others. */
#include "common/mem.h"
#include "daemon/http/api_record.h"
#include "daemon/pg/pgpool.h"
#include "daemon/record/batch.h"

struct patch {
    struct recording *r;
    struct record_work work;
    bool says_email, says_external_id;
    const char *email, *external_id;
    const char *guard; /* as struct pgact's; or NULL */
    /* Of the last try: why nothing is written. */
    bool absent;
    int status; /* 0: nothing is wrong */
    const char *why;
    struct record_result refused; /* by the recorder */
};

static void patch_wrong(struct patch *p, int status, const char *why)
{
    p->status = status;
    p->why = mem_strdup(p, why);
}

static void patch_on_claimed(void *arg, const struct pgres *res)
{
    struct patch *p = arg;

    if (!pgres_ok(res)) {
        if (strcmp(pgres_sqlstate(res), "LZ412") == 0)
            patch_wrong(p, 412, pgres_message(res));
    } else if (pgres_rows(res) == 0) {
        p->absent = true;
    }
}

static void patch_on_identified(void *arg, const struct pgres *res)
{
    struct patch *p = arg;

    if (!pgres_ok(res))
        return;
    if (pgres_rows(res) == 0)
        p->absent = true;
    else if (pgres_int(res, 0, "status") != 200)
        patch_wrong(p, 409, pgres_text(res, 0, "body"));
}

/* For If-Match: whoever comes second waits here for the first, and is then refused. */
static void patch_claim(struct patch *p, struct batch *b)
{
    struct pgargs args;

    pgargs_init(&args, b);
    pgargs_int(&args, p->r->contact_id);
    pgargs_instant(&args, p->r->now_us);
    pgargs_text(&args, p->guard);
    pgtx_query(b->tx, Q_API_CONTACT_CLAIM, &args, patch_on_claimed, p);
}

static void patch_identify(struct patch *p, struct batch *b)
{
    struct recording *r = p->r;
    struct record_contact said = {.email = p->email, .external_id = p->external_id};
    struct pgargs args;

    pgargs_init(&args, b);
    pgargs_int(&args, r->contact_id);
    pgargs_bool(&args, p->says_email);
    pgargs_text(&args, p->email);
    pgargs_bool(&args, p->says_external_id);
    pgargs_text(&args, p->external_id);
    pgargs_instant(&args, r->now_us);
    api_erased_hashes(b, r->app, api_org(r->req), &said, &args);
    pgargs_text(&args, api_by(b, r->req));
    pgtx_query(b->tx, Q_API_CONTACT_IDENTIFY, &args, patch_on_identified, p);
}

/* Each try begins here. */
static void patch_on_resolved(void *arg, struct batch *b)
{
    struct recording *r = arg;
    struct patch *p = r->patch;

    p->absent = false;
    p->status = 0;
    p->refused = (struct record_result){0};
    if (p->guard != NULL)
        patch_claim(p, b);
    patch_identify(p, b);
}

static void patch_on_written(void *arg, struct batch *b)
{
    struct patch *p = ((struct recording *)arg)->patch;

    if (!p->absent && p->status == 0 && b->results[0].error == NULL) {
        pgtx_commit(b->tx);
        return;
    }
    p->refused = b->results[0];
    if (p->refused.error != NULL) {
        p->refused.error = mem_strdup(p, p->refused.error);
        p->refused.pointer = mem_strdup(p, p->refused.pointer);
    }
    pgtx_rollback(b->tx);
}

/* Nothing was written. */
static void patch_undone(struct recording *r)
{
    struct patch *p = r->patch;

    if (p->absent)
        api_contact_absent(r->app, r->req);
    else if (p->status != 0)
        http_problem(r->req, p->status, NULL, "%s", p->why);
    else if (p->refused.error != NULL)
        recording_refused(r, &p->refused, 1);
    else
        api_away(r->req);
}

/* said() - whether the field stands in the body, be it as null. */
static bool said(struct recording *r, const char *field)
{
    return json_object_get(http_json(r->req), field) != NULL;
}

static void patch_fill(struct recording *r, const struct catalogue *catalogue)
{
    struct patch *p = r->patch;
    struct record_contact *contact;

    recording_contact(r, http_json(r->req), catalogue);
    if (said(r, "id"))
        diag_field(&r->mistakes, "/id", "the id of a contact does not change");
    contact = &r->items[0].contact;
    p->says_email = said(r, "email");
    p->says_external_id = said(r, "external_id");
    p->email = contact->email;
    p->external_id = contact->external_id;
    contact->email = contact->external_id = NULL;
    p->guard = api_act(r->req, "contact").guard;
    if (p->guard != NULL || p->says_email || p->says_external_id)
        r->work = &p->work;
}

void api_contact_patch(void *arg, struct http_request *req)
{
    struct recording *r;
    int64_t id;

    if (!api_id(req, "id", &id) || http_json(req) == NULL)
        return;
    r = recording_new(arg, req);
    r->contact_id = id;
    r->fill = patch_fill;
    r->answer = contact_answer;
    r->undone = patch_undone;
    r->patch = mem_new(r, struct patch);
    r->patch->r = r;
    r->patch->work =
        (struct record_work){.resolved = patch_on_resolved, .written = patch_on_written};
    recording_start(r);
}
