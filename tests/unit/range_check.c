/* Every bit that a range keeps: when it is another, fh_range_check says so, and reads nothing that is not its own. */
#include "unit/cm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "freehold/range.h"
#include "range/space.h"
#include "range/table.h"

enum { NODES = 24, BASE = 4096, SIZE = 512 };

typedef struct subject {
  fh_range *r;
  size_t bytes;
  unsigned char *copy;
} subject;

/* Holes of several lengths and of the same one, spares, nodes that were never taken, a table that has grown. */
static subject make(fh_range_options o) {
  static const unsigned char lengths[] = {3, 40, 5, 40, 9, 60, 1, 40, 2, 60, 4, 33, 7};
  enum { COUNT = sizeof lengths };
  subject s = {.bytes = fh_range_bytes_for(NODES, &o)};
  uint64_t at[COUNT], more = 0;
  s.r = fh_range_create_in(malloc(s.bytes), s.bytes, BASE, SIZE, &o);
  s.copy = malloc(s.bytes);
  assert_non_null(s.r);
  unsigned count = 0;
  while (count < COUNT && fh_range_alloc(s.r, lengths[count], 0, &at[count]) == FH_OK) {
    count++;
  }
  for (unsigned i = 1; i < count; i += 2) {
    assert_int_equal(fh_range_free(s.r, at[i]), FH_OK);
  }
  assert_int_equal(fh_range_free(s.r, at[count / 4 * 2]), FH_OK);
  assert_int_equal(fh_range_alloc(s.r, 1, 0, &more), FH_OK);
  assert_int_equal(fh_range_check(s.r), FH_OK);
  memcpy(s.copy, s.r, s.bytes);
  return s;
}

static void end(subject *s) {
  free(s->r);
  free(s->copy);
}

/* Each bit of so many bytes, one at a time; `slack`: they may be anything, and only must do no harm. */
static void flip_all(subject *s, void *at, size_t bytes, bool slack) {
  unsigned char *byte = at;
  for (size_t bit = 0; bit < bytes * 8; bit++) {
    byte[bit / 8] ^= (unsigned char)(1u << bit % 8);
    fh_status status = fh_range_check(s->r);
    if (status == FH_OK && !slack) {
      fprintf(stderr, "policy %d order %d: bit %zu of byte %zu\n", s->r->fit, s->r->order, bit % 8,
              (size_t)((char *)at - (char *)s->r) + bit / 8);
    }
    assert_true(slack || status == FH_CORRUPT);
    memcpy(s->r, s->copy, s->bytes);
  }
}

#define flip(s, field) flip_all((s), &(s)->r->field, sizeof(s)->r->field, false)

static bool is_spare(const fh_range *r, uint32_t number) { return node_at(r, number)->links[FH_PREV] == NODE_SPARE; }

/* What hangs on another hole of its length has no children. */
static bool has_children(const fh_range *r, uint32_t number) {
  return node_at(r, number)->length >= FH_GOOD_EXACT && node_at(r, number)->links[FH_PREV] == FH_NONE;
}

static void flip_node(subject *s, uint32_t number) {
  fh_node *node = node_at(s->r, number);
  bool live = number < s->r->fresh && !is_spare(s->r, number) && number != NODE_END;
  bool address = live && (!uses_good(s->r) || !is_hole(s->r, number) || has_children(s->r, number));
  bool piece =
      live && uses_buddy(s->r) && !is_hole(s->r, number); /* it may be answered wherever it fits in its piece */
  flip_all(s, &node->at, sizeof node->at, !address || piece);
  flip_all(s, &node->length, sizeof node->length, !live);
  flip_all(s, &node->left, 2 * sizeof node->left, !live && number != NODE_END);
  flip_all(s, &node->links[FH_NEXT], sizeof node->links[FH_NEXT], number >= s->r->fresh || number == NODE_END);
  flip_all(s, &node->links[FH_PREV], sizeof node->links[FH_PREV], number >= s->r->fresh);
}

static void flip_nodes(subject *s) {
  unsigned spares = 0;
  for (uint32_t number = 0; number < s->r->capacity; number++) {
    spares += number != NODE_END && number < s->r->fresh && is_spare(s->r, number);
    flip_node(s, number);
  }
  assert_true(spares != 0 || s->r->no_coalesce);
  assert_true(s->r->fresh < s->r->capacity && s->r->holes > 3 && s->r->chunks > 3);
}

static void flip_account(subject *s) {
  flip(s, end);
  flip(s, used);
  flip(s, requested);
  flip(s, free);
  flip(s, chunks);
  flip(s, holes);
  flip(s, live);
  flip(s, spare);
  flip(s, fresh);
  flip_all(s, &s->r->buckets, sizeof s->r->buckets, true); /* one more or less that is empty makes no difference */
  flip(s, hash_mask);
  s->r->peak = s->r->used - 1;
  assert_int_equal(fh_range_check(s->r), FH_CORRUPT);
  memcpy(s->r, s->copy, s->bytes);
  flip_all(s, (void *)(s->r->blocks[0].buckets), s->r->buckets * sizeof(uint32_t), false);
}

static void flip_good(subject *s) {
  const fh_good *g = &s->r->good;
  flip(s, good.top);
  flip_all(s, s->r->words, fh_good_words(g) * sizeof(size_t), false);
  flip_all(s, s->r->heads, g->bins * sizeof(uint32_t), false);
}

static void flip_lists(subject *s) {
  flip(s, list.first);
  flip(s, list.last);
  s->r->list.rover = s->r->capacity;
  assert_int_equal(fh_range_check(s->r), FH_CORRUPT);
  memcpy(s->r, s->copy, s->bytes);
}

static void bits_of(fh_range_options o) {
  subject s = make(o);
  flip_account(&s);
  flip_nodes(&s);
  if (uses_good(s.r)) {
    flip_good(&s);
  } else if (uses_buddy(s.r)) {
    flip(&s, powers);
    flip_all(&s, s.r->heads, POWERS * sizeof(uint32_t), false);
  } else {
    flip_lists(&s);
  }
  end(&s);
}

static void good(void **state) {
  (void)state;
  bits_of((fh_range_options){.fit = FH_FIT_GOOD});
  bits_of((fh_range_options){.fit = FH_FIT_GOOD, .granule = 4, .header = 3});
}

static void buddy(void **state) {
  (void)state;
  bits_of((fh_range_options){.fit = FH_FIT_BUDDY});
}

static void lists(void **state) {
  (void)state;
  for (unsigned fit = FH_FIT_FIRST; fit <= FH_FIT_WORST; fit++) {
    for (unsigned order = 0; order <= FH_ORDER_BACK; order++) {
      bits_of((fh_range_options){.fit = (fh_fit)fit, .order = (fh_order)order});
      bits_of((fh_range_options){.fit = (fh_fit)fit, .order = (fh_order)order, .no_coalesce = true});
    }
  }
}

/* One bucket, and the mask of one. */
static void small(void **state) {
  (void)state;
  for (unsigned fit = FH_FIT_GOOD; fit <= FH_FIT_BUDDY; fit++) {
    fh_range_options o = {.fit = (fh_fit)fit};
    subject s = {.bytes = fh_range_bytes_for(NODES, &o)};
    s.r = fh_range_create_in(malloc(s.bytes), s.bytes, BASE, SIZE, &o);
    s.copy = malloc(s.bytes);
    assert_non_null(s.r);
    assert_int_equal(fh_range_alloc_at(s.r, BASE, 3), FH_OK);
    assert_int_equal(s.r->buckets, 1);
    memcpy(s.copy, s.r, s.bytes);
    flip_account(&s);
    end(&s);
  }
}

/* Several words that agree with each other, and are wrong all the same. */

static fh_range *made(fh_fit fit, uint64_t base, uint64_t length, fh_order order, bool no_coalesce) {
  fh_range *r =
      fh_range_create(base, length, &(fh_range_options){.fit = fit, .order = order, .no_coalesce = no_coalesce});
  assert_non_null(r);
  return r;
}

static void assert_corrupt(fh_range *r) {
  assert_int_equal(fh_range_check(r), FH_CORRUPT);
  fh_range_destroy(r);
}

/* The node of the allocation made there. */
static fh_node *taken(fh_range *r, uint64_t address, uint64_t length) {
  assert_int_equal(fh_range_alloc_at(r, address, length), FH_OK);
  return node_at(r, fh_table_find(r, address));
}

static void charges_out_of_range(void **state) {
  (void)state;
  fh_range *r = fh_range_create(0, SIZE, &(fh_range_options){.granule = 16});
  taken(r, 0, 16)->length = UINT64_MAX; /* no multiple of 16 is above it */
  assert_corrupt(r);
  r = made(FH_FIT_BUDDY, 0, 100, FH_ORDER_ADDRESS, false);
  taken(r, 64, 1)->length = 33; /* all of 64 .. 127 */
  assert_corrupt(r);
  r = made(FH_FIT_BUDDY, 0, UINT64_MAX, FH_ORDER_ADDRESS, false);
  fh_node *node = taken(r, (UINT64_C(1) << 63) - 2, 1);
  node->length = 3; /* across the middle of 2^64 */
  assert_corrupt(r);
}

/* Given back, and not joined. */
static void give_apart(fh_range *r, uint64_t address) {
  uint32_t number = fh_table_take(r, address);
  fh_stretch charge = charge_of(r, address, node_at(r, number)->length);
  account_out(r, charge.length, node_at(r, number)->length);
  hole_write(r, number, charge.start, charge.length);
  r->holes++;
  fh_index_insert(r, number);
}

static void holes_that_did_not_join(void **state) {
  (void)state;
  for (unsigned fit = FH_FIT_GOOD; fit <= FH_FIT_BUDDY; fit++) {
    fh_range *r = made((fh_fit)fit, BASE, 64, FH_ORDER_ADDRESS, false);
    for (uint64_t at = 0; at < 64; at += 16) {
      taken(r, BASE + at, 16);
    }
    assert_int_equal(fh_range_check(r), FH_OK);
    give_apart(r, BASE + 16);
    assert_int_equal(fh_range_check(r), FH_OK);
    give_apart(r, BASE + 32); /* beside it, but not its buddy */
    assert_int_equal(fh_range_check(r), fit == FH_FIT_BUDDY ? FH_OK : FH_CORRUPT);
    give_apart(r, BASE + 48);
    assert_corrupt(r);
  }
}

/* Two pieces in place of those that lie right: 16 and 48 of 64. */
static void pieces_that_are_none(void **state) {
  (void)state;
  fh_range *r = made(FH_FIT_BUDDY, 0, 64, FH_ORDER_ADDRESS, false);
  taken(r, 0, 16);
  uint32_t hole = node_at(r, NODE_END)->left, other = node_at(r, hole)->left;
  hole_drop(r, other);
  hole_write(r, hole, 16, 48);
  assert_corrupt(r);
  r = made(FH_FIT_BUDDY, 0, 64, FH_ORDER_ADDRESS, false);
  fh_node *node = taken(r, 0, 16);
  hole = node_at(r, NODE_END)->left;
  other = node_at(r, hole)->left;
  fh_index_remove(r, hole);
  fh_index_remove(r, other);
  hole_write(r, other, 16, 32); /* not at a multiple of 32 */
  hole_write(r, hole, 48, 16);
  fh_index_insert(r, hole);
  fh_index_insert(r, other);
  assert_int_equal(node->length, 16);
  assert_corrupt(r);
}

static void counts_that_agree(void **state) {
  (void)state;
  fh_range *r = made(FH_FIT_FIRST, 0, SIZE, FH_ORDER_ADDRESS, false);
  r->holes++; /* a node that was taken and is nowhere */
  r->live++;
  node_at(r, r->fresh++)->links[FH_PREV] = NODE_USED;
  assert_corrupt(r);
  r = made(FH_FIT_FIRST, 0, SIZE, FH_ORDER_ADDRESS, false);
  fh_node *node = taken(r, 0, 8);
  taken(r, 8, 8);
  node->length += 8; /* takes over the next, which stays in the table */
  r->requested += 8;
  r->used += 8;
  circle_unlink(r, fh_table_find(r, 8));
  assert_corrupt(r);
}

/* Two allocations at one address: the table finds the last that came. */
static void two_of_one_address(void **state) {
  (void)state;
  fh_range *r = made(FH_FIT_FIRST, 0, SIZE, FH_ORDER_ADDRESS, false);
  taken(r, 0, 1);
  uint64_t other = 1;
  while (taken(r, other, 1) != NULL && bucket_of(r, other) != bucket_of(r, 0)) {
    other++;
  }
  assert_true(fh_table_find(r, other) == *bucket_of(r, 0)); /* in front */
  node_at(r, fh_table_find(r, other))->at.address = 0;
  assert_corrupt(r);
}

/* The first two of three holes change places in a list that has an order. */
static void lists_out_of_order(void **state) {
  (void)state;
  for (unsigned order = 0; order <= FH_ORDER_BACK; order++) {
    fh_range *r = made(FH_FIT_BEST, 0, 60, (fh_order)order, false);
    for (uint64_t at = 0; at < 60; at += 10) {
      taken(r, at, 10 - at / 20);
    }
    for (uint64_t at = 0; at < 60; at += 20) {
      assert_int_equal(fh_range_free(r, at), FH_OK);
    }
    assert_int_equal(fh_range_check(r), FH_OK);
    uint32_t first = r->list.first, second = hole_links(r, first)[FH_NEXT], third = hole_links(r, second)[FH_NEXT];
    r->list.first = second;
    hole_links(r, second)[FH_PREV] = FH_NONE;
    hole_links(r, second)[FH_NEXT] = first;
    hole_links(r, first)[FH_PREV] = second;
    hole_links(r, first)[FH_NEXT] = third;
    hole_links(r, third)[FH_PREV] = first;
    assert_int_equal(fh_range_check(r), order <= FH_ORDER_SIZE_DOWN ? FH_CORRUPT : FH_OK);
    fh_range_destroy(r);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(good),
      cmocka_unit_test(buddy),
      cmocka_unit_test(lists),
      cmocka_unit_test(small),
      cmocka_unit_test(charges_out_of_range),
      cmocka_unit_test(holes_that_did_not_join),
      cmocka_unit_test(pieces_that_are_none),
      cmocka_unit_test(counts_that_agree),
      cmocka_unit_test(two_of_one_address),
      cmocka_unit_test(lists_out_of_order),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
