/* A gate that the threads of a load stand behind: a sampler closes it, waits until all of them are between two calls of
 * the heap, and looks at what nobody changes meanwhile. Passing an open gate is one load. */
#ifndef BENCH_RETENTION_GATE_H
#define BENCH_RETENTION_GATE_H

#include <pthread.h>
#include <stdbool.h>

typedef struct gate {
  pthread_mutex_t lock;
  pthread_cond_t opened, emptied;
  unsigned inside; /* threads that may be in the heap */
  bool closed;
} gate;

static gate the_gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, false};
static pthread_key_t gate_key;
static pthread_once_t gate_once = PTHREAD_ONCE_INIT;

static inline void gate_enter(void) {
  pthread_mutex_lock(&the_gate.lock);
  while (the_gate.closed) {
    pthread_cond_wait(&the_gate.opened, &the_gate.lock);
  }
  the_gate.inside++;
  pthread_mutex_unlock(&the_gate.lock);
}

/* Before a thread waits for something else than the heap. */
static inline void gate_leave(void) {
  pthread_mutex_lock(&the_gate.lock);
  if (--the_gate.inside == 0) {
    pthread_cond_signal(&the_gate.emptied);
  }
  pthread_mutex_unlock(&the_gate.lock);
}

/* Between two calls of the heap. */
static inline void gate_pass(void) {
  if (__builtin_expect(__atomic_load_n(&the_gate.closed, __ATOMIC_RELAXED), 0)) {
    gate_leave();
    gate_enter();
  }
}

/* The heap has a hook of its own at the end of a thread: the second round comes after it. */
static void gate_thread_ends(void *value) {
  static _Thread_local int rounds;
  if (++rounds < 2) {
    pthread_setspecific(gate_key, value);
  } else {
    gate_leave();
  }
}

static void gate_make_key(void) { pthread_key_create(&gate_key, gate_thread_ends); }

/* First thing in a thread: it is inside until it has ended. */
static inline void gate_start(void) {
  pthread_once(&gate_once, gate_make_key);
  gate_enter();
  pthread_setspecific(gate_key, &the_gate);
}

static inline void gate_join(pthread_t thread) {
  gate_leave();
  pthread_join(thread, NULL);
  gate_enter();
}

static inline void gate_wait(pthread_barrier_t *barrier) {
  gate_leave();
  pthread_barrier_wait(barrier);
  gate_enter();
}

static inline void gate_close(void) {
  pthread_mutex_lock(&the_gate.lock);
  __atomic_store_n(&the_gate.closed, true, __ATOMIC_RELAXED);
  while (the_gate.inside != 0) {
    pthread_cond_wait(&the_gate.emptied, &the_gate.lock);
  }
  pthread_mutex_unlock(&the_gate.lock);
}

static inline void gate_open(void) {
  pthread_mutex_lock(&the_gate.lock);
  __atomic_store_n(&the_gate.closed, false, __ATOMIC_RELAXED);
  pthread_cond_broadcast(&the_gate.opened);
  pthread_mutex_unlock(&the_gate.lock);
}

#endif
