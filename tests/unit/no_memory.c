/* NULL comes only when what this thread's heap has and does not use is no help: its inbox is taken in first. */
#include "unit/cm.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "freehold/freehold.h"
#include "heap/sleeper.h"
#include "pages/pages.h"
#include "unit/slabs.h"

/* Freed by another thread: many times what one call takes in. */
enum { BYTES = 1024, SLOTS = 4096, LARGE = 2 << 20 };

_Static_assert(SLOTS > 1000 * FH_REMOTE_QUANTUM && SLOTS * BYTES == 2 * LARGE, "");

static char *slots[SLOTS];

static size_t bytes_used(void) {
  fh_pages_counts now;
  fh_pages_read(&now);
  return now.used << FH_PAGE_SHIFT;
}

static void take_slots(void) {
  slabs_at_once(fh_heap_mine());
  for (size_t i = 0; i < SLOTS; i++) {
    slots[i] = fh_malloc(BYTES);
    assert_non_null(slots[i]);
  }
}

static void *free_slots(void *unused) {
  for (size_t i = 0; i < SLOTS; i++) {
    fh_free(slots[i]);
  }
  return unused;
}

static void free_elsewhere(void) {
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, free_slots, NULL), 0);
  pthread_join(thread, NULL);
  assert_non_null(__atomic_load_n(&fh_heap_mine()->inbox, __ATOMIC_ACQUIRE));
}

/* From here on there are no pages but those that go back. */
static void no_more(void) { fh_pages_set_limit(bytes_used()); }

static int start(void **state) {
  (void)state;
  fh_sleep_bytes = SIZE_MAX; /* what is sent stays where it is */
  fh_free(fh_malloc(1));     /* this thread has its heap */
  fh_trim(0);
  return 0;
}

static int end(void **state) {
  (void)state;
  fh_pages_set_limit(SIZE_MAX);
  return 0;
}

/* All of it: a slot that stays in a cache would keep its slab. */
static void malloc_takes_in(void **state) {
  size_t before = bytes_used();
  (void)state;
  take_slots();
  size_t slabs = bytes_used() - before;
  assert_true(slabs >= SLOTS * BYTES - FH_PAGE_SIZE);
  free_elsewhere();
  no_more();
  char *large = fh_malloc(slabs);
  assert_non_null(large);
  fh_free(large);
}

static void calloc_takes_in(void **state) {
  (void)state;
  take_slots();
  free_elsewhere();
  no_more();
  char *large = fh_calloc(2, LARGE / 2);
  assert_non_null(large);
  for (size_t i = 0; i < LARGE; i++) {
    assert_int_equal(large[i], 0);
  }
  fh_free(large);
}

static void aligned_alloc_takes_in(void **state) {
  static const size_t alignments[] = {32, 4096, (size_t)1 << 20};
  (void)state;
  for (size_t i = 0; i < sizeof alignments / sizeof *alignments; i++) {
    take_slots();
    free_elsewhere();
    no_more();
    char *large = fh_aligned_alloc(alignments[i], LARGE);
    assert_non_null(large);
    assert_int_equal((uintptr_t)large % alignments[i], 0);
    fh_free(large);
    fh_pages_set_limit(SIZE_MAX);
  }
}

/* The chunk heap asks for pages too. */
static void aligned_chunks_take_in(void **state) {
  enum { CHUNK = 100000, ALIGNMENT = 4096 };
  char *full[64];
  size_t count = 0;
  (void)state;
  take_slots();
  no_more();
  while (count < 64 && (full[count] = fh_malloc(CHUNK)) != NULL) {
    count++;
  }
  assert_true(count < 64);
  assert_null(fh_aligned_alloc(ALIGNMENT, CHUNK));
  free_elsewhere();
  char *chunk = fh_aligned_alloc(ALIGNMENT, CHUNK);
  assert_non_null(chunk);
  assert_int_equal((uintptr_t)chunk % ALIGNMENT, 0);
  fh_free(chunk);
  while (count != 0) {
    fh_free(full[--count]);
  }
}

/* The old object is whole, whether it is moved or not. */
static void realloc_takes_in(void **state) {
  enum { OLD = 1 << 20 };
  (void)state;
  char *old = fh_malloc(OLD);
  assert_non_null(old);
  memset(old, 7, OLD);
  take_slots();
  no_more();
  errno = 0;
  assert_null(fh_realloc(old, LARGE)); /* nothing is free yet */
  assert_int_equal(errno, ENOMEM);
  free_elsewhere();
  char *now = fh_realloc(old, LARGE);
  assert_non_null(now);
  for (size_t i = 0; i < OLD; i++) {
    assert_int_equal(now[i], 7);
  }
  fh_free(now);
}

/* A stretch goes back when the chunks in it leave their quick lists. */
static void quick_lists_are_gathered(void **state) {
  enum { CHUNK = 20000, CHUNKS = 2 * FH_STRETCH_LEAST / CHUNK };
  char *chunks[CHUNKS];
  size_t before = bytes_used(), count = 0;
  (void)state;
  while (count < CHUNKS && bytes_used() == before) {
    chunks[count] = fh_malloc(CHUNK);
    assert_non_null(chunks[count++]);
  }
  assert_int_equal(bytes_used(), before + FH_STRETCH_LEAST);
  fh_free(chunks[--count]); /* alone in the new one */
  assert_int_equal(bytes_used(), before + FH_STRETCH_LEAST);
  no_more();
  char *large = fh_malloc(FH_STRETCH_LEAST);
  assert_non_null(large);
  fh_free(large);
  while (count != 0) {
    fh_free(chunks[--count]);
  }
}

/* What could never be is refused without a look at what there is. */
static void impossible_takes_nothing_in(void **state) {
  (void)state;
  take_slots();
  free_elsewhere();
  size_t before = bytes_used();
  assert_null(fh_aligned_alloc(4096, SIZE_MAX / 2));
  assert_int_equal(bytes_used(), before);
  assert_non_null(__atomic_load_n(&fh_heap_mine()->inbox, __ATOMIC_ACQUIRE));
  fh_trim(0);
}

#define LIMITED(test) cmocka_unit_test_setup_teardown(test, start, end)

int main(void) {
  const struct CMUnitTest tests[] = {
      LIMITED(malloc_takes_in),
      LIMITED(calloc_takes_in),
      LIMITED(aligned_alloc_takes_in),
      LIMITED(aligned_chunks_take_in),
      LIMITED(realloc_takes_in),
      LIMITED(quick_lists_are_gathered),
      LIMITED(impossible_takes_nothing_in),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
