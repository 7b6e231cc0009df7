/* page.c - see page.h. */
#include "daemon/consent/page.h"

#include <string.h>

struct words {
    const char *language;
    const char *titles[PAGE_often + 1];
    const char *texts[PAGE_often + 1];
    const char *button, *onward;
};

static const struct words words[] = {
    {.language = "es",
     .titles = {[PAGE_asked] = "Falta un paso",
                [PAGE_subscribed] = "Gracias",
                [PAGE_confirm] = "Confirma tu alta",
                [PAGE_confirmed] = "Alta confirmada",
                [PAGE_gone] = "Este enlace ya no vale",
                [PAGE_wrong] = "Falta algo",
                [PAGE_often] = "Demasiados intentos"},
     .texts = {[PAGE_asked] = "Te hemos enviado un correo. Ábrelo y confirma tu alta.",
               [PAGE_subscribed] = "Ya estás en la lista.",
               [PAGE_confirm] = "¿Confirmas que quieres esto?",
               [PAGE_confirmed] = "Gracias: tu alta está confirmada.",
               [PAGE_gone] = "Ha caducado o no está completo. Puedes apuntarte otra vez.",
               [PAGE_wrong] = "Vuelve atrás y corrige lo siguiente:",
               [PAGE_often] = "Inténtalo de nuevo más tarde."},
     .button = "Confirmar",
     .onward = "Continuar"},
    {.language = "en",
     .titles = {[PAGE_asked] = "One more step",
                [PAGE_subscribed] = "Thank you",
                [PAGE_confirm] = "Confirm your sign-up",
                [PAGE_confirmed] = "Sign-up confirmed",
                [PAGE_gone] = "This link is no longer valid",
                [PAGE_wrong] = "Something is missing",
                [PAGE_often] = "Too many attempts"},
     .texts = {[PAGE_asked] = "We have sent you a mail. Open it and confirm your sign-up.",
               [PAGE_subscribed] = "You are on the list now.",
               [PAGE_confirm] = "Do you confirm that you want this?",
               [PAGE_confirmed] = "Thank you: your sign-up is confirmed.",
               [PAGE_gone] = "It has expired or is not complete. You may sign up again.",
               [PAGE_wrong] = "Go back and correct this:",
               [PAGE_often] = "Try again later."},
     .button = "Confirm",
     .onward = "Continue"},
};

static const struct words *words_for(const char *language)
{
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strncmp(language, words[i].language, 2) == 0 && strchr("-", language[2]) != NULL)
            return &words[i];
    return &words[1];
}

static void element(struct buf *b, const char *name, const char *text)
{
    buf_printf(b, "<%s>", name);
    buf_html(b, text, strlen(text));
    buf_printf(b, "</%s>\n", name);
}

static void mistakes_write(struct buf *b, const struct diag *d)
{
    buf_str(b, "<ul>\n");
    for (size_t i = 0; i < d->n; i++) {
        buf_str(b, "<li>");
        if (d->items[i].pointer != NULL && d->items[i].pointer[0] == '/') {
            buf_html(b, d->items[i].pointer + 1, strlen(d->items[i].pointer + 1));
            buf_str(b, ": ");
        }
        buf_html(b, d->items[i].message, strlen(d->items[i].message));
        buf_str(b, "</li>\n");
    }
    buf_str(b, "</ul>\n");
}

void page_write(struct buf *b, const struct page *p)
{
    const struct words *w = words_for(p->language);

    buf_printf(b,
               "<!DOCTYPE html>\n<html lang=\"%s\">\n<head>\n<meta charset=\"utf-8\">\n"
               "<meta name=\"viewport\" content=\"width=device-width\">\n"
               "<meta name=\"robots\" content=\"noindex\">\n",
               w->language);
    element(b, "title", w->titles[p->sort]);
    buf_str(b, "</head>\n<body>\n");
    element(b, "h1", w->titles[p->sort]);
    if (p->organisation != NULL)
        element(b, "p", p->organisation);
    if (p->wording != NULL)
        element(b, "blockquote", p->wording);
    element(b, "p", w->texts[p->sort]);
    if (p->mistakes != NULL)
        mistakes_write(b, p->mistakes);
    if (p->sort == PAGE_confirm)
        buf_printf(b,
                   "<form method=\"post\">\n<input type=\"hidden\" name=\"confirm\" value=\"1\">\n"
                   "<button type=\"submit\">%s</button>\n</form>\n",
                   w->button);
    if (p->onward != NULL) {
        buf_str(b, "<p><a href=\"");
        buf_html(b, p->onward, strlen(p->onward));
        buf_printf(b, "\">%s</a></p>\n", w->onward);
    }
    buf_str(b, "</body>\n</html>\n");
}
