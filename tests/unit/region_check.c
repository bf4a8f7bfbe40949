/* Every bit that a region keeps: when it is another, fh_region_check and fh_region_open say so where it counts twice,
 * and where they do not the region works. Neither reads or writes a byte that is not the region's (under ASan). */
#include "unit/cm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#undef fail /* the region has a function of that name */
#include "region/check.h"

enum { MOST_POINTERS = 64, BITS = 8, GAP = 64 };

/* A region in memory of its own size, how it was made, and the bits of it that count. */
typedef struct subject {
  unsigned char *memory, *copy;
  unsigned char *checks; /* fh_region_check must notice */
  unsigned char *opens;  /* fh_region_open must notice */
  unsigned char *wild;   /* not for fh_region_check: where to go on, whom to call */
  size_t bytes;
  fh_region *r;
} subject;

/* Chunks of so many units, every other one given back: long holes of several lengths, and some of one; short ones. */
static void cut_up(fh_region *r, uint32_t base) {
  const uint32_t lengths[] = {4, base + 3, 5, base, 6, base + 1, 4, base + 1, 9, base + 2, 4, 7, 5, 7, 4, 5, 6};
  size_t own = HEAD_BYTES + (is_checked(r) ? CANARY_BYTES : 0), unit = HEAD_BYTES << r->fold;
  void *at[sizeof lengths / sizeof *lengths];
  for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
    at[i] = i == 8 ? fh_region_alloc_aligned(r, 8 * unit, unit) : fh_region_alloc(r, lengths[i] * unit - own - i % 3);
  }
  for (size_t i = 1; i < sizeof at / sizeof *at; i += 2) {
    assert_true(at[i] == NULL || fh_region_free(r, at[i]) == FH_OK);
  }
}

static void mark(const subject *s, unsigned char *map, const void *at, size_t bytes, unsigned bits) {
  memset(map + ((const unsigned char *)at - s->memory), (int)bits, bytes);
}

#define mark_field(s, map, r, field) mark((s), (s)->map, &(r)->field, sizeof(r)->field, 0xff)

/* The bits of a head. */
static void mark_head(const subject *s, unsigned char *map, const fh_region *r, uint32_t id, fh_head bits) {
  memcpy(map + ((unsigned char *)head_of(r, id) - s->memory), &bits, sizeof bits);
}

static void mark_start(const subject *s, const fh_region *r) {
  unsigned char *both[] = {s->checks, s->opens};
  for (unsigned i = 0; i < 2; i++) {
    const void *fields[] = {&r->magic,  &r->flags,    &r->fold,     &r->least,    &r->first,     &r->end,
                            &r->shaped, &r->heads_at, &r->tag_mask, &r->good.big, &r->good.bins, &r->good.lists};
    for (unsigned field = 0; field < sizeof fields / sizeof *fields; field++) {
      bool half = field >= 1 && field <= 3;
      mark(s, both[i], fields[field], half ? 2 : 4, fields[field] == &r->shaped ? 0 : 0xff);
    }
    mark(s, both[i], &r->good.shift, sizeof r->good.shift + sizeof r->good.flat, 0xff);
    mark(s, both[i], &r->fit, sizeof r->fit, uses_list(r) ? 0 : 0xff); /* one list is as good as another */
  }
  mark_field(s, checks, r, used);
  mark_field(s, checks, r, chunks);
  mark_field(s, checks, r, holes);
  mark_field(s, checks, r, requested);
  mark_field(s, checks, r, plain_mask);
  mark_field(s, checks, r, plain_most);
  mark_field(s, wild, r, next);
  mark_field(s, wild, r, grow);
}

static void mark_index(const subject *s, const fh_region *r) {
  if (uses_list(r)) {
    mark_field(s, checks, r, list.first);
    mark_field(s, checks, r, list.last);
    return;
  }
  mark_field(s, checks, r, good.top);
  mark(s, s->checks, r->words, fh_good_words(&r->good) * sizeof *r->words, 0xff);
  mark(s, s->checks, space_heads((void *)(uintptr_t)r), r->good.bins * sizeof(uint32_t), 0xff);
}

static bool is_node(const fh_region *r, uint32_t id) {
  return !uses_list(r) && hole_links((void *)(uintptr_t)r, id)[FH_PREV] == FH_NONE &&
         fh_good_bin(&r->good, hole_length((void *)(uintptr_t)r, id)) >= r->good.lists;
}

static void mark_hole(const subject *s, const fh_region *r, uint32_t id) {
  void *space = (void *)(uintptr_t)r;
  mark_head(s, s->checks, r, id, ~(fh_head)0);
  mark_head(s, s->opens, r, id, ~(fh_head)0);
  mark(s, s->checks, hole_links(space, id), 8, 0xff);
  if (is_node(r, id)) {
    mark(s, s->checks, hole_children(space, id), 8, 0xff);
  }
  mark(s, s->checks, foot_before(r, id + cells_of(r, id)), 4, 0xff);
  mark(s, s->opens, foot_before(r, id + cells_of(r, id)), 4, 0xff);
}

static void mark_used(const subject *s, const fh_region *r, uint32_t id) {
  fh_head low = head_low(r, id), sure = tags(r) | HEAD_USED | HEAD_BEFORE_FREE;
  mark_head(s, s->checks, r, id, is_checked(r) ? ~(fh_head)0 : ~(fh_head)HEAD_ALIGNED);
  mark_head(s, s->opens, r, id, is_checked(r) ? ~(fh_head)0 : sure); /* a length may end at another head by chance */
  if (slack_is_far(r, low)) {
    mark(s, s->checks, far_slack(r, id, low), sizeof(size_t), 0xff);
  }
  if (is_checked(r)) {
    mark(s, s->checks, space_user(r, id) + asked_of(r, id, low), guard_bytes(r, id, low), 0xff);
    mark(s, s->opens, space_user(r, id) + asked_of(r, id, low), guard_bytes(r, id, low), 0xff);
  }
}

static void mark_space(const subject *s, const fh_region *r) {
  mark_start(s, r);
  mark_index(s, r);
  for (uint32_t id = r->first; id < r->end; id += cells_of(r, id)) {
    (is_used(r, id) ? mark_used : mark_hole)(s, r, id);
  }
  mark_head(s, s->checks, r, r->end, ~(fh_head)0);
  mark_head(s, s->opens, r, r->end, ~(fh_head)0);
}

/* `units` for each space. */
static subject make(fh_fit fit, unsigned flags, size_t units, bool two) {
  size_t first = 1024 + units * (HEAD_BYTES << ((flags & FH_REGION_PACKED) == 0));
  first = first / 64 * 64;
  subject s = {.bytes = two ? first * 2 + GAP : first};
  s.memory = aligned_alloc(64, s.bytes);
  s.copy = malloc(s.bytes);
  s.checks = calloc(s.bytes, 3);
  s.opens = s.checks + s.bytes;
  s.wild = s.opens + s.bytes;
  memset(s.memory, 0x3C, s.bytes);
  s.r = fh_region_create(s.memory, first, &(fh_region_options){.fit = fit, .flags = flags});
  assert_non_null(s.r);
  if (two) {
    assert_int_equal(fh_region_extend(s.r, s.memory + first + GAP, s.bytes - first - GAP), FH_OK);
  }
  return s;
}

static void keep(subject *s) {
  assert_int_equal(fh_region_check(s->r), FH_OK);
  for (const fh_region *r = s->r; r != NULL; r = space_next(r)) {
    mark_space(s, r);
  }
  memcpy(s->copy, s->memory, s->bytes);
}

static void end(subject *s) {
  free(s->memory);
  free(s->copy);
  free(s->checks);
}

/* What a region that is right can do. */

typedef struct pointers {
  unsigned char *at[MOST_POINTERS];
  size_t count;
} pointers;

static int collect(uint64_t address, uint64_t length, bool used, void *arg) {
  pointers *p = arg;
  assert_true(length != 0);
  if (used && p->count < MOST_POINTERS) {
    p->at[p->count++] = (unsigned char *)(uintptr_t)(address + HEAD_BYTES);
  }
  return 0;
}

static void add(pointers *p, void *made, size_t size) {
  if (made != NULL) {
    assert_true(p->count < MOST_POINTERS);
    memset(made, 0xEE, size);
    p->at[p->count++] = made;
  }
}

static void change_all(fh_region *r, pointers *p) {
  for (size_t i = 0; i < p->count; i++) {
    size_t size = fh_region_usable_size(r, p->at[i]);
    unsigned char *made = fh_region_realloc(r, p->at[i], i % 2 == 0 ? size * 2 + 40 : size / 2 + 1);
    p->at[i] = made != NULL ? made : p->at[i];
  }
}

static void use(fh_region *r) {
  pointers p = {.count = 0};
  fh_space space;
  assert_int_equal(fh_region_check(r), FH_OK);
  assert_int_equal(fh_region_walk(r, collect, &p), 0);
  for (size_t size = 1; size < 700; size = size * 2 + 5) {
    add(&p, fh_region_alloc(r, size), size);
    add(&p, fh_region_alloc_aligned(r, 64, size), size);
  }
  change_all(r, &p);
  assert_int_equal(fh_region_check(r), FH_OK);
  while (p.count != 0) {
    assert_int_equal(fh_region_free(r, p.at[--p.count]), FH_OK);
  }
  assert_int_equal(fh_region_check(r), FH_OK);
  fh_region_space(r, &space);
  assert_true(space.chunks == 0 && space.used == 0 && space.requested == 0);
  add(&p, fh_region_alloc(r, (size_t)space.largest), (size_t)space.largest);
  assert_int_equal(p.count, 1);
  fh_region_trim(r);
  assert_int_equal(fh_region_check(r), FH_OK);
}

/* Bits. */

static void tell(const subject *s, const char *call, size_t byte, unsigned bit) {
  fprintf(stderr, "policy %d, flags %d: %s did not see bit %u of byte %zu\n", ((fh_region *)(void *)s->copy)->fit,
          ((fh_region *)(void *)s->copy)->flags, call, bit, byte);
}

static void try_check(const subject *s, size_t byte, unsigned bit) {
  unsigned char mask = (unsigned char)(1u << bit);
  s->memory[byte] ^= mask;
  bool noticed = fh_region_check(s->r) != FH_OK;
  if (!noticed && (s->checks[byte] & mask) != 0) {
    tell(s, "check", byte, bit);
  }
  assert_true(noticed || (s->checks[byte] & mask) == 0);
  if (!noticed) {
    use(s->r);
    memcpy(s->memory, s->copy, s->bytes);
  } else {
    s->memory[byte] ^= mask;
  }
}

static void try_open(const subject *s, size_t byte, unsigned bit) {
  unsigned char mask = (unsigned char)(1u << bit);
  const char *what = NULL;
  s->memory[byte] ^= mask;
  fh_status status = fh_region_examine(s->memory, s->bytes, &what);
  fh_region *r = fh_region_open(s->memory, s->bytes);
  assert_true((r != NULL) == (status == FH_OK) && strlen(what) > 6);
  if (r != NULL && (s->opens[byte] & mask) != 0) {
    tell(s, "open", byte, bit);
  }
  assert_true(r == NULL || (s->opens[byte] & mask) == 0);
  if (r != NULL) {
    use(r);
    memcpy(s->memory, s->copy, s->bytes);
  } else {
    s->memory[byte] ^= mask;
  }
}

/* Of bytes that nothing depends on, a few; of what is made again when a region is opened, too. FREEHOLD_FEWER, where
 * the processor is emulated: one bit of each byte. */
static void flip_all(const subject *s, bool every) {
  bool fewer = getenv("FREEHOLD_FEWER") != NULL;
  for (size_t byte = 0; byte < s->bytes; byte++) {
    bool start = byte < sizeof(fh_region), few = !start && byte % 16 != 5;
    for (unsigned bit = fewer ? byte % BITS : 0; bit < BITS; bit += fewer ? BITS : 1) {
      bool checks = (s->checks[byte] >> bit & 1) != 0, opens = (s->opens[byte] >> bit & 1) != 0;
      if ((checks || (every && !few)) && s->wild[byte] == 0) {
        try_check(s, byte, bit);
      }
      if (opens || (every && (start || (!few && bit == byte / 16 % BITS)))) {
        try_open(s, byte, bit);
      }
    }
  }
}

static void each_policy(void **state) {
  (void)state;
  for (unsigned fit = FH_FIT_GOOD; fit <= FH_FIT_BUDDY; fit++) {
    for (unsigned flags = 0; flags < 8; flags++) {
      subject s = make((fh_fit)fit, flags, 250, false);
      cut_up(s.r, s.r->good.flat ? 30 : s.r->good.big);
      keep(&s);
      assert_true(s.r->holes >= 5 || fit == FH_FIT_BUDDY);
      flip_all(&s, true);
      end(&s);
    }
  }
}

/* Tries of several bits, with holes that hang on their nodes. */
static void tries(void **state) {
  (void)state;
  for (unsigned flags = 0; flags < 8; flags++) {
    subject s = make(FH_FIT_GOOD, flags, 1000, false);
    cut_up(s.r, FH_GOOD_EXACT);
    keep(&s);
    assert_true(s.r->good.flat || (s.r->good.big > FH_GOOD_EXACT + 3 && s.r->good.lists == FH_GOOD_EXACT));
    flip_all(&s, false);
    end(&s);
  }
}

static void two_spaces(void **state) {
  (void)state;
  for (unsigned fit = FH_FIT_GOOD; fit <= FH_FIT_BUDDY; fit++) {
    for (unsigned flags = 0; flags < 2; flags++) {
      subject s = make((fh_fit)fit, flags, 120, true);
      cut_up(s.r, 12);
      cut_up(space_next(s.r), 12); /* a space by itself is a region */
      assert_true(s.r->chunks > 4 && space_next(s.r)->chunks > 4);
      keep(&s);
      flip_all(&s, true);
      end(&s);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_policy),
      cmocka_unit_test(tries),
      cmocka_unit_test(two_spaces),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
