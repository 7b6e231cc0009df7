/* api_people_relations.c - /v1/relations: which relations there are; /v1/contacts/{id}/relations:
 * who is related to whom. See api_people.h. */
#include "common/clock.h"
#include "daemon/http/api_define.h"
#include "daemon/http/api_people.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void api_relations_list(void *app, struct http_request *req)
{
    api_list_by_name(app, req, Q_API_RELATION_LIST);
}

void api_relation_put(void *app, struct http_request *req)
{
    static const char *const known[] = {"name", "inverse", "shares", NULL};
    const char *name = http_param(req, "name"), *inverse, *shares, *repeated;
    struct api_body body;
    struct pgargs args;

    if (!api_body_read(&body, req, known))
        return;
    api_body_title(&body, "/name", name);
    repeated = api_body_text(&body, "name", 400);
    if (repeated != NULL && strcmp(repeated, name) != 0)
        diag_field(&body.mistakes, "/name", "the path says another name");
    inverse = api_body_text(&body, "inverse", 400);
    shares = api_body_text(&body, "shares", 400);
    if (inverse != NULL && shares != NULL)
        diag_field(&body.mistakes, "/shares",
                   "either \"inverse\" or \"shares\" is taken, not both");
    if (inverse != NULL)
        api_body_title(&body, "/inverse", inverse);
    pgargs_init(&args, http_ctx(req));
    pgargs_text(&args, name);
    pgargs_text(&args, shares != NULL ? NULL : inverse != NULL ? inverse : name);
    pgargs_text(&args, shares);
    if (api_body_ok(&body))
        api_change(app, req, Q_API_RELATION_PUT, &args, "relation");
}

void api_relation_delete(void *app, struct http_request *req)
{
    api_delete_unused(app, req, Q_API_RELATION_DELETE, "relation");
}

/* --- of a contact
 * ----------------------------------------------------------------------------------------- */

void api_contact_relations(void *app, struct http_request *req)
{
    const char *after = http_query(req, "after");
    int64_t id, other = 0;
    struct pgargs args;
    int limit, kind = 0, end = 0;

    if (!api_id(req, "id", &id) || !http_limit(req, &limit))
        return;
    if (after != NULL &&
        (sscanf(after, "%d.%" SCNd64 "%n", &kind, &other, &end) != 2 || after[end] != '\0')) {
        http_problem(req, 400, NULL, "\"after\" is no cursor of this list");
        return;
    }
    pgargs_init(&args, http_ctx(req));
    pgargs_int(&args, id);
    pgargs_text(&args, http_query(req, "relation"));
    pgargs_int(&args, kind);
    pgargs_int(&args, other);
    pgargs_int(&args, limit + 1);
    api_list(app, req, Q_API_CONTACT_RELATIONS, &args, limit, "contact");
}

/* The contact, the relation and the other one of the path. False where that was answered. */
static bool relation_args(struct http_request *req, struct pgargs *args)
{
    int64_t other;

    if (!api_id_args(req, args) || !api_id(req, "contact", &other))
        return false;
    pgargs_text(args, http_param(req, "relation"));
    pgargs_int(args, other);
    return true;
}

static const char *read_day(struct api_body *body, const char *name)
{
    const char *day = api_body_text(body, name, 10);
    int64_t at_us;

    if (day == NULL || (strlen(day) == 10 && clock_parse(day, &at_us)))
        return day;
    diag_field(&body->mistakes, diag_pointer(http_ctx(body->req), "", name),
               "a date like 2026-03-01 is expected");
    return NULL;
}

void api_contact_relate(void *app, struct http_request *req)
{
    static const char *const known[] = {"since", "until", "note", NULL};
    const char *since, *until;
    struct api_body body;
    struct pgargs args;

    if (!api_body_read(&body, req, known) || !relation_args(req, &args))
        return;
    since = read_day(&body, "since");
    until = read_day(&body, "until");
    if (since != NULL && until != NULL && strcmp(until, since) < 0)
        diag_field(&body.mistakes, "/until", "this day is before \"since\"");
    pgargs_text(&args, since);
    pgargs_text(&args, until);
    pgargs_text(&args, api_body_text(&body, "note", 2000));
    pgargs_instant(&args, clock_now_us());
    if (api_body_ok(&body))
        api_people_change(app, req, Q_API_CONTACT_RELATE, &args, "there is no such contact");
}

void api_contact_unrelate(void *app, struct http_request *req)
{
    struct pgargs args;

    if (relation_args(req, &args))
        api_people_change(app, req, Q_API_CONTACT_UNRELATE, &args,
                          "the contacts have no such relation");
}
