/* Blocks of 64 KiB to 4 MiB that come and go beside 64 that stay a while. */
#include "work.h"

int main(void) {
  void *slot[64] = {0};
  uint64_t random = 23;
  for (unsigned i = 0; i < 4000 / SHORT; i++) {
    size_t at = next(&random) % 64;
    free(slot[at]);
    slot[at] = touched(heavy(&random, 65536, 4 << 20));
  }
  return 0;
}
