/* Frees by other threads come back to the owner in batches, and threads leave nothing behind. */
#include "unit/cm.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "freehold/freehold.h"
#include "heap/fast.h"
#include "heap/remote.h"
#include "heap/sleeper.h"
#include "unit/slabs.h"

/* A thread that does one thing at a time, as the test tells it: it must not fail a test itself. */

typedef void task(void *arg);

typedef struct helper {
  pthread_t thread;
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  task *act; /* NULL: done */
  void *arg;
  bool end;
} helper;

static void *help(void *arg) {
  helper *h = arg;
  pthread_mutex_lock(&h->mutex);
  while (!h->end) {
    if (h->act != NULL) {
      h->act(h->arg);
      h->act = NULL;
      pthread_cond_broadcast(&h->changed);
    } else {
      pthread_cond_wait(&h->changed, &h->mutex);
    }
  }
  pthread_mutex_unlock(&h->mutex);
  return NULL;
}

static void helper_start(helper *h) {
  *h = (helper){.end = false};
  pthread_mutex_init(&h->mutex, NULL);
  pthread_cond_init(&h->changed, NULL);
  assert_int_equal(pthread_create(&h->thread, NULL, help, h), 0);
}

static void helper_do(helper *h, task *act, void *arg) {
  pthread_mutex_lock(&h->mutex);
  h->act = act;
  h->arg = arg;
  pthread_cond_broadcast(&h->changed);
  while (h->act != NULL) {
    pthread_cond_wait(&h->changed, &h->mutex);
  }
  pthread_mutex_unlock(&h->mutex);
}

static void helper_end(helper *h) {
  pthread_mutex_lock(&h->mutex);
  h->end = true;
  pthread_cond_broadcast(&h->changed);
  pthread_mutex_unlock(&h->mutex);
  pthread_join(h->thread, NULL);
  pthread_cond_destroy(&h->changed);
  pthread_mutex_destroy(&h->mutex);
}

static void in_a_thread(task *act, void *arg) {
  static helper h; /* a test that fails leaves it waiting */
  helper_start(&h);
  helper_do(&h, act, arg);
  helper_end(&h);
}

/* Many blocks. */

enum { MOST = 4096 };

typedef struct many {
  size_t bytes, count;
  char *at[MOST];
} many;

static many blocks;

static void take_many(void *arg) {
  many *m = arg;
  slabs_at_once(fh_heap_mine());
  for (size_t i = 0; i < m->count; i++) {
    m->at[i] = fh_malloc(m->bytes);
    if (m->at[i] != NULL) {
      memset(m->at[i], 1, m->bytes);
    }
  }
}

static void give_many(void *arg) {
  many *m = arg;
  for (size_t i = 0; i < m->count; i++) {
    fh_free(m->at[i]);
  }
}

static void take_checked(size_t bytes, size_t count) {
  blocks.bytes = bytes;
  blocks.count = count;
  take_many(&blocks);
  for (size_t i = 0; i < count; i++) {
    assert_non_null(blocks.at[i]);
  }
}

static void free_one(void *pointer) { fh_free(pointer); }

static void trim(void *unused) {
  (void)unused;
  fh_trim(0);
}

static bool inbox_is_empty(void) { return __atomic_load_n(&fh_heap_mine()->inbox, __ATOMIC_ACQUIRE) == NULL; }

static size_t inbox_count(void) {
  size_t count = 0;
  void *in_node[FH_NODE_BLOCKS];
  for (void **node = __atomic_load_n(&fh_heap_mine()->inbox, __ATOMIC_ACQUIRE); node != NULL;) {
    unsigned more;
    node = fh_remote_read(node, in_node, &more);
    count += more;
  }
  return count;
}

static size_t pages_used(void) {
  fh_pages_counts now;
  fh_pages_read(&now);
  return now.used;
}

static size_t heaps(void) {
  size_t count = 0;
  for (const fh_heap *heap = fh_heap_all(); heap != NULL; heap = heap->next) {
    count++;
  }
  return count;
}

static int start(void **state) {
  (void)state;
  fh_sleep_bytes = SIZE_MAX; /* what is sent stays where it is */
  fh_free(fh_malloc(1));     /* this thread has its heap */
  fh_trim(0);
  fh_cache_flush(fh_heap_mine());
  return 0;
}

/* Each slot but one of a full slab, freed elsewhere, is the owner's again, and he makes no other slab. */
static void slots_come_back(void **state) {
  enum { BYTES = 512, SLOTS = FH_PAGE_SIZE / BYTES - 1 };
  static char *again[SLOTS];
  (void)state;
  take_checked(BYTES, SLOTS + 1);
  char *stays = blocks.at[SLOTS];
  fh_span *slab = fh_arena_find(stays);
  assert_int_equal(fh_slab_live(slab), SLOTS + 1);
  blocks.count = SLOTS;
  assert_null(fh_heap_mine()->cache[slab->class].first); /* all are with the program */
  in_a_thread(give_many, &blocks);
  assert_int_equal(inbox_count(), SLOTS);
  size_t pages = pages_used();
  for (size_t i = 0; i < SLOTS; i++) {
    again[i] = fh_malloc(BYTES);
    assert_ptr_equal(fh_arena_find(again[i]), slab);
    assert_true(inbox_is_empty()); /* the first slow call took them in */
  }
  assert_int_equal(pages_used(), pages);
  assert_null(fh_heap_mine()->cache[slab->class].first);
  assert_int_equal(fh_slab_live(slab), SLOTS + 1);
  for (size_t i = 0; i < SLOTS; i++) {
    fh_free(again[i]);
  }
  fh_free(stays);
}

static size_t inbox_nodes(void) {
  size_t count = 0;
  void *in_node[FH_NODE_BLOCKS];
  for (void **node = __atomic_load_n(&fh_heap_mine()->inbox, __ATOMIC_ACQUIRE); node != NULL; count++) {
    unsigned more;
    node = fh_remote_read(node, in_node, &more);
  }
  return count;
}

/* Where the i-th to be freed lies among `count`: in order, backwards, every third, in pieces that end anywhere. */
static size_t place(unsigned order, size_t i, size_t count) {
  switch (order) {
    case 0: return i;
    case 1: return count - 1 - i;
    case 2: return i * 3 % count;
    default: return i / 11 * 11 + 10 < count ? i / 11 * 11 + (i + 4) % 11 : i;
  }
}

/* In whatever order slots are freed elsewhere, side by side or not, each comes home once. Those in order need few
 * lines. */
static void runs_come_back(void **state) {
  enum { SLABS = 3 };
  static char *all[MOST];
  fh_heap *heap = fh_heap_mine();
  (void)state;
  for (unsigned class = 1; class < FH_CLASSES; class ++) {
    for (unsigned order = 0; order < 4; order++) {
      fh_cache_flush(heap);
      size_t slabs = heap->slab_count, count = SLABS * (size_t)fh_classes[class].slots;
      count -= count % 3 == 0; /* every third meets all of them */
      take_checked(fh_class_bytes(class), count);
      memcpy(all, blocks.at, count * sizeof *all);
      for (size_t i = 0; i < count; i++) {
        blocks.at[i] = all[place(order, i, count)];
      }
      in_a_thread(give_many, &blocks);
      assert_int_equal(inbox_count(), count);
      assert_true(order != 0 || class < 3 || FH_REMOTE_MOST < 64 || inbox_nodes() <= count / 16 + SLABS + 1);
      fh_remote_drain(heap);
      fh_cache_flush(heap);
      assert_int_equal(heap->slab_count, slabs);
      assert_int_equal(heap->slabs[class].out, 0);
    }
  }
}

/* A run for which the cache has room goes there, the lowest in front, wherever it lies in the words of the map. */
static void short_runs_are_linked(void **state) {
  enum { BYTES = 64, SLOTS = FH_PAGE_SIZE / BYTES, LONGEST = 8 };
  static char *all[SLOTS];
  fh_heap *heap = fh_heap_mine();
  (void)state;
  take_checked(BYTES, SLOTS);
  memcpy(all, blocks.at, sizeof all);
  fh_cache *cache = &heap->cache[fh_class_of(BYTES)];
  for (size_t from = 1; from + LONGEST < SLOTS; from += 3) {
    size_t length = 1 + from % LONGEST;
    fh_cache_flush(heap); /* room for as many as it is to hold */
    assert_true(cache->first == NULL && cache->room >= LONGEST);
    blocks.count = length;
    memcpy(blocks.at, all + from, length * sizeof *all);
    in_a_thread(give_many, &blocks);
    fh_remote_drain(heap);
    assert_int_equal(cache->limit - cache->room, length);
    for (size_t i = 0; i < length; i++) {
      assert_ptr_equal(fh_malloc(BYTES), all[from + i]);
    }
    assert_null(cache->first);
  }
  for (size_t i = 0; i < SLOTS; i++) {
    fh_free(all[i]);
  }
}

static void chunks_come_back(void **state) {
  (void)state;
  take_checked(5000, 3);
  char *middle = blocks.at[1];
  in_a_thread(free_one, middle);
  assert_false(inbox_is_empty());
  fh_remote_drain(fh_heap_mine());
  assert_true(inbox_is_empty());
  char *again = fh_malloc(5000);
  assert_ptr_equal(again, middle);
  fh_free(again);
  fh_free(blocks.at[0]);
  fh_free(blocks.at[2]);
}

/* A large object is nobody's: whoever frees it gives its pages back. */
static void large_objects_go_at_once(void **state) {
  size_t before = pages_used();
  (void)state;
  void *large = fh_malloc((size_t)1 << 20);
  assert_non_null(large);
  assert_int_equal(pages_used(), before + (((size_t)1 << 20) >> FH_PAGE_SHIFT));
  in_a_thread(free_one, large);
  assert_true(inbox_is_empty());
  assert_int_equal(pages_used(), before);
}

/* By number, for small blocks: what a node has room for and did not get counts too, where blocks are side by side. */
static void full_batches_are_posted(void **state) {
  static helper h;
  (void)state;
  for (unsigned order = 0; order < 2; order++) {
    size_t before = 0;
    take_checked(24, 3 * FH_REMOTE_MOST);
    helper_start(&h);
    for (size_t i = 0; i < 3 * FH_REMOTE_MOST; i++) {
      helper_do(&h, free_one, blocks.at[place(order, i, 3 * FH_REMOTE_MOST)]);
      size_t now = inbox_count();
      assert_true(now == before || (now == i + 1 && now - before <= FH_REMOTE_MOST));
      assert_true(now == before || now - before >= (size_t)FH_REMOTE_MOST / (order == 1 ? 1 : 2));
      before = now;
    }
    assert_true(before >= 2 * FH_REMOTE_MOST);
    helper_end(&h);
    fh_remote_drain(fh_heap_mine());
  }
}

/* By bytes, for large ones. */
static void heavy_batches_are_posted(void **state) {
  static helper h;
  (void)state;
  take_checked(FH_REMOTE_BYTES / 2 + 100, 3);
  helper_start(&h);
  helper_do(&h, free_one, blocks.at[0]);
  assert_true(inbox_is_empty());
  helper_do(&h, free_one, blocks.at[1]);
  assert_int_equal(inbox_count(), 2);
  helper_do(&h, free_one, blocks.at[2]);
  assert_int_equal(inbox_count(), 2);
  helper_end(&h); /* posts what it still holds */
  assert_int_equal(inbox_count(), 3);
  fh_remote_drain(fh_heap_mine());
}

static void trim_posts_what_is_held(void **state) {
  static helper h;
  (void)state;
  take_checked(24, 1);
  helper_start(&h);
  helper_do(&h, free_one, blocks.at[0]);
  assert_true(inbox_is_empty());
  helper_do(&h, trim, NULL);
  assert_true(fh_sleeper_any(fh_heap_mine())); /* it sorts what it posts, too */
  helper_end(&h);
  fh_remote_drain(fh_heap_mine());
}

/* The owner does not look any more: whoever posts frees in its name. */
static void ended_threads_get_theirs(void **state) {
  static const size_t sizes[] = {100, 1000, 1500, 20000};
  (void)state;
  in_a_thread(trim, NULL);
  size_t before = pages_used(), rest = FH_STRETCH_LEAST >> FH_PAGE_SHIFT; /* a heap keeps one stretch */
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    blocks.bytes = sizes[s];
    blocks.count = sizes[s] < 5000 ? MOST : MOST / 16;
    in_a_thread(take_many, &blocks);
    for (size_t i = 0; i < blocks.count; i++) {
      assert_non_null(blocks.at[i]);
      assert_int_equal(blocks.at[i][sizes[s] - 1], 1); /* they outlive their thread */
    }
    assert_true(pages_used() >= before + (blocks.count * sizes[s] >> FH_PAGE_SHIFT));
    give_many(&blocks);
    fh_trim(0); /* posts the last batch */
    assert_true(pages_used() <= before + rest);
  }
}

/* The next thread takes the heap over, and what is left in it. */
static void heaps_are_inherited(void **state) {
  static char *other[8];
  (void)state;
  blocks.bytes = 700;
  blocks.count = 3;
  in_a_thread(take_many, &blocks);
  fh_heap *owner = fh_span_heap(fh_arena_find(blocks.at[0]));
  assert_ptr_not_equal(owner, fh_heap_mine());
  assert_int_equal(__atomic_load_n(&owner->state, __ATOMIC_ACQUIRE), FH_HEAP_ORPHAN);
  assert_ptr_equal(fh_arena_find(blocks.at[0])->owner, owner); /* no thread has it as its own */
  memcpy(other, blocks.at, 3 * sizeof *other);
  size_t before = heaps();
  in_a_thread(take_many, &blocks);
  assert_int_equal(heaps(), before);
  for (size_t i = 0; i < 3; i++) {
    assert_ptr_equal(fh_arena_find(blocks.at[i]), fh_arena_find(other[0])); /* the slab goes on where it was */
    assert_ptr_not_equal(blocks.at[i], other[i]);
    fh_free(other[i]);
  }
  give_many(&blocks);
  fh_trim(0);
}

/* Destructors of keys may run after the heap's own. */

typedef struct late {
  void *own_slot, *own_chunk, *own_large, *foreign_slot, *foreign_chunk; /* to free */
  char *slot, *chunk, *large, *zeroed, *aligned, *grown;                 /* made then, kept */
  int rounds;
  bool had_no_heap, kept_errno, has_no_heap;
} late;

static pthread_key_t late_key;

static void take_late(late *l) {
  l->slot = fh_malloc(100);
  l->chunk = fh_malloc(5000);
  l->large = fh_malloc(300000);
  l->zeroed = fh_calloc(3, 4000);
  l->aligned = fh_memalign(4096, 5000);
  l->grown = fh_malloc(3000);
  memset(l->grown, 3, 3000);
  l->grown = fh_realloc(l->grown, 9000);
  l->grown = fh_realloc(l->grown, 200000);
}

/* Sets itself again until the heap's hook has surely run. */
static void at_the_end(void *arg) {
  late *l = arg;
  if (++l->rounds < 3) {
    pthread_setspecific(late_key, l);
    return;
  }
  l->had_no_heap = fh_this.heap == NULL && fh_this.ended;
  errno = 77;
  fh_free(l->own_slot);
  fh_free(l->own_chunk);
  fh_free(l->own_large);
  fh_free(l->foreign_slot);
  fh_free(l->foreign_chunk);
  take_late(l);
  fh_free(fh_malloc(64));
  fh_free(fh_malloc(2500));
  l->kept_errno = errno == 77;
  l->has_no_heap = fh_this.heap == NULL;
}

static void arm_late(void *arg) {
  late *l = arg;
  l->own_slot = fh_malloc(100);
  l->own_chunk = fh_malloc(5000);
  l->own_large = fh_malloc(300000);
  pthread_setspecific(late_key, l);
}

static bool all_are(const char *at, size_t bytes, int value) {
  for (size_t i = 0; i < bytes; i++) {
    if (at[i] != (char)value) {
      return false;
    }
  }
  return true;
}

static void late_destructors_are_safe(void **state) {
  static late l;
  size_t before = pages_used();
  (void)state;
  l.foreign_slot = fh_malloc(48);
  l.foreign_chunk = fh_malloc(7000);
  assert_int_equal(pthread_key_create(&late_key, at_the_end), 0);
  in_a_thread(arm_late, &l);
  pthread_key_delete(late_key);
  assert_int_equal(l.rounds, 3);
  assert_true(l.had_no_heap && l.has_no_heap); /* it borrowed, and did not get a heap that nobody would leave */
  assert_true(l.kept_errno);
  assert_int_equal(inbox_count(), 2); /* posted one by one: there is no later */
  char *const kept[] = {l.slot, l.chunk, l.large, l.zeroed, l.aligned, l.grown};
  static const size_t size[] = {100, 5000, 300000, 12000, 5000, 200000};
  assert_true(l.zeroed != NULL && all_are(l.zeroed, 12000, 0));
  assert_true(l.grown != NULL && all_are(l.grown, 3000, 3));
  assert_int_equal((uintptr_t)l.aligned % 4096, 0);
  for (size_t i = 0; i < 6; i++) {
    assert_non_null(kept[i]);
    memset(kept[i], (int)i + 10, size[i]);
  }
  for (size_t i = 0; i < 6; i++) {
    assert_true(all_are(kept[i], size[i], (int)i + 10));
    fh_free(kept[i]);
  }
  fh_trim(0);
  assert_true(pages_used() <= before + 2 * (FH_STRETCH_LEAST >> FH_PAGE_SHIFT));
}

/* As many heaps as threads ran at once, however many came and went. */
static void *come_and_go(void *arg) {
  void *small = fh_malloc(1 + (uintptr_t)arg % 900), *long_one = fh_malloc(2000 + (uintptr_t)arg % 9000);
  bool done = small != NULL && long_one != NULL;
  fh_free(small);
  fh_free(long_one);
  return done ? arg : NULL;
}

static void short_threads_share_heaps(void **state) {
  enum { ROUNDS = 250, AT_ONCE = 4 };
  size_t before = heaps();
  (void)state;
  for (uintptr_t i = 0; i < ROUNDS; i++) {
    pthread_t threads[AT_ONCE];
    for (uintptr_t k = 0; k < AT_ONCE; k++) {
      assert_int_equal(pthread_create(&threads[k], NULL, come_and_go, (void *)(1 + i * AT_ONCE + k)), 0);
    }
    for (uintptr_t k = 0; k < AT_ONCE; k++) {
      void *result = NULL;
      pthread_join(threads[k], &result);
      assert_non_null(result);
    }
  }
  assert_true(heaps() <= before + AT_ONCE + 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(slots_come_back, start),
      cmocka_unit_test_setup(runs_come_back, start),
      cmocka_unit_test_setup(short_runs_are_linked, start),
      cmocka_unit_test_setup(chunks_come_back, start),
      cmocka_unit_test_setup(large_objects_go_at_once, start),
      cmocka_unit_test_setup(full_batches_are_posted, start),
      cmocka_unit_test_setup(heavy_batches_are_posted, start),
      cmocka_unit_test_setup(trim_posts_what_is_held, start),
      cmocka_unit_test_setup(ended_threads_get_theirs, start),
      cmocka_unit_test_setup(heaps_are_inherited, start),
      cmocka_unit_test_setup(late_destructors_are_safe, start),
      cmocka_unit_test_setup(short_threads_share_heaps, start),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
