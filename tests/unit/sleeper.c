/* What is sent to a thread that does not look: whole slabs go without it, pages that only hold what was sent are
 * purged, and all the rest is there when it looks again. */
#include "unit/cm.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#include "freehold/freehold.h"
#include "heap/chunk_ops.h"
#include "heap/fast.h"
#include "heap/sleeper.h"
#include "model/require.h"
#include "os/os.h"
#include "unit/child.h"
#include "unit/child_locks.h"
#include "unit/slabs.h"
#include "unit/thread.h"

enum { MOST = 6000, LITTLE = 8 << 10 };

static char *blocks[MOST];
static size_t count;

static void take(size_t bytes, size_t number) {
  slabs_at_once(fh_heap_mine());
  for (count = 0; count < number; count++) {
    blocks[count] = fh_malloc(bytes);
    assert_non_null(blocks[count]);
    memset(blocks[count], (int)(count % 251) + 1, bytes);
  }
}

static bool is_as_written(size_t i, size_t bytes) {
  for (size_t k = 0; k < bytes; k++) {
    if (blocks[i][k] != (char)(i % 251 + 1)) {
      return false;
    }
  }
  return true;
}

/* Frees what is not kept, in steps of a prime through all of it: in no order that a heap would know. */
static size_t keep_every;

static void *free_others(void *unused) {
  for (size_t i = 0, at = 0; i < count; i++, at = (at + 3001) % count) {
    if (keep_every == 0 || at % keep_every != 0) {
      fh_free(blocks[at]);
    }
  }
  return unused;
}

static void send_all_but(size_t every) {
  keep_every = every;
  in_a_thread(free_others);
}

static size_t pages_used(void) {
  fh_pages_counts now;
  fh_pages_read(&now);
  return now.used;
}

static size_t resident_of_all(size_t bytes) {
  char *low = blocks[0], *high = blocks[0];
  for (size_t i = 1; i < count; i++) {
    low = blocks[i] < low ? blocks[i] : low;
    high = blocks[i] > high ? blocks[i] : high;
  }
  size_t page = fh_os_page_size();
  char *from = (char *)fh_round_down((uintptr_t)low, page), *to = (char *)fh_round_up((uintptr_t)high + bytes, page);
  return fh_os_resident(from, (size_t)(to - from), NULL);
}

static void count_block(void *sum, const void *block) {
  (void)block;
  ++*(size_t *)sum;
}

static size_t sorted_blocks(const fh_heap *heap) {
  size_t sum = 0;
  fh_sleeper_visit(heap, count_block, &sum);
  return sum;
}

/* The thread wakes; nothing is left of its sleep. */
static void wake(fh_heap *heap) {
  fh_remote_drain(heap);
  assert_false(fh_sleeper_any(heap));
  assert_int_equal(sorted_blocks(heap), 0);
  assert_int_equal(heap->sorted.dirty, 0);
  assert_null(heap->sorted.due.next);
  assert_int_equal(heap->waits, 0);
}

static int start(void **state) {
  (void)state;
  fh_sleep_time = 0;
  fh_sleep_bytes = LITTLE;
  fh_free(fh_malloc(1)); /* this thread has its heap */
  fh_trim(0);
  fh_cache_flush(fh_heap_mine());
  return 0;
}

static int end(void **state) {
  (void)state;
  keep_every = 0;
  fh_heap *heap = fh_heap_mine();
  fh_trim(0);
  fh_cache_flush(heap);
  assert_int_equal(heap->slab_count, 0);
  for (unsigned class = 1; class < FH_CLASSES; class ++) {
    assert_int_equal(heap->slabs[class].out, 0);
    assert_int_equal(heap->slabs[class].count, 0);
  }
  return 0;
}

/* Only slabs of which this thread holds a slot stay: those that are not carved to the end, and its cache's. */
static void whole_slabs_go(void **state) {
  static const size_t sizes[] = {16, 64, 208, 1024};
  fh_heap *heap = fh_heap_mine();
  (void)state;
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    size_t before = pages_used(), slots = fh_classes[fh_class_of(sizes[s])].slots;
    take(sizes[s], MOST);
    size_t full = pages_used();
    assert_true(full - before >= MOST / slots);
    send_all_but(0);
    assert_true(fh_sleeper_any(heap));
    assert_true(pages_used() <= full - (MOST / slots - 3));
    assert_true(heap->slab_count >= MOST / slots); /* nobody has told it */
    wake(heap);
    assert_true(heap->slab_count <= 3);
    fh_cache_flush(heap);
    assert_true(pages_used() <= before);
  }
}

/* One slot in four pages of the kernel's stays: three of them go. */
static void pages_without_a_live_slot_go(void **state) {
  enum { BYTES = 1024, SLAB = FH_PAGE_SIZE / BYTES };
  fh_heap *heap = fh_heap_mine();
  (void)state;
  if (fh_os_page_size() != 4096) {
    return;
  }
  take(BYTES, MOST);
  size_t full = resident_of_all(BYTES);
  assert_true(full >= (size_t)MOST * BYTES);
  send_all_but(SLAB);
  assert_true(heap->sorted.dirty <= 2 * FH_SLEEP_RETAIN);
  assert_true(resident_of_all(BYTES) <= full / 4 + 3 * FH_SLEEP_RETAIN);
  wake(heap);
  for (size_t i = 0; i < count; i += SLAB) {
    assert_true(is_as_written(i, BYTES));
    fh_free(blocks[i]);
  }
}

/* Between two chunks that are kept all that were sent become three. */
static void neighbours_are_joined(void **state) {
  enum { BYTES = 5000, KEEP = 50 };
  fh_heap *heap = fh_heap_mine();
  (void)state;
  take(BYTES, 1000);
  size_t full = resident_of_all(BYTES);
  send_all_but(KEEP);
  size_t borders = 1000 / KEEP + 1000 * BYTES / FH_STRETCH_LEAST + 1;
  assert_true(sorted_blocks(heap) <= 3 * borders + FH_REMOTE_MOST);
  size_t part = FH_STRETCH_LEAST < ((size_t)1 << 20) ? 2 : 4; /* shorter stretches, more ends */
  assert_true(resident_of_all(BYTES) <= full / part);
  for (size_t i = 0; i < count; i += KEEP) {
    assert_true(is_as_written(i, BYTES));
  }
  wake(heap);
  for (size_t i = 0; i < count; i += KEEP) {
    assert_true(is_as_written(i, BYTES));
    fh_free(blocks[i]);
  }
  fh_chunk_settle(&heap->chunks);
  assert_int_equal(fh_arena_find(blocks[0])->heap == heap, heap->chunks.total_bytes != 0);
  assert_true(heap->chunks.total_bytes <= FH_STRETCH_LEAST);
  assert_int_equal(heap->chunks.free_units,
                   heap->chunks.total_bytes / FH_UNIT - heap->chunks.total_bytes / FH_STRETCH_LEAST);
}

/* In whatever order they come. */

enum { ROW = 9, ORDERS = FH_TSAN ? 60 : 300 /* a thread each */ };

static char *row[ROW];

static void sort_all(fh_heap *heap) {
  while (heap->waits != 0) {
    fh_sleeper_sort(heap, 0);
  }
  assert_true(fh_sleeper_any(heap));
}

static void *free_row(void *unused) {
  for (size_t i = 0; i < ROW; i++) {
    fh_free(row[i]);
  }
  return unused;
}

static void any_order_makes_three(void **state) {
  enum { BYTES = 5000 };
  fh_heap *heap = fh_heap_mine();
  uint64_t random = 3;
  (void)state;
  for (unsigned order = 0; order < ORDERS; order++) {
    char *before = fh_malloc(BYTES);
    for (size_t i = 0; i < ROW; i++) {
      row[i] = fh_malloc(BYTES);
      assert_non_null(row[i]);
      assert_true(i == 0 || row[i] - row[i - 1] < 2 * BYTES); /* side by side */
    }
    char *behind = fh_malloc(BYTES), *first = row[0], *last = row[ROW - 1];
    for (size_t i = ROW; i-- > 1;) {
      size_t other = (size_t)chance(&random) % (i + 1);
      char *swap = row[i];
      row[i] = row[other];
      row[other] = swap;
    }
    take(208, LITTLE / 208 + 2 * FH_REMOTE_MOST); /* so many that the thread sleeps */
    send_all_but(0);
    sort_all(heap);
    size_t others = sorted_blocks(heap);
    in_a_thread(free_row);
    sort_all(heap);
    assert_int_equal(sorted_blocks(heap), others + 3);
    assert_int_equal(chunk_length(chunk_of(first)) * FH_UNIT, fh_chunk_usable(last) + FH_CHUNK_HEAD);
    wake(heap);
    fh_chunk_settle(&heap->chunks);
    fh_free(before);
    fh_free(behind);
    fh_chunk_settle(&heap->chunks);
    assert_true(heap->chunks.total_bytes <= FH_STRETCH_LEAST);
  }
}

/* Some come back, and then their neighbours are sent. */
static void *free_kept(void *unused) {
  for (size_t i = 0; i < count; i += keep_every) {
    fh_free(blocks[i]);
  }
  return unused;
}

static void sorting_goes_on(void **state) {
  enum { BYTES = 5000 };
  fh_heap *heap = fh_heap_mine();
  (void)state;
  take(BYTES, 1000);
  send_all_but(2);
  for (unsigned i = 0; i < 3; i++) {
    assert_true(fh_sleeper_some(heap) > 0);
  }
  assert_true(fh_sleeper_any(heap));
  in_a_thread(free_kept);
  take(208, MOST); /* some more, in which it looks */
  send_all_but(0);
  wake(heap);
  fh_chunk_settle(&heap->chunks);
  assert_true(heap->chunks.total_bytes <= FH_STRETCH_LEAST);
}

/* As fh_sleeper_some does. */
static void forget(fh_heap *heap, fh_sent_chunk *chunk) {
  fh_hole_leave(&chunk->link);
  chunk->mark = 0;
  heap->sorted.dirty -= fh_sent_dirty(chunk);
}

/* What was taken back is its thread's again: nobody joins anything to it, or writes to the head behind it. */
static void borders_move(void **state) {
  enum { BYTES = 5000, NUMBER = 12 };
  fh_heap *heap = fh_heap_mine();
  (void)state;
  for (size_t taken = 0; taken < 3; taken++) { /* of an end, an inner one and an end */
    take(BYTES, NUMBER);
    fh_chunk *c[NUMBER];
    for (size_t i = 0; i < NUMBER; i++) {
      c[i] = chunk_of(blocks[i]);
      assert_true(i == 0 || chunk_next(c[i - 1]) == c[i]);
    }
    for (size_t i = 3; i < 8; i++) {
      fh_sleeper_chunk(heap, (fh_sent_chunk *)(void *)blocks[i]);
    }
    assert_ptr_equal(chunk_next(c[4]), c[7]); /* 4 to 6 are one */
    fh_sent_chunk *back = (fh_sent_chunk *)(void *)blocks[taken == 0 ? 3 : taken == 1 ? 4 : 7];
    forget(heap, back);
    uint64_t heads[] = {chunk_head(c[3]), chunk_head(c[4]), chunk_head(c[7])};
    fh_sleeper_chunk(heap, (fh_sent_chunk *)(void *)blocks[8]);
    fh_sleeper_chunk(heap, (fh_sent_chunk *)(void *)blocks[2]);
    assert_true(taken != 0 || (chunk_head(c[4]) == heads[1] && chunk_head(c[3]) == heads[0]));
    assert_true(taken != 1 || (chunk_head(c[4]) == heads[1] && chunk_head(c[7]) == heads[2]));
    assert_true(taken != 2 || chunk_head(c[7]) == heads[2]);
    __atomic_store_n(&heap->sleeps, 1, __ATOMIC_SEQ_CST);
    fh_chunk_give(&heap->chunks, "free", back);
    wake(heap);
    for (size_t i = 0; i < NUMBER; i++) {
      if (i < 2 || i > 8) {
        assert_true(is_as_written(i, BYTES));
        fh_free(blocks[i]);
      }
    }
    fh_chunk_settle(&heap->chunks);
    assert_true(heap->chunks.total_bytes <= FH_STRETCH_LEAST);
  }
}

/* What a block held when it was sorted is no sign of anything once it is handed out again. */
static void unwritten_blocks_are_sent_again(void **state) {
  static const size_t sizes[] = {16, 100, 1024, 1500, 5000};
  (void)state;
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    for (unsigned round = 0; round < 4; round++) {
      slabs_at_once(fh_heap_mine());
      for (count = 0; count < 2000; count++) { /* few enough of the large ones that none is purged */
        blocks[count] = fh_malloc(count < 1900 ? 16 : sizes[s]);
        assert_non_null(blocks[count]);
      }
      send_all_but(round % 2 * 5);
      for (size_t i = 0; keep_every != 0 && i < count; i += keep_every) {
        fh_free(blocks[i]);
      }
      fh_remote_drain(fh_heap_mine());
      fh_chunk_settle(&fh_heap_mine()->chunks); /* the next ones are cut where these were */
    }
  }
}

/* Sizes of all kinds, half of them sent: this thread takes and gives meanwhile, and nothing is handed out twice. */
static void wakes_in_the_middle(void **state) {
  fh_heap *heap = fh_heap_mine();
  uint64_t random = 1;
  static size_t bytes[MOST];
  (void)state;
  for (unsigned round = 0; round < 6; round++) {
    for (count = 0; count < MOST; count++) {
      bytes[count] = 1 + (size_t)chance(&random) % (chance(&random) % 16 == 0 ? 20000 : 700);
      blocks[count] = fh_malloc(bytes[count]);
      assert_non_null(blocks[count]);
      memset(blocks[count], (int)(count % 251) + 1, bytes[count]);
    }
    send_all_but(2 + round % 3);
    for (size_t i = 0; i < count; i += keep_every) {
      assert_true(is_as_written(i, bytes[i]));
      fh_free(blocks[i]);
    }
  }
  wake(heap);
}

/* Those who sent have ended before the time was over: who asks for pages next sorts. */

static size_t asked;

static void *ask_for_pages(void *unused) {
  void *at[12];
  for (unsigned i = 0; i < 2 * MOST / FH_REMOTE_MOST; i++) {
    slabs_at_once(fh_heap_mine());
    for (unsigned k = 0; k < 12; k++) {
      at[k] = fh_malloc(asked);
    }
    for (unsigned k = 0; k < 12; k++) {
      fh_free(at[k]);
    }
    fh_cache_flush(fh_heap_mine());
    fh_chunk_settle(&fh_heap_mine()->chunks); /* the next ones take pages again */
  }
  return unused;
}

static void others_help(void **state) {
  static const size_t sizes[] = {1024, 100000, 1 << 20}; /* slabs, stretches, large objects */
  (void)state;
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    asked = sizes[s];
    take(208, MOST);
    fh_sleep_time = UINT64_MAX;
    send_all_but(0);
    in_a_thread(ask_for_pages);
    size_t full = pages_used();
    fh_sleep_time = 0;
    in_a_thread(ask_for_pages);
    assert_true(pages_used() + MOST * 208 / FH_PAGE_SIZE / 2 < full);
    assert_int_equal(__atomic_load_n(&fh_sleepers_waiting, __ATOMIC_RELAXED), 0);
    wake(fh_heap_mine());
  }
}

/* Chunks that have no neighbours there: each by itself. */
static void long_chunks_are_purged(void **state) {
  enum { BYTES = 60000, NUMBER = 100 };
  (void)state;
  take(BYTES, NUMBER);
  size_t full = resident_of_all(BYTES);
  send_all_but(2);
  assert_true(fh_sleeper_any(fh_heap_mine()));
  assert_true(resident_of_all(BYTES) <= full * 2 / 3 + FH_SLEEP_RETAIN);
  for (size_t i = 0; i < count; i += keep_every) {
    assert_true(is_as_written(i, BYTES));
  }
  wake(fh_heap_mine());
  for (size_t i = 0; i < count; i += keep_every) {
    assert_true(is_as_written(i, BYTES));
    fh_free(blocks[i]);
  }
}

static bool gave[2];

static void *trim_twice(void *unused) {
  gave[0] = fh_trim(0) == 1;
  gave[1] = fh_trim(0) == 1;
  return unused;
}

/* However short the silence. */
static void trim_gives_what_was_sent(void **state) {
  (void)state;
  take(208, MOST);
  fh_sleep_time = UINT64_MAX;
  send_all_but(0);
  size_t full = pages_used();
  assert_false(fh_sleeper_any(fh_heap_mine()));
  in_a_thread(trim_twice);
  assert_true(pages_used() + count * 208 / FH_PAGE_SIZE / 2 <= full);
  assert_null(fh_heap_mine()->inbox);
  wake(fh_heap_mine());
  take(5000, 30);
  full = resident_of_all(5000);
  send_all_but(0);
  in_a_thread(trim_twice);
  assert_true(resident_of_all(5000) <= full / 2);
  assert_true(gave[0] && !gave[1]);
  wake(fh_heap_mine());
}

/* Less than fh_sleep_bytes, and what a thread may look at soon, is left alone; but never more than FH_SLEEP_MOST. */
static void few_are_left(void **state) {
  fh_heap *heap = fh_heap_mine();
  (void)state;
  take(208, LITTLE / 208 - 2);
  send_all_but(0);
  assert_false(fh_sleeper_any(heap));
  wake(heap);
  fh_sleep_time = UINT64_MAX;
  take(1024, fh_min(MOST, FH_SLEEP_MOST / 1024 - FH_REMOTE_MOST));
  send_all_but(0);
  assert_false(fh_sleeper_any(heap));
  wake(heap);
  take(20000, FH_SLEEP_MOST / 20000 + 8);
  send_all_but(0);
  assert_true(fh_sleeper_any(heap));
  wake(heap);
}

/* Frees of the same block from two threads, before and after it was sorted. */

static size_t victim_bytes, victim;

static void *free_victim(void *unused) {
  fh_free(blocks[victim]);
  return unused;
}

enum { NOT_ASLEEP = 1, NOT_NOTICED };

static int free_twice(void) {
  take(victim_bytes, 2000);
  keep_every = 9; /* so that no slab of slots up to 1024 bytes is whole */
  in_a_thread(free_others);
  if (!fh_sleeper_any(fh_heap_mine())) {
    return NOT_ASLEEP;
  }
  in_a_thread(free_victim);
  return NOT_NOTICED;
}

static void second_frees_are_noticed(void **state) {
  static const size_t sizes[] = {16, 100, 1024, 5000, 40000};
  static const size_t victims[] = {9 * 61 + 1, 9 * 61 + 4, 9 * 61 + 8}; /* of chunks: an end, an inner one, an end */
  (void)state;
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    for (size_t v = 0; v < sizeof victims / sizeof *victims; v++) {
      victim_bytes = sizes[s];
      victim = victims[v];
      child_end child = child_run(free_twice, 0);
      assert_true(WIFSIGNALED(child.status) && WTERMSIG(child.status) == SIGABRT);
      assert_int_equal(strncmp(child.text, "freehold: free(0x", 17), 0);
      assert_true(strstr(child.text, "): freed already (double free)\n") != NULL ||
                  strstr(child.text, "): not the start of an allocation, or its header was overwritten\n") != NULL);
    }
  }
}

/* A slot that was never handed out. */
static int free_what_was_never_taken(void) {
  take(208, MOST);
  keep_every = 9;
  in_a_thread(free_others);
  fh_span *slab = fh_heap_mine()->slabs[fh_class_of(208)].growing;
  if (slab == NULL || !fh_sleeper_any(fh_heap_mine())) {
    return NOT_ASLEEP;
  }
  blocks[victim = 0] = slab->start + (size_t)(fh_classes[slab->class].slots - 1) * 208;
  in_a_thread(free_victim);
  return NOT_NOTICED;
}

static void uncarved_slots_are_noticed(void **state) {
  (void)state;
  child_end child = child_run(free_what_was_never_taken, 0);
  assert_true(WIFSIGNALED(child.status) && WTERMSIG(child.status) == SIGABRT);
  assert_non_null(strstr(child.text, "): not the start of an allocation\n"));
}

/* The child has no thread that sleeps, and what was sent to one there stays sent. */
static int fork_and_go_on(void) {
  for (size_t i = 0; i < count; i += keep_every) {
    fh_free(blocks[i]);
  }
  take(208, MOST);
  send_all_but(0);
  fh_remote_drain(fh_heap_mine());
  return fh_sleeper_any(fh_heap_mine());
}

static void children_wake(void **state) {
  (void)state;
  take(208, MOST);
  send_all_but(7);
  assert_true(fh_sleeper_any(fh_heap_mine()));
  child_end child = child_run(fork_and_go_on, 0);
  assert_true(WIFEXITED(child.status));
  assert_int_equal(WEXITSTATUS(child.status), 0);
  for (size_t i = 0; i < count; i += keep_every) {
    assert_true(is_as_written(i, 208));
    fh_free(blocks[i]);
  }
}

/* A child must not find what was sent half sorted. */

static int sorting;

static void *sort_for_a_while(void *unused) {
  fh_sleepers_lock();
  __atomic_store_n(&sorting, 1, __ATOMIC_SEQ_CST);
  nanosleep(&(struct timespec){0, 50000000}, NULL);
  __atomic_store_n(&sorting, 0, __ATOMIC_SEQ_CST);
  fh_sleepers_unlock();
  return unused;
}

static int is_sorting(void) { return __atomic_load_n(&sorting, __ATOMIC_SEQ_CST); }

static void forks_wait(void **state) {
  pthread_t thread;
  (void)state;
  assert_int_equal(pthread_create(&thread, NULL, sort_for_a_while, NULL), 0);
  pthread_detach(thread); /* a child could not join it, and the thread sanitizer would say so */
  while (!is_sorting()) {
  }
  child_end child = child_run(is_sorting, 0);
  assert_true(WIFEXITED(child.status));
  assert_int_equal(WEXITSTATUS(child.status), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(whole_slabs_go, start, end),
      cmocka_unit_test_setup_teardown(pages_without_a_live_slot_go, start, end),
      cmocka_unit_test_setup_teardown(neighbours_are_joined, start, end),
      cmocka_unit_test_setup_teardown(any_order_makes_three, start, end),
      cmocka_unit_test_setup_teardown(sorting_goes_on, start, end),
      cmocka_unit_test_setup_teardown(borders_move, start, end),
      cmocka_unit_test_setup_teardown(unwritten_blocks_are_sent_again, start, end),
      cmocka_unit_test_setup_teardown(wakes_in_the_middle, start, end),
      cmocka_unit_test_setup_teardown(others_help, start, end),
      cmocka_unit_test_setup_teardown(long_chunks_are_purged, start, end),
      cmocka_unit_test_setup_teardown(trim_gives_what_was_sent, start, end),
      cmocka_unit_test_setup_teardown(few_are_left, start, end),
      cmocka_unit_test_setup_teardown(second_frees_are_noticed, start, end),
      cmocka_unit_test_setup_teardown(uncarved_slots_are_noticed, start, end),
      cmocka_unit_test_setup_teardown(children_wake, start, end),
      cmocka_unit_test_setup_teardown(forks_wait, start, end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
