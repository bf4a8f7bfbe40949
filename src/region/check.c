/* Checking everything, and attaching to bytes that may be anything. What is read here may have been written by anyone:
 * each number is compared with its limits before it is followed. */
#include "region/chunk.h"

typedef struct tally {
  uint32_t used, free, chunks, holes;
  size_t requested;
} tally;

/* One chunk of the walk; NULL: it adds up. */
static const char *check_chunk(const fh_region *r, uint32_t id, bool before_free, tally *t) {
  if (!head_is_ours(r, id)) {
    return "a head was overwritten";
  }
  fh_head low = head_low(r, id);
  uint32_t cells = low_cells(low);
  if (cells < r->least || cells > r->end - id) {
    return "a chunk has an impossible length";
  }
  if (!is_buddy(r) && ((low & HEAD_BEFORE_FREE) != 0) != before_free) {
    return "a head is wrong about the chunk before it";
  }
  if ((low & HEAD_USED) == 0) {
    t->free += cells;
    t->holes++;
    if (*foot_before(r, id + cells) != cells) {
      return "the end of a hole was overwritten";
    }
    return before_free && !is_buddy(r) ? "two holes side by side" : NULL;
  }
  size_t slack = slack_of(r, id, low), own = ((low & HEAD_ALIGNED) != 0) + (slack_is_far(r, low) ? sizeof slack : 0);
  if (slack > user_bytes(r, cells) || own > slack) {
    return "a head is wrong about what was asked for";
  }
  if (is_checked(r) && !guard_holds(r, id, low)) {
    return "something wrote past the end of an allocation";
  }
  t->used += cells;
  t->chunks++;
  t->requested += user_bytes(r, cells) - slack;
  return NULL;
}

static const char *check_walk(const fh_region *r, tally *t) {
  bool before_free = false;
  uint32_t id = r->first;
  while (id < r->end) {
    const char *wrong = check_chunk(r, id, before_free, t);
    if (wrong != NULL) {
      return wrong;
    }
    before_free = !is_used(r, id);
    id += cells_of(r, id);
  }
  fh_head close = head_low(r, r->end) & ~(fh_head)HEAD_BEFORE_FREE;
  bool closed = head_is_ours(r, r->end) && close == low_of(0, 0, HEAD_USED);
  bool told = is_buddy(r) || ((*head_of(r, r->end) & HEAD_BEFORE_FREE) != 0) == before_free;
  return closed && told ? NULL : "the closing head was overwritten";
}

/* The index, counted a second time. A hole that it names must be one. */

typedef struct visit {
  const fh_region *r;
  uint32_t holes, cells;
  bool wrong;
} visit;

static bool is_hole(const fh_region *r, uint32_t id) {
  return id >= r->first && id < r->end && head_is_ours(r, id) && !is_used(r, id);
}

static void see_hole(visit *v, uint32_t id) {
  v->holes++;
  v->cells += cells_of(v->r, id);
  v->wrong = v->wrong || v->holes > v->r->holes;
}

static void see_list(visit *v, uint32_t id) {
  for (uint32_t prev = FH_NONE; id != FH_NONE && !v->wrong;) {
    v->wrong = !is_hole(v->r, id) || hole_links((void *)(uintptr_t)v->r, id)[FH_PREV] != prev;
    if (!v->wrong) {
      see_hole(v, id);
      prev = id;
      id = hole_links((void *)(uintptr_t)v->r, id)[FH_NEXT];
    }
  }
}

/* Depth first along a path of at most one node a bit. */
static void see_trie(visit *v, uint32_t root) {
  uint32_t waiting[2 + 8 * sizeof(fh_fit_word)];
  unsigned count = 0;
  waiting[count++] = root;
  while (count != 0 && !v->wrong) {
    uint32_t node = waiting[--count];
    see_list(v, node);
    if (v->wrong) {
      return;
    }
    const uint32_t *children = hole_children((void *)(uintptr_t)v->r, node);
    for (unsigned i = 0; i < 2; i++) {
      if (children[i] != FH_NONE) {
        if (count == sizeof waiting / sizeof *waiting) {
          v->wrong = true;
          return;
        }
        waiting[count++] = children[i];
      }
    }
  }
}

static bool index_adds_up(const fh_region *r) {
  visit v = {.r = r};
  if (uses_list(r)) {
    see_list(&v, r->list.first);
    return !v.wrong && v.holes == r->holes && v.cells == free_cells(r);
  }
  const uint32_t *heads = space_heads((void *)(uintptr_t)r);
  for (uint32_t bin = 0; bin < r->good.bins && !v.wrong; bin++) {
    bool set = (r->words[bin / FH_GOOD_BITS] >> bin % FH_GOOD_BITS & 1) != 0;
    v.wrong = set != (heads[bin] != FH_NONE);
    if (heads[bin] != FH_NONE && !v.wrong) {
      if (bin < r->good.lists) {
        see_list(&v, heads[bin]);
      } else {
        see_trie(&v, heads[bin]);
      }
    }
  }
  return !v.wrong && v.holes == r->holes && v.cells == free_cells(r);
}

static bool counts_add_up(const fh_region *r, const tally *t) {
  return t->used == r->used && t->free == free_cells(r) && t->chunks == r->chunks && t->holes == r->holes &&
         t->requested == r->requested && r->peak >= r->used;
}

fh_status fh_region_check(const fh_region *r) {
  for (const fh_region *s = r; s != NULL; s = space_next(s)) {
    tally t = {0};
    if (check_walk(s, &t) != NULL || !counts_add_up(s, &t) || !index_adds_up(s)) {
      return FH_CORRUPT;
    }
  }
  return FH_OK;
}

/* Opening. */

static bool same_good(const fh_good *a, const fh_good *b) {
  return a->big == b->big && a->shift == b->shift && a->flat == b->flat && a->bins == b->bins && a->lists == b->lists;
}

/* What the fields of a space's start must be for its chunks to be walked. */
static const char *check_start(const fh_region *r, size_t bytes) {
  if (bytes < sizeof *r || r->magic != FH_REGION_MAGIC) {
    return "not a region of this format and word size";
  }
  if (r->fit > FH_FIT_BUDDY || (r->flags & ~(unsigned)KNOWN_FLAGS) != 0 || r->lead >= FH_SPACE_ALIGN ||
      r->size < r->lead || r->size - r->lead > bytes) {
    return "the region is longer than these bytes, or its start was overwritten";
  }
#ifdef FREEHOLD_REGION_ONLY_GOOD
  if (r->fit != FH_FIT_GOOD) {
    return "this build has only one policy";
  }
#endif
  size_t room = r->size - r->lead;
  fh_region want = {.fit = r->fit, .flags = r->flags};
  fh_space_shape(&want, r->shaped);
  bool same = want.fold == r->fold && want.least == r->least && want.tag_mask == r->tag_mask &&
              want.heads_at == r->heads_at && same_good(&want.good, &r->good);
  if (!same || r->end > fh_space_cells(&want, room) || r->first > r->end || r->first < fh_space_first(&want) ||
      r->first > fh_space_first(&want) + FH_BUDDY_ALIGN) {
    return "the region's start was overwritten";
  }
  return NULL;
}

static const char *check_space(const fh_region *r, size_t bytes) {
  tally t = {0};
  const char *wrong = check_start(r, bytes);
  return wrong != NULL ? wrong : check_walk(r, &t);
}

/* The space behind, if it lies in these bytes too. */
static const char *step(const fh_region **r, const char *end) {
  size_t left = (size_t)(end - (const char *)*r);
  ptrdiff_t next = (*r)->next;
  if (next == 0) {
    *r = NULL;
    return NULL;
  }
  if (next < 0 || (size_t)next >= left || (size_t)next < (*r)->size - (*r)->lead || next % FH_SPACE_ALIGN != 0) {
    return "the region goes on outside these bytes";
  }
  *r = (const fh_region *)(const void *)((const char *)*r + next);
  return NULL;
}

static const fh_region *start_in(const void *memory, size_t bytes) {
  size_t lead = (size_t)(-(uintptr_t)memory & (FH_SPACE_ALIGN - 1));
  bool room = memory != NULL && bytes > lead && bytes - lead >= sizeof(fh_region);
  return room ? (const fh_region *)(const void *)((const char *)memory + lead) : NULL;
}

fh_status fh_region_examine(const void *memory, size_t bytes, const char **what) {
  const fh_region *r = start_in(memory, bytes);
  const char *wrong = r == NULL || r->magic != FH_REGION_MAGIC ? "not a region of this format and word size" : NULL;
  fh_status status = wrong != NULL ? FH_INVALID : FH_OK;
  const char *end = (const char *)memory + bytes;
  while (wrong == NULL && r != NULL) {
    wrong = check_space(r, (size_t)(end - (const char *)r));
    wrong = wrong != NULL ? wrong : step(&r, end);
    status = wrong != NULL ? FH_CORRUPT : FH_OK;
  }
  if (what != NULL) {
    *what = wrong != NULL ? wrong : "a region";
  }
  return status;
}

/* The index and the counts, made again from the chunks. */
static void rebuild(fh_region *r) {
  fh_good good = {
      .big = r->good.big, .shift = r->good.shift, .flat = r->good.flat, .bins = r->good.bins, .lists = r->good.lists};
  tally t = {0};
  check_walk(r, &t);
  r->good = good;
  r->list = (fh_list){0};
  if (!uses_list(r)) {
    __builtin_memset(r->words, 0, fh_good_words(&r->good) * sizeof(size_t) + r->good.bins * sizeof(uint32_t));
  }
  r->used = t.used;
  r->holes = 0;
  r->chunks = t.chunks;
  r->requested = t.requested;
  r->peak = r->peak < t.used || r->peak > r->end ? t.used : r->peak;
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
