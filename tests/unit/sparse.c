/* Slabs of which few slots are used: pages of the kernel's without any go back, and everything else is as before. */
#include "unit/cm.h"

#include <pthread.h>
#include <string.h>

#include "freehold/freehold.h"
#include "heap/parts.h"
#include "heap/sparse.h"
#include "unit/child.h"
#include "unit/slabs.h"

enum { SLABS = 600, SLOTS_MOST = SLABS * (int)(FH_PAGE_SIZE / 16) };

static char *slots[SLOTS_MOST];
static size_t each, bytes; /* slots of a slab, and in one */

static fh_heap *empty_heap(void) {
  fh_heap *heap = fh_heap_mine();
  assert_non_null(heap);
  fh_cache_flush(heap);
  assert_int_equal(heap->slab_count, 0);
  assert_int_equal(heap->sparse.count, 0);
  assert_int_equal(heap->sparse.due_bytes, 0);
  assert_int_equal(heap->sparse.watched, 0);
  slabs_at_once(heap);
  return heap;
}

static fh_span *slab_of(const void *slot) {
  fh_span *slab = fh_arena_find(slot);
  assert_int_equal(fh_span_kind_of(slab), FH_SPAN_SLAB);
  return slab;
}

static void fill(size_t size) {
  fh_pages_trust(SIZE_MAX); /* nobody is trusted any more, and nothing was learnt */
  empty_heap()->sparse.budget = (fh_budget){0};
  bytes = fh_class_bytes(fh_class_of(size));
  each = FH_PAGE_SIZE / bytes;
  for (size_t i = 0; i < SLABS * each; i++) {
    slots[i] = fh_malloc(bytes);
    memset(slots[i], (int)(i % 251), bytes);
  }
}

static bool is_whole(size_t i) {
  size_t at = 0;
  while (at < bytes && slots[i][at] == (char)(i % 251)) {
    at++;
  }
  return at == bytes;
}

/* Which slots of a slab stay: a few that lie apart, differently in each slab. */
static bool stays(size_t i, size_t few) {
  size_t slab = i / each, slot = i % each;
  for (size_t k = 0; k < few; k++) {
    if ((slab * 7 + k * (each / few)) % each == slot) {
      return true;
    }
  }
  return false;
}

static void thin_out(size_t few) {
  for (size_t i = 0; i < SLABS * each; i++) {
    if (!stays(i, few)) {
      fh_free(slots[i]);
    }
  }
  fh_cache_flush(fh_heap_mine());
}

static void free_rest(size_t few) {
  for (size_t i = 0; i < SLABS * each; i++) {
    if (stays(i, few)) {
      assert_true(is_whole(i));
      fh_free(slots[i]);
    }
  }
}

static size_t resident(size_t few) {
  size_t sum = 0;
  for (size_t i = 0; i < SLABS * each; i++) {
    if (stays(i, few) && (i % each == 0 || !stays(i - 1, few))) {
      sum += fh_os_resident(slab_of(slots[i])->start, FH_PAGE_SIZE, NULL);
    }
  }
  return sum;
}

static const size_t sizes[] = {16, 48, 80, 208, 448, 1024};

/* One used slot in each slab: little more than the pages that they lie on stays. */
static void pages_without_used_slots_go(void **state) {
  (void)state;
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    fill(sizes[s]);
    fh_heap *heap = fh_heap_mine();
    thin_out(1);
    assert_int_equal(heap->slab_count, SLABS);
    size_t straddle = 2 * fh_os_page_size(), whole = SLABS * FH_PAGE_SIZE;
    size_t most = FH_SPARSE_RETAIN + whole / 10 + FH_SPARSE_WIDEN;
    assert_true(SLABS * straddle + most < whole);
    assert_true(fh_sparse_kept(heap) <= fh_sparse_budget(heap) + FH_SPARSE_RETAIN);
    assert_true(resident(1) <= SLABS * straddle + most);
    fh_sparse_trim(heap);
    assert_true(resident(1) <= SLABS * straddle);
    free_rest(1);
    empty_heap();
  }
}

/* Counted by hand: what is left is what a used slot reaches into. */
static void a_trim_leaves_nothing_else(void **state) {
  size_t page = fh_os_page_size();
  (void)state;
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    fill(sizes[s]);
    thin_out(3);
    fh_sparse_trim(fh_heap_mine());
    for (size_t slab = 0; slab < SLABS; slab++) {
      const fh_span *span = slab_of(slots[slab * each + slab * 7 % each]);
      unsigned char used[FH_PARTS] = {0}, there[FH_PARTS];
      for (size_t i = slab * each; i < (slab + 1) * each; i++) {
        if (stays(i, 3)) {
          used[(size_t)(slots[i] - span->start) / page] = 1;
          used[(size_t)(slots[i] + bytes - 1 - span->start) / page] = 1;
        }
      }
      fh_os_resident(span->start, FH_PAGE_SIZE, there);
      assert_memory_equal(there, used, FH_PAGE_SIZE / page);
    }
    free_rest(3);
    empty_heap();
  }
}

/* All their slots are handed out again, each once, before a new slab is made. */
static void watched_slabs_serve_again(void **state) {
  (void)state;
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    fill(sizes[s]);
    fh_heap *heap = fh_heap_mine();
    thin_out(2);
    fh_sparse_trim(heap);
    for (size_t i = 0; i < SLABS * each; i++) {
      if (!stays(i, 2)) {
        slots[i] = fh_malloc(bytes);
        memset(slots[i], (int)(i % 251), bytes);
      }
    }
    assert_int_equal(heap->slab_count, SLABS);
    for (size_t i = 0; i < SLABS * each; i++) {
      assert_true(is_whole(i));
      fh_free(slots[i]);
    }
    empty_heap();
  }
}

/* Slots that come back one by one, in any order, to slabs that are watched. */
static void the_rest_may_come_back(void **state) {
  (void)state;
  fill(208);
  fh_heap *heap = fh_heap_mine();
  thin_out(13);
  fh_sparse_trim(heap);
  for (size_t i = SLABS * each; i-- != 0;) {
    if (stays(i, 13) && i % 3 != 0) {
      assert_true(is_whole(i));
      fh_free(slots[i]);
      slots[i] = NULL;
    }
  }
  fh_cache_flush(heap);
  fh_sparse_trim(heap);
  for (size_t i = 0; i < SLABS * each; i++) {
    if (stays(i, 13) && slots[i] != NULL) {
      assert_true(is_whole(i));
      fh_free(slots[i]);
    }
  }
  empty_heap();
}

/* A program with few such slabs pays nothing for them, and one with many used slots neither. */
static void few_slabs_are_left_alone(void **state) {
  (void)state;
  fill(80);
  fh_heap *heap = fh_heap_mine();
  size_t few = FH_SPARSE_RETAIN / 4096 / 2;
  for (size_t i = 0; i < few * each; i++) {
    if (!stays(i, 1)) {
      fh_free(slots[i]);
    }
  }
  fh_cache_flush(heap);
  assert_true(heap->sparse.count >= few - 1);
  assert_null(fh_slab_first(heap, fh_class_of(bytes), FH_SLAB_WATCHED));
  for (size_t i = few * each; i < SLABS * each; i++) {
    if (!stays(i, 15)) {
      fh_free(slots[i]);
    }
  }
  fh_cache_flush(heap);
  assert_int_equal(heap->slab_count, SLABS);
  assert_null(fh_slab_first(heap, fh_class_of(bytes), FH_SLAB_WATCHED));
  for (size_t i = 0; i < SLABS * each; i++) {
    if (stays(i, i < few * each ? 1 : 15)) {
      fh_free(slots[i]);
    }
  }
  empty_heap();
}

/* With as much to be kept as is live nothing is watched, and more is with less. */
static void retention_is_a_setting(void **state) {
  static const unsigned percents[] = {100, 10, 0};
  size_t watched[3];
  (void)state;
  for (unsigned p = 0; p < 3; p++) {
    fh_pages_set_retain(percents[p]);
    fill(448);
    thin_out(1);
    watched[p] = SLABS - fh_heap_mine()->sparse.count;
    free_rest(1);
    empty_heap();
  }
  fh_pages_set_retain(10);
  assert_int_equal(watched[0], 0);
  assert_true(watched[1] > 0 && watched[2] > watched[1]);
}

static void free_purged_again(void) {
  fill(448);
  thin_out(1);
  fh_sparse_trim(fh_heap_mine());
  fh_free(slots[5 * each + (5 * 7 + each / 2) % each]);
  fh_cache_flush(fh_heap_mine());
}

static int freed_again(void) {
  free_purged_again();
  return 0;
}

/* Two used slots of one slab. */
static char *pair[2];

static void *free_from_outside(void *unused) {
  fh_free(pair[0]);
  fh_free(pair[1]);
  fh_free(pair[0]);
  return unused;
}

/* All three come back at once: the second time makes a ring of what was linked. */
static int freed_again_from_outside(void) {
  pthread_t thread;
  fill(448);
  thin_out(2);
  fh_sparse_trim(fh_heap_mine());
  for (size_t i = 0, found = 0; found < 2; i++) {
    if (stays(i, 2)) {
      pair[found++] = slots[i];
    }
  }
  pthread_create(&thread, NULL, free_from_outside, NULL);
  pthread_join(thread, NULL);
  fh_remote_drain(fh_heap_mine());
  fh_cache_flush(fh_heap_mine());
  return 0;
}

/* One of two used slots goes: what may be purged then is known to the byte. */
static void what_is_due_is_counted(void **state) {
  (void)state;
  fh_pages_set_retain(100); /* what is due may stay */
  fill(448);
  fh_heap *heap = fh_heap_mine();
  thin_out(2);
  fh_sparse_trim(heap);
  assert_int_equal(heap->sparse.watched, SLABS);
  assert_int_equal(heap->sparse.due_bytes, 0);
  char *left[SLABS];
  for (size_t i = 0; i < SLABS * each; i++) {
    char **one = &left[i / each];
    if (stays(i, 2)) {
      *one = i % each == 0 || !stays(i - 1, 2) ? slots[i] : *one;
    }
  }
  size_t due = 0;
  for (size_t i = 0; i < SLABS * each; i++) {
    if (stays(i, 2) && slots[i] != left[i / each]) {
      unsigned gone = fh_parts_of_slot(fh_class_of(bytes), (uintptr_t)slots[i] % FH_PAGE_SIZE);
      due += fh_part_set_bytes(gone & ~fh_parts_of_slot(fh_class_of(bytes), (uintptr_t)left[i / each] % FH_PAGE_SIZE));
      fh_free(slots[i]);
    }
  }
  fh_cache_flush(heap);
  assert_int_equal(heap->sparse.due_bytes, due);
  assert_int_equal(fh_sparse_trim(heap), due);
  assert_int_equal(heap->sparse.due_bytes, 0);
  for (size_t slab = 0; slab < SLABS; slab++) {
    fh_free(left[slab]);
  }
  empty_heap();
  fh_pages_set_retain(10);
}

/* Only what serves again was purged in vain: not the slabs that go back whole. */
static void slabs_that_go_back_are_not_reused(void **state) {
  (void)state;
  fill(448);
  fh_heap *heap = fh_heap_mine();
  thin_out(2);
  fh_sparse_trim(heap);
  uint64_t reused = heap->sparse.budget.reused;
  for (size_t i = 0; i < SLABS / 2 * each; i++) {
    if (stays(i, 2)) {
      fh_free(slots[i]);
    }
  }
  fh_cache_flush(heap);
  assert_int_equal(heap->slab_count, SLABS - SLABS / 2);
  assert_int_equal(heap->sparse.budget.reused, reused);
  char *again = fh_malloc(bytes);
  assert_true(heap->sparse.budget.reused > reused || fh_part_bytes() == FH_PAGE_SIZE);
  fh_free(again);
  for (size_t i = SLABS / 2 * each; i < SLABS * each; i++) {
    if (stays(i, 2)) {
      fh_free(slots[i]);
    }
  }
  empty_heap();
}

static void double_frees_are_noticed(void **state) {
  (void)state;
  static int (*const acts[])(void) = {freed_again, freed_again_from_outside};
  for (size_t i = 0; i < sizeof acts / sizeof *acts; i++) {
    child_end end = child_run(acts[i], 0);
    assert_true(WIFSIGNALED(end.status) && WTERMSIG(end.status) == SIGABRT);
    assert_non_null(strstr(end.text, "double free"));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(pages_without_used_slots_go), cmocka_unit_test(a_trim_leaves_nothing_else),
      cmocka_unit_test(watched_slabs_serve_again),   cmocka_unit_test(the_rest_may_come_back),
      cmocka_unit_test(few_slabs_are_left_alone),    cmocka_unit_test(retention_is_a_setting),
      cmocka_unit_test(what_is_due_is_counted),      cmocka_unit_test(slabs_that_go_back_are_not_reused),
      cmocka_unit_test(double_frees_are_noticed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
