/* template.h - `lazoctl template render`: a template tried on its own, without an instance. */
#ifndef LAZO_DAEMON_CTL_TEMPLATE_H
#define LAZO_DAEMON_CTL_TEMPLATE_H

/* ctl_template() - a command as in ctl.h; argv[0] is "template", argv[1] "render":
 *
 *     template render FILE.liquid [--data FILE.json] [--partials DIR] [--escape html] [--locale es]
 *                     [--time-zone Europe/Madrid] [--currency EUR] [--strict]
 *
 * Prints the result. A mistake in the template, or in a partial, is printed as "line:column:
 * message" on stderr; the status is then 1. A partial "name" is DIR/name.liquid, or DIR/name. */
int ctl_template(int argc, char **argv);

#endif
