/* The race of regions: what its measures share. */
#ifndef BENCH_REGION_RACE_H
#define BENCH_REGION_RACE_H

#include <stdbool.h>
#include <stdint.h>

#include "plugin.h"

enum { MOST = 16, MIB = 1 << 20 };

/* Who races. */
extern region_plugin field[MOST];
extern unsigned field_count;

/* Random numbers, the same ones for everybody. */
uint64_t next_random(uint64_t *random);
double unit_random(uint64_t *random);
size_t size_random(uint64_t *random); /* 16 * 256^(u * u), u uniform in [0, 1): from 16 to 4096, 419 on average */

/* Pages that are there, small ones only: no allocator is luckier than another. */
void *memory_of(size_t bytes);
void *memory_or_die(void *allocated);

/* What a workload holds. */
typedef struct live {
  void **at;
  uint32_t *size;
  size_t count, bytes;
} live;

live live_for(size_t bytes);
void live_end(live *);
void live_add(live *, void *taken, size_t size);
void live_remove(live *, size_t victim);
bool live_take(const region_plugin *, void *heap, live *, size_t size);
void live_give(const region_plugin *, void *heap, live *, size_t victim);

/* Each prints lines of the form: MEASURE NAME VALUE... */
void race_failure(size_t bytes, unsigned seeds);
void race_largest(size_t bytes);
void race_equal(size_t bytes, size_t size);
void race_latency(size_t bytes, unsigned fill, unsigned rounds);
void race_steps(size_t bytes, unsigned effort);

#endif
