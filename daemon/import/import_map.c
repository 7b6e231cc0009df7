/* import_map.c - see import_map.h. To know another heading: a line in `words`, in small letters
 * without accents, words joined by _. */
#include "daemon/import/import_map.h"

#include "common/mem.h"
#include "common/suggest.h"
#include "common/text.h"
#include "common/utf8.h"

#include <stdint.h>
#include <string.h>

#define WORD_MAX 100

static const char *const contact_fields[] = {
    "email",       "external_id",  "first_name", "last_name",  "company_name",
    "phone",       "language",     "country",    "street",     "city",
    "postal_code", "birth_date",   "time_zone",  "stage",      "tags",
    "groups",      "contact_kind", "deceased",   "deceased_on"};
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
    {"correo_personal", "email"},
    {"correo_del_trabajo", "email"},
    {"correo_alternativo", "email"},
    {"correo_secundario", "email"},
    {"otro_correo", "email"},
    {"email_personal", "email"},
    {"email_trabajo", "email"},
    {"email_alternativo", "email"},
    {"email_secundario", "email"},
    {"personal_email", "email"},
    {"home_email", "email"},
    {"work_email", "email"},
    {"other_email", "email"},
    {"secondary_email", "email"},
    {"alternative_email", "email"},
    {"direccion_de_correo", "email"},
    {"id", "external_id"},
    {"customer_id", "external_id"},
    {"customerid", "external_id"},
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
    {"primer_apellido", "last_name"},
    {"company", "company_name"},
    {"organization", "company_name"},
    {"organisation", "company_name"},
    {"empresa", "company_name"},
    {"razon_social", "company_name"},
    {"nombre_empresa", "company_name"},
    {"telefono", "phone"},
    {"movil", "phone"},
    {"telephone", "phone"},
    {"mobile", "phone"},
    {"phone_number", "phone"},
    {"tel", "phone"},
    {"tfno", "phone"},
    {"telefono_movil", "phone"},
    {"telefono_fijo", "phone"},
    {"telefono_del_trabajo", "phone"},
    {"telefono_trabajo", "phone"},
    {"telefono_casa", "phone"},
    {"otro_telefono", "phone"},
    {"fijo", "phone"},
    {"celular", "phone"},
    {"mobile_phone", "phone"},
    {"cell_phone", "phone"},
    {"cell", "phone"},
    {"home_phone", "phone"},
    {"work_phone", "phone"},
    {"other_phone", "phone"},
    {"lang", "language"},
    {"idioma", "language"},
    {"lengua", "language"},
    {"direccion", "street"},
    {"domicilio", "street"},
    {"calle", "street"},
    {"address", "street"},
    {"fallecido", "deceased"},
    {"fecha_de_fallecimiento", "deceased_on"},
    {"fecha_fallecimiento", "deceased_on"},
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
    {"empleado_de", "relation.employee of"},
    {"empleada_de", "relation.employee of"},
    {"trabaja_en", "relation.employee of"},
    {"works_for", "relation.employee of"},
    {"works_at", "relation.employee of"},
    {"employer", "relation.employee of"},
    {"employee_of", "relation.employee of"},
    {"miembro_de", "relation.member of"},
    {"socio_de", "relation.member of"},
    {"member_of", "relation.member of"},
    {"hogar", "relation.member of household"},
    {"unidad_familiar", "relation.member of household"},
    {"household", "relation.member of household"},
    {"member_of_household", "relation.member of household"},
    {"conyuge", "relation.spouse"},
    {"pareja", "relation.spouse"},
    {"spouse", "relation.spouse"},
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
    {"fecha_donativo", "occurred_at"},
    {"invoicedate", "occurred_at"},
    {"invoice_date", "occurred_at"},
    {"fecha_factura", "occurred_at"},
    {"fecha_de_la_donacion", "occurred_at"},
    {"importe", "amount"},
    {"importe_eur", "amount"},
    {"euros", "amount"},
    {"donacion", "amount"},
    {"cuota", "amount"},
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

const char *import_field_relation(const char *name)
{
    size_t n = strlen("relation.");

    return text_begins(name, "relation.") && name[n] != '\0' ? name + n : NULL;
}

static bool is_open_field(const char *name)
{
    return (text_begins(name, "attr.") && name[5] != '\0') ||
           (text_begins(name, "data.") && name[5] != '\0') || import_field_relation(name) != NULL;
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

static const char *word_find(const char *folded)
{
    const char *field = field_find(folded);

    for (size_t i = 0; field == NULL && i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(words[i].heading, folded) == 0)
            field = words[i].field;
    }
    return field;
}

bool import_field_again(const char *name)
{
    return strcmp(name, "email") == 0 || strcmp(name, "phone") == 0 ||
           import_field_relation(name) != NULL;
}

const char *import_map_guess(const char *heading)
{
    char folded[WORD_MAX];
    const char *field;
    size_t n;

    heading_fold(heading, folded);
    field = word_find(folded);
    if (field != NULL)
        return field;
    /* "Teléfono 2" */
    n = strlen(folded);
    while (n > 0 && ((folded[n - 1] >= '0' && folded[n - 1] <= '9') || folded[n - 1] == '_'))
        n--;
    folded[n] = '\0';
    field = word_find(folded);
    return field != NULL && import_field_again(field) ? field : NULL;
}

bool import_field_known(const char *name)
{
    return is_open_field(name) || field_find(name) != NULL;
}

bool import_field_of_interaction(const char *field)
{
    return is_of_interaction(field);
}

const char *import_field_nearest(const char *name)
{
    const char *known[CONTACT_FIELDS + INTERACTION_FIELDS];

    memcpy(known, contact_fields, sizeof(contact_fields));
    memcpy(known + CONTACT_FIELDS, interaction_fields, sizeof(interaction_fields));
    return suggest_nearest(name, known, CONTACT_FIELDS + INTERACTION_FIELDS);
}

static size_t heading_count(const char *const *headings, size_t n, const char *heading)
{
    size_t count = 0;

    for (size_t i = 0; i < n; i++)
        count += strcmp(headings[i], heading) == 0;
    return count;
}

void import_map_header(const void *ctx, const char *const *headings, size_t n,
                       struct import_map *ret_map)
{
    struct import_map map = {.n = n,
                             .headings = mem_array(ctx, const char *, n),
                             .fields = mem_array(ctx, const char *, n)};
    const char **plain = mem_array(ctx, const char *, n);

    for (size_t i = 0; i < n; i++) {
        const char *heading = text_trim(mem_strdup(plain, headings[i]));
        size_t twin;

        plain[i] = *heading != '\0' ? heading : mem_printf(plain, "column %zu", i + 1);
        twin = heading_count(plain, i, plain[i]) + 1;
        map.headings[i] =
            twin == 1 ? mem_strdup(ctx, plain[i]) : mem_printf(ctx, "%s (%zu)", plain[i], twin);
        while (heading_count(map.headings, i, map.headings[i]) > 0)
            map.headings[i] = mem_printf(ctx, "%s (%zu)", plain[i], ++twin);
        map.fields[i] = NULL;
    }
    talloc_free(plain);
    *ret_map = map;
}

int import_map_heading(const struct import_map *map, const char *heading)
{
    for (size_t i = 0; i < map->n; i++)
        if (strcmp(map->headings[i], heading) == 0)
            return (int)i;
    return -1;
}

int import_map_field(const struct import_map *map, const char *field)
{
    for (size_t i = 0; i < map->n; i++)
        if (map->fields[i] != NULL && strcmp(map->fields[i], field) == 0)
            return (int)i;
    return -1;
}
