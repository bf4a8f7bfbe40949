/* What a region says about itself. */
#include "region/chunk.h"

/* What the largest hole would serve. */
static uint64_t largest_request(fh_region *s) {
  size_t own = HEAD_BYTES + (is_checked(s) ? CANARY_BYTES : 0);
  size_t bytes = (size_t)fh_hole_most(s) << CELL_SHIFT;
  return bytes > own ? bytes - own : 0;
}

void fh_region_space(const fh_region *r, fh_space *out) {
  *out = (fh_space){0};
  for (const fh_region *s = r; s != NULL; s = space_next(s)) {
    size_t used = (size_t)s->used << CELL_SHIFT, free = (size_t)free_cells(s) << CELL_SHIFT;
    uint64_t largest = largest_request((fh_region *)(uintptr_t)s);
    out->size += s->size;
    out->used += used;
    out->free += free;
    out->metadata += s->size - used - free;
    out->requested += s->requested;
    out->holes += s->holes;
    out->chunks += s->chunks;
    out->peak_used += (size_t)s->peak << CELL_SHIFT;
    out->largest = largest > out->largest ? largest : out->largest;
  }
}

int fh_region_walk(const fh_region *r, fh_visit *visit, void *arg) {
  int stop = 0;
  for (const fh_region *s = r; s != NULL && stop == 0; s = space_next(s)) {
    for (uint32_t id = s->first, cells; id < s->end && stop == 0; id += cells) {
      cells = cells_of(s, id);
      if (cells == 0 || cells > s->end - id) {
        break;
      }
      stop = visit((uintptr_t)head_of(s, id), (size_t)cells << CELL_SHIFT, is_used(s, id), arg);
    }
  }
  return stop;
}
