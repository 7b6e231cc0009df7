/* pgres.c - reading results; see pgpool.h. */
#include "daemon/pg/pgres.h"

#include "common/clock.h"
#include "common/mem.h"
#include "common/text.h"
#include "daemon/pg/pgpool.h"

#include <stdlib.h>
#include <string.h>

bool pgres_ok(const struct pgres *res)
{
    ExecStatusType status = PQresultStatus(res->result);

    return res->result != NULL && !res->aborted &&
           (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK);
}

const char *pgres_sqlstate(const struct pgres *res)
{
    const char *state =
        res->sqlstate != NULL ? res->sqlstate : PQresultErrorField(res->result, PG_DIAG_SQLSTATE);

    return state == NULL ? "" : state;
}

/* Class 57P: the server goes down or comes up; 08: the connection. */
bool pgres_lost(const struct pgres *res)
{
    const char *state;

    if (pgres_ok(res))
        return false;
    if (res->result == NULL && res->sqlstate == NULL)
        return true;
    state = pgres_sqlstate(res);
    return strncmp(state, "57P", 3) == 0 || strncmp(state, "08", 2) == 0 ||
           (state[0] == '\0' && !res->aborted);
}

/* A foreign key, a unique one, serialisation, deadlock. */
bool pgres_raced(const struct pgres *res)
{
    static const char *const states[] = {"23503", "23505", "40001", "40P01"};

    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
        if (strcmp(pgres_sqlstate(res), states[i]) == 0)
            return true;
    return false;
}

const char *pgres_message(const struct pgres *res)
{
    const char *message = res->message != NULL
                              ? res->message
                              : PQresultErrorField(res->result, PG_DIAG_MESSAGE_PRIMARY);

    if (message != NULL)
        return message;
    return res->aborted ? "not executed: an earlier statement failed" : "connection lost";
}

const char *pgres_constraint(const struct pgres *res)
{
    const char *name = res->constraint != NULL
                           ? res->constraint
                           : PQresultErrorField(res->result, PG_DIAG_CONSTRAINT_NAME);

    return name == NULL ? "" : name;
}

struct pgres pgres_copy_failure(const void *ctx, const struct pgres *res)
{
    struct pgres copy = {.aborted = res->aborted};

    if (res->result == NULL)
        return copy;
    copy.sqlstate = mem_strdup(ctx, pgres_sqlstate(res));
    copy.message = mem_strdup(ctx, pgres_message(res));
    copy.constraint = mem_strdup(ctx, pgres_constraint(res));
    return copy;
}

int pgres_rows(const struct pgres *res)
{
    return pgres_ok(res) ? PQntuples(res->result) : 0;
}

int64_t pgres_affected(const struct pgres *res)
{
    return pgres_ok(res) ? strtoll(PQcmdTuples(res->result), NULL, 10) : 0;
}

bool pgres_has(const struct pgres *res, const char *column)
{
    return PQfnumber(res->result, column) >= 0;
}

static int pgres_column(const struct pgres *res, const char *column)
{
    int number = PQfnumber(res->result, column);

    if (number < 0)
        bug("no column %s in the result", column);
    return number;
}

const char *pgres_text(const struct pgres *res, int row, const char *column)
{
    int number = pgres_column(res, column);

    return PQgetisnull(res->result, row, number) ? NULL : PQgetvalue(res->result, row, number);
}

int64_t pgres_int(const struct pgres *res, int row, const char *column)
{
    const char *text = pgres_text(res, row, column);

    return text == NULL ? 0 : strtoll(text, NULL, 10);
}

bool pgres_bool(const struct pgres *res, int row, const char *column)
{
    const char *text = pgres_text(res, row, column);

    return text != NULL && text[0] == 't';
}

bool pgres_null(const struct pgres *res, int row, const char *column)
{
    return pgres_text(res, row, column) == NULL;
}

int64_t pgres_instant(const struct pgres *res, int row, const char *column)
{
    const char *text = pgres_text(res, row, column);
    int64_t at_us;

    if (text == NULL)
        return INT64_MIN;
    if (clock_parse(text, &at_us))
        return at_us;
    /* -infinity, before the year 1; infinity, after the year 9999: whoever wrote with psql may. */
    return text[0] == '-' || text_ends(text, " BC") ? CLOCK_FIRST_US : INT64_MAX;
}

int64_t *pgres_ints(const struct pgres *res, int row, const char *column, const void *ctx,
                    size_t *ret_n)
{
    const char *text = pgres_text(res, row, column);
    size_t n = 0;
    int64_t *values;

    for (const char *s = text; s != NULL && *s != '\0'; s++)
        n += *s == ',' || *s == '{';
    values = mem_array(ctx, int64_t, n);
    n = 0;
    if (text != NULL && text[0] == '{' && text[1] != '}') {
        for (char *s = (char *)text + 1;; s++) {
            values[n++] = strtoll(s, &s, 10);
            if (*s != ',')
                break;
        }
    }
    *ret_n = n;
    return values;
}
