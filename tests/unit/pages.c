/* Page runs: split, coalesced, aligned, zero when they say so, and kept within the budget. */
#include "unit/cm.h"

#include <string.h>
#include <unistd.h>

#include "os/os.h"
#include "pages/arena.h"
#include "pages/pages.h"

static void neighbours_join(void **state) {
  fh_span *a = fh_pages_take(10, 1, FH_SPAN_LARGE), *b = fh_pages_take(10, 1, FH_SPAN_LARGE),
          *c = fh_pages_take(10, 1, FH_SPAN_LARGE), *end = fh_pages_take(1, 1, FH_SPAN_LARGE);
  (void)state;
  assert_true(a != NULL && b != NULL && c != NULL && end != NULL);
  char *start = a->start;
  assert_ptr_equal(b->start, start + 10 * FH_PAGE_SIZE);
  assert_ptr_equal(c->start, start + 20 * FH_PAGE_SIZE);
  fh_pages_give(a);
  fh_pages_give(c);
  fh_pages_give(b); /* free | used | free, and now the middle */
  fh_span *all = fh_pages_take(30, 1, FH_SPAN_LARGE);
  assert_non_null(all);
  assert_ptr_equal(all->start, start);
  fh_pages_give(all);
  fh_pages_give(end);
}

static void starts_are_aligned(void **state) {
  (void)state;
  for (size_t align = 1; align <= 256; align *= 2) {
    fh_span *span = fh_pages_take(3, align, FH_SPAN_LARGE);
    assert_non_null(span);
    assert_int_equal((uintptr_t)span->start % (align * FH_PAGE_SIZE), 0);
    fh_pages_give(span);
  }
}

static void fresh_means_zero(void **state) {
  (void)state;
  for (int round = 0; round < 50; round++) {
    fh_span *span = fh_pages_take(100, 1, FH_SPAN_LARGE);
    assert_non_null(span);
    for (size_t i = 0; span->fresh && i < fh_span_bytes(span); i++) {
      assert_int_equal(span->start[i], 0);
    }
    memset(span->start, 0x77, fh_span_bytes(span));
    fh_pages_give(span);
    if (round % 3 == 0) {
      fh_pages_trim();
    }
  }
}

static void budget_holds(void **state) {
  fh_span *spans[200];
  fh_pages_counts now;
  (void)state;
  for (int i = 0; i < 200; i++) {
    spans[i] = fh_pages_take(20, 1, FH_SPAN_LARGE);
    assert_non_null(spans[i]);
    memset(spans[i]->start, 1, fh_span_bytes(spans[i]));
  }
  for (int i = 0; i < 200; i++) {
    fh_pages_give(spans[i]);
    fh_pages_read(&now);
    assert_true(now.dirty <= (FH_RETAIN_BYTES >> FH_PAGE_SHIFT) + now.used / 10 + now.widened + now.trusted);
  }
  assert_true(now.purges != 0);
}

static void give_checked(fh_span *span) {
  fh_pages_counts now;
  fh_pages_give(span);
  fh_pages_read(&now);
  assert_true(now.dirty <= (FH_RETAIN_BYTES >> FH_PAGE_SHIFT) + now.used / 10 + now.widened + now.trusted);
}

/* What a purge takes back of the widening counts at once: the longest run goes first, and the others were within the
 * budget before. */
static void budget_holds_when_it_narrows(void **state) {
  enum { COUNT = 32, ROUNDS = 40 };
  fh_span *spans[COUNT], *apart[COUNT];
  fh_pages_counts now;
  (void)state;
  for (int i = 0; i < COUNT; i++) {
    spans[i] = fh_pages_take(32, 1, FH_SPAN_LARGE);
    apart[i] = fh_pages_take(1, 1, FH_SPAN_LARGE); /* the runs do not join */
  }
  for (int round = 0; round < ROUNDS; round++) {
    for (int i = 0; i < COUNT; i++) {
      give_checked(spans[i]);
    }
    for (int i = 0; i < COUNT && round + 1 < ROUNDS; i++) {
      spans[i] = fh_pages_take(32, 1, FH_SPAN_LARGE);
    }
  }
  fh_pages_read(&now);
  fh_span *huge = fh_pages_take(now.widened * 16, 1, FH_SPAN_LARGE);
  assert_non_null(huge);
  assert_true(now.dirty > 2 * FH_RETAIN_BYTES >> FH_PAGE_SHIFT);
  give_checked(huge);
  for (int i = 0; i < COUNT; i++) {
    give_checked(apart[i]);
  }
}

static size_t purged_pages(void) {
  fh_pages_counts now;
  fh_pages_read(&now);
  return now.purged_pages;
}

/* Memory that grows and falls: what is left dirty is taken first, so long before what was purged, and much more often
 * than little stays live. All the same the budget learns from the second wave to keep the whole. */
static void waves_are_kept(void **state) {
  enum { COUNT = 64, ROUNDS = 8, LEARNT = 2 };
  size_t each = (FH_RETAIN_BYTES + FH_WIDEN_BYTES / 2) / COUNT >> FH_PAGE_SHIFT, learnt = 0;
  fh_span *spans[COUNT];
  (void)state;
  for (int round = 0; round < ROUNDS; round++) {
    for (int i = 0; i < COUNT; i++) {
      spans[i] = fh_pages_take(each, 1, FH_SPAN_LARGE);
      assert_non_null(spans[i]);
    }
    for (int i = 0; i < COUNT; i++) {
      give_checked(spans[i]);
    }
    learnt = round < LEARNT ? purged_pages() : learnt;
  }
  assert_int_equal(purged_pages(), learnt);
}

/* What was learnt goes, a sixteenth each time that a heap is found shrunken, and what is dirty with it. */
static void shrinking_narrows(void **state) {
  fh_pages_counts before, after;
  (void)state;
  fh_pages_read(&before);
  assert_true(before.widened >= 16 && before.dirty > FH_RETAIN_BYTES >> FH_PAGE_SHIFT); /* by the waves */
  fh_pages_narrow();
  fh_pages_read(&after);
  assert_true(after.widened <= before.widened - before.widened / 16);
  for (int i = 0; i < 200; i++) {
    fh_pages_narrow();
  }
  fh_pages_read(&after);
  assert_true(after.widened < 16);
  assert_true(after.dirty <= (FH_RETAIN_BYTES >> FH_PAGE_SHIFT) + after.used / 10 + after.widened + after.trusted);
}

static void cut_and_extend(void **state) {
  fh_span *span = fh_pages_take(16, 1, FH_SPAN_LARGE);
  (void)state;
  assert_non_null(span);
  fh_pages_cut(span, 4);
  assert_int_equal(span->pages, 4);
  assert_true(fh_pages_extend(span, 6));
  assert_int_equal(span->pages, 10);
  fh_pages_give(span);
}

/* The pages of the kernel's that hold nothing but descriptors of the pages behind the first of a span. */
static fh_os_part map_inside(fh_span *span, size_t count) {
  return fh_os_pages_within((char *)(span + 1), (char *)(span + count - 1));
}

static size_t map_resident(fh_os_part part) { return fh_os_resident(part.at, part.bytes, NULL); }

/* Of memory that went back in pieces the pagemap goes too. */
static void map_of_clean_runs_goes(void **state) {
  enum { COUNT = 768 };
  (void)state;
  fh_span *span = fh_pages_take(COUNT, 1, FH_SPAN_LARGE);
  assert_non_null(span);
  fh_os_part map = map_inside(span, COUNT);
  char *start = span->start;
  for (size_t keep = COUNT; --keep != 0;) {
    fh_pages_cut(span, keep); /* each page has had a descriptor of its own */
  }
  assert_true(map_resident(map) >= map.bytes / 2); /* some of it has gone already */
  fh_pages_give(span);
  fh_pages_counts now;
  fh_pages_read(&now);
  assert_true(now.dirty != 0);
  fh_pages_trim();
  assert_int_equal(map_resident(map), 0);
  if (map.bytes >= COUNT / 2 * sizeof(fh_span)) { /* not where the kernel's pages are longer than that */
    assert_int_equal(fh_span_kind_of(fh_arena_find(start + FH_PAGE_SIZE * (COUNT / 2))), FH_SPAN_NONE);
  }
  fh_span *again[64];
  size_t count = 0;
  size_t offset;
  do { /* until they are in use once more */
    assert_true(count < 64);
    again[count] = fh_pages_take(COUNT / 2, 1, FH_SPAN_LARGE);
    assert_non_null(again[count]);
    offset = (uintptr_t)start - (uintptr_t)again[count]->start;
  } while (offset >= fh_span_bytes(again[count++]));
  while (count != 0) {
    fh_pages_give(again[--count]);
  }
}

static void impossible_is_refused(void **state) {
  (void)state;
  assert_null(fh_pages_take(0, 1, FH_SPAN_LARGE));
  assert_null(fh_pages_take(SIZE_MAX >> FH_PAGE_SHIFT, 1, FH_SPAN_LARGE));
}

#if FREEHOLD_TINY
enum { TINY = 1 };
#else
enum { TINY = 0 };
#endif

/* A free looks at the first arena first, so all memory is to fit; pages and pagemap far apart cost tables. */
static void first_arena_fits_the_machine(void **state) {
  size_t memory = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
  (void)state;
  if (TINY || sizeof(void *) != 8 || fh_os_address_limit() != SIZE_MAX) {
    skip();
  }
  size_t reserved = fh_arenas[0].reserved;
  assert_int_equal(reserved & (reserved - 1), 0);
  assert_true(reserved >= (size_t)64 << 30);
  assert_true(reserved == (size_t)64 << 30 || reserved <= 4 * memory);
  assert_true(reserved == (size_t)1 << 40 || reserved >= 2 * memory);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(waves_are_kept), /* first: nothing is learnt yet */
      cmocka_unit_test(shrinking_narrows),     cmocka_unit_test(neighbours_join),
      cmocka_unit_test(starts_are_aligned),    cmocka_unit_test(fresh_means_zero),
      cmocka_unit_test(budget_holds),          cmocka_unit_test(budget_holds_when_it_narrows),
      cmocka_unit_test(cut_and_extend),        cmocka_unit_test(map_of_clean_runs_goes),
      cmocka_unit_test(impossible_is_refused), cmocka_unit_test(first_arena_fits_the_machine),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
