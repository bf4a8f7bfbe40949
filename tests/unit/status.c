/* Names of what calls answer, and the share that fragmentation takes. */
#include "unit/cm.h"

#include <math.h>

#include "freehold/status.h"

static void names(void **state) {
  static const struct {
    fh_status status;
    const char *name;
  } all[] = {{FH_OK, "FH_OK"},
             {FH_INVALID, "FH_INVALID"},
             {FH_EXHAUSTED, "FH_EXHAUSTED"},
             {FH_FRAGMENTED, "FH_FRAGMENTED"},
             {FH_NOT_OWNED, "FH_NOT_OWNED"},
             {FH_DOUBLE_FREE, "FH_DOUBLE_FREE"},
             {FH_CORRUPT, "FH_CORRUPT"}};
  (void)state;
  for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
    assert_int_equal(all[i].status, i);
    assert_string_equal(fh_status_name(all[i].status), all[i].name);
    assert_ptr_equal(fh_status_name(all[i].status), fh_status_name(all[i].status));
  }
  assert_string_equal(fh_status_name((fh_status)7), "FH_UNKNOWN");
  assert_string_equal(fh_status_name((fh_status)-1), "FH_UNKNOWN");
}

static double fragmentation(uint64_t largest, uint64_t free) {
  return fh_space_fragmentation(&(fh_space){.largest = largest, .free = free});
}

static void none(void **state) {
  (void)state;
  assert_true(fragmentation(0, 0) == 0);
  assert_true(fragmentation(5, 0) == 0);
  assert_true(fragmentation(5, 5) == 0);
  assert_true(fragmentation(6, 5) == 0);
  assert_true(fragmentation(UINT64_MAX, UINT64_MAX) == 0);
  assert_true(fragmentation(UINT64_MAX - 1, UINT64_MAX) == 0); /* less than 64 bits halved can tell */
}

static void exact(void **state) {
  (void)state;
  assert_true(fragmentation(0, 1) == 1);
  assert_true(fragmentation(0, UINT64_MAX) == 1);
  assert_true(fragmentation(1, 2) == 0.5);
  assert_true(fragmentation(3, 4) == 0.25);
  assert_true(fragmentation(1, 4) == 0.75);
  assert_true(fragmentation(UINT64_C(1) << 62, UINT64_C(1) << 63) == 0.5);
  assert_true(fragmentation(UINT64_C(1) << 63, UINT64_MAX) < 0.5001);
  assert_true(fragmentation((UINT64_C(1) << 40) - 1, UINT64_C(1) << 40) == 1 / (double)(UINT64_C(1) << 40));
}

/* What a division says, but for the last bit; a larger hole means less of it. */
static void as_divided(void **state) {
  (void)state;
  for (uint64_t free = 1; free < UINT64_C(1) << 50; free = free * 3 + 1) {
    double last = 2;
    for (uint64_t part = 0; part <= 16; part++) {
      uint64_t largest = free / 16 * part;
      double want = (double)(free - largest) / (double)free, got = fragmentation(largest, free);
      assert_true(fabs(got - want) <= want * 3e-16);
      assert_true(got >= 0 && got <= 1 && got <= last);
      last = got;
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(names),
      cmocka_unit_test(none),
      cmocka_unit_test(exact),
      cmocka_unit_test(as_divided),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
