/* Threads whose blocks others free, and who sleep now and then: what was sent to them is sorted while they wake, free
 * some of it themselves, fork, and end. Nothing is handed out twice, nothing that is used is purged, and at the end
 * nothing is left. */
#include <pthread.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "freehold/freehold.h"
#include "heap/heap.h"
#include "heap/sleeper.h"
#include "model/require.h"
#include "unit/child_locks.h"

enum { OWNERS = 3, FREERS = 2, LOT = 600, LOTS = FH_TSAN ? 15 : 40, HOLES = 64, STAMP = 16 };

typedef struct lot {
  size_t count;
  unsigned char *at[LOT];
  size_t bytes[LOT];
} lot;

static lot lots[OWNERS][LOTS];
static lot *handed[HOLES]; /* from owners to those who free */
static int done;

static void nap(long microseconds) { nanosleep(&(struct timespec){0, microseconds * 1000}, NULL); }

/* In every third lot chunks only, so that many lie side by side. */
static size_t some_size(uint64_t *random, unsigned lot_number) {
  size_t kind = (size_t)chance(random) % 16, drawn = (size_t)chance(random);
  if (lot_number % 3 == 2) {
    return 1100 + drawn % 3000;
  }
  return STAMP + drawn % (kind < 9 ? 200 : kind < 13 ? 1000 : kind < 15 ? 6000 : 60000);
}

/* Each end says whose it is. */
static void stamp(const lot *l, size_t i) {
  uint64_t value = (uint64_t)(uintptr_t)l->at[i] ^ l->bytes[i];
  memcpy(l->at[i], &value, sizeof value);
  memcpy(l->at[i] + l->bytes[i] - sizeof value, &value, sizeof value);
}

static void check(const lot *l, size_t i) {
  uint64_t value = (uint64_t)(uintptr_t)l->at[i] ^ l->bytes[i];
  REQUIRE(memcmp(l->at[i], &value, sizeof value) == 0);
  REQUIRE(memcmp(l->at[i] + l->bytes[i] - sizeof value, &value, sizeof value) == 0);
}

static void fill(lot *l, uint64_t *random, unsigned number) {
  for (l->count = 0; l->count < LOT; l->count++) {
    l->bytes[l->count] = some_size(random, number);
    l->at[l->count] = fh_malloc(l->bytes[l->count]);
    REQUIRE(l->at[l->count] != NULL);
    stamp(l, l->count);
  }
}

/* A child has none of the threads. It frees what their heaps hold, and waits for no lock. */
static unsigned char *for_children[OWNERS][LOT * 3];

static void live_in_child(void) {
  alarm(30);
  for (size_t i = 0; i < OWNERS; i++) {
    for (size_t k = 0; k < LOT * 3; k++) {
      fh_free(__atomic_load_n(&for_children[i][k], __ATOMIC_ACQUIRE));
    }
  }
  for (unsigned i = 0; i < 3000; i++) {
    fh_free(fh_malloc(1 + i * 7));
  }
  _exit(0);
}

static void make_for_children(size_t number) {
  for (size_t k = 0; k < LOT * 3; k++) {
    unsigned char *made = fh_malloc(1 + k % 3000);
    REQUIRE(made != NULL);
    __atomic_store_n(&for_children[number][k], made, __ATOMIC_RELEASE);
  }
}

static void drop_for_children(size_t number) {
  for (size_t k = 0; k < LOT * 3; k++) {
    unsigned char *made = for_children[number][k];
    __atomic_store_n(&for_children[number][k], NULL, __ATOMIC_RELEASE);
    fh_free(made);
  }
}

static void *have_children(void *unused) {
  while (!__atomic_load_n(&done, __ATOMIC_ACQUIRE)) {
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      live_in_child();
    }
    int status;
    REQUIRE(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  return unused;
}

static void *own(void *number) {
  uint64_t random = 77 + (uintptr_t)number;
  make_for_children((uintptr_t)number);
  for (unsigned i = 0; i < LOTS; i++) {
    lot *l = &lots[(uintptr_t)number][i];
    fill(l, &random, i);
    for (size_t k = 0; k < LOT; k += 10) { /* some of its own accord */
      check(l, k);
      fh_free(l->at[k]);
    }
    lot *none = NULL;
    for (size_t at = (size_t)(chance(&random));
         !__atomic_compare_exchange_n(&handed[at % HOLES], &none, l, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
         at++, none = NULL) {
    }
    if (i % 4 == 3) {
      nap(i % 8 == 3 ? 3000 : 200);
    }
  }
  drop_for_children((uintptr_t)number);
  return NULL;
}

static void free_lot(const lot *l) {
  for (size_t i = 0, at = 0; i < LOT; i++, at = (at + 221) % LOT) {
    if (at % 10 != 0) {
      check(l, at);
      fh_free(l->at[at]);
    }
  }
}

static void *release(void *unused) {
  for (bool last = false; !last;) {
    last = __atomic_load_n(&done, __ATOMIC_ACQUIRE) != 0;
    for (size_t i = 0; i < HOLES; i++) {
      lot *l = __atomic_exchange_n(&handed[i], NULL, __ATOMIC_ACQ_REL);
      if (l != NULL) {
        free_lot(l);
      }
    }
    nap(100);
  }
  return unused;
}

static void run(void) {
  pthread_t owners[OWNERS], freers[FREERS], parent;
  __atomic_store_n(&done, 0, __ATOMIC_RELEASE);
  for (uintptr_t i = 0; i < OWNERS; i++) {
    REQUIRE(pthread_create(&owners[i], NULL, own, (void *)i) == 0);
  }
  for (unsigned i = 0; i < FREERS; i++) {
    REQUIRE(pthread_create(&freers[i], NULL, release, NULL) == 0);
  }
  REQUIRE(pthread_create(&parent, NULL, have_children, NULL) == 0);
  for (unsigned i = 0; i < OWNERS; i++) {
    pthread_join(owners[i], NULL);
  }
  __atomic_store_n(&done, 1, __ATOMIC_RELEASE);
  for (unsigned i = 0; i < FREERS; i++) {
    pthread_join(freers[i], NULL);
  }
  pthread_join(parent, NULL);
}

int main(void) {
  fh_sleep_time = 0;
  fh_sleep_bytes = 8 << 10;
  for (unsigned round = 0; round < 3; round++) {
    run();
    for (fh_heap *heap = fh_heap_all(); heap != NULL; heap = heap->next) {
      REQUIRE(heap->state == FH_HEAP_ORPHAN && !fh_sleeper_any(heap));
      REQUIRE(heap->inbox == NULL && heap->taken_in == NULL && heap->slab_count == 0);
      REQUIRE(heap->sorted.dirty == 0 && heap->waits == 0);
      REQUIRE(heap->chunks.total_bytes <= FH_STRETCH_LEAST);
    }
  }
  REQUIRE(fh_sleepers_waiting == 0);
  return 0;
}
