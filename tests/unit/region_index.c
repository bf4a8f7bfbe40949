/* How a region's index of holes is shaped. */
#include "region/space.h"

#include "unit/cm.h"

enum { MIB = 1 << 20 };

static _Alignas(64) char memory[MIB];

static fh_region *make(unsigned flags, size_t bytes) {
  fh_region *r = fh_region_create(memory, bytes, &(fh_region_options){.flags = flags});
  assert_non_null(r);
  return r;
}

/* An index that is said to have been made for less than one chunk. */
static void opens_no_smaller_index(void **state) {
  (void)state;
  for (uint32_t cells = 0; cells < 64; cells++) {
    fh_region *r = make(FH_REGION_PACKED, 4096), forged = *r;
    fh_space_shape(&forged, cells);
    *r = forged;
    r = fh_region_open(memory, 4096);
    if (r != NULL) {
      char *a = fh_region_alloc(r, 1), *b = fh_region_alloc(r, 1), *c = fh_region_alloc(r, 1);
      assert_true(a != NULL && b != NULL && c != NULL && fh_region_free(r, b) == FH_OK);
      assert_int_equal(fh_region_check(r), FH_OK);
    }
  }
}

/* How many holes a path of the last bin may have, and how many lengths share it where it is not searched. */
static void last_bin_is_short(void **state) {
  (void)state;
  for (unsigned flags = 0; flags < 8; flags++) {
    for (uint32_t cells = 60; cells < UINT32_C(1) << 22; cells += cells / 300 + 1) {
      fh_region r = {.flags = (uint16_t)flags};
      fh_space_shape(&r, cells);
      uint32_t most = cells >> r.fold;
      assert_true(r.good.big > ((flags & FH_REGION_BOUNDED) != 0 ? most / 2 - 1 : most / 9));
    }
  }
}

/* So that of two long holes the one that fits is found. */
static void bounded_finds_long_holes(void **state) {
  (void)state;
  fh_space space;
  for (size_t bytes = 16384; bytes <= MIB; bytes += 16384) {
    fh_region *r = make(FH_REGION_BOUNDED, bytes);
    char *small = fh_region_alloc(r, bytes / 16 * 3), *between = fh_region_alloc(r, 16);
    char *large = fh_region_alloc(r, bytes / 2), *behind = fh_region_alloc(r, 16);
    assert_true(small != NULL && between != NULL && large != NULL && behind != NULL);
    fh_region_space(r, &space);
    assert_non_null(fh_region_alloc(r, (size_t)space.largest));
    assert_int_equal(fh_region_free(r, large), FH_OK);
    assert_int_equal(fh_region_free(r, small), FH_OK);
    assert_ptr_equal(fh_region_alloc(r, bytes / 4), large);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(opens_no_smaller_index),
      cmocka_unit_test(last_bin_is_short),
      cmocka_unit_test(bounded_finds_long_holes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
