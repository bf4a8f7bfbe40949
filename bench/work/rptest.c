/* In the spirit of rptest: random sizes up to 16 KiB, blocks passed to the neighbour thread through a shared table. */
#include "work.h"

enum { THREADS = 4, LOOPS = 1200000 / SHORT, BLOCKS = 4000, PASSED = 512 };

static void *passed[THREADS][PASSED];
static void **tables;

static void *work(void *seed) {
  uintptr_t self = (uintptr_t)seed;
  void **at = tables + self * BLOCKS;
  uint64_t random = 1 + self * 7919;
  for (long i = 0; i < LOOPS; i++) {
    size_t slot = next(&random) % BLOCKS;
    void *old = at[slot];
    at[slot] = touched(heavy(&random, 16, 16384));
    if (i % 4 == 0) {
      old = __atomic_exchange_n(&passed[(self + 1) % THREADS][next(&random) % PASSED], old, __ATOMIC_ACQ_REL);
    }
    free(old);
  }
  for (size_t i = 0; i < BLOCKS; i++) {
    free(at[i]);
  }
  return NULL;
}

int main(void) {
  tables = own(THREADS * BLOCKS * sizeof(void *));
  run_threads(THREADS, work);
  return 0;
}
