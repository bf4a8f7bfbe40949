/* Slabs when the kernel gives no more memory: nothing is lost. */
#include "unit/cm.h"

#include <errno.h>

#include "freehold/freehold.h"
#include "heap/heap.h"
#include "os/os.h"
#include "unit/slabs.h"

enum { BYTES = 32, SLABS = 8, EACH = (int)(FH_PAGE_SIZE / BYTES), FEW = EACH / 6, PAGES_MOST = 1 << 16 };

static char *slots[SLABS * EACH];
static fh_span *pages[PAGES_MOST];

/* All that the process has left. */
static size_t take_all_pages(void) {
  size_t count = 0;
  fh_os_faults_now.fail_after = 0;
  while ((pages[count] = fh_pages_take(1, 1, FH_SPAN_SLAB)) != NULL) {
    count++;
    assert_true(count < PAGES_MOST);
  }
  return count;
}

static void fill(fh_heap *heap) {
  slabs_at_once(heap);
  for (size_t i = 0; i < SLABS * EACH; i++) {
    slots[i] = fh_malloc(BYTES);
    assert_non_null(slots[i]);
  }
}

static void give_all(void) {
  for (size_t i = 0; i < SLABS * EACH; i++) {
    fh_free(slots[i]);
  }
  fh_cache_flush(fh_heap_mine());
}

static void refused(size_t bytes) {
  errno = 0;
  assert_null(fh_malloc(bytes));
  assert_int_equal(errno, ENOMEM);
}

/* What is free serves to the last slot. A map for which there was no page waits for the next one. */
static void without_pages(void **state) {
  (void)state;
  fh_heap *heap = fh_heap_mine();
  size_t slabs = heap->slab_count;
  fill(heap);
  for (size_t i = 0; i < FEW; i++) {
    fh_free(slots[i]);
  }
  fh_cache_flush(heap);
  size_t count = take_all_pages();
  for (size_t i = 0; i < FEW; i++) {
    slots[i] = fh_malloc(BYTES);
    assert_non_null(slots[i]);
    assert_ptr_equal(fh_arena_find(slots[i]), fh_arena_find(slots[FEW]));
  }
  refused(BYTES);
  size_t used = heap->maps.used;
  refused(BYTES);
  assert_int_equal(heap->maps.used, used);
  fh_os_faults_now.fail_after = -1;
  while (count-- != 0) {
    fh_pages_give(pages[count]);
  }
  give_all();
  assert_int_equal(heap->slab_count, slabs);
}

/* No page for the maps of more slabs, and then one for them and none for the slab. */
static void without_maps(void **state) {
  enum { MORE = 100 };
  static void *more[MORE];
  (void)state;
  fh_heap *heap = fh_heap_mine();
  slabs_at_once(heap);
  size_t slabs = heap->slab_count, used = heap->maps.used;
  fh_slotmap *spare = heap->maps.spare[0];
  heap->maps.used = FH_SLOTMAP_FIRST;
  heap->maps.spare[0] = NULL;
  size_t count = take_all_pages();
  refused(1024);
  fh_pages_give(pages[--count]);
  refused(1024);
  refused(1024);
  assert_int_equal(heap->slab_count, slabs);
  fh_pages_give(pages[--count]); /* the other one went back each time */
  more[0] = fh_malloc(1024);
  assert_non_null(more[0]);
  assert_int_equal(heap->slab_count, slabs + 1);
  fh_os_faults_now.fail_after = -1;
  while (count-- != 0) {
    fh_pages_give(pages[count]);
  }
  for (size_t i = 1; i < MORE; i++) {
    more[i] = fh_malloc(1024);
    assert_non_null(more[i]);
  }
  for (size_t i = 0; i < MORE; i++) {
    fh_free(more[i]);
  }
  fh_cache_flush(heap);
  heap->maps.used = used;
  heap->maps.spare[0] = spare;
  assert_int_equal(heap->slab_count, slabs);
  assert_null(heap->maps.pages[0].next);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(without_pages), cmocka_unit_test(without_maps)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
