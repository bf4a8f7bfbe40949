/* Random calls of a range against an oracle that knows the owner of each unit, for every policy and order, with and
 * without coalescing, with nodes from malloc and in memory of our own that is too small for all of them, near 0 and up
 * to the end of 64 bits.
 *
 * The oracle's holes are those that the range shows; that these are what no owner has, and are joined, is held against
 * the owners. A request must fail exactly when none of them holds it; FIRST, BEST and WORST must have taken the one
 * that a naive search along the list finds. */
#include "model/require.h"

#include "freehold/range.h"

enum { MOST = 900, START = 300, LIVE = 200, FREE = 0 };

typedef struct model {
  fh_range *r;
  fh_range_options options;
  bool few;       /* nodes */
  unsigned scale; /* log2 of a unit, of which all lengths and addresses are multiples */
  uint64_t base;
  unsigned char owner[MOST]; /* of each unit: 1 + its place in `address`, or FREE */
  uint64_t size;             /* in units */
  uint64_t address[LIVE], length[LIVE];
  unsigned live;
  uint64_t random;
} model;

static bool is_list(const model *m) { return m->options.fit != FH_FIT_GOOD && m->options.fit != FH_FIT_BUDDY; }

static uint64_t charged(const model *m, uint64_t length) {
  uint64_t granule = m->options.granule == 0 ? 1 : m->options.granule;
  return (length + granule - 1) / granule * granule + m->options.header;
}

/* What an allocation has, in units from the base: with its header and what it was rounded to. */
typedef struct stretch {
  uint64_t start, length;
} stretch;

static stretch stretch_of(const model *m, uint64_t address, uint64_t length) {
  uint64_t start = address - m->options.header - m->base, need = charged(m, length);
  if (m->options.fit == FH_FIT_BUDDY) { /* the smallest piece with both ends */
    uint64_t piece = 1;
    while (start / piece != (start + need - 1) / piece) {
      piece *= 2;
    }
    start = start / piece * piece;
    need = piece;
  }
  REQUIRE((start | need) % ((uint64_t)1 << m->scale) == 0);
  return (stretch){start >> m->scale, need >> m->scale};
}

static void own(model *m, stretch s, unsigned before, unsigned now) {
  REQUIRE(s.length <= m->size && s.start <= m->size - s.length);
  for (uint64_t i = s.start; i < s.start + s.length; i++) {
    REQUIRE(m->owner[i] == before);
    m->owner[i] = (unsigned char)now;
  }
}

static void keep(model *m, uint64_t address, uint64_t length) {
  REQUIRE(fh_range_length(m->r, address) == length);
  own(m, stretch_of(m, address, length), FREE, m->live + 1);
  m->address[m->live] = address;
  m->length[m->live++] = length;
}

/* A call that failed has changed nothing. */
static void must_be_as_before(const model *m, const fh_space *before) {
  fh_space now;
  fh_range_space(m->r, &now);
  REQUIRE(memcmp(&now, before, sizeof now) == 0);
}

/* The naive search. */

typedef struct search {
  const model *m;
  uint64_t need, alignment;
  bool found, sure; /* sure: a hole so long that the request fits wherever it begins */
  uint64_t address, length;
} search;

static bool better(const search *s, uint64_t length) {
  return s->m->options.fit == FH_FIT_BEST    ? length < s->length
         : s->m->options.fit == FH_FIT_WORST ? length > s->length
                                             : false;
}

static uint64_t power_of_two(uint64_t least) {
  uint64_t power = 1;
  while (power < least) {
    power *= 2;
  }
  return power;
}

static int look(uint64_t address, uint64_t length, bool used, void *arg) {
  search *s = arg;
  uint64_t pad = 0, header = s->m->options.header;
  REQUIRE(!used);
  if (s->alignment > 1) {
    pad = (s->alignment - (address + header) % s->alignment) % s->alignment;
  }
  bool buddy = s->m->options.fit == FH_FIT_BUDDY;
  uint64_t worst = s->need + (s->alignment > 1 ? s->alignment - 1 : 0);
  s->sure = s->sure || length >= (buddy ? power_of_two(worst) : worst);
  if (length >= pad && length - pad >= s->need && (!s->found || better(s, length))) {
    s->found = true;
    s->address = address + pad + header;
    s->length = length;
  }
  return 0;
}

static search naive(model *m, uint64_t length, uint64_t alignment) {
  search s = {.m = m, .need = charged(m, length), .alignment = alignment};
  fh_range_walk_list(m->r, look, &s);
  return s;
}

static void must_have_failed(const model *m, const search *s, const fh_space *before, fh_status why) {
  REQUIRE(why == FH_EXHAUSTED || why == FH_FRAGMENTED);
  if (m->few && why == FH_EXHAUSTED) {
    return; /* of nodes */
  }
  REQUIRE((why == FH_EXHAUSTED) == (s->need > before->free));
  REQUIRE(!s->sure && (!is_list(m) || !s->found));
}

/* Calls. */

static uint64_t random_length(model *m) {
  uint64_t r = chance(&m->random);
  return (1 + (r % 4 == 0 ? r / 4 % 60 : r / 4 % 12)) << m->scale;
}

static uint64_t random_alignment(model *m) {
  uint64_t r = chance(&m->random);
  return r % 8 == 0 ? (uint64_t)1 << (m->scale + r / 8 % 5) : r % 8 == 1 ? (uint64_t)1 << r / 8 % (m->scale + 1) : 0;
}

static void take(model *m) {
  uint64_t length = random_length(m), alignment = random_alignment(m), address = 7;
  search s = naive(m, length, alignment);
  fh_space before;
  fh_range_space(m->r, &before);
  fh_status status = fh_range_alloc(m->r, length, alignment, &address);
  if (status != FH_OK) {
    REQUIRE(address == 7);
    must_have_failed(m, &s, &before, status);
    must_be_as_before(m, &before);
    return;
  }
  REQUIRE(alignment == 0 || address % alignment == 0);
  REQUIRE(s.found);
  if (is_list(m) && m->options.fit != FH_FIT_NEXT) {
    REQUIRE(address == s.address);
  }
  keep(m, address, length);
}

/* Exactly there, or not at all: buddies may need a piece around it that others have a part of. */
static void take_at(model *m) {
  uint64_t r = chance(&m->random), length = (1 + r % 12) << m->scale, unit = (uint64_t)1 << m->scale;
  uint64_t address = m->base + r / 16 % (m->size + 4) * unit, end = m->base + m->size * unit;
  fh_space before;
  fh_range_space(m->r, &before);
  uint64_t need = charged(m, length), start = address - m->options.header;
  bool inside = address >= m->options.header && start >= m->base && start < end && need <= end - start,
       all_free = inside;
  for (uint64_t i = (start - m->base) >> m->scale; all_free && i < (start - m->base + need) >> m->scale; i++) {
    all_free = m->owner[i] == FREE;
  }
  fh_status status = fh_range_alloc_at(m->r, address, length);
  if (status == FH_OK) {
    REQUIRE(all_free);
    keep(m, address, length);
    return;
  }
  must_be_as_before(m, &before);
  REQUIRE((status == FH_NOT_OWNED) == !inside);
  REQUIRE(status != FH_EXHAUSTED || m->few);
  REQUIRE(!all_free || status == FH_EXHAUSTED || m->options.fit == FH_FIT_BUDDY);
}

static void give(model *m) {
  unsigned i = (unsigned)(chance(&m->random) % m->live), last = m->live - 1;
  uint64_t address = m->address[i];
  REQUIRE(fh_range_free(m->r, address) == FH_OK);
  own(m, stretch_of(m, address, m->length[i]), i + 1, FREE);
  REQUIRE(fh_range_free(m->r, address) == FH_DOUBLE_FREE);
  if (i != last) {
    own(m, stretch_of(m, m->address[last], m->length[last]), last + 1, i + 1);
  }
  m->address[i] = m->address[last];
  m->length[i] = m->length[last];
  m->live--;
}

/* Addresses of no allocation: outside, inside one, or in a hole. */
static void give_wrong(model *m) {
  uint64_t r = chance(&m->random), i = r % (m->size + 8), address = m->base + (i << m->scale) + r / 4096 % 3;
  fh_space before;
  fh_range_space(m->r, &before);
  unsigned owner = i < m->size ? m->owner[i] : FREE;
  if (owner == FREE || m->address[owner - 1] != address) {
    fh_status want = i < m->size && owner == FREE ? FH_DOUBLE_FREE : FH_NOT_OWNED;
    bool exact = m->scale != 0 || r / 4096 % 3 == 0; /* else it may be the next unit's */
    fh_status got = exact ? fh_range_free(m->r, address) : want;
    REQUIRE(got == want);
    REQUIRE(!exact || fh_range_length(m->r, address) == 0);
  }
  must_be_as_before(m, &before);
}

static void ask_wrong(model *m) {
  uint64_t address = 7, r = chance(&m->random) % 1000;
  fh_space before;
  fh_range_space(m->r, &before);
  REQUIRE(fh_range_alloc(m->r, 0, 0, &address) == FH_INVALID);
  REQUIRE(fh_range_alloc(m->r, 1, (uint64_t)3 << r % 60, &address) == FH_INVALID);
  REQUIRE(fh_range_alloc(m->r, UINT64_MAX - r, 0, &address) != FH_OK);
  REQUIRE(fh_range_alloc(m->r, UINT64_MAX - r, (uint64_t)1 << 63, &address) != FH_OK && address == 7);
  REQUIRE(fh_range_alloc_at(m->r, UINT64_MAX - r, r + 2) != FH_OK);
  REQUIRE(fh_range_alloc_at(m->r, m->base, UINT64_MAX - r) != FH_OK);
  REQUIRE(fh_range_alloc_at(m->r, m->base + m->options.header, 0) == FH_INVALID);
  REQUIRE(fh_range_grow(m->r, UINT64_MAX - r) == FH_INVALID || m->base + (m->size << m->scale) <= r);
  REQUIRE(fh_range_shrink(m->r, (m->size << m->scale) + r) == FH_INVALID);
  must_be_as_before(m, &before);
}

static void resize(model *m) {
  uint64_t by = 1 + chance(&m->random) % 20;
  bool tail_free = m->size > by;
  if (chance(&m->random) % 2 == 0) {
    if (m->size + by <= MOST) {
      fh_status status = fh_range_grow(m->r, by << m->scale);
      REQUIRE(status == FH_OK || (status == FH_EXHAUSTED && m->few));
      m->size += status == FH_OK ? by : 0;
    }
    return;
  }
  for (uint64_t i = m->size - by; tail_free && i < m->size; i++) {
    tail_free = m->owner[i] == FREE;
  }
  fh_status status = fh_range_shrink(m->r, by << m->scale);
  REQUIRE(status == FH_OK ? tail_free : status == (m->size <= by ? FH_INVALID : FH_EXHAUSTED));
  REQUIRE(status == FH_OK || !tail_free || m->few);
  m->size -= status == FH_OK ? by : 0;
}

/* Everything that is counted, against the owners. */

typedef struct seen {
  const model *m;
  uint64_t at, used, free, holes, chunks; /* in units */
  unsigned before;                        /* owner of the stretch before */
} seen;

static int see(uint64_t address, uint64_t length, bool used, void *arg) {
  seen *s = arg;
  const model *m = s->m;
  uint64_t start = (address - m->base) >> m->scale, units = length >> m->scale;
  REQUIRE(start == s->at && units != 0 && units <= m->size - start);
  unsigned owner = m->owner[start];
  REQUIRE(used == (owner != FREE));
  for (uint64_t i = start; i < start + units; i++) {
    REQUIRE(m->owner[i] == owner);
  }
  bool joined = !m->options.no_coalesce && m->options.fit != FH_FIT_BUDDY;
  REQUIRE(used || !joined || s->at == 0 || s->before != FREE);
  s->before = owner;
  s->at += units;
  *(used ? &s->used : &s->free) += length;
  (*(used ? &s->chunks : &s->holes))++;
  return 0;
}

static int sum_up(uint64_t address, uint64_t length, bool used, void *arg) {
  uint64_t *sum = arg;
  (void)address;
  (void)used;
  sum[0] += length;
  sum[1]++;
  return 0;
}

static void check_largest(model *m, const fh_space *space) {
  uint64_t address;
  if (space->largest != 0) {
    REQUIRE(fh_range_alloc(m->r, space->largest, 0, &address) == FH_OK);
    REQUIRE(fh_range_free(m->r, address) == FH_OK);
  }
  fh_status status = fh_range_alloc(m->r, space->largest + 1, 0, &address);
  REQUIRE(status == FH_EXHAUSTED || status == FH_FRAGMENTED);
}

static void check_all(model *m) {
  fh_space space;
  seen s = {.m = m};
  uint64_t requested = 0, list[2] = {0};
  for (unsigned i = 0; i < m->live; i++) {
    requested += m->length[i];
    REQUIRE(fh_range_length(m->r, m->address[i]) == m->length[i]);
  }
  REQUIRE(fh_range_check(m->r) == FH_OK);
  fh_range_space(m->r, &space);
  REQUIRE(space.size == m->size << m->scale && space.used + space.free + space.metadata == space.size);
  REQUIRE(space.requested == requested && space.chunks == m->live && space.peak_used >= space.used);
  REQUIRE(fh_range_walk(m->r, see, &s) == 0 && s.at == m->size);
  REQUIRE(s.used == space.used && s.free == space.free && s.holes == space.holes && s.chunks == space.chunks);
  REQUIRE(fh_range_walk_list(m->r, sum_up, list) == 0 && list[0] == space.free && list[1] == space.holes);
  if (!m->few) {
    check_largest(m, &space);
  }
}

static void coalesce(model *m) {
  fh_space before, after;
  fh_range_space(m->r, &before);
  uint64_t gone = fh_range_coalesce(m->r);
  fh_range_space(m->r, &after);
  REQUIRE(before.holes - gone == after.holes && before.free == after.free && before.used == after.used);
  if (m->options.order == FH_ORDER_ADDRESS) {
    REQUIRE(fh_range_coalesce(m->r) == 0);
  }
}

static void step(model *m, long number) {
  uint64_t what = chance(&m->random) % 16;
  if (what == 0) {
    resize(m);
  } else if (what == 1 && m->live < LIVE) {
    take_at(m);
  } else if (what == 2) {
    give_wrong(m);
  } else if (what < 10 && m->live < LIVE) {
    take(m);
  } else if (m->live != 0) {
    give(m);
  }
  if (number % 16 == 0) {
    check_all(m);
  }
  if (number % 64 == 0) {
    ask_wrong(m);
  }
  if (m->options.no_coalesce && number % 64 == 32) {
    coalesce(m);
  }
}

static void start(model *m, fh_range_options options, bool few) {
  static unsigned char memory[4096];
  static const unsigned scales[] = {0, 20, 50, 0};
  uint64_t random = m->random, where = chance(&random) % 4, unit = (uint64_t)1 << scales[where];
  options.header *= unit;
  options.granule *= unit;
  uint64_t base = where == 1 ? 0 : where == 0 ? 1000 : (UINT64_MAX / unit - MOST) * unit; /* 2, 3: to the very end */
  *m = (model){.options = options, .few = few, .size = START, .random = random, .base = base, .scale = scales[where]};
  m->r = few ? fh_range_create_in(memory + 1, sizeof memory - 1, base, START * unit, &options)
             : fh_range_create(base, START * unit, &options);
  REQUIRE(m->r != NULL);
}

static long run(fh_range_options options, bool few, long steps) {
  static model m;
  if (!start_plan(&m.random)) {
    return 0;
  }
  start(&m, options, few);
  for (long i = 0; i < steps; i++) {
    step(&m, i);
  }
  while (m.live != 0) {
    give(&m);
  }
  check_all(&m);
  fh_range_destroy(m.r);
  return steps;
}

static long run_with(fh_fit fit, fh_order order, bool no_coalesce, long steps) {
  fh_range_options options = {.fit = fit, .order = order, .no_coalesce = no_coalesce};
  long done = run(options, false, steps) + run(options, true, steps);
  options.header = 4;
  options.granule = fit == FH_FIT_BUDDY ? 0 : 3;
  return done + run(options, false, steps) + run(options, true, steps);
}

int main(int argc, char **argv) {
  enum { PLANS = (4 * 5 * 2 + 2) * 4 };
  long done = 0;
  start_run(argc, argv, 2000000);
  for (unsigned fit = FH_FIT_GOOD; fit <= FH_FIT_BUDDY; fit++) {
    bool list = fit != FH_FIT_GOOD && fit != FH_FIT_BUDDY;
    for (unsigned order = 0; order <= (list ? FH_ORDER_BACK : 0); order++) {
      for (unsigned no_coalesce = 0; no_coalesce <= list; no_coalesce++) {
        done += run_with((fh_fit)fit, (fh_order)order, no_coalesce != 0, this_run.steps / PLANS);
      }
    }
  }
  printf("%ld steps passed\n", done);
  return 0;
}
