#include "pages/pages.h"

#include "base/bits.h"
#include "base/fatal.h"
#include "base/lock.h"
#include "fit/bins.h"
#include "os/os.h"

static fh_lock pages_lock = FH_LOCK(FH_RANK_PAGES);
static fh_lock grow_lock = FH_LOCK(FH_RANK_GROW);

/* The free runs. */
static fh_zeros("clean_runs") fh_bins clean_runs;
static fh_zeros("apart") fh_bins dirty_runs;

static struct {
  fh_pages_counts now;
  size_t taken;     /* pages handed out so far: the clock of what follows */
  size_t turn;      /* `taken` when `purged` began to be counted */
  size_t purged[2]; /* pages purged lately and not taken again: in this turn, in the one before */
  char *highest;    /* end of the highest pages ever taken */
  size_t reused;    /* purged pages taken again since the last purge: ping-pong */
  size_t away;      /* pages of clean runs that are off the lists while their part of the pagemap is purged */
  size_t retain;    /* percent */
  size_t limit;     /* pages */
} pages = {.retain = 10, .limit = SIZE_MAX};

static uint64_t run_length(const fh_hole *hole) { return fh_span_of(hole)->pages; }

static fh_bins *index_of(fh_span_kind kind) { return kind == FH_SPAN_DIRTY ? &dirty_runs : &clean_runs; }

/* The counts change under the lock and are read without it, also by a signal handler that interrupts its holder. */
static void change(size_t *count, size_t by) { __atomic_store_n(count, *count + by, __ATOMIC_RELAXED); }

static size_t *count_of(fh_span_kind kind) { return kind == FH_SPAN_DIRTY ? &pages.now.dirty : &pages.now.clean; }

static void list_run(fh_span *run) {
  fh_bins_insert(index_of((fh_span_kind)run->kind), &run->link, run->pages);
  change(count_of((fh_span_kind)run->kind), run->pages);
}

static void unlist_run(fh_span *run) {
  fh_bins_remove(index_of((fh_span_kind)run->kind), &run->link, run->pages);
  change(count_of((fh_span_kind)run->kind), -(size_t)run->pages);
}

/* Writes the head and the last page of a run of any kind. */
static void mark_run(fh_span *run, char *start, size_t count, fh_span_kind kind) {
  fh_span *last = run + count - 1;
  fh_span_set_owner(run, NULL);
  run->start = start;
  run->pages = (uint32_t)count;
  run->u.back = 0;
  fh_span_set_kind(run, kind);
  if (last != run) {
    bool is_free = kind == FH_SPAN_CLEAN || kind == FH_SPAN_DIRTY;
    fh_span_set_owner(last, NULL);
    last->u.back = (uint32_t)(count - 1);
    fh_span_set_kind(last, is_free ? kind : FH_SPAN_INSIDE);
  }
}

/* free | used | free: joins the run with free neighbours of its kind and lists what comes out. A late free finds no
 * slab and no heap at what was the head. The head of that. */
static fh_span *list_joined(fh_span *run, char *start, size_t count, fh_span_kind kind) {
  __atomic_store_n(&run->heap, NULL, __ATOMIC_RELAXED);
  fh_span_set_kind(run, kind);
  if (fh_span_kind_of(run - 1) == kind) {
    fh_span *left = run - 1 - run[-1].u.back;
    unlist_run(left);
    count += left->pages;
    start = left->start;
    run = left;
  }
  if (fh_span_kind_of(run + count) == kind) {
    fh_span *right = run + count;
    unlist_run(right);
    count += right->pages;
    right->pages = 0; /* no head any more (list_purged) */
  }
  mark_run(run, start, count, kind);
  list_run(run);
  return run;
}

/* Takes `count` pages at `align` out of a listed run; what is left on both sides is listed again. */
static fh_span *carve(fh_span *run, size_t count, size_t align, fh_span_kind kind) {
  fh_span_kind was = (fh_span_kind)run->kind;
  char *start = run->start;
  size_t total = run->pages;
  char *at = (char *)fh_round_up((uintptr_t)start, align << FH_PAGE_SHIFT);
  size_t front = (size_t)(at - start) >> FH_PAGE_SHIFT;
  size_t rest = total - front - count;
  unlist_run(run);
  if (front != 0) {
    mark_run(run, start, front, was);
    list_run(run);
  }
  fh_span *span = run + front;
  if (rest != 0) {
    mark_run(span + count, at + (count << FH_PAGE_SHIFT), rest, was);
    list_run(span + count);
  }
  *span = (fh_span){.fresh = was == FH_SPAN_CLEAN};
  mark_run(span, at, count, kind);
  change(&pages.now.used, count);
  pages.taken += count;
  return span;
}

static int64_t hole_bytes; /* atomic: large holes in the chunk heaps */

void fh_pages_note_holes(int64_t bytes) { __atomic_add_fetch(&hole_bytes, bytes, __ATOMIC_RELAXED); }

static size_t live_pages(void) {
  int64_t holes = __atomic_load_n(&hole_bytes, __ATOMIC_RELAXED);
  size_t idle = holes <= 0 ? 0 : (size_t)holes >> FH_PAGE_SHIFT;
  return pages.now.used - fh_min(idle, pages.now.used);
}

static size_t trust = FH_TRUST_BYTES; /* atomic: what no budget has taken yet */

size_t fh_pages_trust(size_t bytes) {
  size_t left = __atomic_load_n(&trust, __ATOMIC_RELAXED), taken;
  do {
    taken = pages.retain == 0 ? 0 : fh_min(bytes, left);
  } while (taken != 0 &&
           !__atomic_compare_exchange_n(&trust, &left, left - taken, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
  return taken;
}

static size_t budget(void) {
  size_t base = FH_RETAIN_BYTES >> FH_PAGE_SHIFT, live = live_pages();
  size_t widest = fh_max(FH_WIDEN_BYTES >> FH_PAGE_SHIFT, live);
  if (pages.now.widened > widest) {
    change(&pages.now.widened, widest - pages.now.widened);
  }
  return base + live * pages.retain / 100 + pages.now.widened + pages.now.trusted;
}

/* A turn of the clock is half of what is live, and what may be dirty, for that is taken before what was purged. What
 * was purged earlier than the turn before was not purged in vain, even if it is taken again some day. */
static void turn_clock(void) {
  if (pages.taken - pages.turn > live_pages() / 2 + budget()) {
    pages.turn = pages.taken;
    pages.purged[1] = pages.purged[0];
    pages.purged[0] = 0;
  }
}

/* `count` clean pages from `start` on are taken. Those never taken before have not been purged. */
static void note_reuse(char *start, size_t count) {
  char *end = start + (count << FH_PAGE_SHIFT);
  size_t fresh =
      end <= pages.highest ? 0 : (size_t)(end - (start > pages.highest ? start : pages.highest)) >> FH_PAGE_SHIFT;
  pages.highest = fresh != 0 ? end : pages.highest;
  count -= fresh;
  turn_clock();
  for (unsigned i = 0; i < 2; i++) {
    size_t again = fh_min(count, pages.purged[i]);
    pages.purged[i] -= again;
    pages.reused += again;
    count -= again;
  }
}

/* A clean run that has a shorter dirty one at its side serves a request with both: what is dirty need not be faulted in
 * again. The pages are joined to one run off the lists, the rest of the clean one is listed.
 *
 *   | dirty | clean ................. |        | clean ................. | dirty |
 *   | span ............ | clean ..... |        | clean ..... | span ............ |                                  */
static fh_span *carve_with_dirty(fh_span *clean, size_t count, fh_span_kind kind) {
  fh_span *behind = clean + clean->pages;
  fh_span *left = fh_span_kind_of(clean - 1) == FH_SPAN_DIRTY ? clean - 1 - clean[-1].u.back : NULL;
  fh_span *right = fh_span_kind_of(behind) == FH_SPAN_DIRTY ? behind : NULL;
  size_t from_left = left != NULL && left->pages < count ? left->pages : 0;
  size_t from_right = right != NULL && right->pages < count ? right->pages : 0;
  size_t dirty = fh_max(from_left, from_right);
  if (dirty == 0) {
    return NULL;
  }
  size_t total = clean->pages, more = count - dirty;
  char *start = clean->start;
  unlist_run(clean);
  fh_span *span, *rest;
  if (dirty == from_left) {
    unlist_run(left);
    span = left;
    start = left->start;
    rest = clean + more;
  } else {
    unlist_run(right);
    span = clean + (total - more);
    start += (total - more) << FH_PAGE_SHIFT;
    rest = clean;
  }
  if (total != more) {
    mark_run(rest, rest == clean ? clean->start : clean->start + (more << FH_PAGE_SHIFT), total - more, FH_SPAN_CLEAN);
    list_run(rest);
  }
  *span = (fh_span){0};
  mark_run(span, start, count, kind);
  change(&pages.now.used, count);
  pages.taken += count;
  note_reuse(dirty == from_left ? start + (dirty << FH_PAGE_SHIFT) : start, more);
  return span;
}

static fh_span *take_listed(size_t count, size_t align, fh_span_kind kind) {
  size_t need = count + align - 1;
  fh_hole *hole = pages.now.dirty < need ? NULL : fh_bins_find(&dirty_runs, need, run_length);
  if (hole == NULL) {
    hole = fh_bins_find(&clean_runs, need, run_length);
    if (hole == NULL) {
      return NULL;
    }
    fh_span *span = align == 1 ? carve_with_dirty(fh_span_of(hole), count, kind) : NULL;
    if (span != NULL) {
      return span;
    }
    span = carve(fh_span_of(hole), count, align, kind);
    note_reuse(span->start, count);
    return span;
  }
  return carve(fh_span_of(hole), count, align, kind);
}

/* Clean runs are away for some microseconds: so often they are waited for before the heap grows in place of them. */
enum { AWAY_TRIES = 64 };

/* Asks for more at the frontier. The page lock is not held while the kernel works, so others take and give meanwhile;
 * whoever waited for the grow lock looks at the lists again first. */
static fh_span *take_grown(size_t count, size_t align, fh_span_kind kind) {
  fh_span *fresh = NULL, *span;
  size_t got = 0;
  fh_lock_take(&grow_lock);
  fh_lock_take(&pages_lock);
  span = take_listed(count, align, kind);
  for (int i = 0; i < AWAY_TRIES && span == NULL && pages.away >= count; i++) {
    fh_lock_drop(&pages_lock);
    fh_os_yield();
    fh_lock_take(&pages_lock);
    span = take_listed(count, align, kind);
  }
  fh_lock_drop(&pages_lock);
  if (span == NULL && fh_arena_grow(count + align - 1, &fresh, &got)) {
    fh_lock_take(&pages_lock);
    list_joined(fresh, fresh->start, got, FH_SPAN_CLEAN);
    change(&pages.now.grows, 1);
    span = take_listed(count, align, kind);
    fh_lock_drop(&pages_lock);
  }
  fh_lock_drop(&grow_lock);
  return span;
}

/* The runs that are being purged, or their descriptors: a forked child has to list them, for the thread that would is
 * not in it. */
static fh_hole busy_runs;

/* The kernel has no more: join what lies free but apart by making all of it clean, and look once more. What other
 * threads are purging is on no list for a moment, and may be all there is: it is waited for. */
static fh_span *take_gathered(size_t count, size_t align, fh_span_kind kind) {
  for (;;) {
    bool purged = fh_pages_trim() != 0;
    fh_lock_take(&pages_lock);
    fh_span *span = take_listed(count, align, kind);
    bool busy = busy_runs.next != NULL;
    fh_lock_drop(&pages_lock);
    if (span != NULL || (!purged && !busy)) {
      return span;
    }
    fh_os_yield();
  }
}

fh_span *fh_pages_take(size_t count, size_t align, fh_span_kind kind) {
  if (count == 0 || count > UINT32_MAX / 2 || align > UINT32_MAX / 4) {
    return NULL;
  }
  fh_lock_take(&pages_lock);
  bool allowed = count <= pages.limit && pages.now.used <= pages.limit - count;
  fh_span *span = allowed ? take_listed(count, align, kind) : NULL;
  fh_lock_drop(&pages_lock);
  if (span == NULL && allowed) {
    span = take_grown(count, align, kind);
  }
  if (span == NULL && allowed) {
    span = take_gathered(count, align, kind);
  }
  return span;
}

/* Retention. */

/* Each purged page that is taken again was purged in vain: four times as much more is kept from now on, up to a ceiling
 * (see budget). What is purged and not taken again slowly takes the widening back. */
static void learn_from_reuse(void) {
  change(&pages.now.widened, 4 * pages.reused);
  pages.reused = 0;
}

/* Runs that are being purged by one call, or their part of the pagemap is, off the lists. */
typedef struct leaving {
  fh_span *runs[FH_OS_PARTS];
  size_t count;
} leaving;

/* The memory of a run that the kernel can take: its pages may be larger than ours. */
static fh_os_part inside_of(const fh_span *run) {
  return fh_os_pages_within(run->start, run->start + fh_span_bytes(run));
}

/* The edges that share a page with a neighbour are cleared by hand, since clean means zero. */
static void clear_edges(const fh_span *run) {
  fh_os_part inside = inside_of(run);
  char *from = inside.at, *to = from + inside.bytes, *end = run->start + fh_span_bytes(run);
  __builtin_memset(run->start, 0, (size_t)(from - run->start));
  __builtin_memset(to, 0, (size_t)(end - to));
}

/* Drops the memory of runs that nobody else can reach: how many, from the first on. */
static size_t drop_memory(const leaving *some) {
  fh_os_part parts[FH_OS_PARTS];
  unsigned count = 0;
  for (size_t i = 0; i < some->count; i++) {
    parts[count] = inside_of(some->runs[i]);
    count += parts[count].bytes != 0;
  }
  unsigned purged = count == 0 ? 0 : fh_os_purge_parts(parts, count);
  size_t done = 0;
  for (; done < some->count; done++) {
    bool asked = inside_of(some->runs[done]).bytes != 0;
    if (asked && purged == 0) {
      break;
    }
    purged -= asked;
    clear_edges(some->runs[done]);
  }
  return done;
}

static void take_off_lists(fh_span *run) {
  uint8_t kind = run->kind;
  unlist_run(run);
  mark_run(run, run->start, run->pages, FH_SPAN_BUSY);
  run->state = kind;
  fh_hole_push(&busy_runs, &run->link);
}

/* The longest dirty runs first, until `target` dirty pages are left, or no more can be purged in one call. */
static void gather_longest(leaving *some, size_t target) {
  some->count = 0;
  while (pages.now.dirty > target && some->count < FH_OS_PARTS) {
    some->runs[some->count] = fh_span_of(fh_bins_longest(&dirty_runs));
    take_off_lists(some->runs[some->count++]);
  }
}

/* The first `done` of them were purged: how many pages. They are what they have become a part of afterwards. */
static size_t list_purged(leaving *some, size_t done) {
  size_t purged = 0;
  for (size_t i = 0; i < some->count; i++) {
    fh_span *run = some->runs[i];
    size_t count = run->pages;
    fh_hole_leave(&run->link);
    some->runs[i] = list_joined(run, run->start, count, i < done ? FH_SPAN_CLEAN : FH_SPAN_DIRTY);
    purged += i < done ? count : 0;
  }
  return purged;
}

/* The pagemap is as long as the heap ever was, 4 KiB of it for a mebibyte; but inside a clean run it says nothing and
 * is not looked at, so that zeros are as good:
 *
 *   | head | .................................. | last |       descriptors of a clean run
 *               whole pages of the kernel's                                                                      */
enum { MAP_LEAST = 128 /* pages of a run */ };

static fh_os_part map_inside(fh_span *run) {
  return fh_os_pages_within((char *)(run + 1), (char *)(run + run->pages - 1));
}

/* Those that have become long. One that came up before is not clean now, one that was joined to another has no pages.
 */
static void gather_long(leaving *some) {
  size_t count = 0;
  for (size_t i = 0; i < some->count; i++) {
    fh_span *run = some->runs[i];
    if (run->kind == FH_SPAN_CLEAN && run->pages >= MAP_LEAST && map_inside(run).bytes != 0) {
      pages.away += run->pages;
      take_off_lists(run);
      some->runs[count++] = run;
    }
  }
  some->count = count;
}

/* Gives the pagemap inside the long ones back too, by a second call. Call with the lock held; it is given up meanwhile.
 */
static void purge_map(leaving *some) {
  fh_os_part parts[FH_OS_PARTS];
  gather_long(some);
  if (some->count == 0) {
    return;
  }
  for (size_t i = 0; i < some->count; i++) {
    parts[i] = map_inside(some->runs[i]);
  }
  fh_lock_drop(&pages_lock);
  fh_os_purge_parts(parts, (unsigned)some->count); /* what the kernel refuses stays */
  fh_lock_take(&pages_lock);
  pages.away -= list_purged(some, some->count);
}

static void note_purge(size_t count) {
  change(&pages.now.purges, 1);
  change(&pages.now.purged_pages, count);
  turn_clock();
  pages.purged[0] += count;
  change(&pages.now.widened, -fh_min(pages.now.widened, count / 16));
  change(&pages.now.trusted, -fh_min(pages.now.trusted, count / 2));
}

/* Purges dirty runs by one call, and their part of the pagemap by another, with the lock given up meanwhile. Pages
 * purged; 0 when the kernel refused. */
static size_t purge_some(size_t target) {
  leaving some;
  gather_longest(&some, target);
  fh_lock_drop(&pages_lock);
  size_t done = drop_memory(&some);
  fh_lock_take(&pages_lock);
  size_t count = list_purged(&some, done);
  if (count != 0) {
    note_purge(count);
  }
  purge_map(&some);
  return count;
}

/* Call with the lock held. Purges down to `target` dirty pages. */
static size_t purge_to(size_t target) {
  size_t total = 0;
  while (pages.now.dirty > target) {
    size_t now = purge_some(target);
    if (now == 0) {
      break;
    }
    total += now;
  }
  return total;
}

/* A quarter less than it may be, so that the next free does not purge again. What is purged narrows the budget: what is
 * left may be too much once more. */
static void keep_budget(void) {
  size_t most = budget();
  if (pages.now.dirty > most) {
    learn_from_reuse();
    most = budget();
    if (pages.now.dirty > most) {
      change(&pages.now.trusted, fh_pages_trust((pages.now.dirty - most) << FH_PAGE_SHIFT) >> FH_PAGE_SHIFT);
      most = budget();
    }
    while (pages.now.dirty > most && purge_to(most - most / 4) != 0) {
      most = budget();
    }
  }
}

static void give_locked(fh_span *span, char *start, size_t count) {
  change(&pages.now.used, -count);
  list_joined(span, start, count, FH_SPAN_DIRTY);
  keep_budget();
}

void fh_pages_narrow(void) {
  fh_lock_take(&pages_lock);
  change(&pages.now.widened, -(pages.now.widened / 16));
  keep_budget();
  fh_lock_drop(&pages_lock);
}

void fh_pages_give(fh_span *span) {
  fh_span_set_owner(span, NULL);
  fh_lock_take(&pages_lock);
  give_locked(span, span->start, span->pages);
  fh_lock_drop(&pages_lock);
}

void fh_pages_cut(fh_span *span, size_t keep) {
  fh_lock_take(&pages_lock);
  size_t total = span->pages;
  uint8_t fresh = span->fresh;
  mark_run(span, span->start, keep, (fh_span_kind)span->kind);
  span->fresh = fresh;
  give_locked(span + keep, span->start + (keep << FH_PAGE_SHIFT), total - keep);
  fh_lock_drop(&pages_lock);
}

/* The run behind a span, when it is free and long enough, clean or dirty. */
bool fh_pages_extend(fh_span *span, size_t more) {
  bool done = false;
  fh_lock_take(&pages_lock);
  fh_span *next = span + span->pages;
  bool is_free = fh_span_kind_of(next) == FH_SPAN_CLEAN || fh_span_kind_of(next) == FH_SPAN_DIRTY;
  if (is_free && next->pages >= more && pages.limit - fh_min(pages.limit, pages.now.used) >= more) {
    carve(next, more, 1, FH_SPAN_INSIDE);
    mark_run(span, span->start, span->pages + more, (fh_span_kind)span->kind);
    done = true;
  }
  fh_lock_drop(&pages_lock);
  return done;
}

size_t fh_pages_trim(void) {
  fh_lock_take(&pages_lock);
  size_t purged = purge_to(0);
  fh_lock_drop(&pages_lock);
  return purged;
}

size_t fh_pages_dirty(void) { return fh_racy_load(pages.now.dirty); }

void fh_pages_read(fh_pages_counts *out) {
  *out = (fh_pages_counts){
      .used = __atomic_load_n(&pages.now.used, __ATOMIC_RELAXED),
      .dirty = __atomic_load_n(&pages.now.dirty, __ATOMIC_RELAXED),
      .clean = __atomic_load_n(&pages.now.clean, __ATOMIC_RELAXED),
      .purges = __atomic_load_n(&pages.now.purges, __ATOMIC_RELAXED),
      .purged_pages = __atomic_load_n(&pages.now.purged_pages, __ATOMIC_RELAXED),
      .grows = __atomic_load_n(&pages.now.grows, __ATOMIC_RELAXED),
      .widened = __atomic_load_n(&pages.now.widened, __ATOMIC_RELAXED),
      .trusted = __atomic_load_n(&pages.now.trusted, __ATOMIC_RELAXED),
  };
}

void fh_pages_set_retain(unsigned percent) { pages.retain = percent; }

unsigned fh_pages_retain(void) { return (unsigned)pages.retain; }

void fh_pages_set_limit(size_t bytes) { pages.limit = bytes == SIZE_MAX ? SIZE_MAX : bytes >> FH_PAGE_SHIFT; }

void fh_pages_lock(void) {
  fh_lock_take(&grow_lock);
  fh_lock_take(&pages_lock);
}

void fh_pages_unlock(void) {
  fh_lock_drop(&pages_lock);
  fh_lock_drop(&grow_lock);
}

void fh_pages_fork_child(void) {
  for (fh_hole *link = busy_runs.next, *next; link != NULL; link = next) {
    fh_span *run = fh_span_of(link);
    next = link->next;
    list_joined(run, run->start, run->pages, (fh_span_kind)run->state);
  }
  busy_runs.next = NULL;
  pages.away = 0;
  fh_lock_reset(&pages_lock);
  fh_lock_reset(&grow_lock);
}
