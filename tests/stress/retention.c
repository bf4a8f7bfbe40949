/* What is kept of freed memory stays under its budgets at every moment: threads that grow and shrink, take from each
 * other, come and go, are stopped every few milliseconds between two calls, and all pages are looked at. */
#include <inttypes.h>
#include <time.h>

#include "base/bits.h"
#include "freehold/freehold.h"
#include "heap/heap.h"
#include "heap/sparse.h"
#include "lens/retained.h"
#include "model/require.h"
#include "os/os.h"
#include "pages/pages.h"
#include "retention/gate.h"

#if FH_TSAN
enum { ROUNDS = 1, STEPS = 45000 };
#elif defined(__SANITIZE_ADDRESS__)
enum { ROUNDS = 2, STEPS = 45000 };
#else
enum { ROUNDS = 3, STEPS = 150000 };
#endif

enum { THREADS = 8, OBJECTS = 6000, SHARED = 512, WAVES = 3, PERCENT = 10 };

typedef struct shape {
  const char *name;
  size_t most;     /* sizes are up to this, most of them small */
  unsigned handed; /* one in so many goes to the others; 0: none */
} shape;

static const shape shapes[] = {
    {"small objects", 1 << 10, 0},          {"chunks", 100 << 10, 0},
    {"large objects", 2 << 20, 0},          {"small objects, handed on", 4 << 10, 4},
    {"all sizes, handed on", 512 << 10, 8},
};

static const shape *now_shape;
static void *shared[SHARED];
static pthread_barrier_t emptied, looked;
static int running; /* atomic: threads that have not ended */

static void *make(uint64_t *random, size_t most) {
  size_t bytes = 1 + (size_t)(chance(random) % most) / (1 + chance(random) % 64);
  char *made = fh_malloc(bytes);
  REQUIRE(made != NULL);
  for (size_t i = 0; i < bytes; i += 4096) {
    made[i] = 1;
  }
  return made;
}

static void drop(void *at) {
  fh_free(at);
  gate_pass();
}

/* Of each wave the thread fills its slots and empties them again, in random order. */
static void wave(void **mine, uint64_t *random, long step, long steps) {
  size_t slots = now_shape->most > 256 << 10 ? OBJECTS / 40 : now_shape->most > 8 << 10 ? OBJECTS / 4 : OBJECTS;
  size_t fill = slots * (size_t)(step < steps / 2 ? step : steps - step) * 2 / (size_t)steps;
  size_t i = chance(random) % slots;
  drop(mine[i]);
  mine[i] = i < fill ? make(random, now_shape->most) : NULL;
  if (mine[i] != NULL && now_shape->handed != 0 && chance(random) % now_shape->handed == 0) {
    mine[i] = __atomic_exchange_n(&shared[chance(random) % SHARED], mine[i], __ATOMIC_ACQ_REL);
  }
}

static void *worker(void *seed) {
  static _Thread_local void *mine[OBJECTS];
  uint64_t random = 1 + (uint64_t)(uintptr_t)seed * 104729;
  gate_start();
  for (long i = 0; i < STEPS; i++) {
    wave(mine, &random, i % (STEPS / WAVES), STEPS / WAVES);
  }
  for (size_t i = 0; i < OBJECTS; i++) {
    drop(mine[i]);
    mine[i] = NULL;
  }
  __atomic_sub_fetch(&running, 1, __ATOMIC_RELEASE);
  gate_wait(&emptied);
  gate_wait(&looked);
  return NULL;
}

static void *sweep(void *unused) {
  gate_start();
  for (size_t i = 0; i < SHARED; i++) {
    drop(shared[i]);
    shared[i] = NULL;
  }
  return unused;
}

/* Looking. */

static struct { uint64_t samples, most[FH_KEEPERS]; } seen;

static void fail(const char *what, unsigned kind, const fh_retained *now, uint64_t most) {
  fprintf(stderr, "%s: %s: %s: kept %" PRIu64 ", believed %" PRIu64 ", at most %" PRIu64 ", live %" PRIu64 "\n",
          now_shape->name, what, fh_keeper_names[kind], now->kept[kind], now->believed[kind], most, now->live);
  abort();
}

/* What the heap may not know of: memory asked for ahead, and the page with the links of a hole that was purged and has
 * grown since. */
static uint64_t unknown_most(void) {
  uint64_t each = (64 << 10) + 8 * fh_os_page_size(), most = each;
  for (const fh_heap *heap = fh_heap_all(); heap != NULL; heap = heap->next) {
    most += each;
  }
  return most;
}

/* Those without a thread keep no more than all of them may together. */
static void look_at_orphans(void) {
  uint64_t dirty = 0;
  for (const fh_heap *heap = fh_heap_all(); heap != NULL; heap = heap->next) {
    REQUIRE(heap->chunks.budget.widened <= FH_CHUNK_WIDEN && heap->sparse.budget.widened <= FH_SPARSE_WIDEN);
    dirty += heap->state == FH_HEAP_LIVE ? 0 : heap->chunks.dirty_units * FH_UNIT + fh_sparse_kept(heap);
  }
  REQUIRE(dirty <= FH_ORPHANS_RETAIN);
}

/* Each heap for itself, when its thread has just freed chunks in plenty: it has looked at its budget. */
static void look_at_idle(void) {
  for (const fh_heap *heap = fh_heap_all(); heap != NULL; heap = heap->next) {
    uint64_t dirty = heap->chunks.dirty_units * FH_UNIT, most = fh_retained_holes_budget(heap);
    if (heap->state == FH_HEAP_LIVE && now_shape->most > FH_QUICK_MAX && dirty > most) {
      fprintf(stderr, "%s: a heap keeps %" PRIu64 " bytes of holes, at most %" PRIu64 "\n", now_shape->name, dirty,
              most);
      abort();
    }
  }
}

/* What is trusted is shared out once. */
static void look_at_trust(const fh_pages_counts *pages) {
  uint64_t sum = (uint64_t)pages->trusted << FH_PAGE_SHIFT;
  for (const fh_heap *heap = fh_heap_all(); heap != NULL; heap = heap->next) {
    sum += heap->chunks.budget.trusted + heap->sparse.budget.trusted;
  }
  REQUIRE(sum <= FH_TRUST_BYTES);
}

static fh_retained look(void) {
  uint64_t most[FH_KEEPERS], unknown = unknown_most();
  fh_retained now;
  fh_pages_counts pages;
  fh_pages_read(&pages);
  REQUIRE(pages.widened <= fh_max(FH_WIDEN_BYTES >> FH_PAGE_SHIFT, pages.used));
  look_at_trust(&pages);
  REQUIRE(fh_retained_read(&now));
  fh_retained_budgets(most, PERCENT);
  for (unsigned i = 0; i < FH_KEEPERS; i++) {
    seen.most[i] = fh_max(seen.most[i], now.kept[i]);
    if (most[i] != UINT64_MAX && fh_max(now.kept[i], now.believed[i]) > most[i]) {
      fail("over the budget", i, &now, most[i]);
    }
    if (now.kept[i] > now.believed[i] + unknown) {
      fail("more than the heap knows of", i, &now, now.believed[i] + unknown);
    }
  }
  look_at_orphans();
  seen.samples++;
  return now;
}

static void look_while_running(void) {
  while (__atomic_load_n(&running, __ATOMIC_ACQUIRE) != 0) {
    nanosleep(&(struct timespec){0, 3000000}, NULL);
    gate_close();
    look();
    gate_open();
  }
}

/* All is freed, all threads have ended: free runs and the holes of orphans are left, and a few pages where holes have
 * their links. */
static void look_at_the_end(void) {
  static const fh_keeper gone[] = {FH_KEPT_SLOTS, FH_KEPT_QUICK, FH_KEPT_CACHED, FH_KEPT_SENT};
  fh_retained now = look();
  REQUIRE(now.live == 0);
  for (size_t i = 0; i < sizeof gone / sizeof gone[0]; i++) {
    if (now.kept[gone[i]] != 0) {
      fail("nothing is live", gone[i], &now, 0);
    }
  }
  if (now.kept[FH_KEPT_BITS] > unknown_most()) {
    fail("nothing is live", FH_KEPT_BITS, &now, unknown_most());
  }
}

static void run(unsigned round) {
  pthread_t threads[THREADS], sweeper;
  running = THREADS;
  for (uintptr_t i = 0; i < THREADS; i++) {
    REQUIRE(pthread_create(&threads[i], NULL, worker, (void *)(i + round * THREADS)) == 0);
  }
  look_while_running();
  pthread_barrier_wait(&emptied);
  REQUIRE(pthread_create(&sweeper, NULL, sweep, NULL) == 0);
  pthread_join(sweeper, NULL);
  look();
  look_at_idle();
  pthread_barrier_wait(&looked);
  for (unsigned i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
  }
  look_at_the_end();
}

int main(void) {
  fh_pages_set_retain(PERCENT);
  pthread_barrier_init(&emptied, NULL, THREADS + 1);
  pthread_barrier_init(&looked, NULL, THREADS + 1);
  for (unsigned round = 0; round < ROUNDS; round++) {
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
      now_shape = &shapes[i];
      run(round);
    }
  }
  printf("%" PRIu64 " looks, the most kept of each kind in KiB:", seen.samples);
  for (unsigned i = 0; i < FH_KEEPERS; i++) {
    printf(" %s %" PRIu64, fh_keeper_names[i], seen.most[i] >> 10);
  }
  printf("\n");
  return 0;
}
