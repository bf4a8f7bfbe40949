#include "base/settings.h"

const fh_setting fh_settings[FH_SETTINGS] = {
    {"FREEHOLD_STATS", "0", "1: print statistics on standard error at exit; a file name: write them there as JSON"},
    {"FREEHOLD_RETAIN", "10", "percent of the pages in use that may stay resident after they were freed"},
    {"FREEHOLD_HARDEN", "0", "0: the checks that cost nothing; other levels are not built yet"},
    {"FREEHOLD_LIMIT", "none", "bytes of pages that may be in use at most; more is ENOMEM (K, M, G, T are understood)"},
};

static unsigned power_of(char suffix) {
  switch (suffix) {
    case 'K': return 1;
    case 'M': return 2;
    case 'G': return 3;
    case 'T': return 4;
    default: return 0;
  }
}

bool fh_setting_number(const char *text, uint64_t most, uint64_t *out) {
  uint64_t value = 0;
  if (*text < '0' || *text > '9') {
    return false;
  }
  for (; *text >= '0' && *text <= '9'; text++) {
    if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
        __builtin_add_overflow(value, (uint64_t)(*text - '0'), &value)) {
      return false;
    }
  }
  unsigned power = power_of(*text);
  if (power != 0) {
    text++;
  }
  if (*text != '\0' || value > most >> (10 * power)) {
    return false;
  }
  *out = value << (10 * power);
  return true;
}
