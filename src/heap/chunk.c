#include "heap/chunk.h"

#include "base/fatal.h"
#include "heap/chunk_holes.h"
#include "heap/heap.h"
#include "heap/quick.h"
#include "heap/sleeper.h"
#include "heap/sparse.h"
#include "os/os.h"

/* Asked for at once where memory was never touched, or purged: bytes at most, and the part of what is live. */
enum { AHEAD_MOST = 64 << 10, AHEAD_SHARE = 64 };

/* Stretches. */

static void mark_pages(fh_span *span, struct fh_heap *heap) {
  for (uint32_t i = 0; i < span->pages; i++) {
    __atomic_store_n(&span[i].heap, heap, __ATOMIC_RELAXED);
    if (i != 0) {
      fh_span_set_owner(&span[i], NULL);
      span[i].u.back = i;
      fh_span_set_kind(&span[i], FH_SPAN_INSIDE);
    }
  }
}

/* Larger stretches for larger heaps: fewer borders that no chunk can cross. Untouched pages cost nothing. */
static size_t stretch_pages(const fh_chunks *h, uint64_t units) {
  size_t least = (size_t)(units * FH_UNIT + 2 * FH_UNIT);
  size_t want = fh_min(fh_max((size_t)h->total_bytes / 8, FH_STRETCH_LEAST), FH_STRETCH_MOST);
  return fh_round_up(fh_max(least, want), FH_PAGE_SIZE) >> FH_PAGE_SHIFT;
}

/* The hole in it; NULL: no memory. */
static fh_chunk *stretch_add(fh_chunks *h, uint64_t units) {
  fh_sleeper_help();
  size_t count = stretch_pages(h, units);
  size_t least = fh_round_up((size_t)(units + 2) * FH_UNIT, FH_PAGE_SIZE) >> FH_PAGE_SHIFT;
  fh_span *span = fh_pages_take(count, 1, FH_SPAN_CHUNKS);
  if (span == NULL && count > least) {
    span = fh_pages_take(least, 1, FH_SPAN_CHUNKS);
  }
  if (span == NULL) {
    return NULL;
  }
  mark_pages(span, h->heap);
  fh_hole_push(&h->stretches, &span->link);
  h->total_bytes += fh_span_bytes(span);
  uint64_t length = fh_span_bytes(span) / FH_UNIT - 1;
  fh_chunk *first = (fh_chunk *)(void *)(span->start + FH_UNIT - FH_CHUNK_HEAD);
  chunk_write(chunk_at(first, (int64_t)length), 0, length, CHUNK_USED | CHUNK_BEFORE_FREE);
  hole_state hole = {first, length, 0, span->fresh ? 0 : length, span->fresh ? CHUNK_FRESH : 0};
  hole_put(h, &hole, FH_LISTED);
  return first;
}

/* A hole from border to border: the pages go back, but for one stretch of a heap that has no other. */
static bool stretch_drop(fh_chunks *h, const hole_state *hole) {
  if (hole->before != 0 || chunk_length(chunk_at(hole->at, (int64_t)hole->length)) != 0) {
    return false;
  }
  fh_span *span = fh_arena_find(hole->at);
  if (fh_span_bytes(span) == h->total_bytes && fh_span_bytes(span) <= FH_STRETCH_LEAST) {
    return false;
  }
  fh_hole_leave(&span->link);
  h->total_bytes -= fh_span_bytes(span);
  ahead_forget(h, span->start, span->start + fh_span_bytes(span));
  for (uint32_t i = 0; i < span->pages; i++) {
    __atomic_store_n(&span[i].heap, NULL, __ATOMIC_RELAXED); /* a late free is not to find this heap there */
  }
  fh_pages_give(span);
  holes_tell_when_much(h);
  return true;
}

/* Coalescing. */

/* Takes the hole at c, which lies in front of `now` or behind it, to be a part of it. What a purge leaves of a big
 * hole, the page with the links and the one where it ends, was not counted. Where it was until now. */
fh_inline fh_open hole_join(fh_chunks *h, fh_chunk *c, hole_state *now) {
  hole_state hole = hole_read(c);
  if (c < now->at) {
    now->at = c;
    now->before = hole.before;
  }
  now->length += hole.length;
  now->dirty += fh_min(hole.dirty + h->page_units, hole.length);
  return hole_take(h, &hole);
}

static fh_cold _Noreturn void head_is_damaged(fh_chunk *c) {
  fh_fatal("free", chunk_user(c), "the header behind this allocation is damaged: something wrote past its end");
}

/* Where the hole is to be that comes of a chunk and the holes beside it; in a row: one of them was coalesced last. */
fh_inline fh_open open_as(fh_chunks *h, fh_open before, fh_open after, bool row) {
  if (before == FH_OPEN_REST || after == FH_OPEN_REST) {
    return FH_OPEN_REST;
  }
  if (!row) {
    return FH_LISTED;
  }
  if (before != FH_OPEN_JOINED && after != FH_OPEN_JOINED) {
    fh_holes_close(h, FH_OPEN_JOINED);
  }
  return FH_OPEN_JOINED;
}

static void coalesce(fh_chunks *h, fh_chunk *c) {
  uint64_t head = chunk_head(c), length = head_length(head);
  fh_chunk *next = chunk_at(c, (int64_t)length);
  uint64_t behind = chunk_head(next);
  if (fh_unlikely(head_before(behind) != length)) {
    head_is_damaged(c);
  }
  hole_state now = {c, length, head_before(head), length, 0};
  fh_open before = FH_LISTED, after = FH_LISTED;
  bool row = false;
  chunk_set(c,
            head & ~(uint64_t)(CHUNK_USED | CHUNK_QUICK)); /* whatever comes to lie here: it is not to be freed again */
  if ((behind & CHUNK_USED) == 0) {
    after = hole_join(h, next, &now);
    row = next == h->coalesced;
  }
  if ((head & CHUNK_BEFORE_FREE) != 0) {
    before = hole_join(h, chunk_at(c, -(int64_t)now.before), &now);
    row |= now.at == h->coalesced;
  }
  h->coalesced = now.at;
  if (!stretch_drop(h, &now)) {
    hole_put(h, &now, open_as(h, before, after, row));
    if (now.length >= FH_BIG_UNITS) {
      holes_keep_budget(h);
    }
  }
}

/* Quick lists: all together may hold a share of what the program uses. It is bounded: what waits keeps its neighbours
 * apart, and costs more memory than it is long. So no chunk waits for long either: a hand goes round the lists and
 * retires one after the other, and of what is retired a few chunks are coalesced every few slow calls, and a few more
 * when there is no room. Never many in one call: somebody waits for it. docs/decisions/0004. */

enum {
  QUICK_SHARE = 8,                   /* part of what is used */
  QUICK_SMALL = (1 << 20) / FH_UNIT, /* and all that is used beyond it */
  QUICK_NEAR = 3,                    /* classes that a request may look at, its own first */
  QUICK_NEAR_USED = (32 << 20) / FH_UNIT,
  QUICK_ROUND = 4, /* slow calls from one look at what waits to the next */
  QUICK_BATCH = 2, /* chunks coalesced in one call */
  QUICK_MANY = 32, /* the same where the limit has fallen below what waits: the heap shrinks */
  SHRINK_UNITS = (16 << 10) / FH_UNIT,
  PATIENCE_LEAST = 64, /* slow calls between two times that the heap is found shrunken, once that was in vain */
  PATIENCE_MOST = 16 << 10
};

/* Coalesces one chunk of those that wait. False: none does. */
static bool quick_coalesce(fh_chunks *h) {
  fh_chunk *c = fh_quick_due(h);
  if (c == NULL) {
    return false;
  }
  h->quick_room += (int64_t)chunk_length(c);
  coalesce(h, c);
  return true;
}

static void quick_flush_all(fh_chunks *h) {
  while (quick_coalesce(h)) {
  }
}

static uint64_t quick_holds(const fh_chunks *h) { return (uint64_t)(h->quick_limit - h->quick_room); }

/* In the hands of the program. */
static uint64_t used_units(const fh_chunks *h) { return live_units(h) - quick_holds(h); }

/* What waits in a small heap makes it go on into memory that it would not have touched. A longer chunk than was asked
 * for saves a split, at the cost of its surplus: that adds up in large heaps, which have more chunks of each class
 * anyway. */
static void quick_set_limit(fh_chunks *h) {
  uint64_t used = used_units(h);
  uint64_t more = used / QUICK_SHARE + (used > QUICK_SMALL ? used - QUICK_SMALL : 0);
  int64_t limit = (int64_t)(FH_QUICK_LEAST / FH_UNIT + fh_min((size_t)more, FH_QUICK_MORE / FH_UNIT));
  if (quick_holds(h) == 0 && limit < FH_QUICK_LONGEST) {
    limit = FH_QUICK_LONGEST; /* a program that takes one block again and again */
  }
  h->quick_room += limit - h->quick_limit;
  h->quick_limit = limit;
  h->quick_near = used < QUICK_NEAR_USED ? ((uint64_t)1 << QUICK_NEAR) - 1 : 1;
}

/* A heap that grows back each time, as one of a few large objects among many small ones does by chance, is found
 * shrunken less and less often: its caches would be emptied for nothing. One that goes on falling is not. */
static void learn_patience(fh_chunks *h) {
  bool in_vain = h->shrunk_from != 0 && h->mark_units >= h->shrunk_from / 2;
  h->patience = in_vain ? (uint32_t)fh_min(2 * h->patience + PATIENCE_LEAST, PATIENCE_MOST) : h->patience / 4;
  h->shrunk_from = h->mark_units;
  h->shrunk_at = h->slow_calls;
}

/* Three quarters of what was used are free: whatever is kept for speed goes too. */
static void shrink(fh_chunks *h) {
  quick_flush_all(h);
  fh_cache_flush(h->heap);
  fh_sparse_shrink(h->heap);
  fh_holes_purge_surplus(h, FH_CHUNK_RETAIN / 8, 1);
  fh_holes_tell(h);
  fh_pages_narrow();
  learn_patience(h);
  h->mark_units = used_units(h);
}

static void shrink_when_due(fh_chunks *h) {
  uint64_t used = used_units(h);
  h->mark_units = fh_max(h->mark_units, used);
  bool shrunken = h->mark_units > SHRINK_UNITS && used < h->mark_units / 4;
  if (shrunken && h->slow_calls - h->shrunk_at >= h->patience) {
    shrink(h);
  }
}

static void quick_age(fh_chunks *h) {
  if (++h->slow_calls % QUICK_ROUND == 0) {
    for (unsigned i = 0; i < QUICK_BATCH && quick_coalesce(h); i++) {
    }
    shrink_when_due(h);
  }
}

/* A chunk found no room: some for it, and for those that follow. */
static void quick_make_room(fh_chunks *h) {
  shrink_when_due(h);
  quick_set_limit(h);
  unsigned most = h->quick_room < 0 ? QUICK_MANY : QUICK_BATCH;
  for (unsigned i = 0; i < most && h->quick_room < h->quick_limit / 4 && quick_coalesce(h); i++) {
  }
}

/* Taking. */

/* The shorter of what fits so far, NULL for nothing, and another hole, if there is one and it fits too. */
fh_inline fh_chunk *hole_closer(fh_chunk *fit, fh_chunk *c, uint64_t units) {
  uint64_t length = c == NULL ? 0 : chunk_length(c);
  return length >= units && (fit == NULL || length <= chunk_length(fit)) ? c : fit;
}

/* The closest fit that is at hand: of the index, or an open hole. */
fh_inline fh_chunk *hole_at_hand(fh_chunks *h, uint64_t units) {
  fh_hole *hole = fh_bins_find(&h->holes, units, hole_length);
  fh_chunk *fit = hole == NULL ? NULL : hole_chunk(hole);
  fit = hole_closer(fit, h->open[FH_OPEN_JOINED], units);
  return hole_closer(fit, h->open[FH_OPEN_REST], units);
}

static fh_chunk *hole_find(fh_chunks *, uint64_t units);

/* What is coalesced may fit, or else a new stretch does. */
static fh_noinline fh_chunk *hole_make(fh_chunks *h, uint64_t units) {
  if (quick_holds(h) >= units) {
    quick_flush_all(h);
    return hole_find(h, units);
  }
  return stretch_add(h, units);
}

static fh_noinline fh_chunk *hole_find(fh_chunks *h, uint64_t units) {
  fh_chunk *c = hole_at_hand(h, units);
  return fh_likely(c != NULL) ? c : hole_make(h, units);
}

/* Splits what is too large; the chunk is used afterwards. */
fh_inline void hole_split(fh_chunks *h, const hole_state *was, uint64_t units) {
  fh_chunk *c = was->at;
  uint64_t rest = was->length - units, ahead = ahead_units(h, was), dirty = was->dirty;
  h->budget.reused += was->flags == 0 ? fh_min(units, was->length - dirty) * FH_UNIT : 0;
  fh_open open = hole_take(h, was);
  if (fh_unlikely(rest < FH_SPLIT_LEAST)) {
    chunk_write(c, was->length, was->before, CHUNK_USED);
    chunk_tell(chunk_at(c, (int64_t)was->length), was->length, false);
    holes_tell_when_much(h);
    return;
  }
  dirty = dirty <= ahead ? ahead - fh_min(ahead, units) : dirty; /* else nobody knows where it lies */
  if (open != FH_OPEN_REST) {
    fh_holes_close(h, FH_OPEN_REST);
  }
  hole_put(h, &(hole_state){chunk_at(c, (int64_t)units), rest, units, fh_min(dirty, rest), was->flags}, FH_OPEN_REST);
  chunk_write(c, units, was->before, CHUNK_USED);
}

static fh_noinline void hole_use(fh_chunks *h, fh_chunk *c, uint64_t units) {
  hole_state was = hole_read(c);
  hole_split(h, &was, units);
}

/* A fault costs far more than the page that it brings. A heap that goes on into memory that is not there will need more
 * of it: some is asked for at once, from where the chunk and the links of the rest behind it reach beyond what is. */
static fh_noinline void populate_ahead(fh_chunks *h, fh_chunk *c, uint64_t units) {
  hole_state hole = hole_read(c);
  size_t page = fh_os_page_size();
  size_t more = fh_round_down(fh_min((size_t)live_units(h) * FH_UNIT / AHEAD_SHARE, AHEAD_MOST), page);
  char *from = (char *)fh_round_up((uintptr_t)c + sizeof(big_hole), page), *end = hole_end(&hole);
  from = ahead_units(h, &hole) != 0 && h->ahead > from ? h->ahead : from;
  bool reaches = (char *)chunk_at(c, (int64_t)units) + sizeof(big_hole) > from;
  if (reaches && more > page && from < end && (size_t)(end - from) > more && fh_os_populate(from, more)) {
    h->ahead = from + more;
  }
}

static void *take_hole(fh_chunks *h, uint64_t units, size_t *unzeroed) {
  fh_chunk *c = hole_at_hand(h, units);
  c = fh_likely(c != NULL) ? c : hole_make(h, units);
  if (fh_unlikely(c == NULL)) {
    return NULL;
  }
  hole_state hole = hole_read(c);
  if (hole.length >= FH_BIG_UNITS && hole.dirty <= ahead_units(h, &hole)) {
    populate_ahead(h, c, units);
  }
  hole_split(h, &hole, units);
  if (unzeroed != NULL) {
    *unzeroed = (hole.flags & CHUNK_FRESH) != 0 ? sizeof(big_hole) - FH_CHUNK_HEAD : SIZE_MAX;
  }
  return chunk_user(c);
}

/* What is cut for `bytes`: the length of a class, so that it serves other sizes too when it was given back. */
static uint64_t chunk_fit(size_t bytes) {
  uint64_t units = chunk_units(bytes);
  return bytes > FH_QUICK_MAX ? units : fh_quick_class_units(fh_quick_class_up(units));
}

void *fh_chunk_take(fh_chunks *h, size_t bytes, size_t *unzeroed) {
  uint64_t units = chunk_units(bytes);
  if (bytes > FH_QUICK_MAX) {
    return take_hole(h, units, unzeroed);
  }
  unsigned class = fh_quick_class_up(units);
  void *user = fh_quick_take_class(h, class);
  if (user != NULL) {
    if (unzeroed != NULL) {
      *unzeroed = SIZE_MAX;
    }
    return user;
  }
  return take_hole(h, fh_quick_class_units(class), unzeroed);
}

/* What was given back last of that length, if it lies right: who wants aligned memory once wants it again. */
static void *quick_take_aligned(fh_chunks *h, size_t alignment, uint64_t units) {
  void *user = fh_quick_take(h, units);
  if (user == NULL || ((uintptr_t)user & (alignment - 1)) == 0) {
    return user;
  }
  if (fh_unlikely(!fh_quick_give(h, user))) { /* the limit has fallen */
    coalesce(h, chunk_of(user));
  }
  return NULL;
}

/* Takes enough to move the start up to a boundary, and gives the front back as a hole:
 *
 *   | head | ....... | head | user ............ |
 *   front: a hole      ^ user is aligned                                                                        */
void *fh_chunk_take_aligned(fh_chunks *h, size_t alignment, size_t bytes) {
  uint64_t units = chunk_fit(bytes);
  void *quick = bytes <= FH_QUICK_MAX ? quick_take_aligned(h, alignment, units) : NULL;
  if (quick != NULL) {
    return quick;
  }
  fh_chunk *c = hole_find(h, units + alignment / FH_UNIT + 2);
  if (c == NULL) {
    return NULL;
  }
  uintptr_t user = (uintptr_t)chunk_user(c);
  uintptr_t at = fh_round_up(user, alignment);
  if (at != user && at - user < 2 * FH_UNIT) {
    at += alignment;
  }
  uint64_t front = (at - user) / FH_UNIT;
  if (front == 0) {
    hole_use(h, c, units);
    return chunk_user(c);
  }
  hole_use(h, c, front + units);
  uint64_t total = chunk_length(c);
  fh_chunk *aligned = chunk_at(c, (int64_t)front);
  chunk_write(aligned, total - front, front, CHUNK_USED);
  chunk_tell(chunk_next(aligned), total - front, false);
  chunk_write(c, front, chunk_before_length(c), CHUNK_USED);
  coalesce(h, c);
  return chunk_user(aligned);
}

/* Giving back. */

void fh_chunk_check(const char *call, const void *user) {
  fh_chunk *c = chunk_of(user);
  uint64_t head = chunk_head(c);
  if (((uintptr_t)user & (FH_UNIT - 1)) != 0 || !chunk_is_checked(c, head) || (head >> 6 & CHUNK_LENGTH_MASK) == 0) {
    fh_fatal(call, user, "not the start of an allocation, or its header was overwritten");
  }
  if ((head & (CHUNK_USED | CHUNK_QUICK)) != CHUNK_USED) {
    fh_fatal(call, user, "freed already (double free)");
  }
}

void fh_chunk_give(fh_chunks *h, const char *call, void *user) {
  if (fh_unlikely(!fh_quick_give(h, user))) {
    fh_chunk_give_slow(h, call, user);
  }
}

void fh_chunk_give_slow(fh_chunks *h, const char *call, void *user) {
  fh_chunk *c = chunk_of(user);
  fh_chunk_check(call, user);
  uint64_t units = chunk_length(c);
  quick_age(h);
  if (units > FH_QUICK_LONGEST) {
    coalesce(h, c);
    return;
  }
  if (h->quick_room < (int64_t)units) {
    quick_make_room(h);
  }
  if (!fh_quick_give(h, user)) {
    coalesce(h, c);
  }
}

/* Shrinks a used chunk to `units`; the rest becomes a hole and joins the one behind it. */
static void split_rest(fh_chunks *h, fh_chunk *c, uint64_t units) {
  uint64_t length = chunk_length(c);
  if (length - units < FH_SPLIT_LEAST) {
    return;
  }
  fh_chunk *behind = chunk_at(c, (int64_t)units);
  chunk_write(c, units, chunk_before_length(c), chunk_flags(c));
  chunk_write(behind, length - units, units, CHUNK_USED);
  chunk_tell(chunk_next(behind), length - units, false);
  coalesce(h, behind);
}

bool fh_chunk_resize(fh_chunks *h, void *user, size_t bytes) {
  fh_chunk *c = chunk_of(user), *next = chunk_next(c);
  uint64_t units = chunk_units(bytes), length = chunk_length(c), fit = chunk_fit(bytes);
  if (units <= length) {
    split_rest(h, c, fh_min(fit, length));
    return true;
  }
  uint64_t most = length + ((chunk_flags(next) & CHUNK_USED) != 0 ? 0 : chunk_length(next));
  if (most < units) {
    return false;
  }
  hole_use(h, next, fh_min(fit, most) - length);
  length += chunk_length(next);
  chunk_write(c, length, chunk_before_length(c), chunk_flags(c));
  next = chunk_at(c, (int64_t)length);
  chunk_tell(next, length, (chunk_flags(next) & CHUNK_BEFORE_FREE) != 0);
  return true;
}

size_t fh_chunk_settle(fh_chunks *h) {
  quick_flush_all(h);
  fh_holes_tell(h);
  return (size_t)dirty_bytes(h);
}

size_t fh_chunk_trim(fh_chunks *h) {
  quick_flush_all(h);
  return fh_holes_purge(h, 0);
}
