/* The policies "first", "next", "best" and "worst", and the orders of their list, call by call. */
#include "unit/cm.h"

#include <stdlib.h>

#include "fit/list.h"

enum { HOLES = 40 };

typedef struct hole {
  uint64_t address, length;
  uint32_t links[2];
} hole;

static hole holes[HOLES + 1];

static uint64_t length_of(void *space, uint32_t id) { return ((hole *)space)[id].length; }

static uint64_t address_of(void *space, uint32_t id) { return ((hole *)space)[id].address; }

static uint32_t *links_of(void *space, uint32_t id) { return ((hole *)space)[id].links; }

static const fh_fit_access access = {.length = length_of, .address = address_of, .links = links_of};

/* The list's numbers from front to back, and the same from the back. */
static void assert_order(const fh_list *list, unsigned count, const uint32_t *ids) {
  uint32_t at = list->first, prev = FH_NONE;
  for (unsigned i = 0; i < count; i++, prev = at, at = holes[at].links[FH_NEXT]) {
    assert_int_equal(at, ids[i]);
    assert_int_equal(holes[at].links[FH_PREV], prev);
  }
  assert_int_equal(at, FH_NONE);
  assert_int_equal(list->last, prev);
}

#define assert_ids(list, ...) \
  assert_order((list), sizeof((uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t), (uint32_t[]){__VA_ARGS__})

static void insert(fh_list *list, fh_list_order order, uint32_t id, uint64_t address, uint64_t length) {
  holes[id].address = address;
  holes[id].length = length;
  fh_list_insert(list, &access, holes, order, id);
}

/* Holes 1 .. 5, in the order they come. */
static fh_list make(fh_list_order order) {
  fh_list list = {.first = FH_NONE};
  insert(&list, order, 1, 300, 20);
  insert(&list, order, 2, 100, 10);
  insert(&list, order, 3, 500, 20);
  insert(&list, order, 4, 400, 30);
  insert(&list, order, 5, 200, 20);
  return list;
}

static uint32_t find(fh_list *list, fh_list_policy policy, uint64_t need, uint32_t looks) {
  uint32_t found = fh_list_find(list, &access, holes, policy, need);
  assert_int_equal(list->searched, looks);
  return found;
}

/* Equals stand in the order they came. */
static void orders(void **state) {
  (void)state;
  fh_list list = make(FH_LIST_ADDRESS);
  assert_ids(&list, 2, 5, 1, 4, 3);
  list = make(FH_LIST_SIZE_UP);
  assert_ids(&list, 2, 1, 3, 5, 4);
  list = make(FH_LIST_SIZE_DOWN);
  assert_ids(&list, 4, 1, 3, 5, 2);
  list = make(FH_LIST_FRONT);
  assert_ids(&list, 5, 4, 3, 2, 1);
  list = make(FH_LIST_BACK);
  assert_ids(&list, 1, 2, 3, 4, 5);
}

static void takes_out_anywhere(void **state) {
  (void)state;
  fh_list list = make(FH_LIST_BACK);
  fh_list_remove(&list, &access, holes, 3);
  assert_ids(&list, 1, 2, 4, 5);
  fh_list_remove(&list, &access, holes, 1);
  assert_ids(&list, 2, 4, 5);
  fh_list_remove(&list, &access, holes, 5);
  assert_ids(&list, 2, 4);
  fh_list_remove(&list, &access, holes, 4);
  fh_list_remove(&list, &access, holes, 2);
  assert_true(list.first == FH_NONE && list.last == FH_NONE);
  assert_int_equal(find(&list, FH_LIST_FIRST, 1, 0), FH_NONE);
  assert_int_equal(find(&list, FH_LIST_NEXT, 1, 0), FH_NONE);
}

static void links_behind_another(void **state) {
  (void)state;
  fh_list list = make(FH_LIST_BACK);
  fh_list_link(&list, &access, holes, 6, 3);
  fh_list_link(&list, &access, holes, 7, FH_NONE);
  fh_list_link(&list, &access, holes, 8, 5);
  assert_ids(&list, 7, 1, 2, 3, 6, 4, 5, 8);
}

static void first(void **state) {
  (void)state;
  fh_list list = make(FH_LIST_ADDRESS); /* 2: 10, 5: 20, 1: 20, 4: 30, 3: 20 */
  assert_int_equal(find(&list, FH_LIST_FIRST, 10, 1), 2);
  assert_int_equal(find(&list, FH_LIST_FIRST, 11, 2), 5);
  assert_int_equal(find(&list, FH_LIST_FIRST, 30, 4), 4);
  assert_int_equal(find(&list, FH_LIST_FIRST, 31, 5), FH_NONE);
  assert_int_equal(list.rover, FH_NONE);
}

/* All are looked at; of equals the first. */
static void best_and_worst(void **state) {
  (void)state;
  fh_list list = make(FH_LIST_ADDRESS);
  assert_int_equal(find(&list, FH_LIST_BEST, 5, 5), 2);
  assert_int_equal(find(&list, FH_LIST_BEST, 11, 5), 5);
  assert_int_equal(find(&list, FH_LIST_BEST, 21, 5), 4);
  assert_int_equal(find(&list, FH_LIST_BEST, 31, 5), FH_NONE);
  assert_int_equal(find(&list, FH_LIST_WORST, 5, 5), 4);
  fh_list_remove(&list, &access, holes, 4);
  assert_int_equal(find(&list, FH_LIST_WORST, 5, 4), 5);
  assert_int_equal(find(&list, FH_LIST_WORST, 21, 4), FH_NONE);
  assert_int_equal(list.rover, FH_NONE);
}

static void next_goes_around(void **state) {
  (void)state;
  fh_list list = make(FH_LIST_ADDRESS); /* 2: 10, 5: 20, 1: 20, 4: 30, 3: 20 */
  assert_int_equal(find(&list, FH_LIST_NEXT, 20, 2), 5);
  assert_int_equal(find(&list, FH_LIST_NEXT, 20, 1), 5); /* the one found is where the next search begins */
  assert_int_equal(find(&list, FH_LIST_NEXT, 30, 3), 4);
  assert_int_equal(find(&list, FH_LIST_NEXT, 10, 1), 4);
  holes[4].length = 5;
  assert_int_equal(find(&list, FH_LIST_NEXT, 20, 2), 3);
  holes[3].length = 5;
  assert_int_equal(find(&list, FH_LIST_NEXT, 10, 2), 2); /* past the end, at the front */
  assert_int_equal(find(&list, FH_LIST_NEXT, 21, 5), FH_NONE);
  assert_int_equal(list.rover, 2); /* a search that fails leaves it */
}

/* The one that takes its place in the list. */
static void rover_of_a_hole_that_leaves(void **state) {
  (void)state;
  fh_list list = make(FH_LIST_BACK); /* 1: 20, 2: 10, 3: 20, 4: 30, 5: 20 */
  assert_int_equal(find(&list, FH_LIST_NEXT, 30, 4), 4);
  fh_list_remove(&list, &access, holes, 2);
  assert_int_equal(list.rover, 4);
  fh_list_remove(&list, &access, holes, 4);
  assert_int_equal(find(&list, FH_LIST_NEXT, 1, 1), 5);
  fh_list_remove(&list, &access, holes, 5);
  assert_int_equal(list.rover, FH_NONE);
  assert_int_equal(find(&list, FH_LIST_NEXT, 1, 1), 1); /* from the front again */
}

static void replaces_in_place(void **state) {
  (void)state;
  fh_list list = make(FH_LIST_BACK);
  assert_int_equal(find(&list, FH_LIST_NEXT, 30, 4), 4);
  fh_list_replace(&list, &access, holes, 4, 9);
  assert_ids(&list, 1, 2, 3, 9, 5);
  assert_int_equal(list.rover, 9);
  fh_list_replace(&list, &access, holes, 1, 8);
  fh_list_replace(&list, &access, holes, 5, 7);
  assert_ids(&list, 8, 2, 3, 9, 7);
  assert_int_equal(list.rover, 9);
}

/* Against a stable insertion into an array. */
static void orders_at_random(void **state) {
  (void)state;
  srand(3);
  for (unsigned round = 0; round < 500; round++) {
    fh_list_order order = (fh_list_order)(round % 5);
    fh_list list = {.first = FH_NONE};
    uint32_t ids[HOLES], count = 0;
    for (uint32_t id = 1; id <= HOLES; id++) {
      insert(&list, order, id, (uint64_t)rand() % 1000 * HOLES + id, 1 + (uint64_t)rand() % 6);
      uint32_t at = 0;
      while (at < count && !fh_list_before(&access, holes, order, id, ids[at])) {
        at++;
      }
      for (uint32_t i = count++; i > at; i--) {
        ids[i] = ids[i - 1];
      }
      ids[at] = id;
    }
    assert_order(&list, count, ids);
    while (count != 0) {
      uint32_t at = (uint32_t)rand() % count;
      fh_list_remove(&list, &access, holes, ids[at]);
      for (count--; at < count; at++) {
        ids[at] = ids[at + 1];
      }
      assert_order(&list, count, ids);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(orders),
      cmocka_unit_test(takes_out_anywhere),
      cmocka_unit_test(links_behind_another),
      cmocka_unit_test(first),
      cmocka_unit_test(best_and_worst),
      cmocka_unit_test(next_goes_around),
      cmocka_unit_test(rover_of_a_hole_that_leaves),
      cmocka_unit_test(replaces_in_place),
      cmocka_unit_test(orders_at_random),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
