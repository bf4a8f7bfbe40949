/* Random calls from four threads that also hand blocks to each other, and threads that end holding memory. */
#include <pthread.h>

#include "model/oracle.h"

enum { THREADS = 4, ROUNDS = 6 };

static block mailbox[64];
static pthread_mutex_t mail = PTHREAD_MUTEX_INITIALIZER;
static long steps = 40000L * ORACLE_TIMES;

/* Swaps one of the thread's blocks with one that another thread left. */
static void trade(oracle *o) {
  block *b = &o->blocks[oracle_next(o) % ORACLE_SLOTS];
  size_t i = oracle_next(o) % 64;
  pthread_mutex_lock(&mail);
  block got = mailbox[i];
  mailbox[i] = *b;
  *b = got;
  pthread_mutex_unlock(&mail);
}

static void *work(void *seed) {
  static _Thread_local oracle model;
  memset(&model, 0, sizeof model);
  model.random = 0x9E3779B97F4A7C15u * (uint64_t)(uintptr_t)seed;
  for (long i = 0; i < steps; i++) {
    oracle_step(&model);
    if (i % 4 == 0) {
      trade(&model);
    }
  }
  oracle_apart(&model);
  oracle_end(&model);
  return NULL;
}

int main(int argc, char **argv) {
  steps = argc > 1 ? atol(argv[1]) : steps;
  for (uintptr_t round = 0; round < ROUNDS; round++) {
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++) {
      REQUIRE(pthread_create(&threads[i], NULL, work, (void *)(round * THREADS + i + 1)) == 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
      pthread_join(threads[i], NULL);
    }
  }
  for (size_t i = 0; i < 64; i++) {
    if (mailbox[i].at != NULL) {
      oracle_free(&mailbox[i]);
    }
  }
  fh_trim(0);
  fh_heap_stats now;
  fh_stats(&now);
  REQUIRE(now.heaps <= THREADS + 1);
  printf("%llu bytes in spans, %llu resident\n", (unsigned long long)now.used_pages, (unsigned long long)now.resident);
  REQUIRE(now.used_pages < (8u << 20));
  printf("%d rounds of %d threads\n", ROUNDS, THREADS);
  return 0;
}
