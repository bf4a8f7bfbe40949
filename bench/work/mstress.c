/* Threads make batches of linked objects, keep some, and swap some through a shared table. */
#include "work.h"

enum { THREADS = 4, ROUNDS = 60 / SHORT, BATCH = 20000, SHARED = 1000 };

static void *shared[SHARED];

static void *work(void *seed) {
  void **batch = malloc(BATCH * sizeof(void *));
  uint64_t random = 1 + (uint64_t)(uintptr_t)seed * 104729;
  for (unsigned round = 0; round < ROUNDS; round++) {
    for (size_t i = 0; i < BATCH; i++) {
      batch[i] = touched(next(&random) % 100 == 0 ? heavy(&random, 1024, 32768) : 16 + next(&random) % 400);
    }
    for (size_t i = 0; i < BATCH; i++) {
      void *mine = batch[i];
      if (next(&random) % 8 == 0) {
        mine = __atomic_exchange_n(&shared[next(&random) % SHARED], mine, __ATOMIC_ACQ_REL);
      }
      free(mine);
    }
  }
  free(batch);
  return NULL;
}

int main(void) {
  run_threads(THREADS, work);
  return 0;
}
