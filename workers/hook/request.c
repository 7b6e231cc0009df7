/* request.c - see request.h. curl's own URL parser is asked, so that what is checked is what curl
 * will call. */
#include "workers/hook/request.h"

#include "common/mem.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#define BODY_SHOWN 200

static int request_release(struct request *r)
{
    json_decref(r->job);
    return 0;
}

/* --- the job ----------------------------------------------------------------------------- */

static bool scheme_is_http(CURLU *u)
{
    char *scheme = NULL;
    bool yes = curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
               (strcasecmp(scheme, "http") == 0 || strcasecmp(scheme, "https") == 0);

    curl_free(scheme);
    return yes;
}

static bool has_host(CURLU *u)
{
    char *host = NULL;
    bool yes = curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK && *host != '\0';

    curl_free(host);
    return yes;
}

static const char *url_mistake(const char *url)
{
    CURLU *u;
    const char *why = NULL;

    if (strlen(url) > REQUEST_URL_MAX)
        return "the URL is too long";
    for (const char *c = url; *c != '\0'; c++)
        if ((unsigned char)*c <= 0x20 || *c == 0x7f || *c == '\\')
            return "the URL holds a space, a control character or a backslash";
    u = mem_must(curl_url());
    if (curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME | CURLU_DISALLOW_USER) !=
        CURLUE_OK)
        why = "the URL is malformed or holds a user";
    else if (!scheme_is_http(u))
        why = "the URL is neither http nor https";
    else if (!has_host(u))
        why = "the URL has no host";
    curl_url_cleanup(u);
    return why;
}

/* What stands in a header: no space, no control character; and no dot, which separates what is
 * signed. */
static const char *id_mistake(const char *id)
{
    if (*id == '\0' || strlen(id) > 200)
        return "the webhook id is empty or too long";
    for (const char *c = id; *c != '\0'; c++)
        if (*c <= 0x20 || *c >= 0x7f || *c == '.')
            return "the webhook id holds a character that it must not";
    return NULL;
}

static const char *secrets_read(struct request *r, const json_t *list)
{
    const json_t *item;
    size_t i;

    if (json_array_size(list) == 0 || json_array_size(list) > REQUEST_SECRETS)
        return "the webhook has no secret, or too many";
    json_array_foreach(list, i, item)
    {
        if (!json_is_string(item) ||
            !sign_secret_parse(r, json_string_value(item), &r->secrets[r->n_secrets++]))
            return "a secret is no base64";
    }
    return NULL;
}

static const char *request_read(struct request *r)
{
    const json_t *lease = json_object_get(r->job, "lease"), *body = json_object_get(r->job, "body");
    const char *why;

    r->lease = json_integer_value(lease);
    r->url = json_string_value(json_object_get(r->job, "url"));
    r->id = json_string_value(json_object_get(r->job, "webhook_id"));
    r->body = json_string_value(body);
    r->body_len = json_string_length(body);
    if (!json_is_integer(lease) || r->url == NULL || r->id == NULL || r->body == NULL)
        return "the job lacks lease, url, webhook_id or body";
    why = url_mistake(r->url);
    if (why == NULL)
        why = id_mistake(r->id);
    if (why == NULL)
        why = secrets_read(r, json_object_get(r->job, "secrets"));
    return why;
}

struct request *request_new(const void *ctx, const json_t *job, const char **ret_why)
{
    struct request *r = mem_new(ctx, struct request);
    const char *why;

    r->job = json_incref((json_t *)job);
    talloc_set_destructor(r, request_release);
    why = request_read(r);
    if (why == NULL)
        return r;
    talloc_free(r);
    *ret_why = why;
    return NULL;
}

void request_headers(const void *ctx, const struct request *r, int64_t now_s,
                     char *ret_lines[REQUEST_HEADERS])
{
    MEM_SCOPED char *signature =
        sign_webhook(NULL, r->id, now_s, r->body, r->body_len, r->secrets, r->n_secrets);

    ret_lines[0] = mem_strdup(ctx, "content-type: application/json");
    ret_lines[1] = mem_strdup(ctx, "user-agent: Lazo/" LAZO_VERSION);
    ret_lines[2] = mem_printf(ctx, "webhook-id: %s", r->id);
    ret_lines[3] = mem_printf(ctx, "webhook-timestamp: %" PRId64, now_s);
    ret_lines[4] = mem_printf(ctx, "webhook-signature: %s", signature);
    ret_lines[5] = mem_strdup(ctx, "accept: */*");
    ret_lines[6] = mem_strdup(ctx, "Expect:");
}

/* --- the answer -------------------------------------------------------------------------- */

enum verdict request_verdict(int status)
{
    if (status >= 200 && status <= 299)
        return VERDICT_SENT;
    return status == 410 ? VERDICT_GONE : VERDICT_AGAIN;
}

char *request_status_text(const void *ctx, int status, const char *body, size_t n)
{
    char shown[BODY_SHOWN + 1];
    size_t len = 0;

    for (size_t i = 0; i < n && len < BODY_SHOWN; i++) {
        unsigned char c = (unsigned char)body[i];

        if (c > 0x20 && c < 0x7f)
            shown[len++] = (char)c;
        else if (len > 0 && shown[len - 1] != ' ')
            shown[len++] = ' ';
    }
    while (len > 0 && shown[len - 1] == ' ')
        len--;
    shown[len] = '\0';
    return mem_printf(ctx, "HTTP %d%s%s", status, len > 0 ? ": " : "", shown);
}

json_t *request_result(const json_t *job, const char *state, const char *text, int status,
                       bool gone)
{
    MEM_SCOPED char *cut = mem_strndup(NULL, text, REQUEST_STATUS_MAX);
    char code[16] = "";
    json_t *result = json_object(), *id = json_object_get(job, "id");

    for (char *c = cut; *c != '\0'; c++)
        if (*c < 0x20 || *c >= 0x7f)
            *c = '?';
    if (status > 0)
        snprintf(code, sizeof(code), "%d", status);
    json_object_set(result, "lease", json_object_get(job, "lease"));
    if (id != NULL)
        json_object_set(result, "id", id);
    json_object_set_new(result, "state", json_string(state));
    json_object_set_new(result, "status", json_string(cut));
    json_object_set_new(result, "code", json_string(code));
    if (gone)
        json_object_set_new(result, "gone", json_true());
    return mem_must(result);
}
