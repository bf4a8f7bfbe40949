/* One thread makes messages, another reads and frees them: every free is remote. */
#include <sched.h>
#include <stdatomic.h>

#include "work.h"

enum { RING = 1024, MESSAGES = 6000000 / SHORT };

static void *_Atomic ring[RING];

static void *consume(void *arg) {
  (void)arg;
  for (size_t i = 0; i < MESSAGES; i++) {
    void *message;
    while ((message = atomic_exchange_explicit(&ring[i % RING], NULL, memory_order_acquire)) == NULL) {
      sched_yield();
    }
    free(message);
  }
  return NULL;
}

int main(void) {
  pthread_t consumer;
  uint64_t random = 13;
  pthread_create(&consumer, NULL, consume, NULL);
  for (size_t i = 0; i < MESSAGES; i++) {
    uint64_t r = next(&random);
    void *message = touched(r % 8 == 0 ? 300 + (r >> 20) % 1000 : 16 + (r >> 20) % 200);
    while (atomic_load_explicit(&ring[i % RING], memory_order_relaxed) != NULL) {
      sched_yield();
    }
    atomic_store_explicit(&ring[i % RING], message, memory_order_release);
  }
  pthread_join(consumer, NULL);
  return 0;
}
