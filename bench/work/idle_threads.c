/* 200 threads do a burst, free all of it, and wait; what is resident while they wait? */
#include "work.h"

enum { THREADS = 200 / SHORT, OBJECTS = 4000 };

static pthread_barrier_t done, leave;

static void *burst(void *seed) {
  void *at[OBJECTS];
  uint64_t random = 1 + (uint64_t)(uintptr_t)seed * 7919;
  for (size_t i = 0; i < OBJECTS; i++) {
    at[i] = touched(heavy(&random, 16, 8192));
  }
  for (size_t i = 0; i < OBJECTS; i++) {
    free(at[i]);
  }
  pthread_barrier_wait(&done);
  pthread_barrier_wait(&leave);
  return NULL;
}

int main(void) {
  pthread_t threads[THREADS];
  pthread_barrier_init(&done, NULL, THREADS + 1);
  pthread_barrier_init(&leave, NULL, THREADS + 1);
  for (uintptr_t i = 0; i < THREADS; i++) {
    pthread_create(&threads[i], NULL, burst, (void *)i);
  }
  pthread_barrier_wait(&done);
  size_t settled = resident();
  pthread_barrier_wait(&leave);
  for (size_t i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
  }
  result(0, settled);
  return 0;
}
