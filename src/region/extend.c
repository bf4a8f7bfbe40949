/* More memory for a region, and less. */
#include "region/chunk.h"

/* The last byte of a space that its closing head leaves unused belongs to it all the same: adjacent memory begins
 * behind. */
static bool grow_space(fh_region *s, size_t bytes) {
  size_t size = s->size + bytes;
  uint32_t cells = fh_space_cells(s, size - s->lead), old = s->end, end = fh_space_close(s, cells);
  if (size < bytes || ((size_t)(cells + (1u << s->fold)) << CELL_SHIFT) + s->lead <= size || end < old + s->least) {
    return false; /* more than its heads can count, or too little to be a chunk */
  }
  fh_head before = head_low(s, old) & HEAD_BEFORE_FREE;
  s->size = size;
  s->end = end;
  head_write(s, end, low_of(0, 0, HEAD_USED));
  head_write(s, old, low_of(end - old, 0, before));
  fh_space_free_all(s, old);
  return true;
}

static bool overlaps(const fh_region *s, const char *memory, size_t bytes) {
  return (uintptr_t)memory < (uintptr_t)space_end(s) && (uintptr_t)space_start(s) < (uintptr_t)memory + bytes;
}

fh_status fh_region_extend(fh_region *r, void *memory, size_t bytes) {
  fh_region *last = r;
  if (memory == NULL || (uintptr_t)memory + bytes < bytes) {
    return fail(r, FH_INVALID);
  }
  for (fh_region *next = space_next(last);; last = next, next = space_next(last)) {
    if (overlaps(last, memory, bytes)) {
      return fail(r, FH_INVALID);
    }
    if (next == NULL) {
      break;
    }
  }
  for (fh_region *s = r; s != NULL; s = space_next(s)) {
    if (memory == space_end(s) && grow_space(s, bytes)) {
      return FH_OK;
    }
  }
  fh_region *made = fh_space_make(memory, bytes, (fh_fit)last->fit, last->flags);
  if (made == NULL) {
    return fail(r, FH_INVALID);
  }
  last->next = (char *)made - (char *)last;
  return FH_OK;
}

static uint32_t free_tail(const fh_region *s) {
  return (*head_of(s, s->end) & HEAD_BEFORE_FREE) != 0 ? *foot_before(s, s->end) : 0;
}

/* Buddies end in pieces of any length: they go one by one. */
static uint32_t cut_buddies(fh_region *s) {
  uint32_t end = s->first, at = s->first;
  for (uint32_t cells; at < s->end; at += cells) {
    cells = cells_of(s, at);
    if (cells == 0) {
      break;
    }
    if (is_used(s, at)) {
      end = at + cells;
    }
  }
  for (uint32_t next, id = end; id < at; id = next) {
    next = id + cells_of(s, id);
    hole_take(s, id, next - id);
  }
  return end;
}

static uint32_t cut_tail(fh_region *s) {
  if (is_buddy(s)) {
    return cut_buddies(s);
  }
  uint32_t cells = free_tail(s);
  if (cells != 0) {
    hole_take(s, s->end - cells, cells);
  }
  return s->end - cells;
}

size_t fh_region_trim(fh_region *r) {
  fh_region *s = r;
  while (space_next(s) != NULL) {
    s = space_next(s);
  }
  size_t before = s->size;
  uint32_t end = cut_tail(s);
  if (end == s->end) {
    return 0;
  }
  s->end = end;
  s->size = s->lead + ((size_t)end << CELL_SHIFT);
  head_write(s, end, low_of(0, 0, HEAD_USED));
  return before - s->size;
}

void *fh_region_end(const fh_region *r) { return space_end(r); }
