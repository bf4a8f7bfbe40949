/* Ranges whose malloc fails: linked so that their calls of it come here first (-Wl,--wrap=malloc). Whichever call
 * fails, the range is as it was, and works on once there is memory again. */
#include "unit/cm.h"

#include <errno.h>
#include <stdlib.h>

#include "freehold/range.h"

enum { COUNT = 300, LENGTH = 1 << 20 };

static long calls_left; /* that succeed; below 0: all do */
static unsigned failed;

void *__real_malloc(size_t bytes); /* NOLINT */
void *__wrap_malloc(size_t bytes); /* NOLINT */

void *__wrap_malloc(size_t bytes) {
  if (calls_left == 0) {
    failed++;
    errno = ENOMEM;
    return NULL;
  }
  calls_left -= calls_left > 0;
  return __real_malloc(bytes);
}

static void create(void **state) {
  (void)state;
  for (unsigned fit = FH_FIT_GOOD; fit <= FH_FIT_BUDDY; fit++) {
    fh_range *r = NULL;
    for (calls_left = failed = 0; r == NULL; calls_left = (long)failed) {
      errno = 0;
      r = fh_range_create(0, LENGTH, &(fh_range_options){.fit = (fh_fit)fit});
      assert_true(r != NULL || errno == ENOMEM);
    }
    assert_int_equal(failed, 3); /* the range, its first nodes, its first buckets */
    calls_left = -1;
    assert_int_equal(fh_range_check(r), FH_OK);
    fh_range_destroy(r);
  }
}

/* So long that buddies begin with more pieces than the first nodes are. */
static void create_many_pieces(void **state) {
  (void)state;
  for (long calls = 0; calls < 5; calls++) {
    calls_left = calls;
    fh_range *r = fh_range_create(0, UINT64_MAX, &(fh_range_options){.fit = FH_FIT_BUDDY});
    assert_true(calls < 4 ? r == NULL : r != NULL);
    fh_range_destroy(r);
  }
  calls_left = -1;
}

/* Fills the range while every `period`th call of malloc is the first of two that fail. */
static unsigned fill(fh_range *r, uint64_t *at, long period) {
  unsigned refused = 0;
  calls_left = 0;
  for (unsigned count = 0; count < COUNT;) {
    fh_space before, after;
    fh_range_space(r, &before);
    fh_status status = fh_range_alloc(r, 1 + count % 30, 0, &at[count]);
    assert_int_equal(fh_range_check(r), FH_OK);
    if (status == FH_OK) {
      count++;
      continue;
    }
    fh_range_space(r, &after);
    assert_memory_equal(&before, &after, sizeof before);
    assert_int_equal(status, FH_EXHAUSTED);
    refused++;
    calls_left = period;
  }
  calls_left = -1;
  return refused;
}

static void alloc(void **state) {
  static uint64_t at[COUNT];
  (void)state;
  for (unsigned fit = FH_FIT_GOOD; fit <= FH_FIT_BUDDY; fit++) {
    for (long period = 1; period < 4; period++) {
      calls_left = -1;
      fh_range *r = fh_range_create(0, LENGTH, &(fh_range_options){.fit = (fh_fit)fit});
      assert_true(fill(r, at, period) != 0);
      for (unsigned i = 0; i < COUNT; i++) {
        assert_int_equal(fh_range_length(r, at[i]), 1 + i % 30);
        assert_int_equal(fh_range_free(r, at[i]), FH_OK);
      }
      assert_int_equal(fh_range_check(r), FH_OK);
      fh_range_destroy(r);
    }
  }
}

/* The table of allocations does without the buckets it would like to have. */
static void buckets(void **state) {
  static uint64_t at[COUNT];
  (void)state;
  calls_left = -1;
  fh_range *r = fh_range_create(0, LENGTH, NULL);
  for (unsigned i = 0; i < COUNT; i++) {
    unsigned before = failed;
    calls_left = 1; /* nodes come first; buckets fail if both are wanted */
    if (fh_range_alloc(r, 8, 0, &at[i]) != FH_OK) {
      fail();
    }
    assert_true(failed - before <= 1);
    assert_int_equal(fh_range_check(r), FH_OK);
  }
  calls_left = -1;
  for (unsigned i = 0; i < COUNT; i++) {
    assert_int_equal(fh_range_free(r, at[i]), FH_OK);
  }
  fh_range_destroy(r);
}

static void grow_and_alloc_at(void **state) {
  (void)state;
  fh_range *r = fh_range_create(0, 4096, &(fh_range_options){.fit = FH_FIT_FIRST});
  uint64_t address = 0;
  while (fh_range_alloc(r, 1, 0, &address) == FH_OK && address < 61) {
  }
  calls_left = 0; /* 64 nodes: node 0, 62 allocations and the hole */
  assert_int_equal(fh_range_alloc_at(r, 100, 1), FH_EXHAUSTED);
  assert_int_equal(fh_range_alloc_at(r, 62, 4096 - 62), FH_OK);
  assert_int_equal(fh_range_grow(r, 1), FH_EXHAUSTED);
  calls_left = -1;
  assert_int_equal(fh_range_grow(r, 1), FH_OK);
  assert_int_equal(fh_range_check(r), FH_OK);
  fh_range_destroy(r);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(create),  cmocka_unit_test(create_many_pieces), cmocka_unit_test(alloc),
      cmocka_unit_test(buckets), cmocka_unit_test(grow_and_alloc_at),
  };
  calls_left = -1;
  return cmocka_run_group_tests(tests, NULL, NULL);
}
