/* commit.c - which source this was built from; the build defines BNT_COMMIT for this file alone. */
#include "write.h"

#ifndef BNT_COMMIT
#define BNT_COMMIT "unknown"
#endif

const char bnt_commit[] = BNT_COMMIT;
