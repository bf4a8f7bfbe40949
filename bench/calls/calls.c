/* Patterns of calls whose instructions are counted (bench/calls.py), each a loop that a program might have:
 *
 *   calls                    names the patterns
 *   calls PATTERN CALLS      runs so many pairs twice; callgrind collects within measured(), the second time: a heap is
 *                            to have settled */
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROW = 1000, MIXED = 2000 };

typedef struct pattern {
  const char *name;
  void (*round)(size_t bytes, size_t more);
  size_t bytes, more;
  unsigned pairs; /* of calls in a round */
} pattern;

static void *volatile kept; /* nothing is to be optimised away */
static void *row[MIXED];
static uint32_t seed = 1;

static uint32_t next_random(void) {
  seed = seed * UINT32_C(1664525) + UINT32_C(1013904223);
  return seed >> 8;
}

static void pair(size_t bytes, size_t more) {
  (void)more;
  kept = malloc(bytes);
  free(kept);
}

static void cleared(size_t bytes, size_t more) {
  (void)more;
  kept = calloc(1, bytes);
  free(kept);
}

static void aligned(size_t bytes, size_t alignment) {
  kept = memalign(alignment, bytes);
  free(kept);
}

static void stays(size_t bytes, size_t more) {
  row[0] = realloc(row[0], bytes);
  row[0] = realloc(row[0], more);
}

static void measures(size_t bytes, size_t more) {
  (void)more;
  row[0] = row[0] == NULL ? malloc(bytes) : row[0];
  kept = (void *)malloc_usable_size(row[0]);
}

static void grows(size_t from, size_t to) {
  void *block = NULL;
  for (size_t bytes = from; bytes <= to; bytes *= 2) {
    block = realloc(block, bytes);
  }
  free(block);
}

/* Many of one size, taken in a row. */
static void fill(size_t bytes, size_t count) {
  for (size_t i = 0; i < count; i++) {
    row[i] = malloc(bytes);
  }
}

static void in_order(size_t bytes, size_t count) {
  fill(bytes, count);
  for (size_t i = 0; i < count; i++) {
    free(row[i]);
  }
}

static void backwards(size_t bytes, size_t count) {
  fill(bytes, count);
  for (size_t i = count; i-- != 0;) {
    free(row[i]);
  }
}

static void shuffled(size_t bytes, size_t count) {
  fill(bytes, count);
  for (size_t i = count; i-- != 0;) {
    size_t at = next_random() % (i + 1);
    free(row[at]);
    row[at] = row[i];
  }
}

/* One of many is replaced by one of another size. */
static void mixed(size_t least, size_t most) {
  size_t at = next_random() % MIXED;
  free(row[at]);
  row[at] = malloc(least + next_random() % (most - least + 1));
}

static const pattern patterns[] = {
    {"pair 16", pair, 16, 0, 1},
    {"pair 100", pair, 100, 0, 1},
    {"pair 1000", pair, 1000, 0, 1},
    {"pair 2000", pair, 2000, 0, 1},
    {"pair 10000", pair, 10000, 0, 1},
    {"pair 32768", pair, 32768, 0, 1},
    {"pair 65536", pair, 65536, 0, 1},
    {"pair 131072", pair, 131072, 0, 1},
    {"pair 1 MiB", pair, 1 << 20, 0, 1},
    {"calloc 100", cleared, 100, 0, 1},
    {"calloc 2000", cleared, 2000, 0, 1},
    {"memalign 64, 100", aligned, 100, 64, 1},
    {"memalign 64, 2000", aligned, 2000, 64, 1},
    {"memalign 4096, 100", aligned, 100, 4096, 1},
    {"realloc stays", stays, 100, 104, 2},
    {"realloc 16 to 64 KiB", grows, 16, 64 << 10, 13},
    {"usable size", measures, 100, 0, 1},
    {"row of 16, in order", in_order, 16, ROW, ROW},
    {"row of 100, in order", in_order, 100, ROW, ROW},
    {"row of 100, backwards", backwards, 100, ROW, ROW},
    {"row of 100, shuffled", shuffled, 100, ROW, ROW},
    {"row of 1000, in order", in_order, 1000, ROW, ROW},
    {"row of 2000, in order", in_order, 2000, ROW, ROW},
    {"row of 2000, backwards", backwards, 2000, ROW, ROW},
    {"row of 2000, shuffled", shuffled, 2000, ROW, ROW},
    {"row of 10000, in order", in_order, 10000, ROW / 4, ROW / 4},
    {"row of 10000, shuffled", shuffled, 10000, ROW / 4, ROW / 4},
    {"mixed 16 to 512", mixed, 16, 512, 1},
    {"mixed 16 to 4096", mixed, 16, 4096, 1},
    {"mixed 16 to 32768", mixed, 16, 32768, 1},
    {"mixed 1024 to 131072", mixed, 1024, 131072, 1},
};

__attribute__((noinline)) static void run(const pattern *p, long rounds) {
  for (long i = 0; i < rounds; i++) {
    p->round(p->bytes, p->more);
  }
}

/* Named for callgrind. */
__attribute__((noinline)) void measured(const pattern *p, long rounds);
void measured(const pattern *p, long rounds) {
  run(p, rounds);
  __asm__ volatile("" ::: "memory"); /* a call, not a jump */
}

int main(int argc, char **argv) {
  long calls = argc == 3 ? atol(argv[2]) : 0;
  for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
    const pattern *p = &patterns[i];
    if (argc < 2) {
      puts(p->name);
    } else if (strcmp(p->name, argv[1]) == 0 && calls > 0) {
      long rounds = (calls + p->pairs - 1) / p->pairs;
      run(p, rounds);
      measured(p, rounds);
      printf("RESULT calls=%ld\n", rounds * p->pairs);
      return 0;
    }
  }
  return argc < 2 ? 0 : 2;
}
