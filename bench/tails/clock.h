/* The processor's counter of time, and how fast it runs. */
#ifndef BENCH_TAILS_CLOCK_H
#define BENCH_TAILS_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t nanoseconds(clockid_t of) {
  struct timespec now;
  clock_gettime(of, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* What is timed must not begin before the first reading, nor end after the second: neither in the processor. */
#if defined(__x86_64__)
static inline uint64_t ticks_before(void) {
  uint32_t low, high;
  __asm__ volatile("lfence\n\trdtsc\n\tlfence" : "=a"(low), "=d"(high)::"memory");
  return (uint64_t)high << 32 | low;
}

static inline uint64_t ticks_after(void) {
  uint32_t low, high;
  __asm__ volatile("rdtscp\n\tlfence" : "=a"(low), "=d"(high)::"rcx", "memory");
  return (uint64_t)high << 32 | low;
}
#elif defined(__aarch64__)
static inline uint64_t ticks_before(void) {
  uint64_t ticks;
  __asm__ volatile("isb\n\tmrs %0, cntvct_el0\n\tisb" : "=r"(ticks)::"memory");
  return ticks;
}

static inline uint64_t ticks_after(void) { return ticks_before(); }
#else
static inline uint64_t ticks_before(void) { return (uint64_t)nanoseconds(CLOCK_MONOTONIC); }

static inline uint64_t ticks_after(void) { return ticks_before(); }
#endif

typedef struct instant {
  uint64_t ticks;
  int64_t nanoseconds;
} instant;

/* Both clocks at once: of some tries the one that was not interrupted between them. */
static inline instant instant_now(void) {
  instant best = {0};
  uint64_t least = UINT64_MAX;
  for (int i = 0; i < 9; i++) {
    uint64_t before = ticks_before();
    int64_t now = nanoseconds(CLOCK_MONOTONIC);
    uint64_t between = ticks_after() - before;
    if (between < least) {
      least = between;
      best = (instant){before + between / 2, now};
    }
  }
  return best;
}

static inline double ticks_a_nanosecond(void) {
  const struct timespec pause = {.tv_nsec = 50000000};
  instant first = instant_now();
  nanosleep(&pause, NULL);
  instant second = instant_now();
  return (double)(second.ticks - first.ticks) / (double)(second.nanoseconds - first.nanoseconds);
}

#endif
