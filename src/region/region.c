/* A region's calls: taking and giving chunks. */
#include "region/chunk.h"

fh_region *fh_region_create(void *memory, size_t bytes, const fh_region_options *options) {
  static const fh_region_options none = {FH_FIT_GOOD, 0, NULL, NULL};
  options = options != NULL ? options : &none;
  if ((unsigned)options->fit > LAST_FIT || (options->flags & ~(unsigned)KNOWN_FLAGS) != 0) {
    return NULL;
  }
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

/* Takes a hole of at least that many cells out of the index. */
fh_inline uint32_t pick(fh_region *r, uint32_t cells) {
  int fit = fit_of(r);
  if (fit == FH_FIT_GOOD && !is_checked(r)) {
    return index_take(r, cells);
  }
  uint32_t id = index_find(r, fit, cells);
  if (is_checked(r) && id != FH_NONE && !fh_hole_holds(r, id)) {
    return FH_NONE; /* fh_region_take will say why */
  }
  if (id != FH_NONE) {
    index_remove(r, fit, id, cells_of(r, id));
  }
  return id;
}

static void *take(fh_region *r, size_t size, size_t alignment) {
  (void)alignment;
  uint32_t cells = cells_for(r, size, 0), id = cells == 0 ? FH_NONE : pick(r, cells);
  return id == FH_NONE ? NULL : fh_hole_use(r, id, cells_of(r, id), cells, size, 0);
}

/* From the start of a hole that is no longer in the index. */
void *fh_hole_use(fh_region *r, uint32_t id, uint32_t have, uint32_t cells, size_t size, fh_head flags) {
  if (is_buddy(r)) {
    r->holes--;
    fh_buddy_cut(r, id, have, cells);
  } else {
    cells = cut(r, fit_of(r), false, id, have, cells);
  }
  chunk_write(r, id, cells, size, flags);
  count_in(r, cells, size);
  return space_user(r, id);
}

/* Enough bytes, and no hole for them; or not enough; or, in a checked region, one that something wrote into. */
static fh_status why_none(const fh_region *r, size_t size) {
  size_t free = 0;
  if (is_checked(r) && fh_region_check(r) != FH_OK) {
    return FH_CORRUPT;
  }
  for (const fh_region *s = r; s != NULL; s = space_next(s)) {
    free += (size_t)free_cells(s) << CELL_SHIFT;
  }
  return free < size + HEAD_BYTES ? FH_EXHAUSTED : FH_FRAGMENTED;
}

/* What a growth function is asked for: a space of that many bytes would have room. 0: none has. */
static size_t bytes_to_grow(const fh_region *r, size_t size, size_t alignment) {
  size_t need = size + alignment + sizeof(fh_region) + 64 * HEAD_BYTES + FH_BUDDY_ALIGN;
  need += need / 64 + 4096 / sizeof(size_t);
  need = is_buddy(r) ? need * 4 : need; /* a whole piece, wherever the space ends now */
  return size > MOST_BYTES ? 0 : need;
}

static bool grow(fh_region *r, size_t size, size_t alignment) {
  size_t need = r->grow == NULL ? 0 : bytes_to_grow(r, size, alignment);
  return need != 0 && r->grow(r, need, r->grow_arg) != 0;
}

fh_noinline void *fh_region_take(fh_region *r, fh_taker *how, size_t size, size_t alignment) {
  if (size > PTRDIFF_MAX) {
    fail(r, FH_INVALID);
    return NULL;
  }
  bool grown = false;
  do {
    for (fh_region *s = r; s != NULL; s = space_next(s)) {
      void *taken = how(s, size, alignment);
      if (taken != NULL) {
        return taken;
      }
    }
  } while (!grown && (grown = grow(r, size, alignment)));
  fail(r, why_none(r, size));
  return NULL;
}

/* The short way: the default policy, nothing to check, a hole in the first space. */
void *fh_region_alloc(fh_region *r, size_t size) {
  if (FH_SMALL || fh_unlikely(size >= r->plain_most)) {
    return fh_region_take(r, take, size, 0);
  }
  uint32_t cells = (uint32_t)(((size + HEAD_BYTES + r->plain_mask) & ~r->plain_mask) >> CELL_SHIFT);
  cells = cells < r->least ? r->least : cells;
  uint32_t id = index_take(r, cells);
  if (fh_unlikely(id == FH_NONE)) {
    return fh_region_take(r, take, size, 0);
  }
  uint32_t have = cells_of(r, id);
  cells = cut(r, FH_FIT_GOOD, true, id, have, cells);
  head_write_plain(r, id, low_of(cells, (uint32_t)(user_bytes(r, cells) - size), HEAD_USED));
  count_in(r, cells, size);
  return space_user(r, id);
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
  size_t offset = (size_t)((uintptr_t)pointer - (uintptr_t)s), name = offset >> CELL_SHIFT;
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
  if (is_checked(s) && !fh_beside_holds(s, id, low_cells(low))) {
    return fail(r, FH_CORRUPT);
  }
  count_out(s, low_cells(low), asked_of(s, id, low));
  fh_hole_give(s, id, low_cells(low));
  return FH_OK;
}

/* The short way: a chunk of the first space whose own head and the next are as they should be. */
fh_status fh_region_free(fh_region *r, void *pointer) {
  size_t offset = (size_t)((uintptr_t)pointer - (uintptr_t)r), id = offset >> CELL_SHIFT;
  if (FH_SMALL || fh_unlikely((offset & r->plain_mask) != 0 || id < r->first || id >= r->end)) {
    return free_slow(r, pointer);
  }
  uint32_t at = (uint32_t)id;
  fh_head low = head_low(r, at);
  uint32_t cells = low_cells(low);
  bool ours = head_is_used_plain(r, at) && cells - 1 < r->end - at; /* 0 cells are no chunk either */
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
  return fh_chunk_of(r, pointer, &s, &id) == FH_OK ? usable_of(s, id, head_low(s, id)) : 0;
}
