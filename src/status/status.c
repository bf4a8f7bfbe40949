#include "freehold/status.h"

const char *fh_status_name(fh_status status) {
  static const char *const names[] = {"FH_OK",        "FH_INVALID",     "FH_EXHAUSTED", "FH_FRAGMENTED",
                                      "FH_NOT_OWNED", "FH_DOUBLE_FREE", "FH_CORRUPT"};
  return (unsigned)status < sizeof names / sizeof *names ? names[status] : "FH_UNKNOWN";
}

double fh_space_fragmentation(const fh_space *space) {
  return space->free == 0 ? 0 : 1 - (double)space->largest / (double)space->free;
}
