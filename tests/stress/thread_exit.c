/* A thousand threads come and go, free in destructors that run after the heap's own, and leave nothing behind. */
#include <pthread.h>

#include "model/oracle.h"

static pthread_key_t late;

/* Sets itself again, so that it runs in a round after the allocator's hook. */
static void free_late(void *value) {
  static _Thread_local int rounds;
  if (++rounds < 3) {
    pthread_setspecific(late, value);
    return;
  }
  fh_free(value);
  void *p = fh_malloc(100), *q = fh_malloc(5000);
  REQUIRE(p != NULL && q != NULL);
  fh_free(p);
  fh_free(q);
}

static void *come_and_go(void *seed) {
  void *mine[100];
  for (size_t i = 0; i < 100; i++) {
    mine[i] = fh_malloc(1 + ((uintptr_t)seed * 37 + i * 131) % 3000);
    REQUIRE(mine[i] != NULL);
  }
  for (size_t i = 1; i < 100; i++) {
    fh_free(mine[i]);
  }
  pthread_setspecific(late, mine[0]);
  return NULL;
}

int main(void) {
  REQUIRE(pthread_key_create(&late, free_late) == 0);
  for (uintptr_t i = 0; i < 250; i++) {
    pthread_t threads[4];
    for (uintptr_t k = 0; k < 4; k++) {
      REQUIRE(pthread_create(&threads[k], NULL, come_and_go, (void *)(i * 4 + k)) == 0);
    }
    for (int k = 0; k < 4; k++) {
      pthread_join(threads[k], NULL);
    }
  }
  fh_heap_stats now;
  fh_stats(&now);
  printf("%llu heaps, %llu bytes of spans\n", (unsigned long long)now.heaps, (unsigned long long)now.used_pages);
  REQUIRE(now.heaps <= 8);
  REQUIRE(now.used_pages <= (12u << 20));
  return 0;
}
