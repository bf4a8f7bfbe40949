/* scale THREADS local|mixed MILLISECONDS: how many calls of malloc and free threads make in a given time (load.h), how
 * often they wait in a thousand million calls, and what is resident then. A thread of the local load frees what it has
 * taken itself. */
#include "clock.h"
#include "load.h"

static atomic_bool stop;
static pthread_barrier_t ready, stopped, drained, leave;

static void *plain_make(worker *w, size_t bytes) {
  (void)w;
  return malloc(bytes);
}

static void plain_drop(worker *w, void *object) {
  (void)w;
  free(object);
}

static void *work(void *argument) {
  worker *w = argument;
  fill_all(w, plain_make);
  for (int i = 0; i < 10 * OBJECTS; i++) {
    step(w, plain_make, plain_drop);
  }
  pthread_barrier_wait(&ready);
  long before = waits_now();
  w->calls = 0;
  while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
    step(w, plain_make, plain_drop);
  }
  w->waits = waits_now() - before;
  pthread_barrier_wait(&stopped);
  empty_ring(w, plain_drop);
  pthread_barrier_wait(&drained);
  pthread_barrier_wait(&leave);
  return NULL;
}

static void start(worker *all, unsigned threads) {
  pthread_barrier_t *barriers[] = {&ready, &stopped, &drained, &leave};
  for (size_t i = 0; i < sizeof barriers / sizeof barriers[0]; i++) {
    pthread_barrier_init(barriers[i], NULL, threads + 1);
  }
  for (unsigned i = 0; i < threads; i++) {
    pthread_create(&all[i].thread, NULL, work, &all[i]);
  }
}

static size_t live_bytes(const worker *w) {
  size_t live = 0;
  for (size_t i = 0; i < OBJECTS; i++) {
    live += w->bytes[i];
  }
  return live;
}

int main(int argc, char **argv) {
  unsigned threads = argc > 1 ? (unsigned)atoi(argv[1]) : 2;
  bool mixed = argc < 3 || strcmp(argv[2], "mixed") == 0;
  long milliseconds = argc > 3 ? atol(argv[3]) : 500;
  if (threads == 0 || threads > THREADS_MOST || milliseconds <= 0) {
    return 2;
  }
  worker *all = make_workers(threads, mixed);
  start(all, threads);
  pthread_barrier_wait(&ready);
  int64_t begin = nanoseconds(CLOCK_MONOTONIC);
  struct timespec pause = {.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000};
  nanosleep(&pause, NULL);
  atomic_store(&stop, true);
  pthread_barrier_wait(&stopped);
  double took = (double)(nanoseconds(CLOCK_MONOTONIC) - begin) / 1e9;
  pthread_barrier_wait(&drained);
  size_t settled = resident(), live = 0;
  uint64_t calls = 0, waits = 0;
  for (unsigned i = 0; i < threads; i++) {
    calls += all[i].calls;
    waits += (uint64_t)all[i].waits;
    live += live_bytes(&all[i]);
  }
  pthread_barrier_wait(&leave);
  for (unsigned i = 0; i < threads; i++) {
    pthread_join(all[i].thread, NULL);
  }
  printf("RESULT calls=%llu waits=%llu live=%zu settled=%zu own=%zu\n", (unsigned long long)((double)calls / took),
         (unsigned long long)((double)waits / (double)calls * 1e9), live, settled, own_bytes);
  return 0;
}
