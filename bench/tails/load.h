/* The load of tails.c and scale.c: each thread keeps a few thousand objects, replaces one at random again and again,
 * and hands some of those it gives up to the next thread, which frees them. */
#ifndef BENCH_TAILS_LOAD_H
#define BENCH_TAILS_LOAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/resource.h>

#include "../work/work.h"

enum {
  OBJECTS = 4000, /* of a thread */
  SIZES = 1 << 12,
  RING = 256, /* objects on their way from one thread to the next; a power of two */
  HAND = 8,   /* one object in so many is handed on */
  THREADS_MOST = 64
};

/* How often the calling thread has given up the processor by itself: in an allocator, that is a wait for a lock. */
static inline long waits_now(void) {
  struct rusage used;
  getrusage(RUSAGE_THREAD, &used);
  return used.ru_nvcsw;
}

/* From one thread to one other. Each end has a line of its own. */
typedef struct ring {
  _Alignas(128) atomic_size_t taken;
  _Alignas(128) atomic_size_t put;
  void *object[RING];
} ring;

typedef struct worker {
  _Alignas(128) uint64_t random;
  void **at; /* its objects */
  uint32_t *bytes;
  ring *in, *out; /* out: NULL, where nothing is handed on */
  pthread_t thread;
  uint64_t calls; /* of malloc and free */
  long waits;     /* in them */
  void *log;      /* what the program wants to know of each call */
} worker;

static uint32_t *sizes; /* drawn in advance: the power costs more than a malloc */

/* 16 * 2048^(u * u), u uniform: from 16 to 32768, half of them below 108. */
static inline void draw_sizes(void) {
  uint64_t random = 42;
  sizes = own(SIZES * sizeof *sizes);
  for (size_t i = 0; i < SIZES; i++) {
    double u = (double)(next(&random) >> 11) / 9007199254740992.0;
    sizes[i] = (uint32_t)(16 * pow(2048, u * u));
  }
}

static inline worker *make_workers(unsigned count, bool hand_on) {
  worker *all = own(count * sizeof *all);
  ring *rings = own(count * sizeof *rings);
  draw_sizes();
  for (unsigned i = 0; i < count; i++) {
    all[i] = (worker){.random = 1 + i * 104729u, .in = &rings[i], .out = hand_on ? &rings[(i + 1) % count] : NULL};
    all[i].at = own(OBJECTS * sizeof(void *));
    all[i].bytes = own(OBJECTS * sizeof(uint32_t));
  }
  return all;
}

/* False: it is full. */
static inline bool put(ring *r, void *object) {
  size_t at = atomic_load_explicit(&r->put, memory_order_relaxed);
  if (at - atomic_load_explicit(&r->taken, memory_order_acquire) == RING) {
    return false;
  }
  r->object[at % RING] = object;
  atomic_store_explicit(&r->put, at + 1, memory_order_release);
  return true;
}

/* NULL: there is none. */
static inline void *take(ring *r) {
  size_t at = atomic_load_explicit(&r->taken, memory_order_relaxed);
  if (at == atomic_load_explicit(&r->put, memory_order_acquire)) {
    return NULL;
  }
  void *object = r->object[at % RING];
  atomic_store_explicit(&r->taken, at + 1, memory_order_release);
  return object;
}

/* The two calls as the program makes them: plain or timed. They are known where step is inlined. */
typedef void *(*make_call)(worker *, size_t bytes);
typedef void (*drop_call)(worker *, void *);

static inline void empty_ring(worker *w, drop_call drop) {
  for (void *object; (object = take(w->in)) != NULL; w->calls++) {
    drop(w, object);
  }
}

static inline void fill(worker *w, size_t slot, uint64_t random, make_call make) {
  size_t bytes = sizes[random % SIZES];
  char *object = make(w, bytes);
  if (object == NULL) {
    _exit(2);
  }
  for (size_t i = 0; i < bytes; i += 4096) {
    object[i] = 1;
  }
  object[bytes - 1] = 1;
  w->at[slot] = object;
  w->bytes[slot] = (uint32_t)bytes;
  w->calls++;
}

static inline void fill_all(worker *w, make_call make) {
  for (size_t i = 0; i < OBJECTS; i++) {
    fill(w, i, next(&w->random), make);
  }
}

/* One object goes, another comes, and what others handed over is freed. */
static inline void step(worker *w, make_call make, drop_call drop) {
  uint64_t random = next(&w->random);
  size_t slot = (random >> 32) % OBJECTS;
  bool hand = w->out != NULL && (random >> 12) % HAND == 0;
  if (!hand || !put(w->out, w->at[slot])) {
    drop(w, w->at[slot]);
    w->calls++;
  }
  fill(w, slot, random, make);
  empty_ring(w, drop);
}

#endif
