/* Random calls of a region against an oracle that knows every live block: alignment, contents, counts; whether a failed
 * request could have been served; and that wrong pointers get a status. All policies and flags, three sizes. */
#include "model/require.h"

#include "freehold/region.h"

enum { BLOCKS = 300, WORD = sizeof(void *) };

typedef struct block {
  unsigned char *at;
  size_t size, alignment;
} block;

typedef struct model {
  fh_region *r;
  unsigned char *memory;
  size_t bytes, given; /* given: with what was added later */
  fh_region_options options;
  block blocks[BLOCKS];
  uint64_t random;
} model;

static int largest_hole(uint64_t address, uint64_t length, bool used, void *arg) {
  uint64_t *most = arg;
  (void)address;
  *most = !used && length > *most ? length : *most;
  return 0;
}

static size_t unit_of(const model *m) { return (m->options.flags & FH_REGION_PACKED) != 0 ? WORD : 2 * WORD; }

/* The chunk that a request needs: a word for the head, one for the canary, in whole units. */
static size_t chunk_for(const model *m, size_t size) {
  size_t words = (m->options.flags & FH_REGION_CHECKED) != 0 ? 2 : 1, unit = unit_of(m);
  return (size + words * WORD + unit - 1) / unit * unit;
}

/* No policy but buddies, and a bounded search, may fail while a hole fits. */
static void check_refusal(model *m, size_t size) {
  uint64_t most = 0;
  fh_status why = fh_region_why(m->r);
  fh_space space;
  fh_region_walk(m->r, largest_hole, &most);
  fh_region_space(m->r, &space);
  REQUIRE(why == FH_EXHAUSTED || why == FH_FRAGMENTED);
  REQUIRE((why == FH_EXHAUSTED) == (space.free < size + WORD));
  if (m->options.fit != FH_FIT_BUDDY && (m->options.flags & FH_REGION_BOUNDED) == 0) {
    REQUIRE(most < chunk_for(m, size));
  }
}

static void fill(block *b, size_t number) { memset(b->at, (int)(number % 251 + 1), b->size); }

static void check_contents(const block *b, size_t number, size_t bytes) {
  for (size_t i = 0; i < bytes; i++) {
    REQUIRE(b->at[i] == number % 251 + 1);
  }
}

static size_t random_size(model *m) {
  uint64_t r = chance(&m->random);
  return r % 4 != 0 ? r / 4 % 120 : r / 4 % (m->bytes / 6);
}

static void take(model *m, size_t i) {
  block *b = &m->blocks[i];
  b->size = random_size(m);
  bool aligned = chance(&m->random) % 8 == 0;
  b->alignment = aligned ? (size_t)1 << chance(&m->random) % 9 : 1;
  b->at = aligned ? fh_region_alloc_aligned(m->r, b->alignment, b->size) : fh_region_alloc(m->r, b->size);
  if (b->at == NULL) {
    if (!aligned) {
      check_refusal(m, b->size);
    }
    return;
  }
  size_t unit = unit_of(m);
  REQUIRE((uintptr_t)b->at % b->alignment == 0 && (uintptr_t)b->at % unit == 0);
  REQUIRE(b->at >= m->memory && b->at + b->size <= m->memory + m->given);
  REQUIRE(fh_region_usable_size(m->r, b->at) >= b->size);
  fill(b, i);
}

static void change(model *m, size_t i) {
  block *b = &m->blocks[i];
  size_t size = random_size(m) + 1, before = b->size;
  unsigned char *now = fh_region_realloc(m->r, b->at, size);
  if (now == NULL) {
    check_contents(b, i, before); /* as it was */
    return;
  }
  REQUIRE((uintptr_t)now % b->alignment == 0);
  b->at = now;
  check_contents(b, i, before < size ? before : size);
  b->size = size;
  fill(b, i);
}

static void give(model *m, size_t i) {
  block *b = &m->blocks[i];
  REQUIRE(fh_region_free(m->r, b->at) == FH_OK);
  fh_status again = fh_region_free(m->r, b->at);
  REQUIRE(again == FH_DOUBLE_FREE && fh_region_why(m->r) == again);
  b->at = NULL;
}

/* Pointers that are none. */
static void wrong(model *m, size_t i) {
  block *b = &m->blocks[i];
  char elsewhere[8];
  REQUIRE(fh_region_free(m->r, NULL) == FH_NOT_OWNED);
  REQUIRE(fh_region_free(m->r, elsewhere) == FH_NOT_OWNED);
  if (b->at != NULL && b->size > 1) {
    REQUIRE(fh_region_free(m->r, b->at + 1 + chance(&m->random) % (b->size - 1)) != FH_OK);
  }
}

static void check_all(model *m) {
  fh_space space;
  uint64_t requested = 0, chunks = 0;
  REQUIRE(fh_region_check(m->r) == FH_OK);
  fh_region_space(m->r, &space);
  for (size_t i = 0; i < BLOCKS; i++) {
    if (m->blocks[i].at != NULL) {
      check_contents(&m->blocks[i], i, m->blocks[i].size);
      requested += m->blocks[i].size;
      chunks++;
    }
  }
  REQUIRE(space.size == space.used + space.free + space.metadata && space.size <= m->given);
  REQUIRE(space.requested == requested && space.chunks == chunks && space.peak_used >= space.used);
  if (m->options.fit != FH_FIT_BUDDY && space.largest != 0) {
    void *most = fh_region_alloc(m->r, (size_t)space.largest);
    REQUIRE(most != NULL && fh_region_free(m->r, most) == FH_OK);
    REQUIRE(fh_region_alloc(m->r, (size_t)space.largest + 1) == NULL);
  }
}

/* Attached anew, the region is what it was. */
static void reopen(model *m) {
  const char *what;
  REQUIRE(fh_region_examine(m->memory, m->given, &what) == FH_OK);
  m->r = fh_region_open(m->memory, m->given);
  REQUIRE(m->r != NULL);
}

static void step(model *m, long number) {
  size_t i = chance(&m->random) % BLOCKS;
  block *b = &m->blocks[i];
  uint64_t what = chance(&m->random) % 16;
  if (what == 0) {
    wrong(m, i);
  } else if (b->at == NULL) {
    take(m, i);
  } else if (what < 5) {
    check_contents(b, i, b->size);
    change(m, i);
  } else {
    check_contents(b, i, b->size);
    give(m, i);
  }
  if (number % 64 == 0) {
    check_all(m);
  }
  if (number % 1024 == 512) {
    reopen(m);
  }
}

static void run(fh_fit fit, unsigned flags, size_t bytes, long steps) {
  static model m;
  size_t more = bytes / 4;
  unsigned char *own = malloc(bytes + more + 64);
  m = (model){.memory = own + fit,
              .bytes = bytes,
              .given = bytes,
              .options = {.fit = fit, .flags = flags},
              .random = fit * 8 + flags + 1};
  m.r = fh_region_create(m.memory, bytes, &m.options);
  REQUIRE(m.r != NULL);
  for (long i = 0; i < steps; i++) {
    step(&m, i);
    if (i == steps / 2) {
      REQUIRE(fh_region_end(m.r) == m.memory + m.given);
      REQUIRE(fh_region_extend(m.r, m.memory + m.given, more) == FH_OK);
      m.given += more;
    }
  }
  for (size_t i = 0; i < BLOCKS; i++) {
    if (m.blocks[i].at != NULL) {
      give(&m, i);
    }
  }
  fh_space space;
  fh_region_space(m.r, &space);
  REQUIRE(space.used == 0 && space.requested == 0 && space.chunks == 0);
  REQUIRE(fit == FH_FIT_BUDDY || space.holes == 1);
  size_t trimmed = fh_region_trim(m.r);
  REQUIRE(trimmed != 0 && fh_region_check(m.r) == FH_OK);
  free(own);
}

int main(int argc, char **argv) {
  static const size_t sizes[] = {4000, 65536, 300000};
  long steps = steps_of(argc, argv, 600000) / (6 * 8 * 3);
  for (unsigned fit = FH_FIT_GOOD; fit <= FH_FIT_BUDDY; fit++) {
    for (unsigned flags = 0; flags < 8; flags++) {
      for (unsigned size = 0; size < 3; size++) {
        run((fh_fit)fit, flags, sizes[size], steps);
      }
    }
  }
  return 0;
}
