/* place.c - see place.h. Follows the parser's events down the pointer's steps and notes each mark
 * on the way. */
#include "daemon/ctl/place.h"

#include "common/mem.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct place {
    yaml_parser_t parser;
    yaml_event_t event; /* the current one */
    int line, column;
};

/* The next event; false at the end or where the text is no YAML. */
static bool place_next(struct place *p)
{
    yaml_event_delete(&p->event);
    return yaml_parser_parse(&p->parser, &p->event) == 1 && p->event.type != YAML_STREAM_END_EVENT;
}

static void place_note(struct place *p)
{
    p->line = (int)p->event.start_mark.line + 1;
    p->column = (int)p->event.start_mark.column + 1;
}

static bool begins_node(const struct place *p)
{
    return p->event.type == YAML_MAPPING_START_EVENT || p->event.type == YAML_SEQUENCE_START_EVENT;
}

static bool ends_node(const struct place *p)
{
    return p->event.type == YAML_MAPPING_END_EVENT || p->event.type == YAML_SEQUENCE_END_EVENT;
}

/* Passes over the node that the current event begins. */
static bool place_skip(struct place *p)
{
    int depth = begins_node(p);

    while (depth > 0) {
        if (!place_next(p))
            return false;
        depth += begins_node(p) - ends_node(p);
    }
    return true;
}

/* The pointer's next step, with ~1 and ~0 undone; child of ctx. *pointer moves on. */
static char *step_take(const void *ctx, const char **pointer)
{
    size_t n = strcspn(*pointer + 1, "/"), used = 0;
    char *step = mem_strndup(ctx, *pointer + 1, n);

    *pointer += 1 + n;
    for (size_t i = 0; step[i] != '\0'; i++) {
        char c = step[i];

        if (c == '~' && (step[i + 1] == '0' || step[i + 1] == '1'))
            c = step[++i] == '1' ? '/' : '~';
        step[used++] = c;
    }
    step[used] = '\0';
    return step;
}

/* From the start of a mapping to the value of `key`; the key's place is noted. */
static bool mapping_enter(struct place *p, const char *key)
{
    while (place_next(p) && p->event.type == YAML_SCALAR_EVENT) {
        bool found = strcmp((const char *)p->event.data.scalar.value, key) == 0;

        if (found)
            place_note(p);
        if (!place_next(p))
            return false;
        if (found)
            return true;
        if (!place_skip(p))
            return false;
    }
    return false;
}

static bool sequence_enter(struct place *p, const char *index)
{
    for (long left = strtol(index, NULL, 10); place_next(p) && !ends_node(p); left--) {
        if (left == 0) {
            place_note(p);
            return true;
        }
        if (!place_skip(p))
            return false;
    }
    return false;
}

void place_find(const char *yaml, size_t n, const char *pointer, int *ret_line, int *ret_column)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    struct place p = {.line = 1, .column = 1};
    bool there = true;

    if (yaml_parser_initialize(&p.parser) == 0)
        bug("the YAML parser does not start");
    yaml_parser_set_input_string(&p.parser, (const unsigned char *)yaml, n);
    do
        there = place_next(&p);
    while (there && !begins_node(&p) && p.event.type != YAML_SCALAR_EVENT);
    while (there && *pointer == '/') {
        const char *step = step_take(ctx, &pointer);

        if (p.event.type == YAML_MAPPING_START_EVENT)
            there = mapping_enter(&p, step);
        else if (p.event.type == YAML_SEQUENCE_START_EVENT)
            there = sequence_enter(&p, step);
        else
            there = false;
    }
    yaml_event_delete(&p.event);
    yaml_parser_delete(&p.parser);
    *ret_line = p.line;
    *ret_column = p.column;
}
