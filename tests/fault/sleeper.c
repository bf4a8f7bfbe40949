/* Sorting what was sent to a thread that sleeps, with no memory for its table and purges that fail: nothing is lost. */
#include "unit/cm.h"

#include <pthread.h>
#include <string.h>

#include "freehold/freehold.h"
#include "heap/heap.h"
#include "heap/sleeper.h"
#include "os/os.h"
#include "unit/slabs.h"

enum { MOST = 4000 };

static char *blocks[MOST];
static long calls; /* of the kernel that succeed while blocks are freed */

static void *free_all(void *unused) {
  fh_free(fh_malloc(1)); /* this thread has its heap */
  __atomic_store_n(&fh_os_faults_now.fail_after, calls, __ATOMIC_RELAXED);
  for (size_t i = 0; i < MOST; i++) {
    fh_free(blocks[i]);
  }
  return unused;
}

static void send(size_t bytes, long succeed) {
  pthread_t thread;
  slabs_at_once(fh_heap_mine());
  for (size_t i = 0; i < MOST; i++) {
    blocks[i] = fh_malloc(bytes);
    assert_non_null(blocks[i]);
    memset(blocks[i], 1, bytes);
  }
  calls = succeed;
  assert_int_equal(pthread_create(&thread, NULL, free_all, NULL), 0);
  pthread_join(thread, NULL);
  fh_os_faults_now.fail_after = -1;
}

static void wake_and_look(void) {
  fh_heap *heap = fh_heap_mine();
  assert_true(fh_sleeper_any(heap));
  fh_remote_drain(heap);
  assert_false(fh_sleeper_any(heap));
  fh_cache_flush(heap);
  assert_int_equal(heap->slab_count, 0);
  for (unsigned class = 1; class < FH_CLASSES; class ++) {
    assert_int_equal(heap->slabs[class].out, 0);
  }
  fh_chunk_settle(&heap->chunks);
  assert_true(heap->chunks.total_bytes <= FH_STRETCH_LEAST);
}

static void without_a_table(void **state) {
  (void)state;
  fh_sleep_time = 0;
  fh_sleep_bytes = 8 << 10;
  fh_free(fh_malloc(1));
  for (long succeed = 0; succeed < 3; succeed++) { /* reserve, commit, purges */
    uint64_t failed = fh_os_faults_now.failed;
    send(100, succeed);
    assert_true(succeed == 2 || fh_os_faults_now.failed > failed);
    wake_and_look();
  }
}

static void without_purges(void **state) {
  (void)state;
  uint64_t failed = fh_os_faults_now.failed;
  send(5000, 0);
  assert_true(fh_os_faults_now.failed > failed);
  wake_and_look();
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(without_a_table), cmocka_unit_test(without_purges)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
