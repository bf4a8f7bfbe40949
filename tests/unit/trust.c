/* Trust: what a process may keep before anything is known of it, for all budgets together, until it purges in earnest.
 */
#include "unit/cm.h"

#include "heap/heap.h"

static fh_pages_counts counts(void) {
  fh_pages_counts now;
  fh_pages_read(&now);
  return now;
}

static void take_and_give(size_t bytes) {
  fh_span *span = fh_pages_take(bytes >> FH_PAGE_SHIFT, 1, FH_SPAN_LARGE);
  assert_non_null(span);
  fh_pages_give(span);
}

static void retain_0_trusts_nobody(void **state) {
  (void)state;
  fh_pages_set_retain(0);
  assert_int_equal(fh_pages_trust(1), 0);
  fh_pages_set_retain(10);
}

enum { EACH = 64 << 10 }; /* a chunk too long for the quick lists: a free makes a hole at once */

/* Takes chunks and gives every other one back: the holes do not join, and all stretches stay. */
static void make_holes(fh_chunks *h, void **at, int count) {
  for (int i = 0; i < count; i++) {
    at[i] = fh_chunk_take(h, EACH, NULL);
    assert_non_null(at[i]);
  }
  for (int i = 0; i < count; i += 2) {
    fh_chunk_give(h, "free", at[i]);
  }
}

static void give_others(fh_chunks *h, void **at, int count) {
  for (int i = 1; i < count; i += 2) {
    fh_chunk_give(h, "free", at[i]);
  }
}

/* Some for a chunk heap and some for page runs: neither purges. */
static void small_programs_do_not_purge(void **state) {
  enum { COUNT = 96 };
  fh_heap *heap = fh_heap_mine();
  void *at[COUNT];
  (void)state;
  assert_non_null(heap);
  make_holes(&heap->chunks, at, COUNT);
  assert_true(heap->chunks.budget.trusted != 0);
  assert_true(heap->chunks.dirty_units * FH_UNIT >= COUNT / 2 * EACH);
  take_and_give(FH_RETAIN_BYTES + FH_TRUST_BYTES / 4);
  assert_true(counts().trusted != 0);
  assert_int_equal(counts().purges, 0);
  give_others(&heap->chunks, at, COUNT);
}

/* More than is left is not to be had, however often it is asked for; what is purged then takes all of it back. */
static void trust_ends(void **state) {
  (void)state;
  size_t before = counts().trusted;
  take_and_give(FH_RETAIN_BYTES + 4 * FH_TRUST_BYTES);
  assert_true(before != 0 && counts().purges != 0);
  assert_int_equal(counts().trusted, 0);
  assert_int_equal(fh_pages_trust(SIZE_MAX), 0);
  assert_true(counts().dirty <= (FH_RETAIN_BYTES >> FH_PAGE_SHIFT) + counts().used / 10 + counts().widened);
}

static void trust_of_a_chunk_heap_ends(void **state) {
  enum { COUNT = 768 };
  fh_heap *heap = fh_heap_mine();
  void *at[COUNT];
  (void)state;
  assert_true(heap->chunks.budget.trusted != 0);
  make_holes(&heap->chunks, at, COUNT);
  assert_int_equal(heap->chunks.budget.trusted, 0);
  give_others(&heap->chunks, at, COUNT);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(retain_0_trusts_nobody), /* in this order: what is trusted comes once */
      cmocka_unit_test(small_programs_do_not_purge),
      cmocka_unit_test(trust_ends),
      cmocka_unit_test(trust_of_a_chunk_heap_ends),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
