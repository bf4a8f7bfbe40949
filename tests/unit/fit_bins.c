/* The index of holes: what it finds fits, and is as short as its bins can tell. */
#include "unit/cm.h"

#include <stdlib.h>

#include "fit/bins.h"

typedef struct hole {
  fh_hole link;
  uint64_t length;
  int listed;
} hole;

enum { HOLES = 600 };

static fh_bins index_now;
static hole holes[HOLES];

static uint64_t length_of(const fh_hole *h) { return ((const hole *)(const void *)h)->length; }

static void bins_are_in_order(void **state) {
  fh_bins_place last = {0, 0};
  (void)state;
  for (uint64_t length = 1; length < 100000; length++) {
    fh_bins_place at = fh_bins_place_of(length);
    assert_true(at.group < FH_BINS_GROUPS && at.bin < 32);
    assert_true(at.group > last.group || (at.group == last.group && at.bin >= last.bin));
    last = at;
  }
}

/* The shortest listed hole that fits, by looking at all. */
static uint64_t shortest(uint64_t need) {
  uint64_t best = UINT64_MAX;
  for (int i = 0; i < HOLES; i++) {
    if (holes[i].listed && holes[i].length >= need && holes[i].length < best) {
      best = holes[i].length;
    }
  }
  return best;
}

static void the_longest(void **state) {
  fh_hole *all[3];
  (void)state;
  assert_null(fh_bins_longest(&index_now));
  for (unsigned i = 0; i < 3; i++) {
    holes[i].length = 40 + 1000 * i;
    all[i] = &holes[i].link;
    fh_bins_insert(&index_now, all[i], holes[i].length);
    assert_ptr_equal(fh_bins_longest(&index_now), all[i]);
  }
  for (unsigned i = 3; i-- > 0;) {
    assert_ptr_equal(fh_bins_longest(&index_now), all[i]);
    fh_bins_remove(&index_now, all[i], holes[i].length);
  }
  assert_null(fh_bins_longest(&index_now));
}

static void finds_against_oracle(void **state) {
  (void)state;
  srand(1);
  for (int step = 0; step < 40000; step++) {
    hole *h = &holes[rand() % HOLES];
    if (h->listed) {
      fh_bins_remove(&index_now, &h->link, h->length);
    } else {
      h->length = 1 + (uint64_t)(rand() % (rand() % 2 ? 60 : 100000));
      fh_bins_insert(&index_now, &h->link, h->length);
    }
    h->listed = !h->listed;
    uint64_t need = 1 + (uint64_t)(rand() % 100000), best = shortest(need);
    fh_hole *got = fh_bins_find(&index_now, need, length_of);
    if (got == NULL) {
      /* Only a hole of the request's own bin, behind those that are looked at, may be missed. */
      fh_bins_place a = fh_bins_place_of(need), b = fh_bins_place_of(best == UINT64_MAX ? need : best);
      assert_true(best == UINT64_MAX || (a.group == b.group && a.bin == b.bin));
    } else {
      assert_true(length_of(got) >= need);
      assert_true(length_of(got) <= best + best / 8 + 1);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(bins_are_in_order), cmocka_unit_test(the_longest),
                                     cmocka_unit_test(finds_against_oracle)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
