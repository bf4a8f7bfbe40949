/* What FREEHOLD_STATS counts, against the same sums kept by the test. */
#include "unit/cm.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "freehold/freehold.h"
#include "freehold/stats.h"
#include "heap/count.h"
#include "heap/fast.h"

enum { BLOCKS = 500, STEPS = 40000 };

static void *block[BLOCKS];
static size_t asked[BLOCKS];
static uint64_t sum, calls, live;
static uint64_t random_state = 99;

static uint64_t next_random(void) {
  random_state = random_state * 6364136223846793005u + 1442695040888963407u;
  return random_state >> 33;
}

/* All the way from slots to what the kernel moves. */
static size_t some_size(void) { return (size_t)next_random() % ((size_t)1 << (4 + next_random() % 18)); }

static void drop(size_t i) {
  if (block[i] != NULL) {
    sum -= asked[i];
    live--;
  }
  fh_free(block[i]);
  block[i] = NULL;
}

static void put(size_t i, void *taken, size_t bytes) {
  assert_non_null(taken);
  memset(taken, 0x11, bytes);
  block[i] = taken;
  asked[i] = bytes;
  sum += bytes;
  live++;
  calls++;
}

static void grow(size_t i) {
  size_t bytes = some_size() + 1;
  void *now = fh_realloc(block[i], bytes);
  assert_non_null(now);
  sum += bytes - asked[i];
  block[i] = now;
  asked[i] = bytes;
  calls++;
}

static void step(void) {
  size_t i = next_random() % BLOCKS, bytes = some_size();
  unsigned what = (unsigned)(next_random() % 8);
  if (what == 0 && block[i] != NULL) {
    grow(i);
    return;
  }
  drop(i);
  if (what == 1) {
    put(i, fh_calloc(1, bytes), bytes);
  } else if (what == 2) {
    put(i, fh_aligned_alloc((size_t)16 << (next_random() % 9), bytes), bytes);
  } else if (what < 7) {
    put(i, fh_malloc(bytes), bytes);
  }
}

static void *drop_all(void *unused) {
  for (size_t i = 0; i < BLOCKS; i++) {
    drop(i);
  }
  return unused;
}

static void holds(void) {
  fh_counted now;
  uint64_t all_calls = 0, all_live = 0;
  fh_count_read(&now);
  for (unsigned i = 0; i < FH_COUNT_SIZES; i++) {
    all_calls += now.calls[i];
    all_live += now.live[i];
  }
  assert_int_equal(now.requested, sum);
  assert_int_equal(all_live, live);
  assert_int_equal(all_calls, calls);
  assert_int_equal(now.missed, 0);
  assert_true(now.usable >= now.requested && now.peak_usable >= now.usable && now.peak_usable >= now.peak_requested);
}

static void every_call_counts(void **state) {
  (void)state;
  assert_int_equal(fh_counting, 0);
  void *first = fh_malloc(1); /* makes the heap, which reads the setting */
  put(0, first, 1);
  assert_int_not_equal(fh_counting, 0);
  assert_ptr_equal(fh_this.fast, &fh_no_heap);
  for (unsigned i = 0; i < STEPS; i++) {
    step();
    if (i % 64 == 0) {
      holds();
    }
  }
  holds();
}

/* The blocks are on their way home afterwards, but not the program's any more. */
static void another_thread_frees(void **state) {
  pthread_t thread;
  fh_heap_stats stats;
  (void)state;
  assert_int_equal(pthread_create(&thread, NULL, drop_all, NULL), 0);
  assert_int_equal(pthread_join(thread, NULL), 0);
  holds();
  fh_stats(&stats);
  assert_int_equal(stats.requested, 0);
  assert_int_equal(stats.usable, 0);
  assert_true(stats.peak_usable > 1 << 20);
}

static void a_failed_realloc_stays_counted(void **state) {
  (void)state;
  put(0, fh_malloc(300000), 300000);
  assert_null(fh_realloc(block[0], PTRDIFF_MAX));
  holds();
  drop(0);
  holds();
}

static void sizes_are_told_apart(void **state) {
  (void)state;
  for (size_t bytes = 0; bytes < 300000; bytes++) {
    unsigned size = fh_count_size_of(bytes);
    assert_true(bytes <= fh_count_size_most(size));
    assert_true(size == 1 || bytes > fh_count_size_most(size - 1));
  }
  assert_int_equal(fh_count_size_of(SIZE_MAX), FH_COUNT_SIZES - 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_call_counts),
      cmocka_unit_test(another_thread_frees),
      cmocka_unit_test(a_failed_realloc_stays_counted),
      cmocka_unit_test(sizes_are_told_apart),
  };
  setenv("FREEHOLD_STATS", "/dev/null", 1); /* before the first call of the heap */
  return cmocka_run_group_tests(tests, NULL, NULL);
}
