/* page.h - the small pages that people see who sign up: in Spanish, and in English for all others.
 * Pure. */
#ifndef LAZO_DAEMON_CONSENT_PAGE_H
#define LAZO_DAEMON_CONSENT_PAGE_H

#include "common/buf.h"
#include "common/diag.h"

enum page_sort {
    PAGE_asked,      /* a mail was sent; confirm there */
    PAGE_subscribed, /* done, no confirmation is needed */
    PAGE_confirm,    /* the question behind the link, with its button */
    PAGE_confirmed,
    PAGE_gone,  /* the link is not known, or not any more */
    PAGE_wrong, /* mistakes in what was said */
    PAGE_often  /* come back later */
};

struct page {
    enum page_sort sort;
    const char *language;     /* "es", "en-GB", … */
    const char *organisation; /* or NULL */
    const char *wording;      /* shown with PAGE_confirm; or NULL */
    const char *onward;       /* a link to go on with; or NULL */
    const struct diag *mistakes;
};

#define PAGE_MAX ((size_t)64 * 1024)

/* page_write() - the whole HTML. */
void page_write(struct buf *, const struct page *);

#endif
