/* lazo-mailer.c - see mailer.h. */
#include "workers/mailer/mailer.h"

int main(int argc, char **argv)
{
    return mailer_main(argc, argv);
}
