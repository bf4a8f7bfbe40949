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

/* Uses the hole `id` of `have` units, no longer in the index, for `units` of them from its start; what is left is a
 * hole if it can be a chunk. The units that were used. */
static inline uint32_t cut(fh_region *r, int fit, uint32_t id, uint32_t have, uint32_t units) {
  uint32_t rest = have - units;
  if (rest < r->least) {
    r->holes--;
    head_flag(r, id + have, HEAD_BEFORE_FREE, false);
    return have;
  }
  hole_write(r, fit, id + units, rest); /* the chunk behind knows already */
  if (fit == FH_FIT_NEXT) {
    r->list.rover = id + units; /* the next search goes on in what is left */
  }
  return units;
}

static inline void *use(fh_region *r, uint32_t id, uint32_t units, size_t size) {
  chunk_write(r, id, units, size, 0);
  count_in(r, units, size);
  return space_user(r, id);
}

/* The default's whole way. */
static inline void *take_good(fh_region *r, size_t size, uint32_t units) {
  uint32_t bin, id = fh_good_find_bin(&r->good, tables_of(r), &hole_access, r, units, &bin);
  if (fh_unlikely(id == FH_NONE)) {
    return NULL;
  }
  uint32_t have = units_of(r, id);
  fh_good_remove_from(&r->good, tables_of(r), &hole_access, r, bin, id, have);
  return use(r, id, cut(r, FH_FIT_GOOD, id, have, units), size);
}

static fh_noinline void *take_other(fh_region *r, size_t size, uint32_t units) {
  uint32_t id = index_find(r, fit_of(r), units);
  if (id == FH_NONE) {
    return NULL;
  }
  uint32_t have = units_of(r, id);
  index_remove(r, fit_of(r), id, have);
  if (is_buddy(r)) {
    r->holes--;
    fh_buddy_cut(r, id, have, units);
  } else {
    units = cut(r, fit_of(r), id, have, units);
  }
  return use(r, id, units, size);
}

static inline void *take(fh_region *r, size_t size, uint32_t units) {
  return fh_likely(fit_of(r) == FH_FIT_GOOD) ? take_good(r, size, units) : take_other(r, size, units);
}

/* Where chunks must begin so that their bytes are aligned: the first such name from `id` on that leaves nothing in
 * front, or a hole. 0: there is none within `have` units for `units`. */
static uint32_t aligned_in(const fh_region *r, uint32_t id, uint32_t have, uint32_t units, size_t alignment) {
  uintptr_t user = (uintptr_t)space_user(r, id);
  uintptr_t at = (user + alignment - 1) & ~(uintptr_t)(alignment - 1);
  if (at != user && at - user < (uintptr_t)r->least << r->unit_shift) {
    at += alignment;
  }
  size_t front = (at - user) >> r->unit_shift;
  return at >= user && front <= have && have - front >= units ? id + (uint32_t)front : 0;
}

enum { ALIGNED_TRIES = 8 };

/* Any hole of `sure` units serves. Where there is none, a few shorter ones may happen to lie well. */
static uint32_t find_aligned(fh_region *r, uint32_t units, uint32_t sure, size_t alignment, uint32_t *at) {
  uint32_t id = sure != 0 ? index_find(r, fit_of(r), sure) : FH_NONE;
  for (unsigned tries = ALIGNED_TRIES; id == FH_NONE && tries != 0; tries--) {
    uint32_t candidate = index_find(r, fit_of(r), units);
    if (candidate == FH_NONE) {
      return FH_NONE;
    }
    uint32_t have = units_of(r, candidate);
    if (aligned_in(r, candidate, have, units, alignment) != 0) {
      id = candidate;
    }
    units = have + 1;
  }
  *at = id;
  return id;
}

static void *use_aligned(fh_region *r, uint32_t id, uint32_t at, uint32_t units, size_t size, size_t alignment) {
  uint32_t have = units_of(r, id) - (at - id);
  index_remove(r, fit_of(r), id, units_of(r, id));
  if (at != id) {
    hole_add(r, id, at - id);
  }
  if (is_buddy(r)) {
    r->holes--;
    fh_buddy_cut(r, at, have, units);
  } else {
    units = cut(r, fit_of(r), at, have, units);
  }
  chunk_write(r, at, units, size, HEAD_ALIGNED | (at != id ? HEAD_BEFORE_FREE : 0));
  *log_place(r, at, head_low(r, at)) = (unsigned char)fh_good_lowest(alignment);
  count_in(r, units, size);
  return space_user(r, at);
}

static void *take_aligned(fh_region *r, size_t size, uint32_t units, size_t alignment) {
  size_t span = alignment >> r->unit_shift;
  uint32_t id, at;
  if (is_buddy(r)) { /* a piece of its length is aligned if the space is */
    units = span > units && span <= UINT32_MAX / 2 ? (uint32_t)span : units;
    id = span > UINT32_MAX / 2 ? FH_NONE : index_find(r, fit_of(r), units);
    at = id;
    if (id == FH_NONE || ((uintptr_t)space_user(r, id) & (alignment - 1)) != 0) {
      return NULL;
    }
  } else {
    uint32_t sure = span < UINT32_MAX / 2 - units ? units + (uint32_t)span + r->least - 1 : 0;
    if (find_aligned(r, units, sure, alignment, &id) == FH_NONE) {
      return NULL;
    }
    at = aligned_in(r, id, units_of(r, id), units, alignment);
  }
  return use_aligned(r, id, at, units, size, alignment);
}

/* Enough bytes, and no hole for them; or not enough. */
static fh_status why_none(const fh_region *r, size_t size) {
  uint64_t free = 0;
  for (const fh_region *s = r; s != NULL; s = space_next(s)) {
    free += (size_t)free_units(s) << s->unit_shift;
  }
  return free < (uint64_t)size + HEAD_BYTES ? FH_EXHAUSTED : FH_FRAGMENTED;
}

/* From any space; alignment 0: a unit. */
static void *take_anywhere(fh_region *r, size_t size, size_t alignment) {
  for (fh_region *s = r; s != NULL; s = space_next(s)) {
    bool plain = alignment <= (size_t)1 << s->unit_shift;
    uint32_t units = units_for(s, size, !plain);
    void *taken = units == 0 ? NULL : plain ? take(s, size, units) : take_aligned(s, size, units, alignment);
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
  need = is_buddy(r) ? need * 2 : need;
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

void *fh_region_alloc(fh_region *r, size_t size) {
  uint32_t units = units_for(r, size, 0);
  void *taken = fh_likely(units != 0) ? take(r, size, units) : NULL;
  return fh_likely(taken != NULL) ? taken : take_slow(r, size, 0);
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
  for (uint32_t units = 0; at <= id && at < r->end; at += units) {
    units = units_of(r, at);
    if (units == 0 || units > r->end - at || id - at < units) {
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
  size_t offset = (size_t)((const char *)pointer - (const char *)s), name = offset >> s->unit_shift;
  if (fh_unlikely(name << s->unit_shift != offset || name < s->first || name >= s->end)) {
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
  uint32_t units = low_units(low);
  if (fh_unlikely(units < s->least || units > s->end - at)) {
    return FH_NOT_OWNED;
  }
  if (fh_unlikely(!head_is_ours(s, at + units) || (is_checked(s) && !guard_holds(s, at, low)))) {
    return FH_CORRUPT;
  }
  *space = s;
  *id = at;
  return FH_OK;
}

fh_status fh_region_free(fh_region *r, void *pointer) {
  fh_region *s;
  uint32_t id;
  fh_status status = fh_chunk_of(r, pointer, &s, &id);
  if (fh_unlikely(status != FH_OK)) {
    return fail(r, status);
  }
  fh_head low = head_low(s, id);
  uint32_t units = low_units(low);
  count_out(s, units, asked_of(s, id, low));
  if (fh_likely(fit_of(s) == FH_FIT_GOOD)) {
    hole_join(s, FH_FIT_GOOD, id, units);
  } else {
    fh_hole_give(s, id, units);
  }
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
  return user_bytes(s, low_units(low)) - own;
}
