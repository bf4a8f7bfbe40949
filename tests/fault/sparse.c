/* Slabs of which few slots are used, with purges that fail: nothing is lost. */
#include "unit/cm.h"

#include <string.h>

#include "freehold/freehold.h"
#include "heap/sparse.h"
#include "os/os.h"
#include "unit/slabs.h"

enum { BYTES = 208, SLABS = 300, EACH = (int)(FH_PAGE_SIZE / BYTES), COUNT = SLABS * EACH };

static char *slots[COUNT];

static void fill(void) {
  for (size_t i = 0; i < COUNT; i++) {
    slots[i] = fh_malloc(BYTES);
    assert_non_null(slots[i]);
    memset(slots[i], (int)(i % 251), BYTES);
  }
}

/* All but one of each slab. */
static void thin_out(void) {
  for (size_t i = 0; i < COUNT; i++) {
    if (i % EACH != 0) {
      fh_free(slots[i]);
    }
  }
  fh_cache_flush(fh_heap_mine());
}

static void take_again_and_free(void) {
  for (size_t i = 0; i < COUNT; i++) {
    if (i % EACH != 0) {
      slots[i] = fh_malloc(BYTES);
      memset(slots[i], (int)(i % 251), BYTES);
    }
  }
  for (size_t i = 0; i < COUNT; i++) {
    for (size_t at = 0; at < BYTES; at++) {
      assert_int_equal((unsigned char)slots[i][at], i % 251);
    }
    fh_free(slots[i]);
  }
  fh_cache_flush(fh_heap_mine());
  assert_int_equal(fh_heap_mine()->slab_count, 0);
}

static void without_purges(void **state) {
  fh_heap *heap = fh_heap_mine();
  (void)state;
  slabs_at_once(heap);
  fill();
  thin_out();
  for (long succeed = 0; succeed < 40; succeed += 13) {
    fh_os_faults_now.fail_after = succeed;
    size_t gone = fh_sparse_trim(heap);
    fh_os_faults_now.fail_after = -1;
    assert_true(succeed != 0 || gone == 0); /* what was refused is not counted */
  }
  take_again_and_free();
}

/* The kernel's pages are as long as a slab: there is nothing in it to purge. */
static void with_long_pages(void **state) {
  fh_heap *heap = fh_heap_mine();
  (void)state;
  fh_os_faults_now.page_size = 16 << 10;
  slabs_at_once(heap);
  fill();
  thin_out();
  assert_int_equal(fh_sparse_trim(heap), 0);
  assert_true(heap->sparse.count >= SLABS - 1);
  take_again_and_free();
  fh_os_faults_now.page_size = 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(without_purges), cmocka_unit_test(with_long_pages)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
