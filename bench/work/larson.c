/* Threads replace random blocks, then hand all of them to a new thread: a server whose requests outlive their thread.
 */
#include "work.h"

enum { THREADS = 2, BLOCKS = 5000, STEPS = 400000, GENERATIONS = 20 / SHORT };

typedef struct lane {
  void *block[BLOCKS];
  uint64_t random;
} lane;

static void *serve(void *arg) {
  lane *l = arg;
  for (long i = 0; i < STEPS; i++) {
    size_t at = next(&l->random) % BLOCKS;
    free(l->block[at]);
    l->block[at] = touched(8 + next(&l->random) % 992);
  }
  return NULL;
}

int main(void) {
  lane *lanes = own(THREADS * sizeof(lane));
  for (unsigned g = 0; g < GENERATIONS; g++) {
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
      lanes[i].random += i + 1;
      pthread_create(&threads[i], NULL, serve, &lanes[(i + g) % THREADS]);
    }
    for (unsigned i = 0; i < THREADS; i++) {
      pthread_join(threads[i], NULL);
    }
  }
  return 0;
}
