/* Changing the length of a chunk: in place, forward, backward, or by moving it. */
#include "region/chunk.h"

typedef struct change {
  fh_region *r;
  uint32_t id, cells; /* the chunk as it is */
  fh_head flags;      /* ALIGNED and BEFORE_FREE of it */
  size_t asked, size; /* before and after */
  size_t kept;        /* bytes of contents: all that fh_region_usable_size let the caller write, as far as they fit */
  uint32_t need;
  unsigned char log; /* of the alignment, where there is one */
} change;

/* The chunk of `cells` at `id`, of which `need` are wanted; the rest is given back where it can be a chunk or join one.
 */
static void settle(const change *c, uint32_t id, uint32_t cells, fh_head flags) {
  fh_region *r = c->r;
  uint32_t rest = cells - c->need;
  bool split = rest >= r->least || (rest != 0 && !is_used(r, id + cells));
  uint32_t keep = split ? c->need : cells;
  chunk_write(r, id, keep, c->size, flags);
  if ((flags & HEAD_ALIGNED) != 0) {
    *log_place(r, id, head_low(r, id)) = c->log;
  }
  if (keep != cells) {
    head_write(r, id + keep, low_of(cells - keep, 0, 0));
    fh_hole_join(r, id + keep, cells - keep);
  } else {
    head_flag(r, id + cells, HEAD_BEFORE_FREE, false);
  }
  count_out(r, c->cells, c->asked);
  count_in(r, keep, c->size);
}

static uint32_t cells_behind(const change *c) {
  uint32_t behind = c->id + c->cells;
  return is_used(c->r, behind) ? 0 : cells_of(c->r, behind);
}

static void take_behind(const change *c, uint32_t more) {
  if (more != 0) {
    hole_take(c->r, c->id + c->cells, more);
  }
}

static bool forward(const change *c) {
  uint32_t more = cells_behind(c);
  if (c->cells + more < c->need) {
    return false;
  }
  take_behind(c, more);
  settle(c, c->id, c->cells + more, c->flags);
  return true;
}

/* Into the hole in front, and behind where that is not enough. */
static void *backward(const change *c) {
  fh_region *r = c->r;
  if ((c->flags & HEAD_BEFORE_FREE) == 0) {
    return NULL;
  }
  uint32_t before = hole_before(r, c->id), front = c->id - before;
  uint32_t more = front + c->cells < c->need ? cells_behind(c) : 0;
  size_t mask = (c->flags & HEAD_ALIGNED) != 0 ? ((size_t)1 << c->log) - 1 : 0;
  if (front + c->cells + more < c->need || ((uintptr_t)space_user(r, before) & mask) != 0) {
    return NULL;
  }
  hole_take(r, before, front);
  take_behind(c, more);
  head_write(r, c->id, low_of(c->cells, 0, 0)); /* no chunk begins here any more */
  __builtin_memmove(space_user(r, before), space_user(r, c->id), c->kept);
  settle(c, before, front + c->cells + more, c->flags & HEAD_ALIGNED);
  return space_user(r, before);
}

/* A piece halves in place; it never grows there. */
static bool resize_buddy(const change *c) {
  if (c->need > c->cells) {
    return false;
  }
  fh_region *r = c->r;
  chunk_write(r, c->id, c->need, c->size, c->flags);
  if ((c->flags & HEAD_ALIGNED) != 0) {
    *log_place(r, c->id, head_low(r, c->id)) = c->log;
  }
  fh_buddy_cut(r, c->id, c->cells, c->need);
  count_out(r, c->cells, c->asked);
  count_in(r, c->need, c->size);
  return true;
}

static void *move(fh_region *region, const change *c) {
  void *old = space_user(c->r, c->id);
  bool aligned = (c->flags & HEAD_ALIGNED) != 0;
  void *made =
      aligned ? fh_region_alloc_aligned(region, (size_t)1 << c->log, c->size) : fh_region_alloc(region, c->size);
  if (made != NULL) {
    __builtin_memcpy(made, old, c->kept);
    fh_region_free(region, old);
  }
  return made;
}

static void *resize(fh_region *region, change *c) {
  void *old = space_user(c->r, c->id);
  c->need = cells_for(c->r, c->size, (c->flags & HEAD_ALIGNED) != 0);
  if (c->need == 0) {
    return move(region, c);
  }
  if (is_buddy(c->r)) {
    return resize_buddy(c) ? old : move(region, c);
  }
  if (c->need <= c->cells || forward(c)) {
    if (c->need <= c->cells) {
      settle(c, c->id, c->cells, c->flags);
    }
    return old;
  }
  void *moved = backward(c);
  return moved != NULL ? moved : move(region, c);
}

void *fh_region_realloc(fh_region *region, void *pointer, size_t size) {
  if (pointer == NULL) {
    return fh_region_alloc(region, size);
  }
  change c = {.size = size};
  fh_status status = fh_chunk_of(region, pointer, &c.r, &c.id);
  if (status != FH_OK) {
    fail(region, status);
    return NULL;
  }
  if (size == 0) {
    fh_region_free(region, pointer);
    fail(region, FH_OK);
    return NULL;
  }
  fh_head low = head_low(c.r, c.id);
  c.cells = low_cells(low);
  c.flags = low & (HEAD_ALIGNED | HEAD_BEFORE_FREE);
  c.asked = asked_of(c.r, c.id, low);
  c.kept = usable_of(c.r, c.id, low);
  c.kept = c.kept < size ? c.kept : size;
  if (is_checked(c.r) && !fh_beside_holds(c.r, c.id, c.cells)) {
    fail(region, FH_CORRUPT);
    return NULL;
  }
  if ((low & HEAD_ALIGNED) != 0) {
    c.log = *log_place(c.r, c.id, low);
    if (!log_holds(c.r, c.log)) {
      fail(region, FH_CORRUPT);
      return NULL;
    }
  }
  return resize(region, &c);
}
