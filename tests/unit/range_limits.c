/* A range where numbers end: at the last of 64 bits, when nodes run out, and when there are many of them. */
#include "unit/cm.h"

#include <stdlib.h>

#include "freehold/range.h"
#include "range/node.h"

_Static_assert(sizeof(fh_node) <= 32, "a node takes 32 bytes at most");

static const uint64_t last = UINT64_MAX, high_bit = UINT64_C(1) << 63;

static fh_status alloc(fh_range *r, uint64_t length, uint64_t alignment, uint64_t *address) {
  fh_status status = fh_range_alloc(r, length, alignment, address);
  assert_int_equal(fh_range_check(r), FH_OK);
  return status;
}

static fh_status alloc_at(fh_range *r, uint64_t address, uint64_t length) {
  fh_status status = fh_range_alloc_at(r, address, length);
  assert_int_equal(fh_range_check(r), FH_OK);
  return status;
}

static void give(fh_range *r, uint64_t address) {
  assert_int_equal(fh_range_free(r, address), FH_OK);
  assert_int_equal(fh_range_check(r), FH_OK);
}

static fh_space space_of(const fh_range *r) {
  fh_space space;
  fh_range_space(r, &space);
  assert_int_equal(space.size, space.used + space.free);
  return space;
}

/* 64 bits. */

static void base_and_length_overflow(void **state) {
  static char memory[16384];
  (void)state;
  for (unsigned fit = FH_FIT_GOOD; fit <= FH_FIT_BUDDY; fit++) {
    fh_range_options o = {.fit = (fh_fit)fit};
    assert_null(fh_range_create(1, last, &o));
    assert_null(fh_range_create(last, 1, &o));
    assert_null(fh_range_create(high_bit, high_bit, &o));
    assert_null(fh_range_create_in(memory, sizeof memory, 1, last, &o));
    assert_null(fh_range_create_in(memory, sizeof memory, last, 1, &o));
    fh_range *r = fh_range_create_in(memory, sizeof memory, last - 1, 1, &o);
    uint64_t address = 0;
    assert_non_null(r);
    assert_int_equal(alloc(r, 1, 0, &address), FH_OK);
    assert_int_equal(address, last - 1);
    assert_int_equal(fh_range_grow(r, 1), FH_INVALID);
  }
}

static void all_of_64_bits(void **state) {
  (void)state;
  for (unsigned fit = FH_FIT_GOOD; fit <= FH_FIT_BUDDY; fit++) {
    fh_range *r = fh_range_create(0, last, &(fh_range_options){.fit = (fh_fit)fit});
    uint64_t address = 1;
    assert_int_equal(space_of(r).free, last);
    assert_int_equal(space_of(r).largest, fit == FH_FIT_BUDDY ? high_bit : last);
    assert_int_equal(alloc(r, high_bit + 1, 0, &address), fit == FH_FIT_BUDDY ? FH_FRAGMENTED : FH_OK);
    if (fit != FH_FIT_BUDDY) {
      give(r, address);
    }
    assert_int_equal(alloc(r, high_bit, high_bit, &address), FH_OK);
    assert_int_equal(address, 0);
    assert_int_equal(alloc(r, 1, high_bit, &address), FH_OK);
    assert_int_equal(address, high_bit);
    assert_int_equal(alloc(r, high_bit, 0, &address), FH_EXHAUSTED);
    assert_int_equal(alloc_at(r, last - 1, 1), FH_OK);
    assert_int_equal(alloc_at(r, last - 1, 1), FH_FRAGMENTED);
    assert_int_equal(alloc_at(r, last, 1), FH_NOT_OWNED);
    assert_int_equal(alloc_at(r, last - 5, last), FH_NOT_OWNED);
    assert_int_equal(fh_range_shrink(r, 1), FH_EXHAUSTED);
    give(r, last - 1);
    assert_int_equal(fh_range_shrink(r, 1), FH_OK);
    assert_int_equal(fh_range_grow(r, 2), FH_INVALID);
    assert_int_equal(fh_range_grow(r, 1), FH_OK);
    assert_int_equal(fh_range_check(r), FH_OK);
    fh_range_destroy(r);
  }
}

static void at_the_end_of_64_bits(void **state) {
  (void)state;
  for (unsigned fit = FH_FIT_GOOD; fit <= FH_FIT_BUDDY; fit++) {
    uint64_t base = last - 100, address = 0;
    fh_range *r = fh_range_create(base, 100, &(fh_range_options){.fit = (fh_fit)fit, .header = 1});
    assert_int_equal(alloc(r, 3, 64, &address), FH_OK);
    assert_int_equal(address, last - 63);
    assert_int_equal(alloc(r, 3, 128, &address), FH_FRAGMENTED);
    assert_int_equal(alloc(r, 3, high_bit, &address), FH_FRAGMENTED);
    assert_int_equal(alloc_at(r, last - 1, 1), FH_OK);
    assert_int_equal(alloc_at(r, last - 1, 2), FH_NOT_OWNED);
    assert_int_equal(alloc_at(r, base, 1), FH_NOT_OWNED); /* its header would lie in front */
    assert_int_equal(alloc_at(r, 0, 1), FH_NOT_OWNED);
    assert_int_equal(alloc_at(r, 5, 1), FH_NOT_OWNED);
    assert_int_equal(fh_range_free(r, last), FH_NOT_OWNED);
    give(r, last - 1);
    give(r, last - 63);
    assert_int_equal(space_of(r).free, 100);
    fh_range_destroy(r);
  }
}

static void needs_that_overflow(void **state) {
  (void)state;
  for (unsigned fit = FH_FIT_GOOD; fit <= FH_FIT_BUDDY; fit++) {
    uint64_t address = 0;
    fh_range *r = fh_range_create(0, 1000, &(fh_range_options){.fit = (fh_fit)fit, .header = 16});
    assert_int_equal(alloc(r, last - 15, 0, &address), FH_INVALID);
    assert_int_equal(alloc_at(r, 16, last - 15), FH_INVALID);
    assert_int_equal(alloc(r, last - 16, 0, &address), FH_EXHAUSTED);
    assert_int_equal(alloc_at(r, 16, last - 16), FH_NOT_OWNED);
    fh_range_destroy(r);
    r = fh_range_create(0, 1000, &(fh_range_options){.fit = (fh_fit)fit, .granule = 10});
    assert_int_equal(alloc(r, last, 0, &address), FH_INVALID); /* ends in 5 */
    assert_int_equal(alloc(r, last - 5, 0, &address), FH_EXHAUSTED);
    fh_range_destroy(r);
    r = fh_range_create(0, 1000, &(fh_range_options){.fit = (fh_fit)fit, .granule = last, .header = last});
    assert_int_equal(alloc(r, 1, 0, &address), FH_INVALID);
    assert_int_equal(space_of(r).largest, 0);
    fh_range_destroy(r);
  }
}

/* need + alignment - 1 is more than 64 bits. */
static void no_hole_is_sure(void **state) {
  uint64_t address = 0;
  (void)state;
  fh_range *r = fh_range_create(1, last - 1, NULL);
  assert_int_equal(alloc(r, high_bit - 1, high_bit, &address), FH_OK);
  assert_int_equal(address, high_bit);
  assert_int_equal(alloc(r, high_bit - 1, high_bit, &address), FH_FRAGMENTED);
  assert_int_equal(alloc(r, high_bit - 1, 0, &address), FH_OK);
  assert_int_equal(space_of(r).free, 0);
  fh_range_destroy(r);
  r = fh_range_create(1, last - 1, NULL);
  assert_int_equal(alloc(r, high_bit + 1, high_bit, &address), FH_FRAGMENTED);
  fh_range_destroy(r);
}

static void lengths_of_every_power(void **state) {
  (void)state;
  for (unsigned fit = FH_FIT_GOOD; fit <= FH_FIT_BUDDY; fit++) {
    fh_range *r = fh_range_create(0, last, &(fh_range_options){.fit = (fh_fit)fit});
    uint64_t at[64];
    for (unsigned power = 0; power < 63; power++) {
      assert_int_equal(alloc(r, UINT64_C(1) << power, UINT64_C(1) << power, &at[power]), FH_OK);
      assert_int_equal(at[power] & ((UINT64_C(1) << power) - 1), 0);
    }
    for (unsigned i = 0; i < 63; i++) {
      give(r, at[i * 5 % 63]);
    }
    assert_int_equal(space_of(r).free, last);
    fh_range_destroy(r);
  }
}

/* Nodes. */

static void memory_for_nodes(void **state) {
  (void)state;
  for (unsigned fit = FH_FIT_GOOD; fit <= FH_FIT_BUDDY; fit++) {
    fh_range_options o = {.fit = (fh_fit)fit};
    size_t two = fh_range_bytes_for(2, &o), many = fh_range_bytes_for(100000, &o);
    assert_true(two != 0 && fh_range_bytes_for(0, &o) == two && fh_range_bytes_for(1, &o) == two);
    assert_true(many > two && many / 100000 <= 40);
    assert_int_equal(fh_range_bytes_for(SIZE_MAX, &o), 0);
    assert_int_equal(fh_range_bytes_for(INT32_MAX, &o), 0);
    assert_true(fh_range_bytes_for(INT32_MAX - 1, &o) == 0 || sizeof(size_t) == 8);
    char *memory = malloc(two + 8);
    for (unsigned lead = 0; lead < 8; lead++) {
      for (size_t bytes = 0; bytes <= two; bytes++) {
        fh_range *r = fh_range_create_in(memory + lead, bytes, 0, 64, &o);
        bool enough = bytes >= two - (sizeof(uint64_t) - 1) + (8 - lead) % 8;
        assert_true(r == NULL ? !enough : enough || fit == FH_FIT_GOOD); /* short ranges have a smaller table there */
      }
      assert_non_null(fh_range_create_in(memory + lead, two, 0, 64, &o));
    }
    free(memory);
  }
  assert_true(fh_range_bytes_for(2, NULL) == fh_range_bytes_for(2, &(fh_range_options){0}));
}

typedef struct few {
  fh_range *r;
  char *memory;
  uint64_t at[64];
  unsigned count;
} few;

static few make_few(const fh_range_options *o, size_t nodes, uint64_t length) {
  size_t bytes = fh_range_bytes_for(nodes, o);
  few f = {.memory = malloc(bytes)};
  f.r = fh_range_create_in(f.memory, bytes, 0, length, o);
  assert_non_null(f.r);
  return f;
}

/* One after the other, until nodes or space run out. */
static fh_status fill(few *f) {
  fh_status status;
  while ((status = alloc(f->r, 1, 0, &f->at[f->count])) == FH_OK) {
    f->count++;
    assert_true(f->count < 64);
  }
  return status;
}

/* As many allocations and holes together as were asked for; what fails has changed nothing, and all can be given back.
 */
static void nodes_run_out(void **state) {
  (void)state;
  for (unsigned fit = FH_FIT_GOOD; fit <= FH_FIT_BUDDY; fit++) {
    for (unsigned order = 0; order <= FH_ORDER_BACK; order++) {
      few f = make_few(&(fh_range_options){.fit = (fh_fit)fit, .order = (fh_order)order}, 10, 1024);
      for (unsigned round = 0; round < 3; round++) {
        assert_int_equal(fill(&f), FH_EXHAUSTED);
        unsigned nodes = f.r->capacity - 1; /* GOOD: the table of a short range leaves room for more */
        assert_true(nodes == 10 || (fit == FH_FIT_GOOD && nodes > 10));
        assert_true(fit == FH_FIT_BUDDY ? f.count < nodes : f.count == nodes - 1);
        fh_space before = space_of(f.r), after;
        assert_true(fit == FH_FIT_BUDDY || before.holes + before.chunks == nodes);
        assert_int_equal(alloc(f.r, 1, 512, &f.at[63]), FH_EXHAUSTED); /* a hole in front */
        assert_int_equal(alloc_at(f.r, 700, 1), FH_EXHAUSTED);
        after = space_of(f.r);
        assert_memory_equal(&before, &after, sizeof before);
        while (f.count != 0) {
          give(f.r, f.at[--f.count]);
        }
        assert_true(space_of(f.r).free == 1024 && space_of(f.r).holes == 1);
      }
      fh_range_destroy(f.r); /* leaves the memory alone */
      free(f.memory);
    }
  }
}

/* With no node left, whatever needs none still works. */
static void without_nodes(void **state) {
  (void)state;
  few f = make_few(&(fh_range_options){.fit = FH_FIT_FIRST}, 3, 30);
  assert_int_equal(alloc_at(f.r, 10, 10), FH_OK);
  assert_int_equal(alloc_at(f.r, 22, 1), FH_EXHAUSTED);
  assert_int_equal(alloc_at(f.r, 0, 10), FH_OK);
  assert_int_equal(alloc_at(f.r, 20, 10), FH_OK);
  assert_int_equal(fh_range_grow(f.r, 5), FH_EXHAUSTED);
  assert_int_equal(space_of(f.r).size, 30);
  give(f.r, 20);
  assert_int_equal(fh_range_grow(f.r, 5), FH_OK); /* the tail is a hole already */
  assert_int_equal(fh_range_shrink(f.r, 14), FH_OK);
  assert_int_equal(alloc_at(f.r, 20, 1), FH_OK);
  give(f.r, 10);
  give(f.r, 0);
  give(f.r, 20);
  assert_true(space_of(f.r).free == 21 && space_of(f.r).holes == 1);
  free(f.memory);
}

static void buddies_without_nodes(void **state) {
  (void)state;
  size_t bytes = fh_range_bytes_for(3, &(fh_range_options){.fit = FH_FIT_BUDDY});
  char *memory = malloc(bytes);
  fh_range_options o = {.fit = FH_FIT_BUDDY};
  assert_null(fh_range_create_in(memory, bytes, 0, 15, &o)); /* 8, 4, 2 and 1 */
  fh_range *r = fh_range_create_in(memory, bytes, 0, 16, &o);
  uint64_t address = 0;
  assert_non_null(r);
  assert_int_equal(alloc(r, 1, 0, &address), FH_EXHAUSTED); /* 8, 4, 2, 1 and 1 */
  assert_int_equal(fh_range_grow(r, 7), FH_EXHAUSTED);
  assert_int_equal(fh_range_shrink(r, 1), FH_EXHAUSTED);
  assert_int_equal(space_of(r).size, 16);
  assert_int_equal(fh_range_shrink(r, 2), FH_OK);
  assert_int_equal(fh_range_check(r), FH_OK);
  assert_int_equal(alloc(r, 8, 0, &address), FH_OK);
  assert_int_equal(fh_range_grow(r, 2), FH_EXHAUSTED); /* a node for each piece, before they join */
  assert_int_equal(fh_range_shrink(r, 2), FH_OK);
  assert_int_equal(fh_range_grow(r, 4), FH_OK);
  assert_int_equal(fh_range_check(r), FH_OK);
  give(r, address);
  assert_true(space_of(r).holes == 1 && space_of(r).largest == 16);
  free(memory);
}

/* Without coalescing, a stretch over several holes may need a node, or give some back. */
static void several_holes_at_once(void **state) {
  (void)state;
  for (unsigned nodes = 4; nodes <= 5; nodes++) {
    few f = make_few(&(fh_range_options){.fit = FH_FIT_BEST, .no_coalesce = true}, nodes, 40);
    for (uint64_t at = 0; at < 40; at += 10) {
      assert_int_equal(alloc_at(f.r, at, 10), FH_OK);
    }
    give(f.r, 0);
    give(f.r, 10);
    assert_int_equal(alloc_at(f.r, 5, 10), nodes == 4 ? FH_EXHAUSTED : FH_OK); /* of both holes something is left */
    if (nodes == 5) {
      give(f.r, 5);
      assert_int_equal(alloc_at(f.r, 0, 20), FH_OK); /* 0, 5 and 15: three holes become one allocation */
      give(f.r, 0);
    }
    assert_int_equal(alloc_at(f.r, 5, 15), FH_OK); /* the second ends where the stretch does */
    give(f.r, 5);
    give(f.r, 20);
    assert_int_equal(alloc_at(f.r, 4, 20), FH_OK); /* what lay between is given back */
    assert_int_equal(space_of(f.r).used, 30);
    free(f.memory);
  }
}

static void runs_of_holes_without_coalescing(void **state) {
  (void)state;
  few f = make_few(&(fh_range_options){.fit = FH_FIT_FIRST, .no_coalesce = true}, 20, 40);
  for (uint64_t at = 0; at < 40; at += 10) {
    assert_int_equal(alloc_at(f.r, at, 10), FH_OK);
  }
  give(f.r, 0);
  give(f.r, 10);
  give(f.r, 30);
  assert_int_equal(alloc_at(f.r, 0, 25), FH_FRAGMENTED); /* the third is used */
  assert_int_equal(alloc_at(f.r, 0, 20), FH_OK);
  assert_int_equal(space_of(f.r).holes, 1);
  free(f.memory);
}

/* Thousands of nodes from malloc: blocks are added, and the table of allocations grows with them. */
static void many_nodes(void **state) {
  enum { COUNT = 5000 };
  static uint64_t at[COUNT];
  (void)state;
  for (unsigned fit = FH_FIT_GOOD; fit <= FH_FIT_BUDDY; fit += FH_FIT_BUDDY) {
    fh_range *r = fh_range_create(high_bit, UINT64_C(1) << 32, &(fh_range_options){.fit = (fh_fit)fit});
    for (unsigned i = 0; i < COUNT; i++) {
      assert_int_equal(fh_range_alloc(r, 1 + i % 700, 0, &at[i]), FH_OK);
    }
    assert_int_equal(fh_range_check(r), FH_OK);
    for (unsigned i = 0; i < COUNT; i += 2) {
      assert_int_equal(fh_range_length(r, at[i]), 1 + i % 700);
      assert_int_equal(fh_range_free(r, at[i]), FH_OK);
    }
    assert_int_equal(fh_range_check(r), FH_OK);
    for (unsigned i = 1; i < COUNT; i += 2) {
      assert_int_equal(fh_range_free(r, at[i]), FH_OK);
    }
    assert_int_equal(fh_range_check(r), FH_OK);
    assert_true(space_of(r).chunks == 0 && space_of(r).holes == 1);
    fh_range_destroy(r);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(base_and_length_overflow),
      cmocka_unit_test(all_of_64_bits),
      cmocka_unit_test(at_the_end_of_64_bits),
      cmocka_unit_test(needs_that_overflow),
      cmocka_unit_test(no_hole_is_sure),
      cmocka_unit_test(lengths_of_every_power),
      cmocka_unit_test(memory_for_nodes),
      cmocka_unit_test(nodes_run_out),
      cmocka_unit_test(without_nodes),
      cmocka_unit_test(buddies_without_nodes),
      cmocka_unit_test(several_holes_at_once),
      cmocka_unit_test(runs_of_holes_without_coalescing),
      cmocka_unit_test(many_nodes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
