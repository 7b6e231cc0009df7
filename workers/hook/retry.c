/* retry.c - see retry.h. */
#include "workers/hook/retry.h"

#define FACTOR          6
#define JITTER_FRACTION 5

int64_t hookretry_wait_us(int64_t first_us, int failure, uint32_t random, int64_t retry_after_s)
{
    int64_t wait_us = first_us < HOOKRETRY_MOST_US ? first_us : HOOKRETRY_MOST_US;

    for (int i = 0; i < failure && wait_us < HOOKRETRY_MOST_US; i++)
        wait_us *= FACTOR;
    if (wait_us > HOOKRETRY_MOST_US)
        wait_us = HOOKRETRY_MOST_US;
    if (retry_after_s > HOOKRETRY_MOST_US / 1000000)
        retry_after_s = HOOKRETRY_MOST_US / 1000000;
    if (retry_after_s * 1000000 > wait_us)
        wait_us = retry_after_s * 1000000;
    wait_us += wait_us / JITTER_FRACTION * (random >> 16) / 65536;
    return wait_us < HOOKRETRY_MOST_US ? wait_us : HOOKRETRY_MOST_US;
}
