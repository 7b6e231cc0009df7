/* progress.c - see progress.h. */
#include "daemon/ctl/progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BAR_WIDTH 40

void progress_start(struct progress *p, const char *what, int64_t total)
{
    *p = (struct progress){.what = what, .total = total, .said = -1};
    progress_at(p, 0);
}

static void bar_draw(const struct progress *p, int hundredths)
{
    static const char full[] = "########################################";
    int n = hundredths * BAR_WIDTH / 100;

    fprintf(stderr, "\r%s [%.*s%*s] %3d %%", p->what, n, full, BAR_WIDTH - n, "", hundredths);
    fflush(stderr);
}

void progress_at(struct progress *p, int64_t done)
{
    int hundredths = p->total <= 0 ? 100 : (int)(done * 100 / p->total);

    if (isatty(STDERR_FILENO)) {
        if (hundredths != p->said)
            bar_draw(p, hundredths);
        p->said = hundredths;
    } else if (hundredths / 10 > p->said) {
        p->said = hundredths / 10;
        if (p->said > 0)
            fprintf(stderr, "%s: %d %%\n", p->what, p->said * 10);
    }
}

void progress_end(struct progress *p)
{
    if (isatty(STDERR_FILENO))
        fputc('\n', stderr);
    p->said = 0;
}
