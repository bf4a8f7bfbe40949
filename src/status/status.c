#include "freehold/status.h"

const char *fh_status_name(fh_status status) {
  static const char *const names[] = {"FH_OK",        "FH_INVALID",     "FH_EXHAUSTED", "FH_FRAGMENTED",
                                      "FH_NOT_OWNED", "FH_DOUBLE_FREE", "FH_CORRUPT"};
  return (unsigned)status < sizeof names / sizeof *names ? names[status] : "FH_UNKNOWN";
}

/* Long division into the bits of a double: where the processor has no floating point, dividing one would need a library
 * that firmware may not link. */
double fh_space_fragmentation(const fh_space *space) {
  union {
    uint64_t bits;
    double value;
  } out = {0};
  uint64_t whole = space->free, rest = space->free - space->largest, exponent = 1023;
  if (whole == 0 || space->largest >= whole) {
    return 0;
  }
  if (whole >> 63 != 0) {
    whole >>= 1;
    rest >>= 1;
  }
  if (rest == 0) {
    return 0;
  }
  for (; rest < whole; exponent--) {
    rest <<= 1;
  }
  for (unsigned bit = 0; bit < 53; bit++) {
    out.bits <<= 1;
    if (rest >= whole) {
      rest -= whole;
      out.bits |= 1;
    }
    rest <<= 1;
  }
  out.bits = (out.bits & ~(UINT64_C(1) << 52)) | exponent << 52;
  return out.value;
}
