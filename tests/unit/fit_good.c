/* The policy "good" against a naive search, and how many holes one call touches. */
#include "unit/cm.h"

#include <stdlib.h>

#include "fit/buddy.h"
#include "fit/good.h"

enum { HOLES = 1500 };

typedef struct hole {
  uint64_t length;
  uint32_t links[2], children[2];
  bool in;
} hole;

static hole holes[HOLES + 1];
static uint32_t touched[200];
static unsigned touches;

/* Holes, not accesses: a call looks at each several times. */
static void touch(uint32_t id) {
  for (unsigned i = 0; i < touches; i++) {
    if (touched[i] == id) {
      return;
    }
  }
  assert_true(touches < 200);
  touched[touches++] = id;
}

static uint64_t length_of(void *space, uint32_t id) {
  (void)space;
  touch(id);
  return holes[id].length;
}

static uint64_t address_of(void *space, uint32_t id) {
  (void)space;
  return id;
}

static uint32_t *links_of(void *space, uint32_t id) {
  (void)space;
  touch(id);
  return holes[id].links;
}

static uint32_t *children_of(void *space, uint32_t id) {
  (void)space;
  touch(id);
  return holes[id].children;
}

typedef struct index {
  fh_good good;
  size_t *words;
  uint32_t *heads;
} index;

static fh_good *good_of(void *space) { return &((index *)space)->good; }

static size_t *words_of(void *space) { return ((index *)space)->words; }

static uint32_t *heads_of(void *space) { return ((index *)space)->heads; }

static const fh_fit_access access = {length_of, address_of, links_of, children_of, good_of, words_of, heads_of, false};

static index index_for(uint64_t most, bool flat) {
  index x;
  fh_good_shape(&x.good, most, 4096, flat);
  x.words = calloc(fh_good_words(&x.good), sizeof(size_t));
  x.heads = calloc(x.good.bins, sizeof(uint32_t));
  assert_true(x.words != NULL && x.heads != NULL);
  return x;
}

static void end(index *x) {
  free(x->words);
  free(x->heads);
  for (uint32_t i = 1; i <= HOLES; i++) {
    holes[i].in = false;
  }
}

static void insert(index *x, uint32_t id, uint64_t length) {
  holes[id].length = length;
  holes[id].in = true;
  touches = 0;
  fh_good_insert(&access, x, id, length);
}

static void take_out(index *x, uint32_t id) {
  holes[id].in = false;
  touches = 0;
  fh_good_remove(&access, x, id, holes[id].length);
}

static uint64_t smallest_fit(uint64_t need, uint64_t *largest) {
  uint64_t best = UINT64_MAX;
  *largest = 0;
  for (uint32_t i = 1; i <= HOLES; i++) {
    if (holes[i].in) {
      best = holes[i].length >= need && holes[i].length < best ? holes[i].length : best;
      *largest = holes[i].length > *largest ? holes[i].length : *largest;
    }
  }
  return best;
}

/* Nodes of a path, and what their length, links and children may be looked at: each node and one more child a level,
 * one that hangs there, and its neighbours. From `big` on it is the room that bounds a path, and there is no room here.
 */
static unsigned path(const index *x) { return x->good.shift + 1u; }

static unsigned bound(const index *x, uint64_t length) { return length >= x->good.big ? sizeof touched : path(x) + 3; }

static void check_search(index *x, uint64_t need, bool flat) {
  uint64_t largest, best = smallest_fit(need, &largest);
  touches = 0;
  uint32_t found = fh_good_find(&access, x, need);
  if (found != FH_NONE) {
    assert_true(holes[found].in && holes[found].length >= need);
  }
  if (!flat) {
    assert_true((found == FH_NONE) == (best == UINT64_MAX));
    assert_true(found == FH_NONE || holes[found].length == best);
  }
  touches = 0;
  uint32_t most = fh_good_largest(&access, x);
  assert_true(flat || (most == FH_NONE ? 0 : holes[most].length) == largest);
  assert_true(most == FH_NONE || fh_good_find(&access, x, holes[most].length) != FH_NONE);
}

static void random_holes(uint64_t most, bool flat) {
  index x = index_for(most, flat);
  srand(7);
  for (unsigned step = 0; step < 60000; step++) {
    uint32_t id = 1 + (uint32_t)rand() % HOLES;
    uint64_t any = (uint64_t)rand() << 31 | (uint64_t)rand();
    if (holes[id].in) {
      take_out(&x, id);
      assert_true(touches <= bound(&x, holes[id].length));
    } else {
      insert(&x, id, 1 + any % (rand() % 2 != 0 ? most : 40 + most / 64));
      assert_true(touches <= bound(&x, holes[id].length));
    }
    if (step % 16 == 0) {
      check_search(&x, 1 + any % most, flat);
    }
    if (step % 64 == 0) {
      uint64_t largest, need = 1 + any % most, best = smallest_fit(need, &largest);
      uint32_t taken = fh_good_take(&access, &x, need);
      assert_true(flat || (taken != FH_NONE) == (best != UINT64_MAX));
      holes[taken].in = false;
    }
  }
  for (uint32_t i = 1; i <= HOLES; i++) {
    if (holes[i].in) {
      take_out(&x, i);
    }
  }
  assert_int_equal(x.good.top, 0);
  end(&x);
}

static void finds_the_smallest(void **state) {
  (void)state;
  random_holes(300, false);
  random_holes(4000, false);
  random_holes(100000, false);
  random_holes(4 << 20, false);
  random_holes(UINT64_C(1) << 40, false);
}

static void flat_finds_something(void **state) {
  (void)state;
  random_holes(4000, true);
  random_holes(4 << 20, true);
}

/* Lengths side by side are the worst: each adds a node to one path. */
static void check_paths(index *x, uint64_t base) {
  for (uint32_t id = 1; id <= 300; id++) {
    insert(x, id, base + (id - 1) % base);
    assert_true(touches <= path(x) + 2);
  }
  for (uint64_t need = base; need < base + 300; need++) {
    touches = 0;
    fh_good_find(&access, x, need);
    assert_true(touches <= 2 * path(x) + 1);
    check_search(x, need, false);
    touches = 0;
    uint32_t taken = fh_good_take(&access, x, need);
    assert_true(touches <= 2 * path(x) + 3);
    if (taken != FH_NONE) {
      insert(x, taken, holes[taken].length);
    }
  }
  for (uint32_t id = 1; id <= 300; id++) {
    take_out(x, id);
    assert_true(touches <= path(x) + 3);
  }
}

static void paths_are_bounded(void **state) {
  (void)state;
  for (uint64_t most = 4096; most <= 8 << 20; most *= 4) {
    index x = index_for(most, false);
    assert_true(x.good.shift <= 7 || sizeof(size_t) == 4);
    for (uint64_t base = 64; 2 * base <= x.good.big; base *= 2) {
      check_paths(&x, base);
    }
    end(&x);
  }
}

/* An index that may not have many bins has wider ones; one that may not have many lists has the rest in a trie. */
static void shapes(void **state) {
  (void)state;
  fh_good g;
  for (uint64_t most = 1; most != 0; most = most * 2 + 1) {
    for (uint32_t bins = FH_GOOD_LEAST; bins < 8192; bins *= 2) {
      fh_good_shape(&g, most, bins, false);
      assert_true(g.bins <= bins && g.lists < g.bins && g.lists <= FH_GOOD_EXACT);
      assert_true(fh_good_bin(&g, most) < g.bins && fh_good_bin(&g, 1) < g.bins);
      assert_int_equal(fh_good_bin(&g, g.big), g.bins - 1);
      assert_int_equal(fh_good_bin(&g, g.big - 1), g.bins - 2);
    }
    if (most == UINT64_MAX) {
      break;
    }
  }
  fh_good_shape(&g, 256, 4096, false); /* a small space has a small table */
  assert_true(g.bins < 40);
}

static void buddies(void **state) {
  (void)state;
  assert_int_equal(fh_buddy_round(1), 1);
  assert_int_equal(fh_buddy_round(5), 8);
  assert_int_equal(fh_buddy_round(64), 64);
  assert_int_equal(fh_buddy_of(0, 8), 8);
  assert_int_equal(fh_buddy_of(8, 8), 0);
  assert_int_equal(fh_buddy_of(24, 8), 16);
  assert_int_equal(fh_buddy_first(0, 100), 64);
  assert_int_equal(fh_buddy_first(64, 36), 32);
  assert_int_equal(fh_buddy_first(12, 100), 4);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(finds_the_smallest),
      cmocka_unit_test(flat_finds_something),
      cmocka_unit_test(paths_are_bounded),
      cmocka_unit_test(shapes),
      cmocka_unit_test(buddies),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
