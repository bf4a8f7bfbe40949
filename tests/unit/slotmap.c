/* Maps of free slots: long enough, apart from each other, and used again. */
#include "heap/slotmap.h"

#include "base/bits.h"
#include "heap/sizes.h"
#include "pages/pages.h"
#include "unit/cm.h"

enum { MANY = 1000 };

static fh_slotmaps maps;
static fh_slotmap *taken[MANY];

static size_t bytes_of(const fh_slotmap *map) { return sizeof *map + ((size_t)8 << map->order); }

/* A bit for each slot, in not twice as many words as that takes. */
static void maps_are_long_enough(void **state) {
  (void)state;
  for (unsigned class = 1; class < FH_CLASSES; class ++) {
    fh_slotmap *map = fh_slotmap_take(&maps, class);
    size_t bits = (size_t)64 << map->order, words = (fh_classes[class].slots + 63u) / 64;
    assert_true(bits >= fh_classes[class].slots && bits / 64 < 2 * words);
    for (unsigned slot = 0; slot < bits; slot++) {
      assert_true(fh_slotmap_is_free(map, slot));
    }
    fh_slotmap_give(&maps, map);
  }
}

/* Used slots and the countdown fall in one step. */
static void counts_fall_together(void **state) {
  fh_slotmap map;
  (void)state;
  for (unsigned live = 1; live <= 1024; live += 93) {
    for (unsigned countdown = 1; countdown <= live; countdown++) {
      fh_slotmap_set(&map, live, countdown);
      for (unsigned back = 1; back <= live; back++) {
        assert_int_equal(fh_slotmap_came_back(&map, 1), back >= countdown);
        assert_int_equal(fh_slotmap_live(&map), live - back);
      }
      fh_slotmap_set(&map, live, countdown);
      assert_true(fh_slotmap_came_back(&map, live)); /* all at once */
      assert_int_equal(fh_slotmap_live(&map), 0);
    }
  }
}

/* A heap with four slabs of each class has room for all their maps. */
static void four_of_each_class_need_no_page(void **state) {
  static fh_slotmaps fresh;
  (void)state;
  for (unsigned i = 0; i < 4 * (FH_CLASSES - 1); i++) {
    uint64_t *map = (uint64_t *)fh_slotmap_take(&fresh, 1 + i / 4);
    assert_true(map >= fresh.first && map < fresh.first + FH_SLOTMAP_FIRST);
  }
}

static void maps_lie_apart(void **state) {
  (void)state;
  for (unsigned i = 0; i < MANY; i++) {
    taken[i] = fh_slotmap_take(&maps, 1 + i * 7 % (FH_CLASSES - 1));
    taken[i]->free[0] = i;
    taken[i]->free[(1u << taken[i]->order) - 1] = i;
    assert_int_equal((uintptr_t)taken[i] % 8, 0);
  }
  for (unsigned i = 0; i < MANY; i++) {
    assert_true(taken[i]->free[0] == i && taken[i]->free[(1u << taken[i]->order) - 1] == i);
    for (unsigned other = i + 1; other < MANY; other++) {
      const char *a = (const char *)taken[i], *b = (const char *)taken[other];
      assert_true(a + bytes_of(taken[i]) <= b || b + bytes_of(taken[other]) <= a);
    }
  }
}

static size_t pages_used(void) {
  fh_pages_counts now;
  fh_pages_read(&now);
  return now.used;
}

/* Whatever class it was for: its length counts. All bits are set again. */
static void maps_are_used_again(void **state) {
  size_t pages = pages_used();
  (void)state;
  assert_true(pages >= FH_SLOTMAP_ORDERS);
  for (unsigned i = 0; i < MANY; i += 2) {
    taken[i]->purged = taken[i]->due = 1;
    fh_slotmap_give(&maps, taken[i]);
  }
  for (unsigned i = 0; i < MANY; i += 2) {
    taken[i] = fh_slotmap_take(&maps, 1 + (MANY - 2 - i) * 7 % (FH_CLASSES - 1));
    assert_int_equal(taken[i]->purged | taken[i]->due, 0);
    for (unsigned slot = 0; slot < 64u << taken[i]->order; slot++) {
      assert_true(fh_slotmap_is_free(taken[i], slot));
    }
  }
  assert_int_equal(pages_used(), pages);
}

/* A page of maps goes with the last of them, whatever the order. */
static void pages_of_maps_go_back(void **state) {
  (void)state;
  for (unsigned i = 0; i < MANY; i++) {
    fh_slotmap_give(&maps, taken[i * 7 % MANY]);
  }
  assert_int_equal(pages_used(), 0);
  for (unsigned i = 0; i < MANY; i++) {
    taken[i] = fh_slotmap_take(&maps, 1);
    taken[i]->free[15] = i;
  }
  assert_true(pages_used() >= MANY / (FH_PAGE_SIZE / 136));
  for (unsigned i = 0; i < MANY; i++) {
    assert_int_equal(taken[i]->free[15], i);
    fh_slotmap_give(&maps, taken[i]);
  }
  assert_int_equal(pages_used(), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(maps_are_long_enough), cmocka_unit_test(four_of_each_class_need_no_page),
      cmocka_unit_test(counts_fall_together), cmocka_unit_test(maps_lie_apart),
      cmocka_unit_test(maps_are_used_again),  cmocka_unit_test(pages_of_maps_go_back),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
