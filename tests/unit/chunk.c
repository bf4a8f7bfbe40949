/* The chunk heap: what is split comes together again, headers always agree, and memory that is not used is given back.
 */
#include "unit/cm.h"

#include <stdlib.h>
#include <string.h>

#include "heap/heap.h"
#include "heap/quick.h"
#include "os/os.h"

/* Bytes of a chunk too long for the quick lists. */
enum { LONG = 40000 };

typedef struct seen {
  const char *user;
  size_t bytes;
  fh_chunk_state state;
} seen;

enum { SEEN_MOST = 20000 };

static seen walked[SEEN_MOST];
static size_t walked_count;

static void see(void *arg, const void *user, size_t bytes, fh_chunk_state state) {
  (void)arg;
  assert_true(walked_count < SEEN_MOST);
  walked[walked_count++] = (seen){user, bytes, state};
}

static void walk(const fh_chunks *h) {
  walked_count = 0;
  fh_chunk_walk(h, see, NULL);
}

static const seen *find(const void *user) {
  for (size_t i = 0; i < walked_count; i++) {
    if (walked[i].user == user) {
      return &walked[i];
    }
  }
  return NULL;
}

static bool is(const void *user, fh_chunk_state state, size_t bytes) {
  const seen *s = find(user);
  return s != NULL && s->state == state && s->bytes == bytes;
}

static size_t count_state(fh_chunk_state state) {
  size_t count = 0;
  for (size_t i = 0; i < walked_count; i++) {
    count += walked[i].state == state;
  }
  return count;
}

static size_t bytes_of_state(fh_chunk_state state) {
  size_t bytes = 0;
  for (size_t i = 0; i < walked_count; i++) {
    bytes += walked[i].state == state ? walked[i].bytes : 0;
  }
  return bytes;
}

static fh_span *stretch_of(const void *user) {
  fh_span *span = fh_arena_find(user);
  assert_non_null(span);
  if (fh_span_kind_of(span) == FH_SPAN_INSIDE) {
    span -= span->u.back;
  }
  assert_int_equal(fh_span_kind_of(span), FH_SPAN_CHUNKS);
  return span;
}

/* The chunks of one stretch, from walked[from] on; the index behind the last. */
static size_t check_stretch(const fh_chunks *h, size_t from) {
  const fh_span *span = stretch_of(walked[from].user);
  const char *at = span->start + FH_UNIT, *end = span->start + fh_span_bytes(span);
  const seen *before = NULL;
  size_t i = from;
  for (; i < walked_count && stretch_of(walked[i].user) == span; i++) {
    const fh_chunk *c = chunk_of(walked[i].user);
    assert_ptr_equal(walked[i].user, at);
    assert_int_equal(chunk_before_length(c) * FH_UNIT, before == NULL ? 0 : before->bytes);
    bool hole_before = before != NULL && before->state == FH_CHUNK_HOLE;
    assert_int_equal((chunk_flags(c) & CHUNK_BEFORE_FREE) != 0, hole_before);
    assert_false(hole_before && walked[i].state == FH_CHUNK_HOLE); /* never two holes side by side */
    before = &walked[i];
    at += before->bytes;
  }
  assert_ptr_equal(at, end); /* and the END head is the last unit */
  assert_ptr_equal(span->heap, h->heap);
  return i;
}

static bool is_open(const fh_chunks *h, const fh_chunk *c) {
  return c == h->open[FH_OPEN_REST] || c == h->open[FH_OPEN_JOINED];
}

static size_t count_open(const fh_chunks *h) {
  size_t count = 0;
  for (unsigned i = 0; i < FH_OPEN; i++) {
    if (h->open[i] != NULL) {
      assert_non_null(find(chunk_user(h->open[i])));
      assert_int_equal(find(chunk_user(h->open[i]))->state, FH_CHUNK_HOLE);
      count++;
    }
  }
  assert_true(count < 2 || h->open[FH_OPEN_REST] != h->open[FH_OPEN_JOINED]);
  return count;
}

static uint64_t dirty_open(const fh_chunks *h) {
  uint64_t units = 0;
  for (unsigned i = 0; i < FH_OPEN; i++) {
    bool big = h->open[i] != NULL && chunk_length(h->open[i]) >= FH_BIG_UNITS;
    units += big ? big_of(h->open[i])->units : 0;
  }
  return units;
}

/* In the index; what it says of each agrees with its head. */
static size_t count_indexed(const fh_chunks *h) {
  size_t count = 0;
  for (unsigned group = 0; group < FH_BINS_GROUPS; group++) {
    for (unsigned bin = 0; bin < 32; bin++) {
      for (fh_hole *hole = h->holes.head[group][bin]; hole != NULL; hole = hole->next, count++) {
        fh_bins_place place = fh_bins_place_of(hole_length(hole));
        assert_true(place.group == group && place.bin == bin);
        assert_true(!is_open(h, hole_chunk(hole)));
      }
    }
  }
  return count;
}

/* On the lists of what is dirty; each hole is on that of its dirty units. */
static uint64_t dirty_listed(const fh_chunks *h) {
  uint64_t units = 0;
  for (unsigned i = 0; i < FH_DIRTY_LISTS; i++) {
    for (const fh_hole *link = h->dirty[i].next; link != NULL; link = link->next) {
      const big_hole *big = (const big_hole *)(const void *)((const char *)link - offsetof(big_hole, dirty));
      unsigned step = fh_highest_bit(big->units * FH_UNIT | 4096) - 12;
      assert_int_equal(fh_min(step, FH_DIRTY_LISTS - 1), i);
      assert_true(big->units != 0 && !is_open(h, (const fh_chunk *)(const void *)big));
      units += big->units;
    }
  }
  return units;
}

/* Every header, and the sums that the heap keeps. */
static void check_all(const fh_chunks *h) {
  size_t total = 0, big = 0;
  walk(h);
  for (size_t i = 0; i < walked_count;) {
    total += fh_span_bytes(stretch_of(walked[i].user));
    i = check_stretch(h, i);
  }
  for (size_t i = 0; i < walked_count; i++) {
    big += walked[i].state == FH_CHUNK_HOLE && walked[i].bytes >= FH_BIG_UNITS * FH_UNIT ? walked[i].bytes : 0;
  }
  assert_int_equal(count_indexed(h) + count_open(h), count_state(FH_CHUNK_HOLE));
  assert_int_equal(h->total_bytes, total);
  assert_int_equal(h->free_units * FH_UNIT, bytes_of_state(FH_CHUNK_HOLE));
  assert_int_equal(h->big_units * FH_UNIT, big);
  assert_true(h->dirty_units <= (uint64_t)h->big_units);
  assert_int_equal(dirty_listed(h) + dirty_open(h), h->dirty_units);
}

static fh_chunks *mine(void) {
  fh_heap *heap = fh_heap_mine();
  assert_non_null(heap);
  fh_chunk_trim(&heap->chunks);
  walk(&heap->chunks);
  assert_int_equal(count_state(FH_CHUNK_USED), 0); /* each test leaves nothing behind */
  return &heap->chunks;
}

static char *take(fh_chunks *h, size_t bytes) {
  char *user = fh_chunk_take(h, bytes, NULL);
  assert_non_null(user);
  assert_int_equal((uintptr_t)user % FH_UNIT, 0);
  assert_true(fh_chunk_usable(user) >= bytes);
  return user;
}

static void give(fh_chunks *h, void *user) { fh_chunk_give(h, "free", user); }

/* Everything given back is one hole, or nothing, in each stretch. */
static void check_empty(fh_chunks *h) {
  fh_chunk_trim(h);
  check_all(h);
  assert_int_equal(count_state(FH_CHUNK_HOLE), walked_count);
  assert_true(walked_count <= 1);
}

/* free | used | free, and now the middle. */
static void neighbours_join(fh_chunks *h, size_t bytes) {
  char *a = take(h, bytes), *b = take(h, bytes), *c = take(h, bytes), *guard = take(h, bytes);
  size_t each = chunk_units(bytes) * FH_UNIT;
  assert_ptr_equal(b, a + each);
  assert_ptr_equal(c, b + each);
  assert_ptr_equal(guard, c + each);
  give(h, a);
  give(h, c);
  fh_chunk_trim(h);
  walk(h);
  assert_true(is(a, FH_CHUNK_HOLE, each) && is(b, FH_CHUNK_USED, each) && is(c, FH_CHUNK_HOLE, each));
  give(h, b);
  fh_chunk_trim(h);
  walk(h);
  assert_true(is(a, FH_CHUNK_HOLE, 3 * each));
  assert_true(find(b) == NULL && find(c) == NULL);
  assert_true(is(guard, FH_CHUNK_USED, each));
  char *all = take(h, 3 * each - FH_CHUNK_HEAD); /* it serves as a whole */
  assert_ptr_equal(all, a);
  give(h, all);
  give(h, guard);
  check_empty(h);
}

static void long_chunks_join(void **state) {
  (void)state;
  neighbours_join(mine(), LONG);
  neighbours_join(mine(), FH_CHUNK_MAX / 3 - FH_UNIT);
}

static void quick_chunks_join(void **state) {
  (void)state;
  neighbours_join(mine(), 83 * FH_UNIT - FH_CHUNK_HEAD); /* 83 units are a class, and three times as many are */
  neighbours_join(mine(), 24);
}

/* What is taken out of a hole is cut to the unit when it is long, and the rest is a hole again. */
static void holes_are_split(void **state) {
  fh_chunks *h = mine();
  (void)state;
  char *big = take(h, 100000), *guard = take(h, 60000); /* in a stretch of 192 KiB the rest is shorter than LONG */
  size_t whole = chunk_units(100000) * FH_UNIT, part = chunk_units(LONG) * FH_UNIT;
  give(h, big);
  char *a = take(h, LONG);
  assert_ptr_equal(a, big);
  walk(h);
  assert_true(is(a, FH_CHUNK_USED, part));
  assert_true(is(a + part, FH_CHUNK_HOLE, whole - part));
  char *rest = take(h, whole - part - FH_CHUNK_HEAD - 2 * FH_UNIT); /* 2 units more would be too short for a hole */
  assert_ptr_equal(rest, a + part);
  walk(h);
  assert_true(is(rest, FH_CHUNK_USED, whole - part));
  give(h, a);
  give(h, rest);
  give(h, guard);
  check_empty(h);
}

/* Quick lists. What they may hold is a share of what is live: enough is, and every list has room. */

enum { BALLAST = 16 };

static char *ballast[BALLAST];

static fh_chunks *mine_with_ballast(void) {
  fh_chunks *h = mine();
  for (size_t i = 0; i < BALLAST; i++) {
    ballast[i] = take(h, FH_CHUNK_MAX);
  }
  return h;
}

static void drop_ballast(fh_chunks *h) {
  for (size_t i = 0; i < BALLAST; i++) {
    give(h, ballast[i]);
  }
  check_empty(h);
}

/* What is split last is in no list, and is the hole that rows of chunks come from; but a closer fit is taken first, as
 * if it were in the index. */
static void rows_come_from_the_rest(void **state) {
  enum { EACH = 2 * LONG, FIT = FH_STRETCH_LEAST / EACH, ROW = FIT < 8 ? FIT : 8 }; /* of one stretch */
  (void)state;
  fh_chunks *h = mine();
  char *row[ROW];
  for (int i = 0; i < ROW; i++) {
    row[i] = take(h, EACH);
    assert_true(i == 0 || row[i] == row[i - 1] + fh_chunk_usable(row[i - 1]) + FH_CHUNK_HEAD);
    assert_ptr_equal(h->open[FH_OPEN_REST], chunk_next(chunk_of(row[i])));
  }
  fh_chunk_give(h, "free", row[ROW - 1]); /* joins it, and it stays open */
  assert_ptr_equal(h->open[FH_OPEN_REST], chunk_of(row[ROW - 1]));
  assert_ptr_equal(take(h, EACH), row[ROW - 1]);
  fh_chunk_give(h, "free", row[0]); /* a hole of that length */
  check_all(h);
  assert_ptr_equal(take(h, EACH), row[0]);
  fh_chunk_give(h, "free", row[0]);
  char *part = take(h, LONG); /* of the hole, whose rest is open now; the long one is in the index */
  assert_ptr_equal(part, row[0]);
  assert_ptr_equal(h->open[FH_OPEN_REST], chunk_next(chunk_of(part)));
  check_all(h);
  char *whole = take(h, fh_chunk_usable(chunk_user(h->open[FH_OPEN_REST]))); /* nothing is left of it */
  assert_null(h->open[FH_OPEN_REST]);
  check_all(h);
  fh_chunk_give(h, "free", whole);
  fh_chunk_give(h, "free", part);
  for (int i = 1; i < ROW; i++) {
    fh_chunk_give(h, "free", row[i]);
  }
  check_all(h);
}

/* The heap is not to be found shrunken by what the tests before have used. */
static fh_chunks *mine_unshrunken(void) {
  fh_chunks *h = mine();
  h->mark_units = 0;
  h->shrunk_at = h->slow_calls;
  h->patience = 64;
  return h;
}

/* What the second of a row joins is in no list either, until there is another row (short stretches have room for one
 * and a half). */
static void rows_go_back_to_one_hole(void **state) {
  enum { EACH = (FH_QUICK_LONGEST + 1) * FH_UNIT, ROW = FH_STRETCH_LEAST < 12 * EACH ? 5 : 7 }; /* of one stretch */
  (void)state;
  fh_chunks *h = mine_unshrunken();
  char *row[ROW];
  for (int i = 0; i < ROW; i++) {
    row[i] = take(h, EACH);
  }
  size_t indexed = count_indexed(h);
  for (int i = 0; i < ROW / 2; i++) { /* up */
    fh_chunk_give(h, "free", row[i]);
    assert_ptr_equal(h->open[FH_OPEN_JOINED], i == 0 ? NULL : chunk_of(row[0]));
    assert_int_equal(count_indexed(h), indexed + (i == 0));
    check_all(h);
  }
  for (int i = ROW - 2; i > ROW / 2; i--) { /* down: a second row closes the first */
    fh_chunk_give(h, "free", row[i]);
    assert_ptr_equal(h->open[FH_OPEN_JOINED], chunk_of(row[i == ROW - 2 ? 0 : i]));
    assert_int_equal(count_indexed(h), indexed + 1);
    check_all(h);
  }
  fh_chunk_give(h, "free", row[ROW / 2]); /* joins all */
  assert_int_equal(count_indexed(h), indexed);
  check_all(h);
  fh_chunk_give(h, "free", row[ROW - 1]); /* and the rest of what was split last */
  assert_null(h->open[FH_OPEN_JOINED]);
  check_all(h);
}

/* An open hole serves like any other. */
static void open_holes_serve(void **state) {
  (void)state;
  fh_chunks *h = mine_unshrunken();
  char *one = take(h, LONG), *two = take(h, LONG), *three = take(h, LONG), *guard = take(h, LONG);
  fh_chunk_give(h, "free", one);
  fh_chunk_give(h, "free", two);
  assert_ptr_equal(h->open[FH_OPEN_JOINED], chunk_of(one));
  check_all(h);
  char *fits = take(h, (size_t)chunk_length(chunk_of(one)) * FH_UNIT - FH_CHUNK_HEAD); /* nothing fits as well */
  assert_ptr_equal(fits, one);
  assert_null(h->open[FH_OPEN_JOINED]);
  check_all(h);
  fh_chunk_give(h, "free", fits); /* joins nothing: into the index */
  fh_chunk_give(h, "free", three);
  assert_ptr_equal(h->open[FH_OPEN_JOINED], chunk_of(one));
  char *part = take(h, LONG + LONG / 2); /* of it: the shortest that fits */
  assert_ptr_equal(part, one);
  assert_null(h->open[FH_OPEN_JOINED]);
  assert_ptr_equal(h->open[FH_OPEN_REST], chunk_next(chunk_of(part)));
  check_all(h);
  fh_chunk_trim(h);
  for (unsigned i = 0; i < FH_OPEN; i++) {
    assert_null(h->open[i]); /* what is dirty is looked for in lists */
  }
  check_all(h);
  fh_chunk_give(h, "free", part);
  fh_chunk_give(h, "free", guard);
  check_all(h);
}

static void quick_lists_keep_chunks(void **state) {
  fh_chunks *h = mine_with_ballast();
  (void)state;
  char *a = take(h, 1600), *b = take(h, 1600);
  size_t each = chunk_units(1600) * FH_UNIT;
  give(h, a);
  walk(h);
  assert_true(is(a, FH_CHUNK_QUICK, each));
  give(h, b);
  walk(h);
  assert_true(is(b, FH_CHUNK_QUICK, each));
  assert_ptr_equal(fh_quick_take(h, each / FH_UNIT), b); /* the last one first: it is still in the cache */
  assert_ptr_equal(fh_quick_take(h, each / FH_UNIT), a);
  assert_null(fh_quick_take(h, each / FH_UNIT));
  walk(h);
  assert_true(is(a, FH_CHUNK_USED, each) && is(b, FH_CHUNK_USED, each));
  give(h, a);
  give(h, b);
  drop_ballast(h);
}

/* Every length is served by a class that is at most 1/32 longer, and waits in one that is not longer. */
static void classes_agree(void **state) {
  (void)state;
  for (unsigned class = 0; class < FH_QUICK_LISTS; class ++) {
    uint64_t units = fh_quick_class_units(class);
    assert_int_equal(fh_quick_class_up(units), class);
    assert_int_equal(fh_quick_class_down(units), class);
  }
  for (uint64_t units = 2; units <= chunk_units(FH_QUICK_MAX); units++) {
    uint64_t served = fh_quick_class_units(fh_quick_class_up(units));
    assert_true(served >= units && served <= units + units / 32);
    assert_true(units > 64 || served == units);
  }
  for (uint64_t units = 2; units <= FH_QUICK_LONGEST; units++) {
    assert_true(fh_quick_class_units(fh_quick_class_down(units)) <= units);
  }
  assert_int_equal(fh_quick_class_up(chunk_units(FH_QUICK_MAX)), FH_QUICK_LISTS - 1);
  assert_int_equal(fh_quick_class_down(FH_QUICK_LONGEST), FH_QUICK_LISTS - 1);
  assert_int_equal(fh_quick_class_down(FH_QUICK_LONGEST + 1), FH_QUICK_LISTS);
  for (size_t bytes = 1024; bytes <= FH_QUICK_MAX; bytes *= 2) { /* a power of two wastes nothing */
    assert_int_equal(fh_quick_class_units(fh_quick_class_up(chunk_units(bytes))), chunk_units(bytes));
  }
}

/* Two classes more will do. */
static void quick_lists_serve_near_lengths(void **state) {
  fh_chunks *h = mine_with_ballast();
  (void)state;
  char *a = take(h, 100 * FH_UNIT - FH_CHUNK_HEAD);
  assert_int_equal(fh_chunk_usable(a), 101 * FH_UNIT - FH_CHUNK_HEAD);
  give(h, a);
  assert_null(fh_quick_take(h, 102));
  assert_null(fh_quick_take(h, 95));
  assert_ptr_equal(fh_quick_take(h, 96), a);
  assert_int_equal(fh_chunk_usable(a), 101 * FH_UNIT - FH_CHUNK_HEAD);
  give(h, a);
  drop_ballast(h);
}

/* But not in a large heap. */
static void large_heaps_are_exact(void **state) {
  enum { COUNT = 300, OVERFLOW = 60 };
  static char *users[COUNT], *quick[OVERFLOW];
  fh_chunks *h = mine();
  (void)state;
  for (size_t i = 0; i < COUNT; i++) {
    users[i] = take(h, FH_CHUNK_MAX);
  }
  for (size_t i = 0; i < OVERFLOW; i++) {
    quick[i] = take(h, FH_QUICK_MAX);
  }
  for (size_t i = 0; i < OVERFLOW; i++) { /* more than they may hold */
    give(h, quick[i]);
  }
  walk(h);
  assert_true(bytes_of_state(FH_CHUNK_QUICK) <= (16u << 10) + (1u << 20));
  char *a = take(h, 100 * FH_UNIT - FH_CHUNK_HEAD);
  give(h, a);
  assert_null(fh_quick_take(h, 99));
  assert_ptr_equal(fh_quick_take(h, 100), a);
  give(h, a);
  for (size_t i = 0; i < COUNT; i++) {
    give(h, users[i]);
  }
  check_empty(h);
}

/* 90 lengths in turn; bytes of them all, heads included. */
static uint64_t take_many(fh_chunks *h, char **users, size_t count, size_t least) {
  uint64_t live = 0;
  for (size_t i = 0; i < count; i++) {
    users[i] = take(h, least + i % 90 * 20);
    live += fh_chunk_usable(users[i]) + FH_CHUNK_HEAD;
  }
  return live;
}

/* What waits there is memory that a small program would not have touched. */
static void small_heaps_keep_little(void **state) {
  enum { COUNT = 200 };
  static char *users[COUNT];
  fh_chunks *h = mine();
  (void)state;
  uint64_t live = take_many(h, users, COUNT, 1100);
  for (size_t i = 0; i < COUNT; i += 2) {
    give(h, users[i]);
  }
  walk(h);
  assert_in_range(bytes_of_state(FH_CHUNK_QUICK), 1, (16u << 10) + live / 8);
  for (size_t i = 1; i < COUNT; i += 2) {
    give(h, users[i]);
  }
  check_empty(h);
}

/* However long it is, and however small the heap. */
static void one_block_waits(void **state) {
  (void)state;
  fh_chunks *h = mine();
  char *block = take(h, FH_QUICK_MAX);
  give(h, block);
  walk(h);
  assert_int_equal(find(block)->state, FH_CHUNK_QUICK);
  assert_ptr_equal(take(h, FH_QUICK_MAX), block);
  give(h, block);
  check_empty(h);
}

static void quick_lists_are_bounded(void **state) {
  enum { COUNT = 3000 };
  static char *users[COUNT];
  fh_chunks *h = mine();
  (void)state;
  uint64_t live = take_many(h, users, COUNT, 100);
  for (size_t i = 0; i < COUNT; i++) {
    give(h, users[i]);
    if (i % 500 == 0) {
      walk(h);
      assert_true(bytes_of_state(FH_CHUNK_QUICK) <= (16u << 10) + live / 2);
    }
  }
  walk(h);
  assert_true(bytes_of_state(FH_CHUNK_QUICK) <= 32u << 10); /* nothing is used any more */
  check_empty(h);
}

static void other_lengths_are_not_quick(void **state) {
  fh_chunks *h = mine_with_ballast();
  (void)state;
  char *longest = take(h, FH_QUICK_LONGEST * FH_UNIT - FH_CHUNK_HEAD);
  char *longer = take(h, FH_QUICK_LONGEST * FH_UNIT - FH_CHUNK_HEAD + 1), *guard = take(h, LONG);
  give(h, longest);
  assert_false(fh_quick_give(h, longer));
  assert_false(fh_quick_give(h, longest)); /* it waits already */
  walk(h);
  assert_int_equal(find(longest)->state, FH_CHUNK_QUICK);
  assert_int_equal(find(longer)->state, FH_CHUNK_USED);
  give(h, longer);
  walk(h);
  assert_int_equal(find(longer)->state, FH_CHUNK_HOLE);
  give(h, guard);
  drop_ballast(h);
}

/* In place. */

static void grows_into_a_hole(void **state) {
  fh_chunks *h = mine();
  (void)state;
  char *a = take(h, LONG), *b = take(h, LONG), *guard = take(h, LONG);
  size_t each = chunk_units(LONG) * FH_UNIT;
  memset(a, 7, LONG);
  assert_false(fh_chunk_resize(h, a, LONG + 100)); /* b is in use */
  walk(h);
  assert_true(is(a, FH_CHUNK_USED, each) && is(b, FH_CHUNK_USED, each));
  give(h, b);
  assert_false(fh_chunk_resize(h, a, 2 * each)); /* by a head too long */
  assert_true(fh_chunk_resize(h, a, LONG + 500));
  check_all(h);
  assert_true(is(a, FH_CHUNK_USED, chunk_units(LONG + 500) * FH_UNIT));
  assert_true(fh_chunk_resize(h, a, 2 * each - FH_CHUNK_HEAD)); /* all of it */
  check_all(h);
  assert_true(is(a, FH_CHUNK_USED, 2 * each));
  assert_true(is(guard, FH_CHUNK_USED, each));
  for (size_t i = 0; i < LONG; i++) {
    assert_int_equal(a[i], 7);
  }
  memset(a, 8, fh_chunk_usable(a));
  check_all(h);
  give(h, a);
  give(h, guard);
  check_empty(h);
}

static void shrinks_in_place(void **state) {
  fh_chunks *h = mine();
  (void)state;
  char *a = take(h, 100000), *guard = take(h, LONG);
  size_t whole = chunk_units(100000) * FH_UNIT, part = chunk_units(LONG) * FH_UNIT;
  memset(a, 7, 100000);
  assert_true(fh_chunk_resize(h, a, 100000 - 3 * FH_UNIT)); /* the rest is too short for a hole */
  walk(h);
  assert_true(is(a, FH_CHUNK_USED, whole));
  assert_true(fh_chunk_resize(h, a, 70000));
  assert_true(fh_chunk_resize(h, a, LONG)); /* the second rest joins the first */
  check_all(h);
  assert_true(is(a, FH_CHUNK_USED, part));
  assert_true(is(a + part, FH_CHUNK_HOLE, whole - part));
  for (size_t i = 0; i < LONG; i++) {
    assert_int_equal(a[i], 7);
  }
  give(h, a);
  give(h, guard);
  check_empty(h);
}

/* A chunk stays that of its class, and grows to one where there is room. */
static void resizing_keeps_classes(void **state) {
  fh_chunks *h = mine();
  (void)state;
  char *a = take(h, 20000), *b = take(h, LONG), *guard = take(h, LONG);
  size_t of_class = fh_chunk_usable(a), all = of_class + chunk_units(LONG) * FH_UNIT;
  assert_true(of_class > 20000 + 4 * FH_UNIT);
  assert_true(fh_chunk_resize(h, a, 20000));
  assert_int_equal(fh_chunk_usable(a), of_class);
  assert_true(fh_chunk_resize(h, a, of_class));
  assert_int_equal(fh_chunk_usable(a), of_class);
  give(h, b);
  assert_true(fh_chunk_resize(h, a, 30000));
  assert_int_equal(fh_chunk_usable(a) + FH_CHUNK_HEAD,
                   fh_quick_class_units(fh_quick_class_up(chunk_units(30000))) * FH_UNIT);
  check_all(h);
  assert_true(fh_chunk_resize(h, a, all));
  assert_int_equal(fh_chunk_usable(a), all);
  assert_true(fh_chunk_resize(h, a, 20000));
  assert_int_equal(fh_chunk_usable(a), of_class);
  check_all(h);
  give(h, a);
  give(h, guard);
  check_empty(h);
}

/* Aligned: what lies in front and behind is a hole again. */
static void aligned_takes(void **state) {
  fh_chunks *h = mine();
  (void)state;
  for (size_t alignment = 32; alignment <= FH_CHUNK_MAX / 4; alignment *= 2) {
    for (size_t bytes = 1; bytes <= FH_CHUNK_MAX / 2; bytes = bytes * 3 + 5) {
      char *odd = take(h, LONG), *user = fh_chunk_take_aligned(h, alignment, bytes);
      assert_non_null(user);
      assert_int_equal((uintptr_t)user % alignment, 0);
      assert_true(fh_chunk_usable(user) >= bytes);
      uint64_t units = chunk_units(bytes); /* of a class, or one that waited: a few classes longer */
      assert_true(fh_chunk_usable(user) <= (units + units / 8 + 3) * FH_UNIT);
      memset(user, 1, fh_chunk_usable(user));
      check_all(h);
      assert_int_equal(count_state(FH_CHUNK_USED), 2);
      give(h, odd);
      give(h, user);
      check_empty(h);
    }
  }
}

/* What waits serves again where it lies right, and is left waiting where it does not. */
static void aligned_chunks_are_quick(void **state) {
  fh_chunks *h = mine();
  (void)state;
  for (size_t bytes = 500; bytes <= 8000; bytes *= 2) { /* all lists together hold 16 KiB in any case */
    char *user = fh_chunk_take_aligned(h, 256, bytes), *behind = take(h, LONG);
    assert_int_equal((uintptr_t)user % 256, 0);
    give(h, user);
    assert_ptr_equal(fh_chunk_take_aligned(h, 256, bytes), user);
    char *odd = take(h, bytes);
    size_t alignment = (size_t)2 << fh_lowest_bit((uintptr_t)odd); /* the least that it does not have */
    give(h, odd);
    char *other = fh_chunk_take_aligned(h, alignment, bytes);
    assert_ptr_not_equal(other, odd);
    assert_int_equal((uintptr_t)other % alignment, 0);
    assert_ptr_equal(take(h, bytes), odd);
    check_all(h);
    give(h, odd);
    give(h, other);
    give(h, behind);
    give(h, user);
    check_empty(h);
  }
}

/* Random operations against an oracle. */

typedef struct block {
  unsigned char *at;
  size_t bytes;
  unsigned char mark;
} block;

enum { BLOCKS = 400 };

static block blocks[BLOCKS];

static bool whole(const block *b, size_t bytes) {
  for (size_t i = 0; i < bytes; i++) {
    if (b->at[i] != (unsigned char)(b->mark + i)) {
      return false;
    }
  }
  return true;
}

static void born(block *b, void *at, size_t bytes) {
  assert_non_null(at);
  *b = (block){at, bytes, (unsigned char)rand()};
  for (size_t i = 0; i < bytes; i++) {
    b->at[i] = (unsigned char)(b->mark + i);
  }
}

static size_t random_size(void) {
  size_t r = (size_t)rand();
  return 1 + (r % 8 == 0 ? r / 8 % 60000 : r % 8 < 3 ? r / 8 % 6000 : r / 8 % 700);
}

static void resized(fh_chunks *h, block *b, size_t bytes) {
  if (fh_chunk_resize(h, b->at, bytes)) {
    assert_true(fh_chunk_usable(b->at) >= bytes);
    assert_true(whole(b, fh_min(b->bytes, bytes)));
    born(b, b->at, bytes);
  } else {
    assert_true(bytes > b->bytes); /* shrinking never fails */
  }
}

static void step(fh_chunks *h, block *b) {
  int what = rand() % 8;
  if (b->at == NULL) {
    size_t bytes = random_size(), alignment = (size_t)32 << rand() % 8;
    born(b, what == 0 ? fh_chunk_take_aligned(h, alignment, bytes) : fh_chunk_take(h, bytes, NULL), bytes);
  } else if (what < 2) {
    resized(h, b, random_size());
  } else {
    assert_true(whole(b, b->bytes));
    give(h, b->at);
    b->at = NULL;
  }
}

static void check_blocks(const fh_chunks *h) {
  size_t live = 0;
  check_all(h);
  for (size_t i = 0; i < BLOCKS; i++) {
    if (blocks[i].at != NULL) {
      const seen *s = find(blocks[i].at);
      assert_non_null(s);
      assert_int_equal(s->state, FH_CHUNK_USED);
      assert_true(s->bytes >= blocks[i].bytes + FH_CHUNK_HEAD);
      assert_true(whole(&blocks[i], blocks[i].bytes));
      live++;
    }
  }
  assert_int_equal(count_state(FH_CHUNK_USED), live);
}

static void headers_agree_always(void **state) {
  fh_chunks *h = mine();
  (void)state;
  srand(7);
  for (int i = 0; i < 20000; i++) {
    step(h, &blocks[rand() % BLOCKS]);
    if (i % 200 == 0) {
      check_blocks(h);
    }
    if (i % 5000 == 4999) {
      fh_chunk_trim(h);
      check_blocks(h);
      assert_int_equal(count_state(FH_CHUNK_QUICK), 0);
    }
  }
  for (size_t i = 0; i < BLOCKS; i++) {
    if (blocks[i].at != NULL) {
      give(h, blocks[i].at);
    }
  }
  check_empty(h);
}

/* Memory given back. */

enum { PAIRS = 64, LARGE = 100000 };

static char *large[PAIRS], *pins[PAIRS];

/* Large chunks with memory behind them, and a small one behind each so that they stay apart. */
static void take_pairs(fh_chunks *h) {
  for (size_t i = 0; i < PAIRS; i++) {
    large[i] = take(h, LARGE);
    memset(large[i], 1, LARGE);
    pins[i] = take(h, LONG);
    memset(pins[i], 1, LONG);
  }
}

static void give_pins(fh_chunks *h) {
  for (size_t i = 0; i < PAIRS; i++) {
    give(h, pins[i]);
  }
  check_empty(h);
}

/* Of the kernel pages that lie in large chunk i alone; 0 when its stretch went back to the page runs. */
static size_t resident_of(const fh_chunks *h, size_t i) {
  if (fh_span_heap(fh_arena_find(large[i])) != h->heap) {
    return 0;
  }
  size_t page = fh_os_page_size();
  char *from = (char *)fh_round_up((uintptr_t)large[i] + sizeof(big_hole), page);
  char *to = (char *)fh_round_down((uintptr_t)large[i] + LARGE, page);
  return fh_os_resident(from, (size_t)(to - from), NULL);
}

static size_t resident_of_all(const fh_chunks *h) {
  size_t sum = 0;
  for (size_t i = 0; i < PAIRS; i++) {
    sum += resident_of(h, i);
  }
  return sum;
}

static uint64_t live_bytes(const fh_chunks *h) { return h->total_bytes - h->free_units * FH_UNIT; }

static void dirty_holes_keep_the_budget(void **state) {
  fh_chunks *h = mine();
  (void)state;
  take_pairs(h);
  assert_true(resident_of_all(h) >= (size_t)PAIRS * (LARGE - (128u << 10) / 2)); /* they had memory to give */
  for (size_t i = 0; i < PAIRS; i++) {
    give(h, large[i]);
    assert_true(h->dirty_units * FH_UNIT <= FH_CHUNK_RETAIN + live_bytes(h) / 16 + fh_budget_beside(&h->budget));
  }
  assert_true(resident_of_all(h) <= h->dirty_units * FH_UNIT); /* and the kernel says the same */
  check_all(h);
  give_pins(h);
}

/* A heap that is found shrunken gives up what it keeps for speed. */

enum { WAVES = 400, WAVE = 17 /* not in step with the looks, every fourth slow call */ };

static unsigned shrunk; /* how often it was found so */

static void give_watched(fh_chunks *h, void *user) {
  uint32_t before = h->shrunk_at;
  give(h, user);
  shrunk += h->shrunk_at != before;
  /* The page runs know all holes then, but the one that this chunk has gone to, if it has not gone with its stretch. */
  int64_t news = h->big_units - h->noted_units;
  int64_t most = LONG / FH_UNIT + 2 * FH_BIG_UNITS, stretch = (1 << 20) / FH_UNIT;
  assert_true(h->shrunk_at == before || (news <= most && news >= -stretch));
}

/* Takes a wave of chunks, each of which is a slow call when it is given back, and gives all but `rest` back. */
static void wave(fh_chunks *h, char *at[WAVE], size_t rest) {
  for (size_t i = 0; i < WAVE; i++) {
    at[i] = take(h, LONG);
  }
  for (size_t i = rest; i < WAVE; i++) {
    give_watched(h, at[i]);
  }
}

static void heaps_that_grow_back_shrink_rarely(void **state) {
  fh_chunks *h = mine();
  char *at[WAVE];
  (void)state;
  h->patience = 0;
  h->shrunk_from = 0;
  shrunk = 0;
  wave(h, at, 0);
  assert_in_range(shrunk, 1, 2); /* at once, as long as it does not grow back */
  for (size_t i = 0; i < WAVES; i++) {
    wave(h, at, 0);
  }
  assert_in_range(shrunk, 4, 12); /* 6,817 slow calls: after 64, 192, 448, ... */
  uint32_t patience = h->patience;
  assert_true(patience >= 1000);
  shrunk = 0;
  wave(h, at, 2);
  for (uint32_t i = 0; i <= patience && shrunk == 0; i++) {
    give_watched(h, take(h, LONG));
  }
  assert_int_equal(shrunk, 1); /* and late once more */
  give(h, at[0]);
  give(h, at[1]);
  check_empty(h);
}

static void trim_purges_everything(void **state) {
  fh_chunks *h = mine();
  (void)state;
  take_pairs(h);
  for (size_t i = 0; i < 3; i++) {
    give(h, large[i]);
  }
  uint64_t dirty = h->dirty_units * FH_UNIT;
  assert_true(dirty >= LARGE);
  assert_int_equal(fh_chunk_trim(h), dirty);
  assert_int_equal(h->dirty_units, 0);
  assert_int_equal(fh_chunk_trim(h), 0);
  for (size_t i = 0; i < 3; i++) {
    assert_int_equal(resident_of(h, i), 0);
  }
  check_all(h); /* heads are untouched */
  for (size_t i = 0; i < PAIRS; i++) {
    assert_true(pins[i][0] == 1 && pins[i][LONG - 1] == 1);
    if (i >= 3) {
      assert_true(large[i][0] == 1 && large[i][LARGE - 1] == 1 && large[i][LARGE / 2] == 1);
      give(h, large[i]);
    }
  }
  give_pins(h);
}

/* An empty stretch goes back to the page runs, but for the last small one. */
static void empty_stretches_go_back(void **state) {
  fh_chunks *h = mine();
  fh_pages_counts before, during, after;
  (void)state;
  fh_pages_read(&before);
  take_pairs(h);
  fh_pages_read(&during);
  assert_true(during.used << FH_PAGE_SHIFT >= (before.used << FH_PAGE_SHIFT) + (size_t)LARGE * (PAIRS - 20));
  for (size_t i = 0; i < PAIRS; i++) {
    give(h, large[i]);
  }
  give_pins(h);
  fh_pages_read(&after);
  assert_true(h->total_bytes <= FH_STRETCH_LEAST);
  assert_true(after.used <= before.used + (FH_STRETCH_LEAST >> FH_PAGE_SHIFT));
}

/* Takes `count` chunks of `bytes`, checks what is said to be zero, and dirties them; how many were mostly zero. */
static size_t take_zeroed(fh_chunks *h, char **users, size_t count, size_t bytes) {
  size_t fresh = 0;
  for (size_t i = 0; i < count; i++) {
    size_t unzeroed = 12345;
    users[i] = fh_chunk_take(h, bytes, &unzeroed);
    assert_non_null(users[i]);
    assert_true(unzeroed != 12345);
    for (size_t k = unzeroed; k < bytes; k++) {
      assert_int_equal(users[i][k], 0);
    }
    fresh += unzeroed < 100;
    memset(users[i], 0xff, fh_chunk_usable(users[i]));
  }
  return fresh;
}

/* Memory that was never touched need not be cleared, all other must be. */
static void zero_is_said_rightly(void **state) {
  enum { COUNT = 100 };
  static char *users[COUNT];
  static const size_t sizes[] = {200, 1500, LONG, 40000, FH_CHUNK_MAX};
  fh_chunks *h = mine();
  size_t fresh = 0;
  (void)state;
  for (int round = 0; round < 4; round++) {
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
      fresh += take_zeroed(h, users, COUNT, sizes[s]);
      for (size_t i = 0; i < COUNT; i++) {
        give(h, users[i * 37 % COUNT]);
      }
      if (round % 2 == 0) {
        fh_chunk_trim(h);
        fh_pages_trim();
      }
    }
  }
  assert_true(fresh >= COUNT); /* fresh stretches do show */
  check_empty(h);
}

/* The hole at the end of a stretch. */
static const seen *last_hole(const fh_span *span) {
  const seen *last = NULL;
  for (size_t i = 0; i < walked_count; i++) {
    last = stretch_of(walked[i].user) == span ? &walked[i] : last;
  }
  assert_true(last != NULL && last->state == FH_CHUNK_HOLE);
  return last;
}

/* Two fresh holes in one bin, the shorter one behind the longer: its links point there, and they are where the memory
 * begins that is handed out. */
static void links_are_not_called_zero(void **state) {
  enum { MOST = 400, BYTES = 49200 /* not quite four in 192 KiB, nor twenty in 960: the holes at the ends are long */ };
  static char *users[MOST];
  fh_span *fresh[3];
  size_t count = 0, found = 0, unzeroed;
  fh_chunks *h = mine();
  (void)state;
  fh_pages_trim();
  while (found < 3) { /* the third one's beginning: the holes at the end of the others are left alone from then on */
    assert_true(count < MOST);
    char *user = users[count++] = fh_chunk_take(h, BYTES, &unzeroed);
    assert_non_null(user);
    if (unzeroed < 100 && (found == 0 || stretch_of(user) != fresh[found - 1])) {
      fresh[found++] = stretch_of(user);
      assert_true(found != 1 || fh_chunk_resize(h, user, BYTES + 4 * FH_UNIT)); /* so that its hole is shorter */
    }
  }
  walk(h);
  const seen *shorter = last_hole(fresh[0]), *longer = last_hole(fresh[1]);
  assert_int_equal(shorter->bytes + 4 * FH_UNIT, longer->bytes);
  assert_ptr_equal(hole_link(chunk_of(shorter->user))->prev, longer->user);
  char *user = fh_chunk_take(h, shorter->bytes - FH_CHUNK_HEAD, &unzeroed);
  assert_ptr_equal(user, shorter->user);
  assert_true(unzeroed < 100);
  for (size_t i = unzeroed; i < fh_chunk_usable(user); i++) {
    assert_int_equal(user[i], 0);
  }
  give(h, user);
  for (size_t i = 0; i < count; i++) {
    give(h, users[i]);
  }
  check_empty(h);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(long_chunks_join),
      cmocka_unit_test(quick_chunks_join),
      cmocka_unit_test(holes_are_split),
      cmocka_unit_test(rows_come_from_the_rest),
      cmocka_unit_test(rows_go_back_to_one_hole),
      cmocka_unit_test(open_holes_serve),
      cmocka_unit_test(quick_lists_keep_chunks),
      cmocka_unit_test(classes_agree),
      cmocka_unit_test(quick_lists_serve_near_lengths),
      cmocka_unit_test(large_heaps_are_exact),
      cmocka_unit_test(quick_lists_are_bounded),
      cmocka_unit_test(small_heaps_keep_little),
      cmocka_unit_test(one_block_waits),
      cmocka_unit_test(other_lengths_are_not_quick),
      cmocka_unit_test(grows_into_a_hole),
      cmocka_unit_test(shrinks_in_place),
      cmocka_unit_test(resizing_keeps_classes),
      cmocka_unit_test(aligned_takes),
      cmocka_unit_test(aligned_chunks_are_quick),
      cmocka_unit_test(headers_agree_always),
      cmocka_unit_test(dirty_holes_keep_the_budget),
      cmocka_unit_test(heaps_that_grow_back_shrink_rarely),
      cmocka_unit_test(trim_purges_everything),
      cmocka_unit_test(empty_stretches_go_back),
      cmocka_unit_test(zero_is_said_rightly),
      cmocka_unit_test(links_are_not_called_zero),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
