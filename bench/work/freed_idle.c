/* A million and a half objects of 16 to 256 bytes, all freed in random order; what is resident right after the last
 * free? */
#include "work.h"

enum { OBJECTS = 1500000 / SHORT };

int main(void) {
  void **at = own(OBJECTS * sizeof(void *));
  uint64_t random = 3;
  for (size_t i = 0; i < OBJECTS; i++) {
    at[i] = touched(next(&random) % 16 == 0 ? heavy(&random, 256, 4096) : 16 + next(&random) % 240);
  }
  for (size_t i = OBJECTS; i-- > 1;) {
    size_t other = next(&random) % (i + 1);
    void *swap = at[i];
    at[i] = at[other];
    at[other] = swap;
  }
  for (size_t i = 0; i < OBJECTS; i++) {
    free(at[i]);
  }
  result(0, resident() - own_bytes);
  return 0;
}
