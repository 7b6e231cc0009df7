/* admin.c - what an administrator keeps, over HTTP: token (but for create), users, audit, tags,
 * tasks. With --json each list prints what the API answered. */
#include "common/mem.h"
#include "common/text.h"
#include "daemon/ctl/client.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/options.h"
#include "daemon/ctl/table.h"

#include <string.h>

/* call() - one that changes something; the body's reference is taken, and may be NULL. */
static int call(struct client *c, const char *what, const char *method, const char *path,
                json_t *body_take)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    const struct answer *a;

    if (c == NULL) {
        json_decref(body_take);
        return CTL_FAILED;
    }
    a = client_ask(ctx, c, what, method, path, body_take);
    if (a == NULL)
        return CTL_FAILED;
    if (a->body != NULL)
        table_object(a->body);
    return CTL_DONE;
}

static bool is(int argc, char **argv, int words, const char *name)
{
    return argc == words && strcmp(argv[1], name) == 0;
}

int ctl_tokens(int argc, char **argv)
{
    static const char *const headings[] = {">ID", "NAME", "ROLE", ">USER", "LAST USED", NULL};
    static const char *const keys[] = {"id", "name", "role", "user", "last_used_at"};
    MEM_SCOPED void *ctx = talloc_new(NULL);
    bool json = false;
    const struct option_spec specs[] = {{.name = "json", .flag = &json}, {0}};
    bool good = options_parse(&argc, argv, specs);

    if (good && is(argc, argv, 2, "list"))
        return client_print_list(client_open(ctx, NULL), "token", "/v1/tokens?limit=1000", json,
                                 headings, keys);
    if (good && is(argc, argv, 3, "revoke"))
        return call(client_open(ctx, NULL), "token", "DELETE",
                    client_path(ctx, "/v1/tokens/%s", argv[2]), NULL);
    return ctl_usage("token");
}

int ctl_users(int argc, char **argv)
{
    static const char *const headings[] = {">ID", "NAME", "E-MAIL", "ROLE", ">TOKENS", NULL};
    static const char *const keys[] = {"id", "name", "email", "role", "tokens"};
    MEM_SCOPED void *ctx = talloc_new(NULL);
    bool json = false;
    const struct option_spec specs[] = {{.name = "json", .flag = &json}, {0}};
    bool good = options_parse(&argc, argv, specs);

    if (good && argc == 1)
        return client_print_list(client_open(ctx, NULL), "users", "/v1/users?limit=1000", json,
                                 headings, keys);
    if (good && is(argc, argv, 5, "add"))
        return call(client_open(ctx, NULL), "users", "POST", "/v1/users",
                    mem_must(json_pack("{s:s, s:s, s:s}", "name", argv[2], "email", argv[3], "role",
                                       argv[4])));
    if (good && is(argc, argv, 3, "remove"))
        return call(client_open(ctx, NULL), "users", "DELETE",
                    client_path(ctx, "/v1/users/%s", argv[2]), NULL);
    return ctl_usage("users");
}

/* The newest, or as a file all of it. */
int ctl_audit(int argc, char **argv)
{
    static const char *const headings[] = {"WHEN", "BY", "ACTION", "WHAT", "NAME", NULL};
    static const char *const keys[] = {"at", "by", "action", "what", "name"};
    MEM_SCOPED void *ctx = talloc_new(NULL);
    const char *what = NULL, *name = NULL, *filter = "";
    bool json = false, csv = false;
    const struct option_spec specs[] = {{.name = "what", .text = &what},
                                        {.name = "name", .text = &name},
                                        {.name = "json", .flag = &json},
                                        {.name = "csv", .flag = &csv},
                                        {0}};
    const struct answer *a;
    struct client *c;

    if (!options_parse(&argc, argv, specs) || argc != 1)
        return ctl_usage("audit");
    if (what != NULL)
        filter = client_path(ctx, "&what=%s", what);
    if (name != NULL)
        filter = mem_printf(ctx, "%s%s", filter, client_path(ctx, "&name=%s", name));
    c = client_open(ctx, NULL);
    if (c == NULL)
        return CTL_FAILED;
    if (csv)
        return client_download(c, "audit", mem_printf(ctx, "/v1/audit/export?format=csv%s", filter),
                               stdout)
                   ? CTL_DONE
                   : CTL_FAILED;
    a = client_get(ctx, c, "audit", mem_printf(ctx, "/v1/audit?limit=100%s", filter));
    if (a == NULL)
        return CTL_FAILED;
    if (json)
        table_json(json_object_get(a->body, "items"));
    else
        table_items(json_object_get(a->body, "items"), headings, keys);
    return CTL_DONE;
}

int ctl_tags(int argc, char **argv)
{
    static const char *const headings[] = {"TAG", ">CONTACTS", NULL};
    static const char *const keys[] = {"tag", "contacts"};
    MEM_SCOPED void *ctx = talloc_new(NULL);
    bool json = false;
    const struct option_spec specs[] = {{.name = "json", .flag = &json}, {0}};
    bool good = options_parse(&argc, argv, specs);

    if (good && argc == 1)
        return client_print_list(client_open(ctx, NULL), "tags", "/v1/tags?limit=1000", json,
                                 headings, keys);
    if (good && is(argc, argv, 4, "rename"))
        return call(client_open(ctx, NULL), "tags", "PATCH",
                    client_path(ctx, "/v1/tags/%s", argv[2]),
                    mem_must(json_pack("{s:s}", "tag", argv[3])));
    if (good && is(argc, argv, 3, "delete"))
        return call(client_open(ctx, NULL), "tags", "DELETE",
                    client_path(ctx, "/v1/tags/%s", argv[2]), NULL);
    return ctl_usage("tags");
}

static json_t *task_new(const char *contact, const char *title, const char *due)
{
    json_t *body;
    int64_t id;

    if (!text_int(contact, &id)) {
        fprintf(stderr, "lazoctl tasks: %s is no number of a contact\n", contact);
        return NULL;
    }
    body = mem_must(json_pack("{s:I, s:s}", "contact", (json_int_t)id, "title", title));
    if (due != NULL)
        json_object_set_new(body, "due_on", json_string(due));
    return body;
}

int ctl_tasks(int argc, char **argv)
{
    static const char *const headings[] = {">ID",   ">CONTACT", "TITLE", "DUE",
                                           ">USER", "DONE",     NULL};
    static const char *const keys[] = {"id", "contact", "title", "due_on", "user", "done_at"};
    MEM_SCOPED void *ctx = talloc_new(NULL);
    const char *due = NULL;
    bool json = false, all = false;
    const struct option_spec specs[] = {{.name = "json", .flag = &json},
                                        {.name = "all", .flag = &all},
                                        {.name = "due", .text = &due},
                                        {0}};
    bool good = options_parse(&argc, argv, specs);
    json_t *body;

    if (good && argc == 1)
        return client_print_list(client_open(ctx, NULL), "tasks",
                                 all ? "/v1/tasks?limit=1000" : "/v1/tasks?state=open&limit=1000",
                                 json, headings, keys);
    if (good && is(argc, argv, 4, "add")) {
        body = task_new(argv[2], argv[3], due);
        return body == NULL ? CTL_USAGE
                            : call(client_open(ctx, NULL), "tasks", "POST", "/v1/tasks", body);
    }
    if (good && is(argc, argv, 3, "done"))
        return call(client_open(ctx, NULL), "tasks", "PATCH",
                    client_path(ctx, "/v1/tasks/%s", argv[2]),
                    mem_must(json_pack("{s:b}", "done", 1)));
    return ctl_usage("tasks");
}
