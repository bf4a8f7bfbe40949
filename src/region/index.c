/* The index of holes, counted a second time. A name in it may be anything; what is left of a head within a hole looks
 * like a hole, too, and only the sum of all names tells. No hole is met twice: a list has one way to each, and so has a
 * trie. */
#include "region/check.h"

typedef struct visit {
  const fh_region *r;
  uint32_t holes;
  uint64_t names;
} visit;

static void *at_will(const visit *v) { return (void *)(uintptr_t)v->r; }

/* Whether it may be looked at as a hole at all. */
static bool looks_like_hole(const fh_region *r, uint32_t id) {
  if (id < r->first || id >= r->end || !head_is_ours(r, id) || is_used(r, id)) {
    return false;
  }
  uint32_t cells = cells_of(r, id);
  return cells >= r->least && cells <= r->end - id;
}

/* One more of those that hang behind each other. */
static bool see(visit *v, uint32_t id, uint32_t prev) {
  if (!looks_like_hole(v->r, id) || hole_links(at_will(v), id)[FH_PREV] != prev || v->holes == v->r->holes) {
    return false;
  }
  v->holes++;
  v->names += fh_tally_name(id);
  return true;
}

/* The policies that look through a list: by address. */
static bool see_list(visit *v) {
  const fh_list *list = &v->r->list;
  uint32_t prev = FH_NONE;
  bool rover = list->rover == FH_NONE;
  for (uint32_t id = list->first; id != FH_NONE; id = hole_links(at_will(v), id)[FH_NEXT]) {
    if (id <= prev || !see(v, id, prev)) {
      return false;
    }
    rover |= id == list->rover;
    prev = id;
  }
  return list->last == prev && rover;
}

/* The holes of a bin that is a list; or of a node, which have its length. */
static bool see_bin(visit *v, uint32_t bin, uint32_t first, bool one_length) {
  for (uint32_t id = first, prev = FH_NONE; id != FH_NONE; prev = id, id = hole_links(at_will(v), id)[FH_NEXT]) {
    if (!see(v, id, prev) || fh_good_bin(&v->r->good, hole_length(at_will(v), id)) != bin ||
        (one_length && hole_length(at_will(v), id) != hole_length(at_will(v), first))) {
      return false;
    }
  }
  return true;
}

/* A place in a trie: all lengths there are below `limit` and have the bits `way` where `seen` has any. */
typedef struct place {
  uint32_t node;
  fh_fit_word bit, limit, way, seen;
} place;

static bool see_node(visit *v, uint32_t bin, const place *p) {
  if (!looks_like_hole(v->r, p->node)) {
    return false;
  }
  fh_fit_word length = hole_length(at_will(v), p->node);
  return length < p->limit && (length & p->seen) == p->way && see_bin(v, bin, p->node, true);
}

/* Of a node's two children: how many there are. No bit is left that tells lengths apart: there must be none. */
static unsigned below(const visit *v, const place *p, place *out) {
  const uint32_t *children = hole_children(at_will(v), p->node);
  unsigned count = 0;
  for (unsigned side = 0; side < 2; side++) {
    if (children[side] != FH_NONE) {
      out[count++] = (place){children[side], p->bit >> 1, hole_length(at_will(v), p->node),
                             p->way | (side != 0 ? p->bit : 0), p->seen | p->bit};
    }
  }
  return count;
}

/* Depth first along a path of at most one node a bit, and one for none. */
static bool see_trie(visit *v, uint32_t bin, uint32_t root) {
  place waiting[FH_FIT_BITS + 2];
  unsigned count = 1;
  fh_fit_word length = looks_like_hole(v->r, root) ? hole_length(at_will(v), root) : 0;
  if (length == 0 || fh_good_bin(&v->r->good, length) != bin) {
    return false;
  }
  waiting[0] = (place){root, fh_good_bit(&v->r->good, length), length + 1, 0, 0};
  while (count != 0) {
    place p = waiting[--count];
    if (!see_node(v, bin, &p)) {
      return false;
    }
    unsigned more = below(v, &p, &waiting[count]);
    if (more != 0 && p.bit == 0) {
      return false;
    }
    count += more;
  }
  return true;
}

/* Bits of no bin, and of no word, are 0. */
static bool bits_are_right(const fh_region *r) {
  uint32_t words = fh_good_words(&r->good), past = r->good.bins % FH_GOOD_BITS;
  size_t top = 0;
  for (uint32_t word = 0; word < words; word++) {
    top |= (size_t)(r->words[word] != 0) << word;
  }
  return top == r->good.top && r->words[words - 1] >> past == 0;
}

static bool see_good(visit *v) {
  const uint32_t *heads = space_heads(at_will(v));
  for (uint32_t bin = 0; bin < v->r->good.bins; bin++) {
    bool bit = (v->r->words[bin / FH_GOOD_BITS] >> bin % FH_GOOD_BITS & 1) != 0;
    bool list = bin < v->r->good.lists;
    if (bit != (heads[bin] != FH_NONE) ||
        (bit && !(list ? see_bin(v, bin, heads[bin], false) : see_trie(v, bin, heads[bin])))) {
      return false;
    }
  }
  return bits_are_right(v->r);
}

bool fh_index_is_right(const fh_region *r, const fh_tally *t) {
  visit v = {.r = r};
  return (uses_list(r) ? see_list(&v) : see_good(&v)) && v.holes == t->holes && v.names == t->names;
}
