/* Nanoseconds of one call. Everybody makes the same calls, in turns short enough for noise to hit all alike; the start
 * of a turn is not measured, because it finds the caches full of the others'. Cycles are those of the time stamp
 * counter, fenced on both sides; what an empty measurement takes is taken off. */
#include "race.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <x86intrin.h>

enum { WARM = 4000, TURN = 20000 };

static inline uint64_t before(void) {
  _mm_lfence();
  uint64_t now = __rdtsc();
  _mm_lfence();
  return now;
}

static inline uint64_t after(void) {
  unsigned core;
  uint64_t now = __rdtscp(&core);
  _mm_lfence();
  return now;
}

static int by_value(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return (x > y) - (x < y);
}

static double nanoseconds; /* a cycle of the time stamp counter */
static uint32_t empty;     /* median of an empty measurement, in cycles */

static void calibrate(void) {
  static uint32_t sample[10001];
  struct timespec a, b;
  for (unsigned i = 0; i < 10001; i++) {
    uint64_t start = before();
    sample[i] = (uint32_t)(after() - start);
  }
  qsort(sample, 10001, sizeof *sample, by_value);
  empty = sample[5000];
  clock_gettime(CLOCK_MONOTONIC, &a);
  uint64_t start = __rdtsc();
  do {
    clock_gettime(CLOCK_MONOTONIC, &b);
  } while ((b.tv_sec - a.tv_sec) * 1000000000L + b.tv_nsec - a.tv_nsec < 50000000L);
  nanoseconds = 5e7 / (double)(__rdtsc() - start);
  printf("timer - %.1f\n", empty * nanoseconds);
}

typedef struct samples {
  uint32_t *cycles;
  size_t count, most;
} samples;

typedef struct lane {
  const region_plugin *plugin;
  void *memory, *heap;
  live l;
  size_t goal;
  uint64_t random;
  samples takes, gives;
  size_t failed;
} lane;

static samples samples_for(size_t most) {
  return (samples){.cycles = memory_or_die(malloc(most * sizeof(uint32_t))), .most = most};
}

static void note(samples *s, uint64_t start, uint64_t end) {
  uint64_t spent = end - start;
  if (s->count < s->most) {
    s->cycles[s->count++] = spent > empty ? (uint32_t)(spent - empty) : 0;
  }
}

static void give_one(lane *x) {
  size_t victim = next_random(&x->random) % x->l.count;
  void *pointer = x->l.at[victim];
  uint64_t start = before();
  x->plugin->give(x->heap, pointer);
  note(&x->gives, start, after());
  live_remove(&x->l, victim);
}

/* A request that fails is made again when something has been given back, as a cache would: else the sizes that are live
 * would become those that fit. Failures are counted, not measured. */
static void take_one(lane *x) {
  size_t size = size_random(&x->random);
  for (;;) {
    uint64_t start = before();
    void *taken = x->plugin->take(x->heap, size);
    uint64_t end = after();
    if (taken != NULL) {
      note(&x->takes, start, end);
      live_add(&x->l, taken, size);
      return;
    }
    x->failed++;
    if (x->l.count == 0) {
      return;
    }
    give_one(x);
  }
}

/* Keeps the share of live bytes: gives when there are more, takes when fewer. */
static void turn(lane *x, unsigned calls) {
  for (unsigned i = 0; i < calls; i++) {
    if (x->l.bytes < x->goal) {
      take_one(x);
    } else {
      give_one(x);
    }
  }
}

static void forget(lane *x, const lane *kept) {
  x->takes.count = kept->takes.count;
  x->gives.count = kept->gives.count;
  x->failed = kept->failed;
}

/* Fills a region and lets it age: every object has gone some times. */
static void begin(lane *x, const region_plugin *p, size_t bytes, unsigned fill, unsigned rounds) {
  size_t most = (size_t)rounds * TURN + WARM;
  void *memory = memory_of(bytes);
  *x = (lane){.plugin = p, .memory = memory, .heap = p->make(memory, bytes), .l = live_for(bytes), .random = 99};
  x->goal = bytes / 100 * fill;
  x->takes = samples_for(most);
  x->gives = samples_for(most);
  const lane nothing = {0};
  for (size_t calls = bytes / 420 * 8; calls > WARM; calls -= WARM) {
    turn(x, WARM);
    forget(x, &nothing);
  }
}

static void print_samples(const char *what, const lane *x, size_t bytes, unsigned fill, const samples *s) {
  size_t n = s->count;
  if (n == 0) {
    return;
  }
  qsort(s->cycles, n, sizeof *s->cycles, by_value);
  printf("%s_%zu_%u %s %.1f %.1f %.1f %.1f %.4f\n", what, bytes / MIB, fill, x->plugin->name,
         s->cycles[n / 2] * nanoseconds, s->cycles[n * 99 / 100] * nanoseconds, s->cycles[n * 999 / 1000] * nanoseconds,
         s->cycles[n - 1] * nanoseconds, (double)x->failed / (double)(x->failed + x->takes.count));
}

static void end(lane *x, size_t bytes) {
  munmap(x->memory, bytes);
  live_end(&x->l);
  free(x->takes.cycles);
  free(x->gives.cycles);
}

void race_latency(size_t bytes, unsigned fill, unsigned rounds) {
  static lane lanes[MOST];
  if (nanoseconds == 0) {
    calibrate();
  }
  for (unsigned i = 0; i < field_count; i++) {
    begin(&lanes[i], &field[i], bytes, fill, rounds);
  }
  for (unsigned round = 0; round < rounds; round++) {
    for (unsigned i = 0; i < field_count; i++) {
      lane kept = lanes[i];
      turn(&lanes[i], WARM);
      forget(&lanes[i], &kept);
      turn(&lanes[i], TURN);
    }
  }
  for (unsigned i = 0; i < field_count; i++) {
    print_samples("alloc", &lanes[i], bytes, fill, &lanes[i].takes);
    print_samples("free", &lanes[i], bytes, fill, &lanes[i].gives);
    end(&lanes[i], bytes);
  }
  fflush(stdout);
}
