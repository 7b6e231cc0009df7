/* mailer.h - the mail worker as a whole; lazo-mailer.c is nothing but its main(). */
#ifndef LAZO_MAILER_MAILER_H
#define LAZO_MAILER_MAILER_H

/* mailer_main() - runs until a signal; the exit status. Arguments as in common/worker.h. */
int mailer_main(int argc, char **argv);

#endif
