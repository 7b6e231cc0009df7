/* ruleset.c - see ruleset.h. */
#include "daemon/evaluate/ruleset.h"

#include "common/mem.h"

#include <ctype.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define KEY_BYTES 16

/* A rule while the set is made. */
struct entry {
    const char *name;
    int64_t id;
    const struct rule *rule;
    int level; /* -1: not found yet */
    int32_t part;
    const char *reads; /* beside kinds */
    size_t group;
    const char *const *words;
    size_t n_words;
    bool related;
};

struct making {
    const void *ctx; /* scratch */
    struct ruleset *set;
    const struct catalogue *cat;
    enum ruleset_form form;
    struct entry *entries;
    size_t n;
};

/* --- the rules ----------------------------------------------------------------------------------
 */

static bool is_among(int64_t id, const int64_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (ids[i] == id)
            return true;
    return false;
}

static const struct rule *compile_rule(const void *ctx, const struct catalogue_segment *s,
                                       const struct catalogue *c, struct diag *d)
{
    struct diag found;
    struct rule *rule;

    diag_init(&found, ctx);
    rule = rule_parse(ctx, s->rule, strlen(s->rule), &found);
    if (rule != NULL && rule_check(rule, c, &found, NULL))
        return rule;
    diag_field(d, s->name, "%s", found.n > 0 ? found.items[0].message : "the rule does not check");
    return NULL;
}

static void read_rules(struct making *m, const int64_t *only, size_t n_only, struct diag *d)
{
    m->entries = mem_array(m->ctx, struct entry, m->cat->n_segments);
    for (size_t i = 0; i < m->cat->n_segments; i++) {
        const struct catalogue_segment *s = &m->cat->segments[i];
        const struct rule *rule;

        if (s->rule == NULL || (only != NULL && !is_among(s->id, only, n_only)))
            continue;
        rule = compile_rule(m->ctx, s, m->cat, d);
        if (rule != NULL)
            m->entries[m->n++] =
                (struct entry){.name = s->name, .id = s->id, .rule = rule, .level = -1};
    }
}

/* --- levels and parts ---------------------------------------------------------------------------
 */

static int entry_level(struct making *m, struct entry *e);

static int level_of_name(struct making *m, const char *name)
{
    for (size_t i = 0; i < m->n; i++)
        if (strcmp(m->entries[i].name, name) == 0)
            return entry_level(m, &m->entries[i]);
    return -1;
}

/* One above the highest that it refers to. A circle is refused when a rule is saved; should there
 * be one all the same, it is cut somewhere. */
static int entry_level(struct making *m, struct entry *e)
{
    const char *const *names;
    size_t n;
    int level = 0;

    if (e->level >= 0)
        return e->level;
    e->level = 0;
    names = rule_segments(e->rule, &n);
    for (size_t i = 0; i < n; i++) {
        int below = level_of_name(m, names[i]);

        level = below >= level ? below + 1 : level;
    }
    e->level = level;
    return level;
}

static int compare_names(const void *a, const void *b)
{
    return strcasecmp(*(const char *const *)a, *(const char *const *)b);
}

static uint32_t hash_word(uint32_t hash, const char *word)
{
    for (; *word != '\0'; word++)
        hash = (hash ^ (uint32_t)tolower((unsigned char)*word)) * 16777619U;
    return (hash ^ '\n') * 16777619U;
}

/* From the kinds' names, not their ids: a kind that nobody used yet has none. Two parts that get
 * the same number are one. */
static int32_t part_of(const void *ctx, const struct rule *rule)
{
    uint32_t hash = 2166136261U;
    size_t n, n_words;
    const char *const *kinds = rule_kinds(rule, &n);
    const char *const *words = rule_reads(ctx, rule, &n_words);
    const char **names = mem_array(ctx, const char *, n + 1);

    for (size_t i = 0; i < n; i++)
        names[i] = kinds[i];
    for (size_t i = 0; i < n_words; i++)
        if (strcmp(words[i], "kind") == 0)
            names[n++] = "*";
    qsort(names, n, sizeof(names[0]), compare_names);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || strcasecmp(names[i], names[i - 1]) != 0)
            hash = hash_word(hash, names[i]);
    hash &= INT32_MAX;
    return hash <= RULESET_SCORES ? RULESET_SCORES + 1 : (int32_t)hash;
}

/* What the rule reads beside kinds, as one text. */
static const char *reads_of(const void *ctx, const struct rule *rule)
{
    size_t n;
    const char *const *words = rule_reads(ctx, rule, &n);
    char *reads = mem_strdup(ctx, "");

    for (size_t i = 0; i < n; i++)
        if (strncmp(words[i], "kind", 4) != 0)
            reads = mem_printf(ctx, "%s%s\n", reads, words[i]);
    return reads;
}

/* By level, then part; within them what reads the same stands together. */
static int compare_entries(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;

    if (x->level != y->level)
        return x->level < y->level ? -1 : 1;
    if (x->part != y->part)
        return x->part < y->part ? -1 : 1;
    if (strcmp(x->reads, y->reads) != 0)
        return strcmp(x->reads, y->reads);
    return x->id < y->id ? -1 : x->id > y->id;
}

/* --- statements ---------------------------------------------------------------------------------
 */

static const char *key_of(const void *ctx, const char *text)
{
    unsigned char hash[KEY_BYTES];
    char hex[2 * KEY_BYTES + 1];

    crypto_generichash(hash, sizeof(hash), (const unsigned char *)text, strlen(text), NULL, 0);
    return mem_strdup(ctx, sodium_bin2hex(hex, sizeof(hex), hash, sizeof(hash)));
}

static struct rule_sql *compile_form(const struct making *m, const struct rule_root *roots,
                                     size_t n)
{
    switch (m->form) {
    case RULESET_some:
        return rule_compile_some(m->set, roots, n, m->cat);
    case RULESET_page:
        return rule_compile_page(m->set, roots, n, m->cat);
    case RULESET_range:
        return rule_compile_range(m->set, roots, n, m->cat);
    }
    bug("no such form");
}

static void compile_statement(struct making *m, struct ruleset_statement *s,
                              const struct entry *entries, size_t n)
{
    struct rule_root *roots = mem_array(m->ctx, struct rule_root, n);

    s->segments = mem_array(m->set, int64_t, n);
    s->n_segments = n;
    for (size_t i = 0; i < n; i++) {
        roots[i] = (struct rule_root){.rule = entries[i].rule, .tag = entries[i].id};
        s->segments[i] = entries[i].id;
    }
    s->sql = compile_form(m, roots, n);
    s->key = key_of(m->set, s->sql->text);
}

static bool same_group(const struct entry *a, const struct entry *b)
{
    return a->level == b->level && a->part == b->part;
}

static void compile_groups(struct making *m)
{
    struct ruleset *set = m->set;

    for (size_t i = 0; i < m->n; i++) {
        m->entries[i].level = entry_level(m, &m->entries[i]);
        m->entries[i].part = part_of(m->ctx, m->entries[i].rule);
        m->entries[i].reads = reads_of(m->ctx, m->entries[i].rule);
    }
    qsort(m->entries, m->n, sizeof(m->entries[0]), compare_entries);
    set->groups = mem_array(set, struct ruleset_group, m->n);
    for (size_t i = 0, end; i < m->n; i = end) {
        struct ruleset_group *g = &set->groups[set->n_groups];

        for (end = i;
             end < m->n && end < i + RULE_ROOTS_MAX && same_group(&m->entries[i], &m->entries[end]);
             end++)
            m->entries[end].group = set->n_groups;
        g->level = m->entries[i].level;
        g->part = m->entries[i].part;
        compile_statement(m, &g->statement, m->entries + i, end - i);
        set->n_groups++;
    }
}

/* --- words --------------------------------------------------------------------------------------
 */

static int compare_words(const void *a, const void *b)
{
    return strcmp(((const struct ruleset_word *)a)->word, ((const struct ruleset_word *)b)->word);
}

static const char *name_of(const struct catalogue_name *names, size_t n, int64_t id)
{
    for (size_t i = 0; i < n; i++)
        if (names[i].id == id)
            return names[i].name;
    return "";
}

static const char *field_of(const struct catalogue *c, int64_t id)
{
    for (size_t i = 0; i < c->n_fields; i++)
        if (c->fields[i].id == id)
            return c->fields[i].name;
    return "";
}

static const char *segment_of(const struct catalogue *c, int64_t id)
{
    for (size_t i = 0; i < c->n_segments; i++)
        if (c->segments[i].id == id)
            return c->segments[i].name;
    return "";
}

/* A word as people read it: what stands by number by its name. */
static const char *told(const struct making *m, const char *word)
{
    const struct catalogue *c = m->cat;
    size_t n = strcspn(word, ":");
    const char *what = word[n] == ':' ? word + n + 1 : "";
    int64_t id = strtoll(what, NULL, 10);

    if (strcmp(word, "kind") == 0)
        return "interaction";
    if (strcmp(word, "field:birth") == 0)
        return "field birth_date";
    if (strncmp(word, "kind:", 5) == 0)
        return mem_printf(m->set, "interaction %s", name_of(c->kinds, c->n_kinds, id));
    if (strncmp(word, "attr:", 5) == 0)
        return mem_printf(m->set, "field attr.%s", field_of(c, id));
    if (strncmp(word, "topic:", 6) == 0)
        return mem_printf(m->set, "topic %s", name_of(c->topics, c->n_topics, id));
    if (strncmp(word, "segment:", 8) == 0)
        return mem_printf(m->set, "segment %s", segment_of(c, id));
    if (strncmp(word, "score:", 6) == 0)
        return mem_printf(m->set, "score %s", name_of(c->models, c->n_models, id));
    return mem_printf(m->set, "%.*s%s%s", (int)n, word, *what == '\0' ? "" : " ", what);
}

static const char *add_word(const struct making *m, const char *word, size_t group)
{
    struct ruleset *set = m->set;
    struct ruleset_word *w = NULL;

    for (size_t i = 0; i < set->n_words && w == NULL; i++)
        if (strcmp(set->words[i].word, word) == 0)
            w = &set->words[i];
    if (w == NULL) {
        mem_grow(set, &set->words, &set->cap_words, set->n_words + 1);
        w = &set->words[set->n_words++];
        *w = (struct ruleset_word){.word = mem_strdup(set, word), .told = told(m, word)};
    }
    /* The groups come one after the other. */
    if (w->n == 0 || w->groups[w->n - 1] != group) {
        mem_grow(set, &w->groups, &w->cap, w->n + 1);
        w->groups[w->n++] = group;
    }
    return w->word;
}

static bool same_way(const struct rule_reach *a, const struct rule_reach *b)
{
    return a->n_hops == b->n_hops && strcmp(a->word, b->word) == 0 &&
           memcmp(a->hops, b->hops, a->n_hops * sizeof(a->hops[0])) == 0;
}

static void add_reach(struct ruleset *set, const struct rule_reach *way, size_t group)
{
    struct ruleset_reach *r = NULL;

    for (size_t i = 0; i < set->n_reaches && r == NULL; i++)
        if (same_way(&set->reaches[i].way, way))
            r = &set->reaches[i];
    if (r == NULL) {
        mem_grow(set, &set->reaches, &set->cap_reaches, set->n_reaches + 1);
        r = &set->reaches[set->n_reaches++];
        *r = (struct ruleset_reach){.way = *way};
        r->way.word = mem_strdup(set, way->word);
    }
    if (r->n > 0 && r->groups[r->n - 1] == group)
        return;
    mem_grow(set, &r->groups, &r->cap, r->n + 1);
    r->groups[r->n++] = group;
}

static void add_reference(struct ruleset *set, const char *word, int64_t by)
{
    static const char prefix[] = "segment:";
    int64_t to;

    if (strncmp(word, prefix, sizeof(prefix) - 1) != 0)
        return;
    to = strtoll(word + sizeof(prefix) - 1, NULL, 10);
    mem_grow(set, &set->references, &set->cap_references, set->n_references + 1);
    set->references[set->n_references++] = (struct ruleset_reference){.to = to, .by = by};
}

static void collect_words(struct making *m)
{
    for (size_t i = 0; i < m->n; i++) {
        size_t n_ways;
        const struct rule_reach *ways = rule_reaches(m->ctx, m->entries[i].rule, &n_ways);
        size_t n;
        const char *const *words = rule_reads(m->ctx, m->entries[i].rule, &n);
        const char **kept = mem_array(m->set, const char *, n);

        m->entries[i].words = kept;
        m->entries[i].n_words = n;
        m->entries[i].related = n_ways > 0;
        for (size_t w = 0; w < n; w++) {
            kept[w] = add_word(m, words[w], m->entries[i].group);
            add_reference(m->set, words[w], m->entries[i].id);
        }
        for (size_t w = 0; w < n_ways; w++) {
            add_reach(m->set, &ways[w], m->entries[i].group);
            add_reference(m->set, ways[w].word, m->entries[i].id);
        }
    }
    if (m->set->n_words > 0)
        qsort(m->set->words, m->set->n_words, sizeof(m->set->words[0]), compare_words);
}

static int compare_segments(const void *a, const void *b)
{
    int64_t x = ((const struct ruleset_segment *)a)->id,
            y = ((const struct ruleset_segment *)b)->id;

    return x < y ? -1 : x > y;
}

static void list_segments(struct making *m)
{
    struct ruleset *set = m->set;

    set->segments = mem_array(set, struct ruleset_segment, m->n);
    for (size_t i = 0; i < m->n; i++)
        set->segments[set->n_segments++] =
            (struct ruleset_segment){.id = m->entries[i].id,
                                     .group = m->entries[i].group,
                                     .words = m->entries[i].words,
                                     .n_words = m->entries[i].n_words,
                                     .related = m->entries[i].related};
    qsort(set->segments, set->n_segments, sizeof(set->segments[0]), compare_segments);
}

static bool reads_kind(const struct ruleset *set, int64_t id)
{
    char word[32];

    snprintf(word, sizeof(word), "kind:%" PRId64, id);
    return ruleset_word(set, word) != NULL || ruleset_reaches(set, word) ||
           ruleset_word(set, "kind") != NULL || ruleset_reaches(set, "kind") ||
           is_among(id, set->score_kinds, set->n_score_kinds);
}

static void list_move_kinds(struct making *m)
{
    struct ruleset *set = m->set;

    set->move_kinds = mem_array(set, int64_t, m->cat->n_kinds);
    for (size_t i = 0; i < m->cat->n_kinds; i++) {
        const struct catalogue_name *k = &m->cat->kinds[i];

        if ((strcmp(k->name, "segment_entered") == 0 || strcmp(k->name, "segment_left") == 0) &&
            reads_kind(set, k->id))
            set->move_kinds[set->n_move_kinds++] = k->id;
    }
}

struct ruleset *ruleset_compile(const void *ctx, const struct catalogue *c, enum ruleset_form form,
                                const int64_t *only, size_t n_only, struct diag *d)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct making m = {.ctx = scratch, .set = mem_new(ctx, struct ruleset), .cat = c, .form = form};

    for (size_t i = 0; i < c->n_kinds; i++)
        m.set->last_kind = c->kinds[i].id > m.set->last_kind ? c->kinds[i].id : m.set->last_kind;
    m.set->n_score_kinds = c->n_score_kinds;
    m.set->score_kinds = mem_array(m.set, int64_t, c->n_score_kinds);
    for (size_t i = 0; i < c->n_score_kinds; i++)
        m.set->score_kinds[i] = c->score_kinds[i];
    read_rules(&m, only, n_only, d);
    compile_groups(&m);
    collect_words(&m);
    list_segments(&m);
    list_move_kinds(&m);
    return m.set;
}

/* --- questions ----------------------------------------------------------------------------------
 */

const struct ruleset_word *ruleset_word(const struct ruleset *set, const char *word)
{
    struct ruleset_word key = {.word = word};

    return set->n_words == 0 ? NULL
                             : bsearch(&key, set->words, set->n_words, sizeof(key), compare_words);
}

const struct ruleset_word *ruleset_first(const struct ruleset *set, const char *prefix,
                                         const struct ruleset_word **ret_end)
{
    size_t first = 0, n = strlen(prefix);

    while (first < set->n_words && strncmp(set->words[first].word, prefix, n) < 0)
        first++;
    *ret_end = set->words + first;
    while (*ret_end < set->words + set->n_words && strncmp((*ret_end)->word, prefix, n) == 0)
        (*ret_end)++;
    return set->words + first;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

bool ruleset_segment_reads(const struct ruleset_segment *s, const char *word)
{
    return s->n_words > 0 &&
           bsearch(&word, s->words, s->n_words, sizeof(s->words[0]), compare_texts) != NULL;
}

bool ruleset_reaches(const struct ruleset *set, const char *word)
{
    for (size_t i = 0; i < set->n_reaches; i++)
        if (strcmp(set->reaches[i].way.word, word) == 0)
            return true;
    return false;
}

bool ruleset_reads_model(const struct ruleset *set, int64_t model_id)
{
    char word[32];

    snprintf(word, sizeof(word), "score:%" PRId64, model_id);
    return ruleset_word(set, word) != NULL || ruleset_reaches(set, word);
}

const struct ruleset_segment *ruleset_segment(const struct ruleset *set, int64_t id)
{
    struct ruleset_segment key = {.id = id};

    return set->n_segments == 0
               ? NULL
               : bsearch(&key, set->segments, set->n_segments, sizeof(key), compare_segments);
}

size_t ruleset_part_size(const struct ruleset *set, int32_t part)
{
    size_t n = 0;

    for (size_t i = 0; i < set->n_groups; i++)
        n += set->groups[i].part == part;
    return n;
}
