/* In the spirit of cfrac: numbers of a few words that live for a few operations. */
#include "work.h"

enum { SLOTS = 512, STEPS = 40000000 / SHORT };

int main(void) {
  static void *slot[SLOTS];
  uint64_t random = 11;
  for (long i = 0; i < STEPS; i++) {
    uint64_t r = next(&random);
    size_t at = r % SLOTS;
    free(slot[at]);
    uint64_t *number = malloc(8 + (r >> 20) % 56);
    number[0] = r;
    slot[at] = number;
  }
  return 0;
}
