/* Free slots that are left for their neighbours (heap/slab.c) serve when the kernel gives no more memory. */
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

static void what_is_left_serves_at_last(void **state) {
  (void)state;
  fh_heap *heap = fh_heap_mine();
  slabs_at_once(heap);
  for (size_t i = 0; i < SLABS * EACH; i++) {
    slots[i] = fh_malloc(BYTES);
    assert_non_null(slots[i]);
  }
  for (size_t i = 0; i < FEW; i++) {
    fh_free(slots[i]);
  }
  fh_cache_flush(heap);
  size_t slabs = heap->slab_count;
  assert_true(heap->slabs_left > 0);
  size_t count = take_all_pages();
  for (size_t i = 0; i < FEW; i++) {
    slots[i] = fh_malloc(BYTES);
    assert_non_null(slots[i]);
    assert_ptr_equal(fh_arena_find(slots[i]), fh_arena_find(slots[FEW]));
  }
  assert_int_equal(heap->slabs_left, 0);
  errno = 0;
  assert_null(fh_malloc(BYTES));
  assert_int_equal(errno, ENOMEM);
  fh_os_faults_now.fail_after = -1;
  while (count-- != 0) {
    fh_pages_give(pages[count]);
  }
  for (size_t i = 0; i < SLABS * EACH; i++) {
    fh_free(slots[i]);
  }
  fh_cache_flush(heap);
  assert_int_equal(heap->slab_count, slabs - SLABS);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_left_serves_at_last)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
