/* A range's calls one by one: what each answers, and what it changes. */
#include "unit/cm.h"

#include <stdlib.h>

#include "freehold/range.h"

enum { BASE = 1000 };

static fh_range *make(fh_fit fit, uint64_t length) {
  fh_range *r = fh_range_create(BASE, length, &(fh_range_options){.fit = fit});
  assert_non_null(r);
  return r;
}

static fh_range *make_list(fh_fit fit, fh_order order, bool no_coalesce, uint64_t length) {
  fh_range *r =
      fh_range_create(BASE, length, &(fh_range_options){.fit = fit, .order = order, .no_coalesce = no_coalesce});
  assert_non_null(r);
  return r;
}

static fh_space space_of(const fh_range *r) {
  fh_space space;
  fh_range_space(r, &space);
  assert_int_equal(space.size, space.used + space.free + space.metadata);
  assert_int_equal(fh_range_check(r), FH_OK);
  return space;
}

static uint64_t take(fh_range *r, uint64_t length) {
  uint64_t address = 0;
  assert_int_equal(fh_range_alloc(r, length, 0, &address), FH_OK);
  return address;
}

static void give(fh_range *r, uint64_t address) { assert_int_equal(fh_range_free(r, address), FH_OK); }

/* A call that fails changes nothing, not even the address. */
static void refuse(fh_range *r, uint64_t length, uint64_t alignment, fh_status why) {
  uint64_t address = 77;
  fh_space before = space_of(r), after;
  assert_int_equal(fh_range_alloc(r, length, alignment, &address), why);
  after = space_of(r);
  assert_int_equal(address, 77);
  assert_memory_equal(&before, &after, sizeof before);
}

static bool is_list(fh_fit fit) { return fit != FH_FIT_GOOD && fit != FH_FIT_BUDDY; }

/* What a walk saw. */
typedef struct seen {
  uint64_t address[16], length[16];
  bool used[16];
  unsigned count, stop;
} seen;

static int see(uint64_t address, uint64_t length, bool used, void *arg) {
  seen *s = arg;
  assert_true(s->count < 16);
  s->address[s->count] = address;
  s->length[s->count] = length;
  s->used[s->count++] = used;
  return s->count == s->stop ? 9 : 0;
}

/* The free list begins at these addresses, in that order. */
static void assert_list(const fh_range *r, unsigned count, const uint64_t *addresses) {
  seen s = {.count = 0};
  assert_int_equal(fh_range_walk_list(r, see, &s), 0);
  assert_int_equal(s.count, count);
  for (unsigned i = 0; i < count; i++) {
    assert_int_equal(s.address[i], addresses[i]);
    assert_false(s.used[i]);
  }
}

#define assert_holes(r, ...) \
  assert_list((r), sizeof((uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t), (uint64_t[]){__VA_ARGS__})

static void creates_what_makes_sense(void **state) {
  static const fh_range_options wrong[] = {{.fit = (fh_fit)6},
                                           {.order = (fh_order)5},
                                           {.fit = (fh_fit)-1},
                                           {.no_coalesce = true},
                                           {.fit = FH_FIT_BUDDY, .no_coalesce = true}};
  static char memory[8192];
  (void)state;
  assert_null(fh_range_create(0, 0, NULL));
  assert_null(fh_range_create_in(memory, sizeof memory, 0, 0, NULL));
  for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    assert_null(fh_range_create(0, 100, &wrong[i]));
    assert_null(fh_range_create_in(memory, sizeof memory, 0, 100, &wrong[i]));
    assert_int_equal(fh_range_bytes_for(10, &wrong[i]), 0);
  }
  assert_null(fh_range_create_in(NULL, sizeof memory, 0, 100, NULL));
  fh_range_destroy(NULL);
}

static void a_fresh_range_is_one_hole(void **state) {
  (void)state;
  for (unsigned fit = FH_FIT_GOOD; fit <= FH_FIT_BUDDY; fit++) {
    fh_range *r = make((fh_fit)fit, 64);
    fh_space space = space_of(r);
    assert_true(space.size == 64 && space.free == 64 && space.largest == 64 && space.holes == 1);
    assert_true(space.used == 0 && space.requested == 0 && space.chunks == 0 && space.peak_used == 0);
    assert_holes(r, BASE);
    assert_int_equal(take(r, 64), BASE);
    space = space_of(r);
    assert_true(space.free == 0 && space.largest == 0 && space.holes == 0 && space.chunks == 1 && space.used == 64);
    give(r, BASE);
    assert_int_equal(space_of(r).peak_used, 64);
    fh_range_destroy(r);
  }
}

static void no_options_are_all_zero(void **state) {
  (void)state;
  fh_range *r = fh_range_create(5, 10, NULL);
  assert_int_equal(take(r, 3), 5);
  assert_int_equal(take(r, 7), 8);
  assert_int_equal(space_of(r).free, 0);
  fh_range_destroy(r);
}

static void requests_that_fail(void **state) {
  (void)state;
  for (unsigned fit = FH_FIT_GOOD; fit <= FH_FIT_BUDDY; fit++) {
    fh_range *r = make((fh_fit)fit, 64);
    refuse(r, 0, 0, FH_INVALID);
    refuse(r, 1, 3, FH_INVALID);
    refuse(r, 1, UINT64_MAX, FH_INVALID);
    refuse(r, 65, 0, FH_EXHAUSTED);
    refuse(r, UINT64_MAX, 1, FH_EXHAUSTED);
    refuse(r, 1, 4096, FH_FRAGMENTED);
    uint64_t at[4];
    for (unsigned i = 0; i < 4; i++) {
      at[i] = take(r, 16);
    }
    refuse(r, 1, 0, FH_EXHAUSTED);
    give(r, at[0]);
    give(r, at[2]);
    refuse(r, 17, 0, FH_FRAGMENTED);
    refuse(r, 33, 0, FH_EXHAUSTED);
    uint64_t one = take(r, 16), other = take(r, 16);
    assert_true(one != other && (one == at[0] || one == at[2]) && (other == at[0] || other == at[2]));
    fh_range_destroy(r);
  }
}

/* The address behind the header is the one that is aligned. */
static void alignment(void **state) {
  (void)state;
  for (unsigned fit = FH_FIT_GOOD; fit <= FH_FIT_BUDDY; fit++) {
    for (uint64_t header = 0; header < 8; header += 7) {
      fh_range *r = fh_range_create(3, 4000, &(fh_range_options){.fit = (fh_fit)fit, .header = header});
      for (uint64_t align = 1; align <= 512; align *= 2) {
        uint64_t address = 0;
        assert_int_equal(fh_range_alloc(r, 5, align, &address), FH_OK);
        assert_int_equal(address % align, 0);
        assert_int_equal(fh_range_length(r, address), 5);
        space_of(r);
      }
      fh_range_destroy(r);
    }
  }
}

/* GOOD: a smallest hole that lies right before a larger one is cut; and any that holds the request at all, when none is
 * sure to. */
static void good_aligned(void **state) {
  (void)state;
  fh_range *r = fh_range_create(0, 1000, NULL);
  uint64_t address = 0;
  assert_int_equal(fh_range_alloc_at(r, 16, 16), FH_OK);
  assert_int_equal(fh_range_alloc_at(r, 32, 16), FH_OK);
  assert_int_equal(fh_range_free(r, 16), FH_OK); /* holes: 0 .. 31 and 48 .. 999 */
  assert_int_equal(fh_range_alloc(r, 20, 16, &address), FH_OK);
  assert_int_equal(address, 0);
  assert_int_equal(fh_range_alloc_at(r, 64, 936), FH_OK); /* holes: 20 .. 31 and 48 .. 63 */
  assert_int_equal(fh_range_alloc(r, 12, 32, &address), FH_FRAGMENTED);
  assert_int_equal(fh_range_alloc(r, 16, 16, &address), FH_OK);
  assert_int_equal(address, 48);
  fh_range_destroy(r);
}

/* Many holes of one length, of which none lies right, before one that does. */
static void good_tries_are_bounded(void **state) {
  (void)state;
  for (unsigned holes = 1; holes < 100; holes += 14) {
    fh_range *r = fh_range_create(0, 64 * 200, NULL);
    uint64_t address = 0;
    for (uint64_t i = 0; i < 200; i++) {
      assert_int_equal(fh_range_alloc_at(r, i * 64, i < holes ? 40 : 64), FH_OK);
      assert_int_equal(i >= holes ? FH_OK : fh_range_alloc_at(r, i * 64 + 40, 1), FH_OK); /* 23 free behind */
    }
    assert_int_equal(fh_range_free(r, 64 * 150), FH_OK);
    assert_int_equal(fh_range_alloc(r, 16, 64, &address), FH_OK);
    assert_int_equal(address, 64 * 150);
    assert_int_equal(fh_range_alloc(r, 20, 64, &address), FH_FRAGMENTED);
    space_of(r);
    fh_range_destroy(r);
  }
}

static void header_and_granule(void **state) {
  (void)state;
  for (unsigned fit = FH_FIT_GOOD; fit < FH_FIT_BUDDY; fit++) {
    fh_range *r = fh_range_create(100, 100, &(fh_range_options){.fit = (fh_fit)fit, .granule = 10, .header = 4});
    assert_int_equal(space_of(r).largest, 90); /* 4 + 90 of 100 */
    assert_int_equal(take(r, 1), 104);
    assert_int_equal(take(r, 11), 118);
    fh_space space = space_of(r);
    assert_true(space.used == 14 + 24 && space.requested == 12 && space.largest == 50);
    assert_int_equal(fh_range_length(r, 118), 11);
    assert_int_equal(fh_range_length(r, 119), 0);
    assert_int_equal(fh_range_length(r, 114), 0);
    refuse(r, 51, 0, FH_EXHAUSTED); /* 64 of 62 */
    assert_int_equal(take(r, 50), 142);
    assert_int_equal(space_of(r).largest, 0); /* 8 are free, and a request needs 14 */
    give(r, 118);
    give(r, 104);
    give(r, 142);
    assert_int_equal(space_of(r).holes, 1);
    fh_range_destroy(r);
  }
}

static void at_an_address(void **state) {
  (void)state;
  for (unsigned fit = FH_FIT_GOOD; fit <= FH_FIT_BUDDY; fit++) {
    fh_range *r = make((fh_fit)fit, 100);
    assert_int_equal(fh_range_alloc_at(r, BASE, 0), FH_INVALID);
    assert_int_equal(fh_range_alloc_at(r, BASE - 1, 1), FH_NOT_OWNED);
    assert_int_equal(fh_range_alloc_at(r, BASE + 100, 1), FH_NOT_OWNED);
    assert_int_equal(fh_range_alloc_at(r, BASE + 99, 2), FH_NOT_OWNED);
    assert_int_equal(fh_range_alloc_at(r, BASE + 8, 4), FH_OK);
    assert_int_equal(fh_range_alloc_at(r, BASE + 8, 4), FH_FRAGMENTED);
    assert_int_equal(fh_range_alloc_at(r, BASE + 4, 5), FH_FRAGMENTED);
    assert_int_equal(fh_range_alloc_at(r, BASE + 11, 1), FH_FRAGMENTED);
    assert_int_equal(fh_range_alloc_at(r, BASE, 8), FH_OK);
    assert_int_equal(fh_range_alloc_at(r, BASE + 99, 1), FH_OK);
    assert_int_equal(space_of(r).used, 13);
    give(r, BASE + 8);
    give(r, BASE);
    give(r, BASE + 99);
    assert_int_equal(space_of(r).free, 100);
    fh_range_destroy(r);
  }
}

static void at_an_address_with_a_header(void **state) {
  (void)state;
  fh_range *r = fh_range_create(4, 100, &(fh_range_options){.header = 8, .granule = 16});
  assert_int_equal(fh_range_alloc_at(r, 7, 1), FH_NOT_OWNED);  /* the header would begin below 0 */
  assert_int_equal(fh_range_alloc_at(r, 11, 1), FH_NOT_OWNED); /* and here before the range */
  assert_int_equal(fh_range_alloc_at(r, 89, 1), FH_NOT_OWNED); /* the granule would end behind it */
  assert_int_equal(fh_range_alloc_at(r, 88, 1), FH_OK);
  assert_int_equal(fh_range_alloc_at(r, 12, 1), FH_OK);
  assert_int_equal(space_of(r).used, 48);
  fh_range_destroy(r);
}

/* BUDDY: the charge is the smallest piece around the stretch. */
static void buddies_at_an_address(void **state) {
  (void)state;
  fh_range *r = make(FH_FIT_BUDDY, 100);
  assert_int_equal(fh_range_alloc_at(r, BASE + 3, 2), FH_OK); /* crosses 4: eight */
  assert_int_equal(space_of(r).used, 8);
  assert_int_equal(fh_range_alloc_at(r, BASE + 7, 1), FH_FRAGMENTED);
  assert_int_equal(fh_range_alloc_at(r, BASE + 95, 3),
                   FH_FRAGMENTED); /* crosses 96: all of 128, and that is not there */
  assert_int_equal(fh_range_alloc_at(r, BASE + 63, 2), FH_FRAGMENTED);
  assert_int_equal(fh_range_alloc_at(r, BASE + 96, 4), FH_OK);
  give(r, BASE + 96);
  give(r, BASE + 3);
  fh_space space = space_of(r);
  assert_true(space.holes == 3 && space.largest == 64); /* 64, 32 and 4 */
  fh_range_destroy(r);
}

/* Many pieces of one length, of which none lies right, before a longer one that does. */
static void buddies_that_do_not_lie_right(void **state) {
  (void)state;
  fh_range *r = fh_range_create(1, 1024, &(fh_range_options){.fit = FH_FIT_BUDDY});
  uint64_t at[128], address = 0;
  for (unsigned i = 0; i < 64; i++) {
    at[i] = take(r, 8);
  }
  for (unsigned i = 0; i < 64; i += 2) {
    give(r, at[i]);
  }
  assert_int_equal(fh_range_alloc(r, 4, 8, &address), FH_OK);
  assert_true(address % 8 == 0 && address > 512);
  assert_int_equal(space_of(r).used, 32 * 8 + 16); /* it crosses the middle of sixteen */
  fh_range_destroy(r);
}

static void what_is_no_allocation(void **state) {
  (void)state;
  for (unsigned fit = FH_FIT_GOOD; fit <= FH_FIT_BUDDY; fit++) {
    fh_range *r = make((fh_fit)fit, 64);
    assert_int_equal(fh_range_free(r, BASE), FH_DOUBLE_FREE); /* it lies in a hole */
    uint64_t first = take(r, 8), second = take(r, 8);
    assert_int_equal(fh_range_free(r, BASE - 1), FH_NOT_OWNED);
    assert_int_equal(fh_range_free(r, BASE + 64), FH_NOT_OWNED);
    assert_int_equal(fh_range_free(r, 0), FH_NOT_OWNED);
    assert_int_equal(fh_range_free(r, UINT64_MAX), FH_NOT_OWNED);
    assert_int_equal(fh_range_free(r, first + 1), FH_NOT_OWNED);
    assert_int_equal(fh_range_free(r, second + 7), FH_NOT_OWNED);
    assert_int_equal(space_of(r).chunks, 2);
    give(r, first);
    assert_int_equal(fh_range_free(r, first), FH_DOUBLE_FREE);
    assert_int_equal(fh_range_free(r, first + 1), FH_DOUBLE_FREE);
    assert_int_equal(fh_range_length(r, first), 0);
    assert_int_equal(fh_range_length(r, second), 8);
    give(r, second);
    assert_int_equal(space_of(r).holes, 1);
    fh_range_destroy(r);
  }
}

static void grows_at_the_end(void **state) {
  (void)state;
  for (unsigned fit = FH_FIT_GOOD; fit <= FH_FIT_BUDDY; fit++) {
    for (unsigned order = 0; order <= (is_list((fh_fit)fit) ? FH_ORDER_BACK : 0u); order++) {
      fh_range *r = make_list((fh_fit)fit, (fh_order)order, false, 32);
      assert_int_equal(fh_range_grow(r, 0), FH_OK);
      assert_int_equal(fh_range_grow(r, UINT64_MAX), FH_INVALID);
      assert_int_equal(fh_range_grow(r, UINT64_MAX - BASE - 31), FH_INVALID);
      assert_int_equal(space_of(r).size, 32);
      assert_int_equal(fh_range_grow(r, 32), FH_OK); /* joins the free tail */
      assert_true(space_of(r).holes == 1 && space_of(r).largest == 64);
      uint64_t all = take(r, 64);
      assert_int_equal(fh_range_grow(r, 8), FH_OK); /* behind an allocation */
      assert_true(space_of(r).holes == 1 && space_of(r).largest == 8);
      assert_int_equal(take(r, 8), all + 64);
      fh_range_destroy(r);
    }
  }
}

static void shrinks_at_the_end(void **state) {
  (void)state;
  for (unsigned fit = FH_FIT_GOOD; fit <= FH_FIT_BUDDY; fit++) {
    fh_range *r = make((fh_fit)fit, 64);
    assert_int_equal(fh_range_shrink(r, 0), FH_OK);
    assert_int_equal(fh_range_shrink(r, 64), FH_INVALID);
    assert_int_equal(fh_range_shrink(r, UINT64_MAX), FH_INVALID);
    assert_int_equal(fh_range_shrink(r, 13), FH_OK);
    assert_int_equal(space_of(r).free, 51);
    assert_int_equal(fh_range_alloc_at(r, BASE, 8), FH_OK);
    assert_int_equal(fh_range_shrink(r, 44), FH_EXHAUSTED); /* one of them is used */
    assert_int_equal(space_of(r).size, 51);
    assert_int_equal(fh_range_shrink(r, 43), FH_OK); /* all that is free */
    assert_int_equal(space_of(r).free, 0);
    assert_int_equal(fh_range_shrink(r, 1), FH_EXHAUSTED);
    give(r, BASE);
    assert_int_equal(fh_range_shrink(r, 7), FH_OK);
    assert_int_equal(take(r, 1), BASE);
    fh_range_destroy(r);
  }
}

/* The tail may be several holes where nothing coalesces. */
static void shrinks_over_several_holes(void **state) {
  (void)state;
  fh_range *r = make_list(FH_FIT_FIRST, FH_ORDER_ADDRESS, true, 40);
  for (unsigned i = 0; i < 4; i++) {
    take(r, 10);
  }
  give(r, BASE + 10);
  give(r, BASE + 20);
  give(r, BASE + 30);
  assert_int_equal(fh_range_shrink(r, 31), FH_EXHAUSTED);
  assert_int_equal(space_of(r).holes, 3);
  assert_int_equal(fh_range_shrink(r, 15), FH_OK);
  assert_holes(r, BASE + 10, BASE + 20);
  assert_int_equal(fh_range_shrink(r, 5), FH_OK);
  assert_holes(r, BASE + 10);
  fh_range_destroy(r);
}

static void walks_in_address_order(void **state) {
  (void)state;
  for (unsigned fit = FH_FIT_GOOD; fit <= FH_FIT_BUDDY; fit++) {
    fh_range *r = make((fh_fit)fit, 64);
    take(r, 16);
    take(r, 16);
    take(r, 32);
    give(r, BASE);
    seen all = {.count = 0}, some = {.stop = 2}, list = {.stop = 1};
    assert_int_equal(fh_range_walk(r, see, &all), 0);
    assert_true(all.count == 3 && !all.used[0] && all.used[1] && all.used[2]);
    assert_true(all.address[0] == BASE && all.address[1] == BASE + 16 && all.address[2] == BASE + 32);
    assert_true(all.length[0] == 16 && all.length[1] == 16 && all.length[2] == 32);
    assert_int_equal(fh_range_walk(r, see, &some), 9); /* what the last visit returned */
    assert_int_equal(some.count, 2);
    assert_int_equal(fh_range_walk_list(r, see, &list), 9);
    assert_int_equal(list.count, 1);
    fh_range_destroy(r);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(creates_what_makes_sense),
      cmocka_unit_test(a_fresh_range_is_one_hole),
      cmocka_unit_test(no_options_are_all_zero),
      cmocka_unit_test(requests_that_fail),
      cmocka_unit_test(alignment),
      cmocka_unit_test(good_aligned),
      cmocka_unit_test(good_tries_are_bounded),
      cmocka_unit_test(header_and_granule),
      cmocka_unit_test(at_an_address),
      cmocka_unit_test(at_an_address_with_a_header),
      cmocka_unit_test(buddies_at_an_address),
      cmocka_unit_test(buddies_that_do_not_lie_right),
      cmocka_unit_test(what_is_no_allocation),
      cmocka_unit_test(grows_at_the_end),
      cmocka_unit_test(shrinks_at_the_end),
      cmocka_unit_test(shrinks_over_several_holes),
      cmocka_unit_test(walks_in_address_order),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
