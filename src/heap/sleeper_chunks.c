/* Chunks that were sent to a sleeper (heap/sleeper.h), coalesced where they lie side by side without a word to the one
 * they belong to. */
#include "base/bits.h"
#include "heap/chunk_ops.h"
#include "heap/sleeper.h"
#include "os/os.h"

/* Bytes of an inner chunk that are worth a call to the kernel: as in holes. */
enum { PURGE_LEAST = FH_BIG_UNITS * FH_UNIT };

static fh_sent_chunk *sent_of(fh_chunk *c) { return chunk_user(c); }

/* A word that a program may be writing, without a word to the thread sanitizer. */
#if FH_TSAN
__attribute__((no_sanitize("thread")))
#endif
static uintptr_t
word_of_another(const uintptr_t *place) {
  return __atomic_load_n(place, __ATOMIC_RELAXED);
}

/* Whether that chunk is on the list. It may be anybody's, and be written to meanwhile: only what was sorted holds its
 * own mark. One that is too short for the list holds one too, and the END of a stretch has nothing behind it. */
static bool is_sent(const fh_heap *to, fh_chunk *c) {
  uint64_t units = chunk_length(c);
  if (units * FH_UNIT < sizeof(fh_sent_chunk) + FH_CHUNK_HEAD) {
    return false;
  }
  return word_of_another(&sent_of(c)->mark) == fh_sleeper_mark(to, sent_of(c));
}

/* The neighbours on the list; NULL: not there. What a head says of the chunk before is as old as it may be, when that
 * one was not sent. */
static fh_chunk *sent_after(const fh_heap *to, fh_chunk *c) {
  fh_chunk *next = chunk_next(c);
  return is_sent(to, next) ? next : NULL;
}

static fh_chunk *sent_before(const fh_heap *to, fh_chunk *c) {
  bool first = chunk_before_length(c) == 0;
  return !first && is_sent(to, chunk_before(c)) ? chunk_before(c) : NULL;
}

static bool was_inner(fh_chunk *c) { return (sent_of(c)->dirty & 1) != 0; }

/* It was, and its neighbours have not been taken back since: then the thread may write to its head again. */
static bool is_inner(const fh_heap *to, fh_chunk *c) {
  return was_inner(c) && sent_before(to, c) != NULL && sent_after(to, c) != NULL;
}

static void set_dirty(fh_heap *to, fh_chunk *c, uint64_t bytes, bool inner) {
  to->sorted.dirty += bytes - fh_sent_dirty(sent_of(c));
  sent_of(c)->dirty = bytes | inner;
}

/* Whole pages of the kernel's behind what is written into the chunk, when it is too much. */
static void keep_budget(fh_heap *to, fh_chunk *c, uint64_t retain) {
  fh_os_part inside = fh_os_pages_within((char *)(sent_of(c) + 1), (char *)chunk_next(c));
  bool much = fh_sent_dirty(sent_of(c)) >= PURGE_LEAST && to->sorted.dirty > retain;
  if (much && inside.bytes != 0 && fh_os_purge(inside.at, inside.bytes)) {
    set_dirty(to, c, 0, was_inner(c));
  }
}

size_t fh_sleeper_purge_chunks(fh_heap *to) {
  uint64_t before = to->sorted.dirty;
  for (fh_hole *link = to->sorted.chunks.next; link != NULL; link = link->next) {
    keep_budget(to, hole_chunk(link), 0);
  }
  return (size_t)(before - to->sorted.dirty);
}

/* Of a chunk that becomes a part of an inner one. A short one by itself is not worth a call. */
static uint64_t dirty_inside(fh_chunk *c) {
  uint64_t length = chunk_length(c) * FH_UNIT;
  return was_inner(c) || length >= PURGE_LEAST ? fh_sent_dirty(sent_of(c)) : length;
}

/* All chunks from `first` up to `end`, which were sent and have neighbours that were, become one. */
static void join(fh_heap *to, fh_chunk *first, fh_chunk *end) {
  fh_chunk *c = chunk_next(first);
  uint64_t dirty = dirty_inside(first), units = (uint64_t)((char *)end - (char *)first) / FH_UNIT;
  chunk_write(first, units, chunk_before_length(first), chunk_flags(first));
  for (fh_chunk *next; c != end; c = next) {
    next = chunk_next(c);
    dirty += dirty_inside(c);
    set_dirty(to, c, 0, false);
    fh_hole_leave(&sent_of(c)->link);
    sent_of(c)->mark = 0;
    chunk_set(c, 0); /* no chunk begins here any more: it is not to be freed again */
  }
  chunk_tell(chunk_next(first), chunk_length(first), false);
  set_dirty(to, first, dirty, true);
}

/* A chunk is inner when both neighbours were sent. `c` has come, so it may be, and each neighbour of it:
 *
 *   | before | left | c | right | after |      c: left and right are there. left: before is. right: after is.
 *                                              before and after: as they were                                    */
void fh_sleeper_chunk(fh_heap *to, fh_sent_chunk *chunk) {
  fh_chunk *c = chunk_of(chunk), *left = sent_before(to, c), *right = sent_after(to, c);
  fh_chunk *before = left == NULL ? NULL : sent_before(to, left);
  fh_chunk *after = right == NULL ? NULL : sent_after(to, right);
  fh_chunk *first = right, *end = c; /* of the inner ones: none, unless they lie the other way round */
  if (left != NULL && right != NULL) {
    first = c;
    end = right;
  }
  if (before != NULL) {
    first = is_inner(to, before) ? before : left;
  }
  if (after != NULL) {
    end = is_inner(to, after) ? chunk_next(after) : after;
  }
  bool joins = first != NULL && first < end;
  uint64_t length = chunk_length(c) * FH_UNIT;
  fh_sleeper_set_mark(to, chunk, &chunk->mark);
  chunk->dirty = 0;
  set_dirty(to, c, length >= PURGE_LEAST ? length : 0, false);
  fh_hole_push(&to->sorted.chunks, &chunk->link);
  if (joins) {
    join(to, first, end);
  }
  keep_budget(to, joins ? first : c, FH_SLEEP_RETAIN);
}
