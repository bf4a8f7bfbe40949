/* Counts of durations: exact below 64, 64 buckets a doubling from there, so that a percentile is 1.6 % too low at most.
 */
#ifndef BENCH_TAILS_HISTOGRAM_H
#define BENCH_TAILS_HISTOGRAM_H

#include <stdint.h>

enum { DOUBLINGS = 40, BUCKETS = 64 * DOUBLINGS };

typedef struct histogram {
  uint64_t count[BUCKETS];
  uint64_t most, sum;
} histogram;

static inline void add(histogram *h, uint64_t value) {
  unsigned shift = value < 64 ? 0 : 57u - (unsigned)__builtin_clzll(value);
  uint64_t bucket = shift * 64u + (value >> shift);
  h->count[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
  h->sum += value;
  if (value > h->most) {
    h->most = value;
  }
}

static inline void merge(histogram *into, const histogram *from) {
  for (unsigned i = 0; i < BUCKETS; i++) {
    into->count[i] += from->count[i];
  }
  into->most = from->most > into->most ? from->most : into->most;
  into->sum += from->sum;
}

static inline uint64_t values(const histogram *h) {
  uint64_t all = 0;
  for (unsigned i = 0; i < BUCKETS; i++) {
    all += h->count[i];
  }
  return all;
}

static inline double mean(const histogram *h) { return (double)h->sum / (double)values(h); }

/* The least value of the bucket that the share of all values ends in. */
static inline uint64_t percentile(const histogram *h, double share) {
  uint64_t all = values(h), seen = 0;
  for (unsigned i = 0; i < BUCKETS; i++) {
    seen += h->count[i];
    if ((double)seen >= share * (double)all) {
      unsigned shift = i < 128 ? 0 : i / 64 - 1;
      return (uint64_t)(i - shift * 64u) << shift;
    }
  }
  return 0;
}

#endif
