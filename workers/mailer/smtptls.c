/* smtptls.c - see smtptls.h. libesmtp makes the SSL object itself, so the name is set from the
 * context's information callback, when a handshake starts. The callback has no argument of its own:
 * the context carries the relay as application data. */
#include <stddef.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "workers/mailer/smtptls.h"

#include "common/mem.h"

struct smtp_tls {
    SSL_CTX *ctx;
    const struct relay *relay;
};

bool smtp_tls_checks(const struct smtp_tls *tls)
{
    return tls != NULL && tls->relay->tls == RELAY_TLS_REQUIRED;
}

static void on_info(const SSL *ssl, int where, int ret)
{
    (void)ret;
    if ((where & SSL_CB_HANDSHAKE_START) == 0)
        return;
    const struct smtp_tls *tls = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    SSL *mine = (SSL *)(uintptr_t)ssl;
    SSL_set_tlsext_host_name(mine, tls->relay->host);
    if (smtp_tls_checks(tls))
        SSL_set1_host(mine, tls->relay->host);
}

static int free_tls(struct smtp_tls *tls)
{
    SSL_CTX_free(tls->ctx);
    return 0;
}

struct smtp_tls *smtp_tls_new(const void *ctx, const struct relay *relay, const char *ca_file,
                              char **ret_why)
{
    struct smtp_tls *tls = mem_new(ctx, struct smtp_tls);
    tls->relay = relay;
    tls->ctx = mem_must(SSL_CTX_new(TLS_client_method()));
    talloc_set_destructor(tls, free_tls);
    SSL_CTX_set_min_proto_version(tls->ctx, TLS1_2_VERSION);
    /* Not 1.3: its session tickets come after the handshake, libesmtp takes them for the relay's
     * answer to a command that it has not sent yet, and both sides wait until the time-out. */
    SSL_CTX_set_max_proto_version(tls->ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(tls->ctx, SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_app_data(tls->ctx, tls);
    SSL_CTX_set_info_callback(tls->ctx, on_info);
    SSL_CTX_set_verify(tls->ctx, smtp_tls_checks(tls) ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    int loaded = ca_file[0] != '\0' ? SSL_CTX_load_verify_file(tls->ctx, ca_file)
                                    : SSL_CTX_set_default_verify_paths(tls->ctx);
    if (loaded == 1)
        return tls;
    *ret_why = mem_printf(talloc_parent(ctx), "mail.ca_file: no certificates in %s", ca_file);
    ERR_clear_error();
    talloc_free(tls);
    return NULL;
}

void smtp_tls_use(struct smtp_tls *tls, smtp_session_t session)
{
    if (tls == NULL) {
        smtp_starttls_enable(session, Starttls_DISABLED);
        return;
    }
    smtp_starttls_set_ctx(session, tls->ctx);
    smtp_starttls_enable(session, smtp_tls_checks(tls) ? Starttls_REQUIRED : Starttls_ENABLED);
}

const char *smtp_tls_trouble(void)
{
    unsigned long why = ERR_peek_last_error();
    ERR_clear_error();
    return why != 0 ? ERR_reason_error_string(why) : NULL;
}
