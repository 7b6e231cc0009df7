/* api_people.h - the handlers of addresses, groups and relations of contacts, for the table of
 * routes in api_people.c; and what they share. */
#ifndef LAZO_DAEMON_HTTP_API_PEOPLE_H
#define LAZO_DAEMON_HTTP_API_PEOPLE_H

#include "daemon/http/api.h"

http_handler api_contact_emails_list, api_contact_emails_post, api_contact_email_delete;
http_handler api_contact_phones_list, api_contact_phones_post, api_contact_phone_delete;
http_handler api_contact_groups_post, api_contact_group_delete;
http_handler api_groups_list, api_group_members, api_group_member_add, api_group_member_remove;
http_handler api_relations_list, api_relation_put, api_relation_delete;
http_handler api_contact_relations, api_contact_relate, api_contact_unrelate;

/* api_people_change() - one statement that changes facts of contacts, as for api_change(), and
 * wakes the evaluator. No row is a 404 with the sentence `absent`. */
void api_people_change(struct app *, struct http_request *, enum query, const struct pgargs *,
                       const char *absent);

#endif
