/* organisation.c - `lazoctl organisation` and `lazoctl token`; see organisation.h. */
#include "daemon/ctl/organisation.h"

#include "common/mem.h"
#include "common/text.h"
#include "common/zone.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/options.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define TOKEN_BYTES 32

int64_t organisation_find(struct db *db, const char *slug)
{
    return db_id(db, Q_CTL_ORGANISATION_FIND, 1, &slug);
}

int64_t organisation_create(struct db *db, const struct organisation_new *o)
{
    const char *values[] = {o->slug, o->name, o->time_zone, o->language, o->currency};

    return db_id(db, Q_CTL_ORGANISATION_CREATE, 5, values);
}

char *token_create(const void *ctx, struct db *db, int64_t org_id, const char *name,
                   const char *role)
{
    unsigned char bytes[TOKEN_BYTES];
    char base64[sodium_base64_ENCODED_LEN(TOKEN_BYTES, sodium_base64_VARIANT_URLSAFE_NO_PADDING)];
    char hash[TEXT_SHA256], bytea[TEXT_SHA256 + 2], id[24];
    const char *values[] = {id, name, role, bytea};
    char *token;

    randombytes_buf(bytes, sizeof(bytes));
    sodium_bin2base64(base64, sizeof(base64), bytes, sizeof(bytes),
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    token = mem_printf(ctx, "lazo_%s", base64);
    snprintf(bytea, sizeof(bytea), "\\x%s", text_sha256(token, strlen(token), hash));
    snprintf(id, sizeof(id), "%" PRId64, org_id);
    if (db_id(db, Q_CTL_TOKEN_CREATE, 4, values) <= 0) {
        talloc_free(token);
        return NULL;
    }
    return token;
}

int ctl_organisation(int argc, char **argv)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    const char *conninfo = CTL_OWNER_CONNINFO;
    struct organisation_new o = {.time_zone = "Europe/Madrid", .language = "es", .currency = "EUR"};
    const struct option_spec specs[] = {
        {.name = "database", .text = &conninfo},     {.name = "name", .text = &o.name},
        {.name = "time-zone", .text = &o.time_zone}, {.name = "language", .text = &o.language},
        {.name = "currency", .text = &o.currency},   {0},
    };
    struct db *db;
    int64_t id;

    if (!options_parse(&argc, argv, specs) || argc != 3 || strcmp(argv[1], "create") != 0)
        return ctl_usage("organisation");
    o.slug = argv[2];
    if (o.name == NULL)
        o.name = o.slug;
    if (!zone_known(o.time_zone)) {
        fprintf(stderr, "lazoctl organisation: %s is no time zone like Europe/Madrid\n",
                o.time_zone);
        return CTL_USAGE;
    }
    db = db_open(ctx, conninfo);
    id = db == NULL ? -1 : organisation_create(db, &o);
    if (id < 0)
        return CTL_FAILED;
    printf("organisation %s has the id %" PRId64 "\n", o.slug, id);
    return CTL_DONE;
}

int ctl_token(int argc, char **argv)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    const char *conninfo = CTL_OWNER_CONNINFO, *slug = NULL, *role = "owner", *name = "lazoctl";
    const struct option_spec specs[] = {
        {.name = "database", .text = &conninfo},
        {.name = "organisation", .text = &slug},
        {.name = "role", .text = &role},
        {.name = "name", .text = &name},
        {0},
    };
    struct db *db;
    int64_t org_id;
    char *token;

    if (!options_parse(&argc, argv, specs) || argc != 2 || strcmp(argv[1], "create") != 0 ||
        slug == NULL)
        return ctl_usage("token");
    db = db_open(ctx, conninfo);
    org_id = db == NULL ? -1 : organisation_find(db, slug);
    if (org_id == 0)
        fprintf(stderr, "lazoctl token: there is no organisation %s\n", slug);
    token = org_id <= 0 ? NULL : token_create(ctx, db, org_id, name, role);
    if (token == NULL)
        return CTL_FAILED;
    puts(token);
    return CTL_DONE;
}
