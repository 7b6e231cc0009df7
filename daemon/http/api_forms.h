/* api_forms.h - the handlers of sign-up forms, for the table of routes in api_forms.c. */
#ifndef LAZO_DAEMON_HTTP_API_FORMS_H
#define LAZO_DAEMON_HTTP_API_FORMS_H

#include "daemon/http/api.h"

/* What strangers call; see api_forms_public.c and api_forms_confirm.c. */
http_handler api_form_signup, api_form_preflight;
http_handler api_form_confirm_page, api_form_confirm;

/* api_form_page() - answers with a page of daemon/consent/page.h. */
struct page;
void api_form_page(struct http_request *, int status, const struct page *);
/* api_user_agent() - the header's first 500 characters where it is ASCII; else NULL. */
const char *api_user_agent(struct http_request *);

#endif
