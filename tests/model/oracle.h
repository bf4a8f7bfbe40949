/* The oracle: knows every live block, its size, and the byte pattern that it must still hold. */
#ifndef TESTS_MODEL_ORACLE_H
#define TESTS_MODEL_ORACLE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "freehold/freehold.h"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { ORACLE_TIMES = 1 }; /* ten times slower under these */
#else
enum { ORACLE_TIMES = 4 };
#endif

enum { ORACLE_SLOTS = 2048 };

typedef struct block {
  unsigned char *at;
  size_t bytes;
  unsigned char mark;
} block;

typedef struct oracle {
  uint64_t random;
  block blocks[ORACLE_SLOTS];
  uint64_t refused; /* NULL where memory was asked for */
} oracle;

static inline uint64_t oracle_next(oracle *o) {
  o->random ^= o->random << 13;
  o->random ^= o->random >> 7;
  o->random ^= o->random << 17;
  return o->random;
}

#define REQUIRE(x)                                                      \
  do {                                                                  \
    if (!(x)) {                                                         \
      fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #x); \
      abort();                                                          \
    }                                                                   \
  } while (0)

/* Mostly small, sometimes bytes to pages, seldom large: every part of the heap and every border between them. */
static inline size_t oracle_size(oracle *o) {
  uint64_t r = oracle_next(o);
  switch (r % 64) {
    case 0: return (size_t)(r >> 8) % (600 << 10);
    case 1:
    case 2:
    case 3: return (size_t)(r >> 8) % (40 << 10);
    case 4:
    case 5: return 240 + (size_t)(r >> 8) % 40;
    case 6: return (128 << 10) - 32 + (size_t)(r >> 8) % 64;
    default: return (size_t)(r >> 8) % (r % 3 == 0 ? 2048 : 256);
  }
}

/* The whole of a small block, both ends and every page of a large one. */
static inline void oracle_touch(const block *b, int write) {
  size_t step = b->bytes <= 4096 ? 1 : 509;
  for (size_t i = 0; i < b->bytes; i += step) {
    if (write) {
      b->at[i] = (unsigned char)(b->mark + i);
    }
    REQUIRE(b->at[i] == (unsigned char)(b->mark + i));
  }
  if (b->bytes != 0) {
    size_t last = b->bytes - 1;
    if (write) {
      b->at[last] = (unsigned char)(b->mark + last);
    }
    REQUIRE(b->at[last] == (unsigned char)(b->mark + last));
  }
}

static inline void oracle_born(oracle *o, block *b, void *at, size_t bytes, size_t alignment) {
  if (at == NULL) {
    o->refused++;
    *b = (block){0};
    return;
  }
  REQUIRE((uintptr_t)at % alignment == 0);
  REQUIRE(fh_usable_size(at) >= bytes);
  *b = (block){at, bytes, (unsigned char)oracle_next(o)};
  oracle_touch(b, 1);
}

static inline void oracle_free(block *b) {
  oracle_touch(b, 0);
  fh_free(b->at);
  *b = (block){0};
}

static inline void oracle_calloc(oracle *o, block *b, size_t bytes) {
  unsigned char *at = fh_calloc(1, bytes);
  for (size_t i = 0; at != NULL && i < bytes; i++) {
    REQUIRE(at[i] == 0);
  }
  oracle_born(o, b, at, bytes, 16);
}

static inline void oracle_realloc(oracle *o, block *b, size_t bytes) {
  block old = *b;
  oracle_touch(&old, 0);
  unsigned char *at = fh_realloc(old.at, bytes);
  if (bytes == 0) {
    *b = (block){0};
    return;
  }
  if (at == NULL) {
    o->refused++;
    oracle_touch(&old, 0); /* nothing lost */
    return;
  }
  block kept = {at, old.bytes < bytes ? old.bytes : bytes, old.mark};
  size_t step = old.bytes <= 4096 ? 1 : 509;
  for (size_t i = 0; i < kept.bytes; i += step) {
    REQUIRE(at[i] == (unsigned char)(old.mark + i));
  }
  oracle_born(o, b, at, bytes, 16);
}

/* One random call on one random slot. */
static inline void oracle_step(oracle *o) {
  block *b = &o->blocks[oracle_next(o) % ORACLE_SLOTS];
  uint64_t what = oracle_next(o) % 16;
  size_t bytes = oracle_size(o);
  if (b->at != NULL && what < 12) {
    oracle_free(b);
  } else if (b->at != NULL) {
    oracle_realloc(o, b, bytes);
  } else if (what < 11) {
    oracle_born(o, b, fh_malloc(bytes), bytes, 16);
  } else if (what < 13) {
    oracle_calloc(o, b, bytes);
  } else {
    size_t alignment = (size_t)1 << (4 + oracle_next(o) % 13);
    oracle_born(o, b, fh_memalign(alignment, bytes), bytes, alignment);
  }
}

static inline int oracle_order(const void *a, const void *b) {
  const block *x = a, *y = b;
  return x->at < y->at ? -1 : x->at > y->at;
}

/* No two live blocks overlap, with the bytes that they may use. */
static inline void oracle_apart(const oracle *o) {
  static _Thread_local block sorted[ORACLE_SLOTS];
  memcpy(sorted, o->blocks, sizeof sorted);
  qsort(sorted, ORACLE_SLOTS, sizeof *sorted, oracle_order);
  for (size_t i = 1; i < ORACLE_SLOTS; i++) {
    if (sorted[i - 1].at != NULL) {
      REQUIRE(sorted[i - 1].at + fh_usable_size(sorted[i - 1].at) <= sorted[i].at);
    }
  }
}

static inline void oracle_end(oracle *o) {
  for (size_t i = 0; i < ORACLE_SLOTS; i++) {
    if (o->blocks[i].at != NULL) {
      oracle_free(&o->blocks[i]);
    }
  }
}

/* A thread of its own. */
static inline void oracle_until(const int *stop, uint64_t random) {
  static _Thread_local oracle model;
  model.random = random;
  while (!__atomic_load_n(stop, __ATOMIC_RELAXED)) {
    oracle_step(&model);
  }
  oracle_end(&model);
}

#endif
