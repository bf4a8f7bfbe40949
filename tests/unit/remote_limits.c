/* What a thread takes in though it never asks for memory; what a heap keeps that was only borrowed; what is not
 * believed of damaged lists and of addresses inside slots. */
#include "unit/cm.h"

#include <pthread.h>
#include <string.h>

#include "freehold/freehold.h"
#include "heap/fast.h"
#include "heap/remote.h"
#include "heap/sleeper.h"
#include "unit/child.h"
#include "unit/slabs.h"
#include "unit/thread.h"

enum { SENT = 96, OWN = 1000, MOST = 1024 };

static char *sent[SENT], *own[OWN];

static void take(char **blocks, size_t count, size_t bytes) {
  slabs_at_once(fh_heap_mine());
  for (size_t i = 0; i < count; i++) {
    blocks[i] = fh_malloc(bytes);
    assert_non_null(blocks[i]);
  }
}

static void *free_sent(void *unused) {
  for (size_t i = 0; i < SENT; i++) {
    fh_free(sent[i]);
  }
  return unused;
}

static bool inbox_is_empty(void) { return __atomic_load_n(&fh_heap_mine()->inbox, __ATOMIC_ACQUIRE) == NULL; }

static int start(void **state) {
  (void)state;
  fh_sleep_bytes = SIZE_MAX; /* what is sent stays where it is */
  fh_free(fh_malloc(1));     /* this thread has its heap */
  fh_trim(0);
  return 0;
}

/* A thread that only frees. */

static void only_frees(size_t bytes, size_t count) {
  take(sent, SENT, 512);
  take(own, count, bytes);
  in_a_thread(free_sent);
  assert_false(inbox_is_empty());
  for (size_t i = 0; i < count; i++) {
    fh_free(own[i]);
  }
  assert_true(inbox_is_empty());
  assert_null(fh_heap_mine()->taken_in);
}

static void overflows_take_in(void **state) {
  (void)state;
  only_frees(64, OWN);
}

static void quick_chunks_take_in(void **state) {
  (void)state;
  only_frees(5000, OWN);
}

/* Those that are never quick: each free takes in a node at least, which is 8 slots of 512 bytes here, and twice as many
 * messages as the free before. So 8 go four times, then 16, 32 and 16 that are left. */
static void long_chunks_take_in(void **state) {
  (void)state;
  only_frees(40000, 7);
}

/* A damaged list. */

static const char *const damaged =
    "another thread's list of freed blocks is damaged: double free, or a write to freed memory\n";

static void check_damaged(int (*act)(void)) {
  child_end end = child_run(act, 0);
  assert_true(WIFSIGNALED(end.status) && WTERMSIG(end.status) == SIGABRT);
  assert_int_equal(strncmp(end.text, "freehold: free(0x", 17), 0);
  const char *what = strstr(end.text, "): ");
  assert_non_null(what);
  assert_string_equal(what + 3, damaged);
}

static uintptr_t wrong_count;

static int read_long_node(void) {
  static _Alignas(16) void *node[FH_NODE_COUNT + 1];
  void *blocks[FH_NODE_BLOCKS];
  unsigned count;
  node[0] = (void *)wrong_count;
  fh_remote_read(node, blocks, &count);
  return 0;
}

/* Blocks are read into an array of FH_NODE_MOST and the node. */
static void long_nodes_are_refused(void **state) {
  (void)state;
  wrong_count = FH_NODE_MOST;
  child_end end = child_run(read_long_node, 0);
  assert_true(WIFEXITED(end.status) && WEXITSTATUS(end.status) == 0);
  wrong_count = FH_NODE_MOST + 1;
  check_damaged(read_long_node);
  wrong_count = FH_NODE_COUNT;
  check_damaged(read_long_node);
}

/* A heap that was borrowed, by a destructor that runs after the heap's own. */

static pthread_key_t late_key;
static char *late[MOST];

static void at_the_end(void *rounds) {
  if ((uintptr_t)rounds < 3) {
    pthread_setspecific(late_key, (void *)((uintptr_t)rounds + 1));
    return;
  }
  for (size_t i = 0; fh_this.ended && i < MOST; i++) {
    late[i] = fh_malloc(32 + i % 4 * 32);
  }
}

static void *arm_late(void *unused) {
  fh_free(fh_malloc(100));
  pthread_setspecific(late_key, (void *)1);
  return unused;
}

static size_t slots_held(const fh_heap *heap) {
  size_t held = 0;
  for (unsigned class = 1; class < FH_CLASSES; class ++) {
    const fh_cache *cache = &heap->cache[class];
    assert_true((cache->first == NULL) == (cache->limit == cache->room));
    held += (size_t)(cache->limit - cache->room);
  }
  return held;
}

/* Nobody would take what it has at hand. */
static void borrowed_caches_are_empty(void **state) {
  (void)state;
  assert_int_equal(pthread_key_create(&late_key, at_the_end), 0);
  in_a_thread(arm_late);
  pthread_key_delete(late_key);
  assert_non_null(late[MOST - 1]);
  assert_int_equal(fh_span_kind_of(fh_arena_find(late[MOST - 1])), FH_SPAN_SLAB);
  const fh_heap *lent = fh_span_heap(fh_arena_find(late[MOST - 1]));
  assert_int_equal(__atomic_load_n(&lent->state, __ATOMIC_ACQUIRE), FH_HEAP_ORPHAN);
  assert_int_equal(slots_held(lent), 0);
  for (size_t i = 0; i < MOST; i++) {
    fh_free(late[i]);
  }
  fh_trim(0); /* posts the last batch */
  assert_int_equal(slots_held(lent), 0);
  assert_int_equal(lent->slab_count, 0);
}

/* Addresses inside slots. */

enum { SLOT_MARK = 0x11, NEIGHBOURS_WRITTEN = 3, NOT_NOTICED = 4 };

static size_t slot_bytes;

/* The thread starts a node inside a slot, whose links would lie in the next one. */
static void *free_inside(void *unused) {
  fh_free(sent[SENT / 2] + slot_bytes - 16);
  for (size_t i = 0; i < FH_NODE_MOST; i++) {
    fh_free(own[i]);
  }
  return unused;
}

static void look_at_neighbours(int number) {
  (void)number;
  for (size_t i = 0; i < SENT; i++) {
    for (size_t k = 0; i != SENT / 2 && k < slot_bytes; k++) {
      if (sent[i][k] != SLOT_MARK) {
        _exit(NEIGHBOURS_WRITTEN);
      }
    }
  }
  _exit(0);
}

static int free_inside_anothers(void) {
  take(sent, SENT, slot_bytes);
  take(own, FH_NODE_MOST, slot_bytes);
  for (size_t i = 0; i < SENT; i++) {
    memset(sent[i], SLOT_MARK, slot_bytes);
  }
  signal(SIGABRT, look_at_neighbours);
  in_a_thread(free_inside);
  return NOT_NOTICED;
}

static void neighbours_are_not_written(void **state) {
  static const size_t sizes[] = {64, 112, 1024};
  (void)state;
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    slot_bytes = sizes[i];
    child_end end = child_run(free_inside_anothers, 0);
    assert_non_null(strstr(end.text, "): not the start of an allocation\n"));
    assert_true(WIFEXITED(end.status));
    assert_int_equal(WEXITSTATUS(end.status), 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(overflows_take_in, start),
      cmocka_unit_test_setup(quick_chunks_take_in, start),
      cmocka_unit_test_setup(long_chunks_take_in, start),
      cmocka_unit_test_setup(long_nodes_are_refused, start),
      cmocka_unit_test_setup(borrowed_caches_are_empty, start),
      cmocka_unit_test_setup(neighbours_are_not_written, start),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
