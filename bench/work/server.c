/* A long-lived heap of 300,000 objects, heavy-tailed sizes that drift over time; about 200 MiB live. */
#include "work.h"

enum { OBJECTS = 300000 / SHORT, STEPS = 6000000 / SHORT };

int main(void) {
  void **at = own(OBJECTS * sizeof(void *));
  uint32_t *bytes = own(OBJECTS * sizeof(uint32_t));
  uint64_t random = 42;
  size_t live = 0;
  for (long i = 0; i < OBJECTS + STEPS; i++) {
    size_t slot = i < OBJECTS ? (size_t)i : next(&random) % OBJECTS;
    double drift = 1.0 + 0.6 * sin((double)i / STEPS * 12.0);
    size_t size = next(&random) % 10 < 8 ? heavy(&random, 16, 256) : heavy(&random, 256 * drift, 16384 * drift);
    live -= bytes[slot];
    free(at[slot]);
    at[slot] = touched(size);
    bytes[slot] = (uint32_t)size;
    live += size;
  }
  result(live, resident());
  return 0;
}
