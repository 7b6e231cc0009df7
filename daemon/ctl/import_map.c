/* import_map.c - see import_map.h. To know another heading: a line in `words`, in small letters
 * without accents, words joined by _. */
#include "daemon/ctl/import_map.h"

#include "common/mem.h"
#include "common/suggest.h"
#include "common/text.h"
#include "common/utf8.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define WORD_MAX 100

static const char *const contact_fields[] = {
    "email",     "external_id", "first_name", "last_name", "company_name", "phone",
    "language",  "country",     "street",     "city",      "postal_code",  "birth_date",
    "time_zone", "stage",       "tags",       "groups"};
static const char *const interaction_fields[] = {"kind",   "occurred_at", "amount", "currency",
                                                 "source", "key",         "amends"};
#define CONTACT_FIELDS     (sizeof(contact_fields) / sizeof(contact_fields[0]))
#define INTERACTION_FIELDS (sizeof(interaction_fields) / sizeof(interaction_fields[0]))

static const struct {
    const char *heading, *field;
} words[] = {
    {"e_mail", "email"},
    {"mail", "email"},
    {"correo", "email"},
    {"correo_electronico", "email"},
    {"email_address", "email"},
    {"e_mail_address", "email"},
    {"direccion_de_correo", "email"},
    {"id", "external_id"},
    {"customer_id", "external_id"},
    {"contact_id", "external_id"},
    {"user_id", "external_id"},
    {"donor_id", "external_id"},
    {"member_id", "external_id"},
    {"id_externo", "external_id"},
    {"codigo", "external_id"},
    {"numero_de_socio", "external_id"},
    {"n_socio", "external_id"},
    {"num_socio", "external_id"},
    {"socio", "external_id"},
    {"firstname", "first_name"},
    {"given_name", "first_name"},
    {"nombre", "first_name"},
    {"nombre_de_pila", "first_name"},
    {"lastname", "last_name"},
    {"surname", "last_name"},
    {"family_name", "last_name"},
    {"apellido", "last_name"},
    {"apellidos", "last_name"},
    {"company", "company_name"},
    {"organization", "company_name"},
    {"organisation", "company_name"},
    {"empresa", "company_name"},
    {"razon_social", "company_name"},
    {"telefono", "phone"},
    {"movil", "phone"},
    {"telephone", "phone"},
    {"mobile", "phone"},
    {"phone_number", "phone"},
    {"lang", "language"},
    {"idioma", "language"},
    {"lengua", "language"},
    {"pais", "country"},
    {"country_code", "country"},
    {"calle", "street"},
    {"direccion", "street"},
    {"domicilio", "street"},
    {"address", "street"},
    {"street_address", "street"},
    {"ciudad", "city"},
    {"poblacion", "city"},
    {"localidad", "city"},
    {"municipio", "city"},
    {"town", "city"},
    {"zip", "postal_code"},
    {"zip_code", "postal_code"},
    {"postcode", "postal_code"},
    {"codigo_postal", "postal_code"},
    {"cp", "postal_code"},
    {"birthday", "birth_date"},
    {"birthdate", "birth_date"},
    {"date_of_birth", "birth_date"},
    {"dob", "birth_date"},
    {"fecha_de_nacimiento", "birth_date"},
    {"fecha_nacimiento", "birth_date"},
    {"nacimiento", "birth_date"},
    {"cumpleanos", "birth_date"},
    {"timezone", "time_zone"},
    {"zona_horaria", "time_zone"},
    {"etapa", "stage"},
    {"tag", "tags"},
    {"etiqueta", "tags"},
    {"etiquetas", "tags"},
    {"group", "groups"},
    {"grupo", "groups"},
    {"grupos", "groups"},
    {"type", "kind"},
    {"tipo", "kind"},
    {"event", "kind"},
    {"evento", "kind"},
    {"date", "occurred_at"},
    {"fecha", "occurred_at"},
    {"timestamp", "occurred_at"},
    {"time", "occurred_at"},
    {"order_date", "occurred_at"},
    {"donation_date", "occurred_at"},
    {"fecha_donacion", "occurred_at"},
    {"fecha_de_la_donacion", "occurred_at"},
    {"importe", "amount"},
    {"cantidad", "amount"},
    {"donativo", "amount"},
    {"revenue", "amount"},
    {"total", "amount"},
    {"value", "amount"},
    {"moneda", "currency"},
    {"divisa", "currency"},
    {"origen", "source"},
    {"fuente", "source"},
    {"clave", "key"},
    {"message_id", "key"},
    {"order_id", "key"},
    {"transaction_id", "key"},
    {"recibo", "key"},
    {"refund_of", "amends"},
    {"amends_key", "amends"},
    {"devolucion_de", "amends"},
    {"corrige", "amends"},
};

/* A Latin letter without its accent; 0 where `c` is none that we know. */
static char letter_of(uint32_t c)
{
    static const struct {
        uint32_t from;
        char to;
    } letters[] = {{0xE1, 'a'}, {0xE0, 'a'}, {0xC1, 'a'}, {0xC0, 'a'}, {0xE9, 'e'},
                   {0xE8, 'e'}, {0xC9, 'e'}, {0xED, 'i'}, {0xCD, 'i'}, {0xF3, 'o'},
                   {0xF2, 'o'}, {0xD3, 'o'}, {0xFA, 'u'}, {0xFC, 'u'}, {0xDA, 'u'},
                   {0xDC, 'u'}, {0xF1, 'n'}, {0xD1, 'n'}, {0xE7, 'c'}, {0xC7, 'c'}};

    for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++) {
        if (letters[i].from == c)
            return letters[i].to;
    }
    if (c >= 'A' && c <= 'Z')
        return (char)(c - 'A' + 'a');
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ? (char)c : 0;
}

/* "Correo electrónico" -> "correo_electronico". */
static void heading_fold(const char *heading, char out[WORD_MAX])
{
    size_t left = strlen(heading), n = 0, used;

    for (; left > 0 && n + 1 < WORD_MAX; heading += used, left -= used) {
        char c;

        used = utf8_length(heading, left);
        c = used == 0 ? 0 : letter_of(utf8_decode(heading, used));
        used = used == 0 ? 1 : used;
        if (c != 0)
            out[n++] = c;
        else if (n > 0 && out[n - 1] != '_')
            out[n++] = '_';
    }
    while (n > 0 && out[n - 1] == '_')
        n--;
    out[n] = '\0';
}

/* The field of this very name; NULL where there is none. */
static const char *field_find(const char *name)
{
    for (size_t i = 0; i < CONTACT_FIELDS; i++) {
        if (strcmp(contact_fields[i], name) == 0)
            return contact_fields[i];
    }
    for (size_t i = 0; i < INTERACTION_FIELDS; i++) {
        if (strcmp(interaction_fields[i], name) == 0)
            return interaction_fields[i];
    }
    return NULL;
}

static bool is_open_field(const char *name)
{
    return (text_begins(name, "attr.") && name[5] != '\0') ||
           (text_begins(name, "data.") && name[5] != '\0');
}

static bool is_of_interaction(const char *field)
{
    if (text_begins(field, "data."))
        return true;
    for (size_t i = 0; i < INTERACTION_FIELDS; i++) {
        if (strcmp(interaction_fields[i], field) == 0)
            return true;
    }
    return false;
}

const char *import_map_guess(const char *heading)
{
    char folded[WORD_MAX];
    const char *field;

    heading_fold(heading, folded);
    field = field_find(folded);
    for (size_t i = 0; field == NULL && i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(words[i].heading, folded) == 0)
            field = words[i].field;
    }
    return field;
}

/* What --map says of this column; NULL where it says nothing. */
static const char *said_of(const struct option_list *said, const char *heading)
{
    size_t n = strlen(heading);

    for (size_t i = 0; i < said->n; i++) {
        if (strncmp(said->items[i], heading, n) == 0 && said->items[i][n] == '=')
            return said->items[i] + n + 1;
    }
    return NULL;
}

static bool field_said(const char *heading, const char *said, const char **ret_field)
{
    const char *known[CONTACT_FIELDS + INTERACTION_FIELDS], *near;

    *ret_field = strcmp(said, "-") == 0 ? "" : is_open_field(said) ? said : field_find(said);
    if (*ret_field != NULL)
        return true;
    memcpy(known, contact_fields, sizeof(contact_fields));
    memcpy(known + CONTACT_FIELDS, interaction_fields, sizeof(interaction_fields));
    near = suggest_nearest(said, known, CONTACT_FIELDS + INTERACTION_FIELDS);
    fprintf(stderr, "lazoctl import: --map %s=%s: there is no field %s%s%s%s\n", heading, said,
            said, near != NULL ? "; did you mean " : "", near != NULL ? near : "",
            near != NULL ? "?" : "");
    return false;
}

static bool column_read(const void *ctx, const char *heading, size_t i,
                        const struct option_list *said, bool interactions, const char **ret_field)
{
    const char *word = said_of(said, heading);

    if (word != NULL)
        return field_said(heading, word, ret_field);
    *ret_field = is_open_field(heading) ? mem_strdup(ctx, heading) : import_map_guess(heading);
    if (*ret_field == NULL) {
        fprintf(stderr,
                "lazoctl import: column %zu, \"%s\", is not known; say --map '%s=FIELD', or --map "
                "'%s=-' to leave it out\n",
                i + 1, heading, heading, heading);
        return false;
    }
    if (!interactions && is_of_interaction(*ret_field))
        *ret_field = "";
    return true;
}

/* Each word of --map must speak of a column. */
static bool said_used(const struct import_map *map, const struct option_list *said)
{
    bool ok = true;

    for (size_t i = 0; i < said->n; i++) {
        const char *equals = strchr(said->items[i], '=');
        bool used = false;

        for (size_t k = 0; equals != NULL && k < map->n; k++)
            used = used || said_of(&(struct option_list){.items = {said->items[i]}, .n = 1},
                                   map->headings[k]) != NULL;
        if (!used)
            fprintf(stderr, "lazoctl import: --map %s: %s\n", said->items[i],
                    equals == NULL ? "COLUMN=FIELD is wanted" : "the file has no such column");
        ok = ok && used;
    }
    return ok;
}

static bool fields_once(const struct import_map *map)
{
    bool ok = true;

    for (size_t i = 0; i < map->n; i++) {
        for (size_t k = i + 1; *map->fields[i] != '\0' && k < map->n; k++) {
            if (strcmp(map->fields[i], map->fields[k]) != 0)
                continue;
            fprintf(stderr,
                    "lazoctl import: the columns \"%s\" and \"%s\" are both %s; say --map for one "
                    "of them\n",
                    map->headings[i], map->headings[k], map->fields[i]);
            ok = false;
        }
    }
    return ok;
}

bool import_map_read(const void *ctx, const struct csv_record *header,
                     const struct option_list *said, bool interactions, struct import_map *ret_map)
{
    struct import_map map = {.n = header->n,
                             .headings = mem_array(ctx, const char *, header->n),
                             .fields = mem_array(ctx, const char *, header->n)};
    bool ok = true;

    for (size_t i = 0; i < map.n; i++) {
        map.headings[i] = text_trim(mem_strdup(ctx, header->fields[i]));
        ok = column_read(ctx, map.headings[i], i, said, interactions, &map.fields[i]) && ok;
    }
    ok = said_used(&map, said) && ok;
    if (!ok || !fields_once(&map))
        return false;
    *ret_map = map;
    if (import_map_column(&map, "email") >= 0 || import_map_column(&map, "external_id") >= 0)
        return true;
    fputs("lazoctl import: no column says who it is: email or external_id is wanted\n", stderr);
    return false;
}

int import_map_column(const struct import_map *map, const char *name)
{
    for (size_t i = 0; i < map->n; i++) {
        if (strcmp(map->fields[i], name) == 0)
            return (int)i;
    }
    for (size_t i = 0; i < map->n; i++) {
        if (strcmp(map->headings[i], name) == 0)
            return (int)i;
    }
    return -1;
}
