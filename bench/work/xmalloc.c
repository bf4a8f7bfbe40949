/* In the spirit of xmalloc-test: every thread fills batches that whichever thread comes next takes and frees. */
#include "work.h"

enum { THREADS = 2, BATCHES = 60000 / SHORT, BATCH = 100, DEPTH = 64 };

typedef struct batch {
  void *block[BATCH];
} batch;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static batch *waiting[DEPTH];
static unsigned count;

/* Leaves ours and takes the oldest left by anyone, so that most blocks die in another thread. */
static batch *trade(batch *ours) {
  static unsigned turn;
  pthread_mutex_lock(&lock);
  batch **place = &waiting[count < DEPTH ? count++ : turn++ % DEPTH];
  batch *theirs = *place;
  *place = ours;
  pthread_mutex_unlock(&lock);
  return theirs;
}

static void drop(batch *b) {
  if (b != NULL) {
    for (size_t i = 0; i < BATCH; i++) {
      free(b->block[i]);
    }
    free(b);
  }
}

static void *work(void *seed) {
  uint64_t random = 1 + (uint64_t)(uintptr_t)seed * 104729;
  for (unsigned i = 0; i < BATCHES; i++) {
    batch *b = malloc(sizeof *b);
    for (size_t k = 0; k < BATCH; k++) {
      b->block[k] = touched(16 + next(&random) % 240);
    }
    drop(trade(b));
  }
  return NULL;
}

int main(void) {
  run_threads(THREADS, work);
  for (unsigned i = 0; i < DEPTH; i++) {
    drop(waiting[i]);
  }
  return 0;
}
