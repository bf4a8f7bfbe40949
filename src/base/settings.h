/* Every setting: environment variables FREEHOLD_<NAME>, read once at start. One table for the library and the command.
 */
#ifndef FH_BASE_SETTINGS_H
#define FH_BASE_SETTINGS_H

#include "base/compiler.h"

typedef struct fh_setting {
  const char *name;     /* with the prefix */
  const char *fallback; /* as text */
  const char *help;
} fh_setting;

enum { FH_SETTING_STATS, FH_SETTING_RETAIN, FH_SETTING_HARDEN, FH_SETTING_LIMIT, FH_SETTINGS };

extern const fh_setting fh_settings[FH_SETTINGS];

/* A whole decimal number of at most `most`; a suffix K, M, G or T multiplies by 1024 to the power 1..4. */
bool fh_setting_number(const char *text, uint64_t most, uint64_t *out);

#endif
