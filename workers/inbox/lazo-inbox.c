/* lazo-inbox - the worker that reads what comes back: bounces, complaints, answers. See
 * lazo-inbox(8).
 *
 *     lazo-inbox --classify FILE.eml    prints what one mail is, and needs no instance */
#include "common/log.h"
#include "common/mem.h"
#include "common/worker.h"
#include "workers/inbox/classify.h"
#include "workers/inbox/message.h"
#include "workers/inbox/service.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int classify_file(const char *path)
{
    FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    void *ctx = mem_must(talloc_new(NULL));
    char *bytes = mem_array(ctx, char, MESSAGE_MAX), *text;
    json_t *list;
    size_t n;

    if (f == NULL || (n = fread(bytes, 1, MESSAGE_MAX, f), ferror(f) != 0)) {
        fprintf(stderr, "lazo-inbox: cannot read %s: %s\n", path, strerror(errno));
        return 1;
    }
    if (f != stdin)
        fclose(f);
    list = classify_json(classify_mail(ctx, bytes, n));
    text = mem_must(json_dumps(list, 0));
    puts(text);
    free(text);
    json_decref(list);
    talloc_free(ctx);
    return 0;
}

static bool drained(void *arg)
{
    return service_drained(arg);
}

int main(int argc, char **argv)
{
    void *ctx;
    struct worker *w;
    struct service *s;
    int status;

    if (argc == 3 && strcmp(argv[1], "--classify") == 0)
        return classify_file(argv[2]);
    ctx = mem_must(talloc_new(NULL));
    w = worker_start(ctx, "lazo-inbox", argc, argv);
    s = service_new(ctx, w->loop, w->settings, w->name);
    if (*settings_text(w->settings, "inbox.maildir") == '\0')
        log_info("lazo-inbox", "idle", "reason=%s", log_value("inbox.maildir is not set"));
    status = worker_run(w, drained, s);
    talloc_free(s);
    talloc_free(ctx);
    return status;
}
