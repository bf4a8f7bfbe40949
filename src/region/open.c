/* Attaching to bytes that may be anything. */
#include "region/check.h"

/* The space behind, if it lies in these bytes too; they never lie in another order. */
static const char *step(const fh_region **r, const char *end) {
  size_t left = (size_t)(end - (const char *)*r);
  ptrdiff_t next = (*r)->next;
  if (next == 0) {
    *r = NULL;
    return NULL;
  }
  if (next < 0 || (size_t)next > left - sizeof **r || (size_t)next < (*r)->size - (*r)->lead ||
      next % FH_SPACE_ALIGN != 0) {
    return "the region goes on outside these bytes";
  }
  *r = (const fh_region *)(const void *)((const char *)*r + next);
  return NULL;
}

static const fh_region *start_in(const void *memory, size_t bytes) {
  size_t lead = (size_t)(-(uintptr_t)memory & (FH_SPACE_ALIGN - 1));
  bool room = memory != NULL && bytes >= lead + sizeof(fh_region);
  return room ? (const fh_region *)(const void *)((const char *)memory + lead) : NULL;
}

static const char *examine(const fh_region *first, const char *end) {
  const char *wrong = NULL;
  for (const fh_region *r = first; wrong == NULL && r != NULL;) {
    fh_tally t = {0};
    wrong = fh_space_check(r, (size_t)(end - (const char *)r), &t);
    if (wrong == NULL && !same_kind(first, r)) {
      wrong = "spaces of different policies or flags";
    }
    wrong = wrong != NULL ? wrong : step(&r, end);
  }
  return wrong;
}

fh_status fh_region_examine(const void *memory, size_t bytes, const char **what) {
  const fh_region *r = start_in(memory, bytes);
  bool begins = r != NULL && r->magic == FH_REGION_MAGIC;
  const char *wrong = begins ? examine(r, (const char *)memory + bytes) : "not a region of this format and word size";
  if (what != NULL) {
    *what = wrong != NULL ? wrong : "a region";
  }
  return !begins ? FH_INVALID : wrong != NULL ? FH_CORRUPT : FH_OK;
}

/* The index and the counts, made again from the chunks. */
static void rebuild(fh_region *r) {
  fh_good good = {
      .big = r->good.big, .shift = r->good.shift, .flat = r->good.flat, .bins = r->good.bins, .lists = r->good.lists};
  fh_tally t = {0};
  fh_space_check(r, SIZE_MAX, &t);
  r->good = good;
  r->list = (fh_list){0};
  if (!uses_list(r)) {
    __builtin_memset(r->words, 0, fh_good_words(&r->good) * sizeof(size_t) + r->good.bins * sizeof(uint32_t));
  }
  r->used = t.used;
  r->holes = 0;
  r->chunks = t.chunks;
  r->requested = t.requested;
  r->peak = r->peak < t.used || r->peak > r->end - r->first ? t.used : r->peak;
  for (uint32_t id = r->first; id < r->end; id += cells_of(r, id)) {
    if (is_used(r, id)) {
      continue;
    }
    r->holes++;
    if (uses_list(r)) {
      fh_list_link(&r->list, &hole_access, r, id, r->list.last);
    } else {
      index_insert(r, fit_of(r), id, cells_of(r, id));
    }
  }
}

fh_region *fh_region_open(void *memory, size_t bytes) {
  if (fh_region_examine(memory, bytes, NULL) != FH_OK) {
    return NULL;
  }
  fh_region *r = (fh_region *)(uintptr_t)start_in(memory, bytes);
  for (fh_region *s = r; s != NULL; s = space_next(s)) {
    s->grow = NULL;
    s->grow_arg = NULL;
    s->why = FH_OK;
    fh_space_plain(s);
    rebuild(s);
  }
  return r;
}
