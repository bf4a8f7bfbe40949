/* Slabs: the table of classes, where slots lie, and what becomes of slabs that fill and empty. */
#include "unit/cm.h"

#include <string.h>

#include "freehold/freehold.h"
#include "heap/fast.h"
#include "unit/slabs.h"

/* The table. */

static void every_size_has_its_class(void **state) {
  unsigned last = 1;
  (void)state;
  for (size_t size = 0; size <= FH_SLAB_MAX; size++) {
    unsigned class = fh_class_of(size);
    assert_true(class >= 1 && class < FH_CLASSES);
    assert_true(fh_class_bytes(class) >= size);
    assert_true(class == 1 || fh_class_bytes(class - 1) < size); /* the smallest that holds it */
    assert_true(class == last || class == last + 1);
    last = class;
  }
  assert_int_equal(last, FH_CLASSES - 1); /* no class without a size */
}

static void waste_is_bounded(void **state) {
  (void)state;
  for (size_t size = 1; size <= FH_SLAB_MAX; size++) {
    size_t waste = fh_class_bytes(fh_class_of(size)) - size;
    assert_true(size <= 256 ? waste < 16 : waste * 8 < size);
  }
}

/* The fast path looks a class up by its grain of 16 bytes. */
static void grains_have_one_class(void **state) {
  (void)state;
  for (size_t size = 1; size <= FH_SLAB_MAX; size++) {
    assert_int_equal(fh_class_of(size), fh_class_of((size + 15) / 16 * 16));
  }
  for (unsigned class = 1; class < FH_CLASSES; class ++) {
    assert_int_equal(fh_class_bytes(class) % FH_ALIGNMENT, 0);
    assert_int_equal(fh_class_of(fh_class_bytes(class)), class);
  }
}

/* Slabs of one class, filled from one end to the other. */

enum { SLABS = 6, SLOTS_MOST = 1024 };

static char *slots[SLABS * SLOTS_MOST];

static size_t slots_of(size_t bytes) { return FH_PAGE_SIZE / fh_class_bytes(fh_class_of(bytes)); }

static fh_span *slab_at(const void *slot) {
  fh_span *slab = fh_arena_find(slot);
  assert_non_null(slab);
  assert_int_equal(fh_span_kind_of(slab), FH_SPAN_SLAB);
  return slab;
}

static size_t pages_used(void) {
  fh_pages_counts now;
  fh_pages_read(&now);
  return now.used;
}

/* No slab of any class is in use afterwards: the tests free all that they take. */
static fh_heap *empty_heap(void) {
  fh_heap *heap = fh_heap_mine();
  assert_non_null(heap);
  fh_cache_flush(heap);
  assert_int_equal(heap->slab_count, 0);
  slabs_at_once(heap);
  return heap;
}

/* Without a division: every offset of every class. */
static void starts_of_slots_are_known(void **state) {
  (void)state;
  for (unsigned class = 1; class < FH_CLASSES; class ++) {
    for (size_t offset = 0; offset < FH_PAGE_SIZE; offset++) {
      assert_int_equal(fh_class_divides(class, offset), offset % fh_class_bytes(class) == 0);
      assert_int_equal(fh_class_quotient(class, offset), offset / fh_class_bytes(class));
    }
  }
}

/* Fills `count` slabs in turn: slot i lies in slab i / slots. */
static void fill(size_t bytes, size_t count) {
  size_t each = slots_of(bytes);
  empty_heap();
  for (size_t i = 0; i < count * each; i++) {
    slots[i] = fh_malloc(bytes);
    assert_non_null(slots[i]);
    memset(slots[i], (int)(i % 251), bytes);
    assert_ptr_equal(slab_at(slots[i]), slab_at(slots[i - i % each]));
    assert_true(i < each || slab_at(slots[i]) != slab_at(slots[i - each]));
  }
  for (size_t i = 0; i < count * each; i++) { /* none lies over another */
    assert_true(slots[i][0] == (char)(i % 251) && slots[i][bytes - 1] == (char)(i % 251));
  }
}

static void give(size_t from, size_t to) {
  for (size_t i = from; i < to; i++) {
    fh_free(slots[i]);
  }
}

/* Which classes begin as the one that serves a few. */
static void twelve_classes_serve_first(void **state) {
  static const size_t longest[] = {16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024};
  fh_heap *heap = empty_heap();
  (void)state;
  fh_slab_start(heap);
  for (size_t bytes = 0, i = 0; bytes <= FH_SLAB_MAX; bytes++) {
    i += bytes > longest[i];
    assert_int_equal(fh_class_bytes(fh_class_for(heap, bytes)), longest[i]);
  }
}

/* All sizes of a few classes lie in slots of the longest, until the last 4 KiB of a slab are reached: then each has its
 * own. */
static void classes_share_the_first_slab(void **state) {
  (void)state;
  for (unsigned class = 1, group = 1; class < FH_CLASSES; class ++, group = class) {
    fh_heap *heap = empty_heap();
    fh_slab_start(heap);
    while (class + 1 < FH_CLASSES && fh_class_for(heap, fh_class_bytes(class)) != class) {
      assert_true(fh_class_for(heap, fh_class_bytes(class)) > class);
      class ++;
    }
    size_t reach = 4096 / fh_class_bytes(class), sizes = class - group + 1;
    size_t shared = (slots_of(fh_class_bytes(class)) - 1) / reach * reach + 1;
    for (size_t i = 0; i < shared; i++) {
      size_t bytes = fh_class_bytes(group + (unsigned)(i % sizes)) - i % 16;
      slots[i] = fh_malloc(bytes);
      assert_int_equal(slab_at(slots[i])->class, class);
      assert_ptr_equal(slab_at(slots[i]), slab_at(slots[0]));
      assert_int_equal(fh_usable_size(slots[i]), fh_class_bytes(class));
      memset(slots[i], (int)(i % 251), bytes);
    }
    for (unsigned own = group; own <= class; own++) {
      slots[shared + own - group] = fh_malloc(fh_class_bytes(own));
      assert_int_equal(slab_at(slots[shared + own - group])->class, own);
    }
    give(0, shared + sizes);
    fh_cache_flush(heap);
    assert_int_equal(heap->slab_count, 0);
    not_early(heap);
    slots[0] = fh_malloc(fh_class_bytes(group)); /* and share again */
    assert_int_equal(slab_at(slots[0])->class, class);
    fh_free(slots[0]);
  }
  empty_heap();
}

static void slabs_hold_what_they_say(void **state) {
  (void)state;
  for (unsigned class = 1; class < FH_CLASSES; class ++) {
    size_t bytes = fh_class_bytes(class), each = slots_of(bytes);
    fill(bytes, 2);
    fh_span *slab = slab_at(slots[0]);
    assert_int_equal(slab->class, class);
    assert_int_equal(fh_classes[class].slots, each);
    for (size_t i = 0; i < each; i++) {
      assert_int_equal((size_t)(slots[i] - slab->start) % bytes, 0);
      assert_true(slots[i] >= slab->start && slots[i] + bytes <= slab->start + FH_PAGE_SIZE);
      assert_int_equal(fh_usable_size(slots[i]), bytes);
    }
    give(0, 2 * each);
  }
}

/* All slots of a slab, not only the first: that one always is. */
static void check_aligned(fh_heap *heap, size_t alignment, size_t bytes) {
  size_t count = 2 * slots_of(fh_max(bytes, alignment));
  for (size_t i = 0; i < count; i++) {
    slots[i] = fh_memalign(alignment, bytes);
    assert_non_null(slots[i]);
    assert_int_equal((uintptr_t)slots[i] % alignment, 0);
    assert_int_equal(fh_span_kind_of(fh_arena_find(slots[i])), FH_SPAN_SLAB);
  }
  give(0, count);
  fh_cache_flush(heap);
}

/* Whether classes have parted or share their slabs. */
static void aligned_slots(void **state) {
  (void)state;
  for (size_t alignment = 32; alignment <= FH_SLAB_MAX; alignment *= 2) {
    for (size_t bytes = 1; bytes <= FH_SLAB_MAX; bytes += 1 + bytes / 4) {
      check_aligned(empty_heap(), alignment, bytes);
      fh_heap *heap = empty_heap();
      fh_slab_start(heap);
      check_aligned(heap, alignment, bytes);
    }
  }
}

static size_t cached(const fh_heap *heap, size_t bytes) {
  const fh_cache *cache = &heap->cache[fh_class_of(bytes)];
  size_t count = 0;
  for (void *slot = cache->first; slot != NULL; slot = *(void **)slot) {
    count++;
  }
  assert_int_equal(count, cache->limit - cache->room);
  return count;
}

/* What is used of a slab is with the program or in the cache. */
static void live_slots_are_counted(void **state) {
  size_t bytes = 80, each = slots_of(bytes);
  fh_heap *heap = empty_heap();
  (void)state;
  fh_span *slab = NULL;
  for (size_t i = 0; i < each; i++) {
    slots[i] = fh_malloc(bytes);
    slab = slab_at(slots[i]);
    assert_int_equal(fh_slab_live(slab), i + 1 + cached(heap, bytes));
    assert_true(slab->u.carved >= i + 1 && slab->u.carved <= i + 1 + 4096 / bytes); /* reached in steps */
  }
  for (size_t i = 0; i < each; i += 2) {
    fh_free(slots[i]);
    assert_int_equal(fh_slab_live(slab), each - i / 2 - 1 + cached(heap, bytes));
  }
  fh_cache_flush(heap);
  assert_int_equal(fh_slab_live(slab), each / 2);
  assert_int_equal(cached(heap, bytes), 0);
  for (size_t i = 1; i < each; i += 2) {
    fh_free(slots[i]);
  }
  empty_heap();
}

/* A cache holds an eighth of the slots in use, once it has overflowed; until then what the last refill brought and half
 * of its share; at the end a handful. */
static void caches_hold_a_share(void **state) {
  size_t bytes = 64, each = slots_of(bytes), class = fh_class_of(bytes);
  fh_heap *heap = (fill(bytes, SLABS), fh_heap_mine());
  (void)state;
  fh_cache_flush(heap);
  for (size_t i = 0; i < SLABS * each; i++) {
    size_t in_use = SLABS * each - i;
    fh_free(slots[i]);
    assert_true(heap->slabs[class].out == in_use - 1 + cached(heap, bytes));
    assert_true(cached(heap, bytes) <= (in_use < 64 ? 16 : i < each ? 4096 / bytes + 16 : 48));
  }
  empty_heap();
  assert_int_equal(heap->slabs[class].out, 0);
}

/* One that waits in the cache keeps a slab: where few slots are used in many slabs hardly any does. */
static void caches_hold_little_of_sparse_slabs(void **state) {
  size_t bytes = 64, each = slots_of(bytes), class = fh_class_of(bytes);
  fh_heap *heap = (fill(bytes, SLABS), fh_heap_mine());
  (void)state;
  for (size_t slab = 0; slab < SLABS; slab++) {
    give(slab * each + 2, (slab + 1) * each);
  }
  fh_cache_flush(heap);
  for (size_t slab = 0; slab < SLABS; slab++) {
    give(slab * each, slab * each + 1);
    assert_true(cached(heap, bytes) <= 2);
  }
  for (size_t slab = 0; slab < SLABS; slab++) {
    give(slab * each + 1, slab * each + 2);
    assert_true(cached(heap, bytes) <= 2);
  }
  assert_true(heap->slabs[class].count <= 2);
  empty_heap();
}

/* A slab of each of the first `classes` classes, whose slots are all in the cache, while there is memory at hand. */
static void make_idle(unsigned classes) {
  fh_free(memset(fh_malloc(1 << 20), 1, 1 << 20));
  for (unsigned class = 1; class <= classes; class ++) {
    fh_free(fh_malloc(fh_class_bytes(class)));
  }
}

/* Before a slab is made of memory that is not there, caches of which the program uses nothing give up theirs, if that
 * is much. */
static void idle_caches_give_way(void **state) {
  (void)state;
  for (unsigned idle = 7; idle <= 9; idle++) {
    fh_heap *heap = empty_heap();
    make_idle(idle);
    char *used = fh_malloc(fh_class_bytes(20));
    size_t waits = cached(heap, fh_class_bytes(20));
    assert_int_equal(heap->slab_count, idle + 1);
    fh_pages_trim();
    assert_int_equal(fh_pages_dirty(), 0);
    char *next = fh_malloc(fh_class_bytes(30));
    assert_int_equal(heap->slab_count, idle < 8 ? idle + 2 : 2);
    assert_int_equal(fh_pages_dirty(), idle < 8 ? 0 : idle - 1);
    assert_true(waits != 0 && cached(heap, fh_class_bytes(20)) == waits); /* it is not idle */
    fh_free(used);
    fh_free(next);
  }
  empty_heap();
}

/* Nor where they are few beside what is used. */
static void few_idle_caches_stay(void **state) {
  enum { USED = 33 };
  size_t bytes = fh_class_bytes(20), each = slots_of(bytes);
  fh_heap *heap = empty_heap();
  (void)state;
  for (size_t i = 0; i < USED * each; i++) {
    slots[i] = fh_malloc(bytes);
  }
  make_idle(8);
  fh_pages_trim();
  fh_free(fh_malloc(fh_class_bytes(30)));
  assert_int_equal(heap->slab_count, USED + 8 + 1);
  give(0, USED * each);
  empty_heap();
}

/* With memory at hand they do not. */
static void idle_caches_stay(void **state) {
  fh_heap *heap = empty_heap();
  (void)state;
  make_idle(12);
  assert_true(fh_pages_dirty() != 0);
  fh_free(fh_malloc(fh_class_bytes(30)));
  assert_int_equal(heap->slab_count, 13);
  empty_heap();
}

/* What was freed last is taken first, from whatever slab. */
static void last_freed_is_first_taken(void **state) {
  size_t bytes = 256, each = slots_of(bytes);
  (void)state;
  fill(bytes, 3);
  for (unsigned i = 0; i < 3; i++) {
    fh_free(slots[i * each + 5]);
  }
  for (unsigned i = 3; i-- != 0;) {
    assert_ptr_equal(fh_malloc(bytes), slots[i * each + 5]);
  }
  give(0, 3 * each);
  empty_heap();
}

static void emptied_slabs_go_back(void **state) {
  size_t bytes = 512, each = slots_of(bytes);
  fh_heap *heap = empty_heap();
  (void)state;
  size_t before = pages_used();
  fill(bytes, SLABS);
  assert_int_equal(pages_used(), before + SLABS);
  assert_int_equal(heap->slab_count, SLABS);
  assert_int_equal(heap->slabs[fh_class_of(bytes)].count, SLABS);
  char *start = slab_at(slots[0])->start;
  give(0, each - 1);
  assert_int_equal(pages_used(), before + SLABS); /* one slot holds the page */
  give(each - 1, each);
  fh_cache_flush(heap);
  assert_int_equal(pages_used(), before + SLABS - 1);
  assert_int_not_equal(fh_span_kind_of(fh_arena_find(start)), FH_SPAN_SLAB);
  give(each, SLABS * each);
  assert_true(pages_used() <= before + 2); /* what the cache holds lies in the last ones */
  empty_heap();
  assert_int_equal(pages_used(), before);
}

/* Whoever owns most of its memory in one slot a slab has not given up anything: but the slabs go when it has. */
static void sparse_slabs_stay(void **state) {
  size_t bytes = 256, each = slots_of(bytes), before = (empty_heap(), pages_used());
  (void)state;
  fill(bytes, SLABS);
  for (size_t slab = 0; slab < SLABS; slab++) {
    give(slab * each + 1, (slab + 1) * each);
  }
  assert_int_equal(pages_used(), before + SLABS);
  fh_cache_flush(fh_heap_mine());
  for (size_t slab = 0; slab < SLABS; slab++) {
    assert_int_equal(fh_slab_live(slab_at(slots[slab * each])), 1);
    fh_free(slots[slab * each]);
  }
  empty_heap();
  assert_int_equal(pages_used(), before);
}

static bool within(const fh_hole *list, const fh_span *slab) {
  for (const fh_hole *link = list->next; link != list; link = link->next) {
    if (link == &slab->link) {
      return true;
    }
  }
  return false;
}

static bool is_partial(const fh_heap *heap, const fh_span *slab) {
  for (unsigned q = 0; q < FH_SLAB_FULL; q++) {
    if (within(&heap->slabs[slab->class].partial[q], slab)) {
      return true;
    }
  }
  return false;
}

/* Frees into a full slab list it after a few, and it serves before a new one is made. */
static void full_slabs_are_used_again(void **state) {
  static const size_t sizes[] = {16, 64, 144, 512, 1024};
  fh_heap *heap = empty_heap();
  (void)state;
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    size_t each = slots_of(sizes[s]), few = each / 8 + 2;
    fill(sizes[s], 3);
    fh_span *first = slab_at(slots[0]);
    assert_false(is_partial(heap, first));
    give(0, few);
    fh_cache_flush(heap);
    assert_true(is_partial(heap, first));
    size_t pages = pages_used();
    for (size_t i = 0; i < few; i++) {
      slots[i] = fh_malloc(sizes[s]);
      assert_ptr_equal(slab_at(slots[i]), first);
    }
    assert_int_equal(pages_used(), pages);
    assert_int_equal(fh_slab_live(first), each);
    slots[3 * each] = fh_malloc(sizes[s]); /* all are full: only now a new one */
    assert_int_equal(pages_used(), pages + 1);
    give(0, 3 * each + 1);
    empty_heap();
  }
}

/* The fullest serve first, so that the emptiest can go. */
static void fullest_serve_first(void **state) {
  size_t bytes = 32, each = slots_of(bytes);
  (void)state;
  fill(bytes, 3);
  fh_span *sparse = slab_at(slots[0]), *dense = slab_at(slots[each]);
  give(0, each - 20);
  give(each, each + each / 2 + 40);
  fh_cache_flush(fh_heap_mine());
  for (size_t i = 0; i < each / 2 + 40; i++) {
    slots[each + i] = fh_malloc(bytes);
    assert_ptr_equal(slab_at(slots[each + i]), dense);
  }
  slots[0] = fh_malloc(bytes);
  assert_ptr_equal(slab_at(slots[0]), sparse);
  assert_int_equal(fh_slab_live(sparse), 21 + cached(fh_heap_mine(), bytes));
  fh_free(slots[0]);
  give(each - 20, 3 * each);
  empty_heap();
}

/* Which of the slots in the first slabs are given: some alone, some side by side, whole words of them and none. */
static bool is_given(size_t i) { return i / 96 % 3 == 0 ? i % 3 == 0 : i / 96 % 3 == 1; }

static size_t give_some(size_t count) {
  size_t given = 0;
  for (size_t i = 0; i < count; i++) {
    if (is_given(i)) {
      fh_free(slots[i]);
      given++;
    }
  }
  fh_cache_flush(fh_heap_mine());
  return given;
}

/* The map of a slab says of each slot whether it is free, and that what is behind the last one is. */
static void maps_say_what_is_free(void **state) {
  (void)state;
  for (unsigned class = 1; class < FH_CLASSES; class ++) {
    size_t bytes = fh_class_bytes(class), each = slots_of(bytes);
    fill(bytes, 2);
    give_some(2 * each);
    for (size_t i = 0; i < 2 * each; i++) {
      const fh_span *slab = slab_at(slots[i]);
      size_t number = (size_t)(slots[i] - slab->start) / bytes;
      assert_int_equal(fh_slotmap_is_free(slab->map, (unsigned)number), is_given(i));
    }
    for (size_t number = each; number < (size_t)64 << slab_at(slots[2])->map->order; number++) {
      assert_true(fh_slotmap_is_free(slab_at(slots[2])->map, (unsigned)number));
    }
    for (size_t i = 0; i < 2 * each; i++) {
      if (!is_given(i)) {
        fh_free(slots[i]);
      }
    }
  }
  empty_heap();
}

/* What is free in a slab is taken in order of addresses, each slot once, and no more of them than are looked at soon.
 */
static void free_slots_are_taken_in_order(void **state) {
  enum { AT_ONCE = 256 };
  (void)state;
  for (unsigned class = 1; class < FH_CLASSES; class ++) {
    size_t bytes = fh_class_bytes(class), each = slots_of(bytes), taken = 0;
    fill(bytes, 2);
    size_t given = give_some(2 * each);
    for (size_t i = 0; i < 2 * each; i++) {
      if (is_given(i)) {
        char *before = taken++ == 0 ? NULL : slots[2 * each];
        slots[i] = slots[2 * each] = fh_malloc(bytes);
        memset(slots[i], (int)(i % 251), bytes);
        assert_true(before == NULL || slab_at(before) != slab_at(slots[i]) || before < slots[i]);
        assert_true(cached(fh_heap_mine(), bytes) < AT_ONCE);
      }
    }
    assert_int_equal(taken, given);
    for (size_t i = 0; i < 2 * each; i++) {
      assert_int_equal(slots[i][0], (char)(i % 251));
    }
    give(0, 2 * each);
  }
  empty_heap();
}

/* A flush leaves nothing in the caches; slabs that hold something are on a list, and serve again. */
static void flushed_slabs_are_listed(void **state) {
  size_t bytes = 208;
  fh_heap *heap = empty_heap();
  (void)state;
  char *kept = fh_malloc(bytes), *gone = fh_malloc(960);
  fh_span *slab = slab_at(kept);
  fh_free(gone);
  assert_int_equal(heap->slab_count, 2);
  fh_cache_flush(heap);
  for (unsigned class = 1; class < FH_CLASSES; class ++) {
    assert_null(heap->cache[class].first);
    assert_int_equal(heap->cache[class].room, heap->cache[class].limit);
  }
  assert_int_equal(heap->slab_count, 1); /* the empty one went back */
  assert_true(is_partial(heap, slab));
  char *next = fh_malloc(bytes);
  assert_ptr_equal(slab_at(next), slab);
  assert_ptr_not_equal(next, kept);
  fh_free(kept);
  fh_free(next);
  empty_heap();
}

/* So that its thread alone frees into it without asking. */
static void slabs_say_whose_they_are(void **state) {
  size_t bytes = 512, each = slots_of(bytes);
  (void)state;
  fill(bytes, 3);
  for (size_t i = 0; i < 3; i++) {
    assert_ptr_equal(slab_at(slots[i * each])->owner, fh_heap_mine());
    assert_ptr_equal(fh_cache_at(fh_heap_mine(), slab_at(slots[i * each])->cache),
                     &fh_heap_mine()->cache[fh_class_of(bytes)]);
  }
  char *start = slab_at(slots[0])->start;
  give(0, 3 * each);
  empty_heap();
  assert_null(fh_arena_find(start)->owner);
}

/* A thread that wants a class for a few objects only does not get a page for them. */
static void few_objects_lie_in_the_chunk_heap(void **state) {
  size_t few = FH_EARLY_BYTES / 64;
  fh_heap *heap = empty_heap();
  (void)state;
  for (unsigned round = 0; round < 2; round++) { /* and again after the slabs of the class are gone */
    heap->early[fh_class_of(64)] = round == 0 ? 0 : heap->early[fh_class_of(64)];
    for (size_t i = 0; i < few; i++) {
      slots[i] = i % 2 == 0 ? fh_malloc(60) : fh_memalign(64, 64);
      assert_non_null(slots[i]);
      assert_int_equal(fh_span_kind_of(fh_arena_find(slots[i])) == FH_SPAN_SLAB, false);
      assert_true(fh_usable_size(slots[i]) >= 60);
      assert_int_equal((uintptr_t)slots[i] % (i % 2 == 0 ? 16 : 64), 0);
    }
    assert_int_equal(heap->slab_count, 0);
    slots[few] = fh_malloc(64);
    fh_span *slab = slab_at(slots[few]);
    assert_int_equal(fh_slab_live(slab), 1 + cached(heap, 64));
    for (size_t i = 0; i <= few; i++) {
      fh_free(slots[i]);
    }
    fh_cache_flush(heap);
    assert_int_equal(heap->slab_count, 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_size_has_its_class),
      cmocka_unit_test(waste_is_bounded),
      cmocka_unit_test(grains_have_one_class),
      cmocka_unit_test(starts_of_slots_are_known),
      cmocka_unit_test(twelve_classes_serve_first),
      cmocka_unit_test(classes_share_the_first_slab),
      cmocka_unit_test(slabs_hold_what_they_say),
      cmocka_unit_test(aligned_slots),
      cmocka_unit_test(live_slots_are_counted),
      cmocka_unit_test(caches_hold_a_share),
      cmocka_unit_test(caches_hold_little_of_sparse_slabs),
      cmocka_unit_test(idle_caches_give_way),
      cmocka_unit_test(few_idle_caches_stay),
      cmocka_unit_test(idle_caches_stay),
      cmocka_unit_test(last_freed_is_first_taken),
      cmocka_unit_test(emptied_slabs_go_back),
      cmocka_unit_test(sparse_slabs_stay),
      cmocka_unit_test(full_slabs_are_used_again),
      cmocka_unit_test(fullest_serve_first),
      cmocka_unit_test(maps_say_what_is_free),
      cmocka_unit_test(free_slots_are_taken_in_order),
      cmocka_unit_test(flushed_slabs_are_listed),
      cmocka_unit_test(slabs_say_whose_they_are),
      cmocka_unit_test(few_objects_lie_in_the_chunk_heap),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
