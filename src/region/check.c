/* Checking everything: the start of each space, its chunks, and its counts. */
#include "region/check.h"

/* The start. */

static bool same_good(const fh_good *a, const fh_good *b) {
  return a->big == b->big && a->shift == b->shift && a->flat == b->flat && a->bins == b->bins && a->lists == b->lists;
}

static bool kind_is_known(const fh_region *r) {
#ifdef FREEHOLD_REGION_ONLY_GOOD
  return r->fit == FH_FIT_GOOD && (r->flags & ~(unsigned)KNOWN_FLAGS) == 0;
#else
  return r->fit <= FH_FIT_BUDDY && (r->flags & ~(unsigned)KNOWN_FLAGS) == 0;
#endif
}

/* No space is made that is too small for what it begins with. In a smaller one holes would be in tries that are too
 * short for it. */
static bool shape_is_right(const fh_region *r, fh_region *want) {
  if (r->shaped < sizeof *r >> CELL_SHIFT || r->shaped > MOST_CELLS) {
    return false;
  }
  fh_space_shape(want, r->shaped);
  return r->shaped >= fh_space_first(want) + want->least && want->fold == r->fold && want->least == r->least &&
         want->tag_mask == r->tag_mask && want->heads_at == r->heads_at && same_good(&want->good, &r->good);
}

/* Buddies begin at the next line of the cache, as it was where they were made. */
static bool first_is_right(const fh_region *r, uint32_t least) {
  uint32_t past = r->first - least, unit = 1u << r->fold;
  return past == 0 || (is_buddy(r) && past < FH_BUDDY_ALIGN >> CELL_SHIFT && past % unit == 0);
}

static const char *check_start(const fh_region *r, size_t bytes) {
  if (r->magic != FH_REGION_MAGIC) {
    return "not a region of this format and word size";
  }
  if (!kind_is_known(r)) {
    return "no policy or flags of this build";
  }
  if (r->lead >= FH_SPACE_ALIGN || r->size < r->lead || r->size - r->lead > bytes) {
    return "the region is longer than these bytes, or its start was overwritten";
  }
  fh_region want = {.fit = r->fit, .flags = r->flags};
  if (!shape_is_right(r, &want) || !first_is_right(r, fh_space_first(&want)) || r->first > r->end ||
      r->end != fh_space_close(r, fh_space_cells(r, r->size - r->lead))) {
    return "the region's start was overwritten";
  }
  return NULL;
}

/* The chunks. */

static bool is_piece(const fh_region *r, uint32_t id, uint32_t cells) {
  return (cells & (cells - 1)) == 0 && ((id - r->first) & (cells - 1)) == 0;
}

static bool length_is_right(const fh_region *r, uint32_t id, uint32_t cells) {
  uint32_t mask = (1u << r->fold) - 1;
  return cells >= r->least && cells <= r->end - id && (cells & mask) == 0 && (!is_buddy(r) || is_piece(r, id, cells));
}

/* Whether a hole should have joined the one before it, of `before` cells. */
static bool joins(const fh_region *r, uint32_t id, uint32_t cells, uint32_t before) {
  return before != 0 && (!is_buddy(r) || (before == cells && ((id - r->first) & cells) != 0));
}

static const char *check_hole(const fh_region *r, uint32_t id, uint32_t before, fh_tally *t) {
  fh_head low = head_low(r, id);
  uint32_t cells = low_cells(low);
  t->free += cells;
  t->holes++;
  t->names += fh_tally_name(id);
  if (*foot_before(r, id + cells) != cells) {
    return "the end of a hole was overwritten";
  }
  if (joins(r, id, cells, before)) {
    return "two holes side by side";
  }
  return (low & ~(fh_head)HEAD_BEFORE_FREE) == low_of(cells, 0, 0) ? NULL : "the head of a hole was overwritten";
}

static const char *check_used(const fh_region *r, uint32_t id, fh_tally *t) {
  fh_head low = head_low(r, id);
  uint32_t cells = low_cells(low);
  size_t slack = slack_of(r, id, low), own = (slack_is_far(r, low) ? sizeof slack : 0);
  bool aligned = (low & HEAD_ALIGNED) != 0;
  own += (is_checked(r) ? CANARY_BYTES : 0) + aligned;
  if (slack > user_bytes(r, cells) || own > slack) {
    return "a head is wrong about what was asked for";
  }
  if (aligned && !log_holds(r, *log_place(r, id, low))) {
    return "an alignment was overwritten";
  }
  if (is_checked(r) && !guard_holds(r, id, low)) {
    return "something wrote past the end of an allocation";
  }
  t->used += cells;
  t->chunks++;
  t->requested += user_bytes(r, cells) - slack;
  return NULL;
}

/* One chunk of the walk, behind a hole of `before` cells, or none; NULL: it adds up. */
static const char *check_chunk(const fh_region *r, uint32_t id, uint32_t before, fh_tally *t) {
  if (!head_is_ours(r, id)) {
    return "a head was overwritten";
  }
  fh_head low = head_low(r, id);
  if (!length_is_right(r, id, low_cells(low))) {
    return "a chunk has an impossible length";
  }
  if (((low & HEAD_BEFORE_FREE) != 0) != (before != 0 && !is_buddy(r))) {
    return "a head is wrong about the chunk before it";
  }
  return is_used(r, id) ? check_used(r, id, t) : check_hole(r, id, before, t);
}

static const char *check_walk(const fh_region *r, fh_tally *t) {
  uint32_t before = 0, cells;
  for (uint32_t id = r->first; id < r->end; id += cells) {
    const char *wrong = check_chunk(r, id, before, t);
    if (wrong != NULL) {
      return wrong;
    }
    cells = cells_of(r, id);
    before = is_used(r, id) ? 0 : cells;
  }
  fh_head close = low_of(0, 0, HEAD_USED | (before != 0 && !is_buddy(r) ? HEAD_BEFORE_FREE : 0));
  return head_is_ours(r, r->end) && head_low(r, r->end) == close ? NULL : "the closing head was overwritten";
}

const char *fh_space_check(const fh_region *r, size_t bytes, fh_tally *t) {
  const char *wrong = check_start(r, bytes);
  return wrong != NULL ? wrong : check_walk(r, t);
}

/* The counts. */

static bool counts_add_up(const fh_region *r, const fh_tally *t) {
  return t->used == r->used && t->chunks == r->chunks && t->holes == r->holes && t->requested == r->requested &&
         r->peak >= r->used;
}

static bool plain_is_right(const fh_region *r) {
  fh_region want = *r;
  fh_space_plain(&want);
  return FH_SMALL || (want.plain_mask == r->plain_mask && want.plain_most == r->plain_most);
}

fh_status fh_region_check(const fh_region *r) {
  for (const fh_region *s = r; s != NULL; s = space_next(s)) {
    fh_tally t = {0};
    bool right = fh_space_check(s, SIZE_MAX, &t) == NULL && same_kind(r, s) && counts_add_up(s, &t);
    if (!right || !plain_is_right(s) || !fh_index_is_right(s, &t)) {
      return FH_CORRUPT;
    }
  }
  return FH_OK;
}
