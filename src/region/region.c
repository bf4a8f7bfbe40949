/* A region's calls: taking and giving chunks. */
#include "region/chunk.h"

fh_region *fh_region_create(void *memory, size_t bytes, const fh_region_options *options) {
  static const fh_region_options none = {FH_FIT_GOOD, 0, NULL, NULL};
  options = options != NULL ? options : &none;
  unsigned known = FH_REGION_CHECKED | FH_REGION_BOUNDED | FH_REGION_PACKED;
  if ((unsigned)options->fit > FH_FIT_BUDDY || (options->flags & ~known) != 0) {
    return NULL;
  }
#ifdef FREEHOLD_REGION_ONLY_GOOD
  if (options->fit != FH_FIT_GOOD) {
    return NULL;
  }
#endif
  fh_region *r = fh_space_make(memory, bytes, options->fit, options->flags);
  if (r != NULL) {
    r->grow = options->grow;
    r->grow_arg = options->grow_arg;
  }
  return r;
}

fh_status fh_region_why(const fh_region *r) { return (fh_status)r->why; }

/* Taking. */

/* Uses the hole `id` of `have` cells, no longer in the index, for `cells` of them from its start; what is left is a
 * hole if it can be a chunk. The cells that were used. */
fh_inline uint32_t cut(fh_region *r, int fit, bool plain, uint32_t id, uint32_t have, uint32_t cells) {
  uint32_t rest = have - cells;
  if (rest < r->least) {
    r->holes--;
    if (plain) {
      *head_of(r, id + have) &= ~(fh_head)HEAD_BEFORE_FREE;
    } else {
      head_flag(r, id + have, HEAD_BEFORE_FREE, false);
    }
    return have;
  }
  hole_write(r, fit, plain, id + cells, rest); /* the chunk behind knows already */
  if (fit == FH_FIT_NEXT) {
    r->list.rover = id + cells; /* the next search goes on in what is left */
  }
  return cells;
}

static fh_noinline void *take(fh_region *r, size_t size, uint32_t cells) {
  int fit = fit_of(r);
  uint32_t id = index_find(r, fit, cells);
  if (id == FH_NONE) {
    return NULL;
  }
  uint32_t have = cells_of(r, id);
  index_remove(r, fit, id, have);
  if (is_buddy(r)) {
    r->holes--;
    fh_buddy_cut(r, id, have, cells);
  } else {
    cells = cut(r, fit, false, id, have, cells);
  }
  chunk_write(r, id, cells, size, 0);
  count_in(r, cells, size);
  return space_user(r, id);
}

/* Where chunks must begin so that their bytes are aligned: the first such name from `id` on that leaves nothing in
 * front, or a hole. 0: there is none within `have` cells for `cells`. */
static uint32_t aligned_in(const fh_region *r, uint32_t id, uint32_t have, uint32_t cells, size_t alignment) {
  uintptr_t user = (uintptr_t)space_user(r, id);
  uintptr_t at = (user + alignment - 1) & ~(uintptr_t)(alignment - 1);
  while (at != user && at - user < (uintptr_t)r->least << CELL_SHIFT) {
    at += alignment;
  }
  size_t front = (at - user) >> CELL_SHIFT;
  return at >= user && front <= have && have - front >= cells ? id + (uint32_t)front : 0;
}

enum { ALIGNED_TRIES = 8 };

/* Any hole of `sure` cells serves. Where there is none, a few shorter ones may happen to lie well. */
static uint32_t find_aligned(fh_region *r, uint32_t cells, uint32_t sure, size_t alignment, uint32_t *at) {
  uint32_t id = sure != 0 ? index_find(r, fit_of(r), sure) : FH_NONE;
  for (unsigned tries = ALIGNED_TRIES; id == FH_NONE && tries != 0; tries--) {
    uint32_t candidate = index_find(r, fit_of(r), cells);
    if (candidate == FH_NONE) {
      return FH_NONE;
    }
    uint32_t have = cells_of(r, candidate);
    if (aligned_in(r, candidate, have, cells, alignment) != 0) {
      id = candidate;
    }
    cells = have + 1;
  }
  *at = id;
  return id;
}

static void *use_aligned(fh_region *r, uint32_t id, uint32_t at, uint32_t cells, size_t size, size_t alignment) {
  uint32_t have = cells_of(r, id) - (at - id);
  index_remove(r, fit_of(r), id, cells_of(r, id));
  if (at != id) {
    hole_add(r, id, at - id);
  }
  if (is_buddy(r)) {
    r->holes--;
    fh_buddy_cut(r, at, have, cells);
  } else {
    cells = cut(r, fit_of(r), false, at, have, cells);
  }
  chunk_write(r, at, cells, size, HEAD_ALIGNED | (at != id ? HEAD_BEFORE_FREE : 0));
  *log_place(r, at, head_low(r, at)) = (unsigned char)fh_good_lowest(alignment);
  count_in(r, cells, size);
  return space_user(r, at);
}

static void *take_aligned(fh_region *r, size_t size, uint32_t cells, size_t alignment) {
  size_t span = alignment >> CELL_SHIFT;
  uint32_t id, at;
  if (is_buddy(r)) { /* a piece of its length is aligned if the space is */
    cells = span > cells && span <= UINT32_MAX / 2 ? (uint32_t)span : cells;
    id = span > UINT32_MAX / 2 ? FH_NONE : index_find(r, fit_of(r), cells);
    at = id;
    if (id == FH_NONE || ((uintptr_t)space_user(r, id) & (alignment - 1)) != 0) {
      return NULL;
    }
  } else {
    uint32_t sure = span < UINT32_MAX / 2 - cells ? cells + (uint32_t)span + r->least - 1 : 0;
    if (find_aligned(r, cells, sure, alignment, &id) == FH_NONE) {
      return NULL;
    }
    at = aligned_in(r, id, cells_of(r, id), cells, alignment);
  }
  return use_aligned(r, id, at, cells, size, alignment);
}

/* Enough bytes, and no hole for them; or not enough. */
static fh_status why_none(const fh_region *r, size_t size) {
  uint64_t free = 0;
  for (const fh_region *s = r; s != NULL; s = space_next(s)) {
    free += (size_t)free_cells(s) << CELL_SHIFT;
  }
  return free < (uint64_t)size + HEAD_BYTES ? FH_EXHAUSTED : FH_FRAGMENTED;
}

/* From any space; alignment 0: a unit. */
static void *take_anywhere(fh_region *r, size_t size, size_t alignment) {
  for (fh_region *s = r; s != NULL; s = space_next(s)) {
    bool plain = alignment <= HEAD_BYTES << s->fold;
    uint32_t cells = cells_for(s, size, !plain);
    void *taken = cells == 0 ? NULL : plain ? take(s, size, cells) : take_aligned(s, size, cells, alignment);
    if (taken != NULL) {
      return taken;
    }
  }
  return NULL;
}

/* What a growth function is asked for: a space of that many bytes would have room. */
static size_t bytes_to_grow(const fh_region *r, size_t size, size_t alignment) {
  size_t need = size + alignment + sizeof(fh_region) + 64 * HEAD_BYTES + FH_BUDDY_ALIGN;
  need += need / 64 + 4096 / sizeof(size_t);
  need = is_buddy(r) ? need * 4 : need; /* a whole piece, wherever the space ends now */
  return need < size ? 0 : need;
}

static fh_noinline void *take_slow(fh_region *r, size_t size, size_t alignment) {
  if (size > PTRDIFF_MAX) {
    fail(r, FH_INVALID);
    return NULL;
  }
  void *taken = take_anywhere(r, size, alignment);
  size_t need = bytes_to_grow(r, size, alignment);
  if (taken == NULL && r->grow != NULL && need != 0 && r->grow(r, need, r->grow_arg) != 0) {
    taken = take_anywhere(r, size, alignment);
  }
  if (taken == NULL) {
    fail(r, why_none(r, size));
  }
  return taken;
}

/* The short way: the default policy, nothing to check, a hole in the first space. */
void *fh_region_alloc(fh_region *r, size_t size) {
  if (fh_unlikely(FH_SMALL || !r->plain || size > r->size)) {
    return take_slow(r, size, 0);
  }
  size_t mask = (HEAD_BYTES << r->fold) - 1;
  uint32_t cells = (uint32_t)(((size + HEAD_BYTES + mask) & ~mask) >> CELL_SHIFT);
  cells = cells < r->least ? r->least : cells;
  uint32_t id = index_take(r, cells);
  if (fh_unlikely(id == FH_NONE)) {
    return take_slow(r, size, 0);
  }
  uint32_t have = cells_of(r, id);
  cells = cut(r, FH_FIT_GOOD, true, id, have, cells);
  head_write_plain(r, id, low_of(cells, (uint32_t)(user_bytes(r, cells) - size), HEAD_USED));
  count_in(r, cells, size);
  return space_user(r, id);
}

void *fh_region_alloc_aligned(fh_region *r, size_t alignment, size_t size) {
  if (!fh_is_power_of_two(alignment) || alignment > PTRDIFF_MAX) {
    fail(r, FH_INVALID);
    return NULL;
  }
  return take_slow(r, size, alignment);
}

void *fh_region_calloc(fh_region *r, size_t count, size_t size) {
  size_t total;
  if (!fh_product(count, size, &total)) {
    fail(r, FH_INVALID);
    return NULL;
  }
  void *taken = fh_region_alloc(r, total);
  return taken == NULL ? NULL : __builtin_memset(taken, 0, total);
}

/* Giving. */

/* Whether the head that says "given back" at `id` lies in a hole: it is one's own, or the walk finds it in one. Only
 * wrong calls come here. */
static bool lies_in_hole(const fh_region *r, uint32_t id) {
  uint32_t at = r->first;
  for (uint32_t cells = 0; at <= id && at < r->end; at += cells) {
    cells = cells_of(r, at);
    if (cells == 0 || cells > r->end - at || id - at < cells) {
      return !is_used(r, at);
    }
  }
  return false;
}

fh_status fh_chunk_of(const fh_region *r, const void *pointer, fh_region **space, uint32_t *id) {
  fh_region *s = space_with(r, pointer);
  if (fh_unlikely(s == NULL)) {
    return FH_NOT_OWNED;
  }
  size_t offset = (size_t)((const char *)pointer - (const char *)s), name = offset >> CELL_SHIFT;
  if (fh_unlikely((offset & ((HEAD_BYTES << s->fold) - 1)) != 0 || name < s->first || name >= s->end)) {
    return FH_NOT_OWNED;
  }
  uint32_t at = (uint32_t)name;
  if (fh_unlikely(!head_is_ours(s, at))) {
    return FH_NOT_OWNED;
  }
  fh_head low = head_low(s, at);
  if (fh_unlikely((low & HEAD_USED) == 0)) {
    return lies_in_hole(s, at) ? FH_DOUBLE_FREE : FH_NOT_OWNED;
  }
  uint32_t cells = low_cells(low);
  if (fh_unlikely(cells < s->least || cells > s->end - at)) {
    return FH_NOT_OWNED;
  }
  if (fh_unlikely(!head_is_ours(s, at + cells) || (is_checked(s) && !guard_holds(s, at, low)))) {
    return FH_CORRUPT;
  }
  *space = s;
  *id = at;
  return FH_OK;
}

static fh_noinline fh_status free_slow(fh_region *r, void *pointer) {
  fh_region *s;
  uint32_t id;
  fh_status status = fh_chunk_of(r, pointer, &s, &id);
  if (status != FH_OK) {
    return fail(r, status);
  }
  fh_head low = head_low(s, id);
  count_out(s, low_cells(low), asked_of(s, id, low));
  fh_hole_give(s, id, low_cells(low));
  return FH_OK;
}

/* The short way: a chunk of the first space whose own head and the next are as they should be. */
fh_status fh_region_free(fh_region *r, void *pointer) {
  size_t offset = (size_t)((char *)pointer - (char *)r), id = offset >> CELL_SHIFT;
  if (FH_SMALL ||
      fh_unlikely((offset & ((HEAD_BYTES << r->fold) - 1)) != 0 || id < r->first || id >= r->end || !r->plain)) {
    return free_slow(r, pointer);
  }
  uint32_t at = (uint32_t)id;
  fh_head low = head_low(r, at);
  uint32_t cells = low_cells(low);
  bool ours = head_is_used_plain(r, at) && cells <= r->end - at;
  if (fh_unlikely(!ours || !head_is_ours_plain(r, at + cells))) {
    return free_slow(r, pointer);
  }
  count_out(r, cells, user_bytes(r, cells) - low_slack(low));
  hole_join(r, FH_FIT_GOOD, true, at, cells);
  return FH_OK;
}

size_t fh_region_usable_size(const fh_region *r, const void *pointer) {
  fh_region *s;
  uint32_t id;
  if (fh_chunk_of(r, pointer, &s, &id) != FH_OK) {
    return 0;
  }
  fh_head low = head_low(s, id);
  if (is_checked(s)) {
    return asked_of(s, id, low);
  }
  size_t own = ((low & HEAD_ALIGNED) != 0) + (low_slack(low) == SLACK_FAR ? sizeof(size_t) : 0);
  return user_bytes(s, low_cells(low)) - own;
}
