/* A 100 MiB cache whose value size changes in phases: entries of the last phase are evicted at random. */
#include "work.h"

enum { MOST = 2000000, LIVE = (100 << 20) / SHORT };

int main(void) {
  static const size_t sizes[] = {64, 240, 100, 1000, 400, 4000, 150, 700};
  void **at = own(MOST * sizeof(void *));
  uint32_t *bytes = own(MOST * sizeof(uint32_t));
  uint64_t random = 7;
  size_t live = 0, count = 0;
  for (unsigned phase = 0; phase < 8; phase++) {
    for (size_t put = 0; put < (size_t)LIVE + LIVE / 2;) {
      size_t size = sizes[phase] * 3 / 4 + next(&random) % (sizes[phase] / 2);
      while (count != 0 && live + size > LIVE) {
        size_t victim = next(&random) % count;
        live -= bytes[victim];
        free(at[victim]);
        at[victim] = at[--count];
        bytes[victim] = bytes[count];
      }
      at[count] = touched(size);
      bytes[count++] = (uint32_t)size;
      live += size;
      put += size;
    }
  }
  result(live, resident());
  return 0;
}
