/* api_people_groups.c - /v1/groups and /v1/contacts/{id}/groups: a group is there as long as
 * somebody is in it. See api_people.h. */
#include "common/clock.h"
#include "daemon/http/api_define.h"
#include "daemon/http/api_people.h"
#include "daemon/http/api_record.h"

static void groups_fill(struct recording *r, const struct catalogue *catalogue)
{
    recording_names(r, catalogue, "groups", "group");
}

void api_contact_groups_post(void *app, struct http_request *req)
{
    recording_on_contact(app, req, groups_fill);
}

/* The contact under `name` of the path, then the group. False where that was answered. */
static bool group_args(struct http_request *req, const char *name, struct pgargs *args)
{
    int64_t id;

    if (!api_id(req, name, &id))
        return false;
    pgargs_init(args, http_ctx(req));
    pgargs_int(args, id);
    pgargs_text(args, http_param(req, "group"));
    return true;
}

static void group_remove(struct app *app, struct http_request *req, const char *name)
{
    struct pgargs args;

    if (!group_args(req, name, &args))
        return;
    pgargs_text(&args, api_by(http_ctx(req), req));
    pgargs_instant(&args, clock_now_us());
    api_people_change(app, req, Q_API_GROUP_REMOVE, &args,
                      "the contact is not in a group of this name");
}

void api_contact_group_delete(void *app, struct http_request *req)
{
    group_remove(app, req, "id");
}

void api_group_member_remove(void *app, struct http_request *req)
{
    group_remove(app, req, "contact");
}

/* Adding is the recorder's, so that what a group's name may be is said in one place. */
static void member_fill(struct recording *r, const struct catalogue *catalogue)
{
    json_t *contact = json_pack("{s:[s]}", "groups", http_param(r->req, "group"));

    r->made = contact;
    recording_contact(r, contact, catalogue);
}

void api_group_member_add(void *app, struct http_request *req)
{
    recording_of(app, req, "contact", member_fill);
}

void api_groups_list(void *app, struct http_request *req)
{
    api_list_by_name(app, req, Q_API_GROUP_LIST);
}

void api_group_members(void *app, struct http_request *req)
{
    api_list_within(app, req, Q_API_GROUP_MEMBERS, "group", "group");
}
