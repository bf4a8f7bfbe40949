/* Random calls of a range against an oracle that knows the owner of each unit, for every policy and order, with and
 * without coalescing, with nodes from malloc and in memory of our own that is too small for all of them. The lists of
 * FIRST, NEXT, BEST and WORST are searched a second time, naively, in the order in which the range shows them. */
#include "model/require.h"

#include "freehold/range.h"

enum { MOST = 900, START = 300, BASE = 1000, LIVE = 200 };

typedef struct model {
  fh_range *r;
  fh_range_options options;
  bool few; /* nodes */
  unsigned char used[MOST];
  uint64_t size, address[LIVE], length[LIVE];
  unsigned live;
  uint64_t random;
} model;

static void mark(model *m, uint64_t address, uint64_t length, bool used) {
  for (uint64_t i = address; i < address + length; i++) {
    REQUIRE(i >= BASE && i < BASE + m->size && m->used[i - BASE] == !used);
    m->used[i - BASE] = used;
  }
}

typedef struct search {
  fh_fit fit;
  uint64_t need, best_address, best_length;
  bool found;
} search;

static int look(uint64_t address, uint64_t length, bool used, void *arg) {
  search *s = arg;
  (void)used;
  if (length < s->need || (s->found && (s->fit == FH_FIT_BEST ? length >= s->best_length : length <= s->best_length))) {
    return 0;
  }
  s->found = true;
  s->best_address = address;
  s->best_length = length;
  return s->fit == FH_FIT_FIRST;
}

static uint64_t charged(const model *m, uint64_t length) {
  uint64_t granule = m->options.granule == 0 ? 1 : m->options.granule;
  return (length + granule - 1) / granule * granule + m->options.header;
}

static void take(model *m) {
  uint64_t r = chance(&m->random), length = 1 + (r % 4 == 0 ? r / 4 % 60 : r / 4 % 12), address = 0;
  uint64_t alignment = r / 4096 % 8 == 0 ? (uint64_t)1 << r / 65536 % 5 : 0;
  search s = {.fit = m->options.fit, .need = charged(m, length)};
  fh_range_walk_list(m->r, look, &s);
  fh_status status = fh_range_alloc(m->r, length, alignment, &address);
  if (status != FH_OK) {
    REQUIRE(status == FH_EXHAUSTED || status == FH_FRAGMENTED);
    REQUIRE(m->few || alignment > 1 || !s.found || m->options.fit == FH_FIT_BUDDY);
    return;
  }
  REQUIRE(alignment == 0 || address % alignment == 0);
  bool exact = alignment <= 1 && m->options.fit != FH_FIT_BUDDY && m->options.fit != FH_FIT_NEXT;
  REQUIRE(!exact || s.found);
  if (exact && m->options.fit != FH_FIT_GOOD) {
    REQUIRE(address == s.best_address + m->options.header);
  }
  REQUIRE(fh_range_length(m->r, address) == length);
  mark(m, address - m->options.header, length + m->options.header, true);
  m->address[m->live] = address;
  m->length[m->live++] = length;
}

/* Exactly there, or not at all. */
static void take_at(model *m) {
  uint64_t r = chance(&m->random), length = 1 + r % 12, address = BASE + r / 16 % (m->size + 4);
  if (fh_range_alloc_at(m->r, address, length) == FH_OK) {
    REQUIRE(address >= BASE + m->options.header);
    mark(m, address - m->options.header, length + m->options.header, true);
    m->address[m->live] = address;
    m->length[m->live++] = length;
  }
}

static void give(model *m) {
  unsigned i = (unsigned)(chance(&m->random) % m->live);
  uint64_t address = m->address[i];
  REQUIRE(fh_range_free(m->r, address) == FH_OK);
  mark(m, address - m->options.header, m->length[i] + m->options.header, false);
  REQUIRE(fh_range_free(m->r, address) == FH_DOUBLE_FREE);
  m->address[i] = m->address[--m->live];
  m->length[i] = m->length[m->live];
}

static void resize(model *m) {
  uint64_t by = 1 + chance(&m->random) % 20;
  if (chance(&m->random) % 2 == 0) {
    if (m->size + by <= MOST && fh_range_grow(m->r, by) == FH_OK) {
      m->size += by;
    }
  } else if (m->size > by && fh_range_shrink(m->r, by) == FH_OK) {
    m->size -= by;
    for (uint64_t i = m->size; i < m->size + by; i++) {
      REQUIRE(m->used[i] == 0);
    }
  }
}

static void check_all(model *m) {
  fh_space space;
  uint64_t requested = 0;
  for (unsigned i = 0; i < m->live; i++) {
    requested += m->length[i];
  }
  REQUIRE(fh_range_check(m->r) == FH_OK);
  fh_range_space(m->r, &space);
  REQUIRE(space.size == m->size && space.used + space.free + space.metadata == m->size);
  REQUIRE(space.requested == requested && space.chunks == m->live && space.peak_used >= space.used);
  uint64_t address;
  if (space.largest != 0 && !m->few) {
    REQUIRE(fh_range_alloc(m->r, space.largest, 0, &address) == FH_OK && fh_range_free(m->r, address) == FH_OK);
    REQUIRE(fh_range_alloc(m->r, space.largest + 1, 0, &address) != FH_OK);
  }
}

static void run(fh_range_options options, bool few, long steps) {
  static model m;
  static unsigned char memory[4096];
  m = (model){.options = options, .few = few, .size = START, .random = 77 + options.fit * 16 + options.order};
  m.r = few ? fh_range_create_in(memory + 1, sizeof memory - 1, BASE, START, &options)
            : fh_range_create(BASE, START, &options);
  REQUIRE(m.r != NULL);
  for (long i = 0; i < steps; i++) {
    uint64_t what = chance(&m.random) % 16;
    if (what == 0) {
      resize(&m);
    } else if (what == 1 && m.live < LIVE) {
      take_at(&m);
    } else if (what < 9 && m.live < LIVE) {
      take(&m);
    } else if (m.live != 0) {
      give(&m);
    }
    REQUIRE(fh_range_free(m.r, BASE + MOST) == FH_NOT_OWNED);
    if (i % 16 == 0) {
      check_all(&m);
    }
    if (options.no_coalesce && i % 64 == 0) {
      fh_range_coalesce(m.r);
    }
  }
  while (m.live != 0) {
    give(&m);
  }
  check_all(&m);
  fh_range_destroy(m.r);
}

int main(int argc, char **argv) {
  long steps = steps_of(argc, argv, 400000) / 84;
  for (unsigned fit = FH_FIT_GOOD; fit <= FH_FIT_BUDDY; fit++) {
    bool list = fit != FH_FIT_GOOD && fit != FH_FIT_BUDDY;
    for (unsigned order = 0; order <= (list ? FH_ORDER_BACK : 0); order++) {
      for (unsigned no_coalesce = 0; no_coalesce <= list; no_coalesce++) {
        fh_range_options options = {.fit = (fh_fit)fit, .order = (fh_order)order, .no_coalesce = no_coalesce != 0};
        run(options, false, steps);
        run(options, true, steps);
        options.header = 4;
        options.granule = fit == FH_FIT_BUDDY ? 0 : 3;
        run(options, false, steps);
      }
    }
  }
  return 0;
}
