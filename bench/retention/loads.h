/* Shapes of long lives. Each runs on a thread of its own, behind the gate, and touches what it takes. */
#ifndef BENCH_RETENTION_LOADS_H
#define BENCH_RETENTION_LOADS_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "freehold/freehold.h"
#include "retention/gate.h"

static inline uint64_t next(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

/* Log-uniform in [low, high). */
static inline size_t heavy(uint64_t *state, double low, double high) {
  double u = (double)(next(state) >> 11) / 9007199254740992.0;
  return (size_t)(low * pow(high / low, u));
}

static inline void *make(size_t bytes) {
  char *at = fh_malloc(bytes);
  if (at == NULL) {
    abort();
  }
  for (size_t i = 0; i < bytes; i += 4096) {
    at[i] = (char)i;
  }
  at[bytes - 1] = 1;
  gate_pass();
  return at;
}

static inline void drop(void *at) {
  fh_free(at);
  gate_pass();
}

/* The load's own tables are the C library's. */
static inline void *table(size_t count) { return calloc(count, sizeof(void *)); }

static inline void rest(long milliseconds) {
  gate_leave();
  nanosleep(&(struct timespec){milliseconds / 1000, milliseconds % 1000 * 1000000}, NULL);
  gate_enter();
}

static inline void shuffle(void **at, size_t count, uint64_t *random) {
  for (size_t i = count; i-- > 1;) {
    size_t other = next(random) % (i + 1);
    void *swap = at[i];
    at[i] = at[other];
    at[other] = swap;
  }
}

/* A heap of objects that are replaced one by one while their sizes drift. */
static void server(void) {
  enum { OBJECTS = 200000, STEPS = 4000000 };
  void **at = table(OBJECTS);
  uint64_t random = 42;
  for (long i = 0; i < OBJECTS + STEPS; i++) {
    size_t slot = i < OBJECTS ? (size_t)i : next(&random) % OBJECTS;
    double drift = 1.0 + 0.6 * sin((double)i / STEPS * 12.0);
    drop(at[slot]);
    at[slot] = make(next(&random) % 10 < 8 ? heavy(&random, 16, 256) : heavy(&random, 256 * drift, 16384 * drift));
  }
  free(at);
}

/* A cache of 48 MiB whose values change in size: those of the last phase are evicted at random. */
static void cache(void) {
  enum { MOST = 1000000, LIVE = 48 << 20 };
  static const size_t sizes[] = {64, 240, 100, 1000, 400, 4000, 150, 700};
  void **at = table(MOST);
  uint64_t random = 7;
  size_t live = 0, count = 0;
  for (unsigned phase = 0; phase < 8; phase++) {
    for (size_t put = 0; put < (size_t)LIVE + LIVE / 2;) {
      size_t size = sizes[phase] * 3 / 4 + next(&random) % (sizes[phase] / 2);
      while (count != 0 && live + size > LIVE) {
        size_t victim = next(&random) % count;
        live -= fh_usable_size(at[victim]);
        drop(at[victim]);
        at[victim] = at[--count];
      }
      at[count] = make(size);
      live += fh_usable_size(at[count++]);
      put += size;
    }
  }
  free(at);
}

/* What a burst leaves: `keep` in a thousand survive, the rest is freed in random order. */
static void burst(size_t objects, unsigned keep, double high) {
  void **at = table(objects);
  uint64_t random = 3;
  for (size_t i = 0; i < objects; i++) {
    at[i] = make(next(&random) % 16 == 0 ? heavy(&random, 256, high) : 16 + next(&random) % 240);
  }
  shuffle(at, objects, &random);
  for (size_t i = objects * keep / 1000; i < objects; i++) {
    drop(at[i]);
  }
  rest(100);
  for (size_t i = 0; i < objects * keep / 1000; i++) {
    drop(at[i]);
  }
  free(at);
}

static void freed(void) { burst(700000, 0, 4096); }

static void survivors(void) { burst(700000, 50, 32768); }

/* Threads that do a burst, give it all back and wait. */
enum { IDLERS = 32 };
static pthread_barrier_t idle_done, idle_leave;

static void *idler(void *seed) {
  enum { OBJECTS = 4000 };
  void *at[OBJECTS];
  uint64_t random = 1 + (uint64_t)(uintptr_t)seed * 7919;
  gate_start();
  for (unsigned round = 0; round < 3; round++) {
    for (size_t i = 0; i < OBJECTS; i++) {
      at[i] = make(heavy(&random, 16, 8192));
    }
    for (size_t i = 0; i < OBJECTS; i++) {
      drop(at[i]);
    }
    gate_wait(&idle_done);
    gate_wait(&idle_leave);
  }
  return NULL;
}

static void idle(void) {
  pthread_t threads[IDLERS];
  pthread_barrier_init(&idle_done, NULL, IDLERS + 1);
  pthread_barrier_init(&idle_leave, NULL, IDLERS + 1);
  for (uintptr_t i = 0; i < IDLERS; i++) {
    pthread_create(&threads[i], NULL, idler, (void *)i);
  }
  for (unsigned round = 0; round < 3; round++) {
    gate_wait(&idle_done);
    rest(50);
    gate_wait(&idle_leave);
  }
  for (unsigned i = 0; i < IDLERS; i++) {
    gate_join(threads[i]);
  }
}

/* Blocks that are taken and given in turn. */
static void in_turn(double low, double high, unsigned steps) {
  enum { BLOCKS = 64 };
  void *at[BLOCKS] = {0};
  uint64_t random = 5;
  for (unsigned i = 0; i < steps; i++) {
    size_t slot = next(&random) % BLOCKS;
    drop(at[slot]);
    at[slot] = make(heavy(&random, low, high));
  }
  for (unsigned i = 0; i < BLOCKS; i++) {
    drop(at[i]);
  }
}

static void large(void) { in_turn(64 << 10, 4 << 20, 20000); }

static void huge(void) { in_turn(1 << 20, 16 << 20, 6000); }

/* One thread makes, another frees all of it while the first one waits for work. */
enum { HANDED = 200000 };
static void **handed;
static pthread_barrier_t handed_made, handed_freed;

static void *maker(void *unused) {
  uint64_t random = 11;
  gate_start();
  for (size_t i = 0; i < HANDED; i++) {
    handed[i] = make(heavy(&random, 16, 4096));
  }
  gate_wait(&handed_made);
  gate_wait(&handed_freed);
  return unused;
}

static void hand_over(void) {
  pthread_t thread;
  pthread_barrier_init(&handed_made, NULL, 2);
  pthread_barrier_init(&handed_freed, NULL, 2);
  handed = table(HANDED);
  pthread_create(&thread, NULL, maker, NULL);
  gate_wait(&handed_made);
  for (size_t i = 0; i < HANDED; i++) {
    drop(handed[i]);
  }
  rest(50);
  gate_wait(&handed_freed);
  gate_join(thread);
  free(handed);
}

/* Threads whose heaps grow and shrink in waves, and that free some of each other's blocks. */
enum { MIXERS = 4, SHARED = 4096 };
static void *shared[SHARED];

static void *mixer(void *seed) {
  enum { OBJECTS = 40000, STEPS = 4000000 };
  void **at = table(OBJECTS);
  uint64_t random = 1 + (uint64_t)(uintptr_t)seed * 104729;
  gate_start();
  for (long i = 0; i < STEPS; i++) {
    size_t fill = (size_t)(OBJECTS * (0.51 + 0.49 * sin((double)i / STEPS * 40 + (double)(uintptr_t)seed)));
    size_t slot = next(&random) % OBJECTS;
    drop(at[slot]);
    at[slot] = NULL;
    if (slot < fill) {
      void *made = make(next(&random) % 50 == 0 ? heavy(&random, 1024, 65536) : heavy(&random, 16, 1024));
      at[slot] = next(&random) % 8 == 0 ? __atomic_exchange_n(&shared[slot % SHARED], made, __ATOMIC_ACQ_REL) : made;
    }
  }
  for (size_t i = 0; i < OBJECTS; i++) {
    drop(at[i]);
  }
  free(at);
  return NULL;
}

static void mixed(void) {
  pthread_t threads[MIXERS];
  for (uintptr_t i = 0; i < MIXERS; i++) {
    pthread_create(&threads[i], NULL, mixer, (void *)i);
  }
  for (unsigned i = 0; i < MIXERS; i++) {
    gate_join(threads[i]);
  }
  for (size_t i = 0; i < SHARED; i++) {
    drop(shared[i]);
  }
}

typedef struct load {
  const char *name;
  void (*run)(void);
} load;

static const load loads[] = {{"server", server},       {"cache", cache},      {"freed", freed},
                             {"survivors", survivors}, {"idle", idle},        {"large", large},
                             {"huge", huge},           {"handed", hand_over}, {"mixed", mixed}};

#endif
