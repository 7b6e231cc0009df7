/* batch_erased.c - names of a batch whose person was erased. Only an organisation that erased
 * somebody, and only names that nobody has, cost a question. */
#include "daemon/record/batch.h"

#include "common/mem.h"
#include "daemon/record/erased.h"

static void hashes_of(struct batch *b, const char *secret,
                      bool (*wanted)(const struct batch_name *), struct pgargs *args)
{
    struct pgarray hashes;

    pgarray_init(&hashes, b);
    b->asked = mem_array(b, struct batch_name *, b->identities.n);
    b->n_asked = 0;
    for (size_t i = 0; i < b->identities.n; i++) {
        struct batch_name *name = b->identities.list[i];
        char *hash;

        if (!wanted(name))
            continue;
        hash = erased_hash(b, secret, b->org_id, name->first, name->second);
        pgarray_text(&hashes, hash);
        talloc_free(hash);
        b->asked[b->n_asked++] = name;
    }
    pgargs_init(args, b);
    pgargs_array(args, &hashes);
}

static bool is_nobodys(const struct batch_name *name)
{
    return name->contact_id == 0;
}

bool batch_erased_args(struct batch *b, const char *secret, struct pgargs *args)
{
    if (!b->some_erased || secret == NULL)
        return false;
    hashes_of(b, secret, is_nobodys, args);
    return b->n_asked > 0;
}

void batch_on_erased(struct batch *b, const struct pgres *res)
{
    for (int row = 0; row < pgres_rows(res); row++)
        b->asked[pgres_int(res, row, "ord")]->erased = true;
}

static bool is_returned(const struct batch_name *name)
{
    return name->returned;
}

bool batch_returned_args(struct batch *b, const char *secret, struct pgargs *args)
{
    if (!b->some_erased || secret == NULL)
        return false;
    hashes_of(b, secret, is_returned, args);
    return b->n_asked > 0;
}
