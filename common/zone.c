/* zone.c - see zone.h. */
#include "common/zone.h"

#include <string.h>
#include <unicode/ucal.h>
#include <unicode/ustring.h>

#define ZONE_MAX 64

bool zone_known(const char *name)
{
    UChar asked[ZONE_MAX], canonical[ZONE_MAX];
    UErrorCode status = U_ZERO_ERROR;
    UBool system = 0;

    if (name[0] == '\0' || strlen(name) >= ZONE_MAX)
        return false;
    u_strFromUTF8(asked, ZONE_MAX, NULL, name, -1, &status);
    ucal_getCanonicalTimeZoneID(asked, -1, canonical, ZONE_MAX, &system, &status);
    return U_SUCCESS(status) && system;
}
