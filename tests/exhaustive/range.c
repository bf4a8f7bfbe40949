/* All sequences of operations up to a length, on a range of a few units, for every policy, order and kind of nodes.
 * Each answer and the whole free list after it are held against a second range that knows nothing of nodes: an array of
 * holes in the order of the list. The range lies in our own memory, so that a sequence's beginning is played once: its
 * bytes are put back before each way to go on. */
#include "freehold/range.h"

#include "exhaustive/depth.h"
#include "range/node.h"

enum {
  BASE = 5,
  SIZE = 11,
  MOST = 40,
  USUAL = 5, /* script/soak: one more */
  DEEPEST = 9,
  BLOCKS = DEEPEST,
  BYTES = 4096
};

typedef struct hole {
  uint64_t start, length;
  bool rover; /* the next search of NEXT begins here */
} hole;

typedef struct block {
  uint64_t address, asked, start, length; /* the last two are what is charged */
} block;

typedef struct oracle {
  fh_range_options options;
  uint64_t end, searched, peak;
  unsigned count, blocks;
  hole holes[MOST];
  block block[BLOCKS];
} oracle;

static _Alignas(64) unsigned char memory[BYTES];
static fh_range *range;
static size_t bytes;
static unsigned long count_played;

static bool is_list(const oracle *o) { return o->options.fit != FH_FIT_GOOD && o->options.fit != FH_FIT_BUDDY; }

static bool by_size(const oracle *o) {
  return o->options.order == FH_ORDER_SIZE_UP || o->options.order == FH_ORDER_SIZE_DOWN;
}

/* The list. */

static void list_remove(oracle *o, unsigned i) {
  if (o->holes[i].rover && i + 1 < o->count) {
    o->holes[i + 1].rover = true;
  }
  o->count--;
  memmove(&o->holes[i], &o->holes[i + 1], (o->count - i) * sizeof(hole));
}

static void list_put(oracle *o, unsigned i, hole h) {
  REQUIRE(o->count < MOST);
  memmove(&o->holes[i + 1], &o->holes[i], (o->count - i) * sizeof(hole));
  o->holes[i] = h;
  o->count++;
}

static bool comes_before(const oracle *o, const hole *a, const hole *b) {
  switch (o->options.order) {
    case FH_ORDER_ADDRESS: return a->start < b->start;
    case FH_ORDER_SIZE_UP: return a->length < b->length;
    case FH_ORDER_SIZE_DOWN: return a->length > b->length;
    default: return o->options.order == FH_ORDER_FRONT;
  }
}

/* A list by size may hold entries that were cut where they stand: it is sorted before one comes anew. */
static void list_sort(oracle *o) {
  for (unsigned i = 1; by_size(o) && i < o->count; i++) {
    for (unsigned k = i; k != 0 && comes_before(o, &o->holes[k], &o->holes[k - 1]); k--) {
      hole h = o->holes[k];
      o->holes[k] = o->holes[k - 1];
      o->holes[k - 1] = h;
    }
  }
}

static void list_insert(oracle *o, uint64_t start, uint64_t length) {
  hole h = {start, length, false};
  unsigned i = 0;
  list_sort(o);
  while (i < o->count && !comes_before(o, &h, &o->holes[i])) {
    i++;
  }
  list_put(o, i, h);
}

static unsigned hole_over(const oracle *o, uint64_t address) {
  unsigned i = 0;
  while (i < o->count && address - o->holes[i].start >= o->holes[i].length) {
    i++;
  }
  return i;
}

static uint64_t end_of(const hole *h) { return h->start + h->length; }

/* What is cut out of a hole; the rest keeps its place. */
static void cut(oracle *o, unsigned i, uint64_t start, uint64_t end) {
  hole *h = &o->holes[i], old = *h;
  if (start == old.start && end == end_of(&old)) {
    list_remove(o, i);
  } else if (start == old.start) {
    h->start = end;
    h->length = end_of(&old) - end;
  } else {
    h->length = start - old.start;
    if (end != end_of(&old)) {
      list_put(o, i + 1, (hole){end, end_of(&old) - end, false});
    }
  }
}

/* Buddies: the free pieces are the largest that lie aligned in what is free. */

static bool is_free(const oracle *o, uint64_t start, uint64_t length) {
  for (unsigned i = 0; i < o->blocks; i++) {
    if (start < o->block[i].start + o->block[i].length && o->block[i].start < start + length) {
      return false;
    }
  }
  return length <= o->end && start <= o->end - length;
}

static void find_pieces(oracle *o) {
  o->count = 0;
  for (uint64_t at = BASE, length; at < o->end; at += length) {
    length = 1;
    if (!is_free(o, at, 1)) {
      continue;
    }
    while ((at - BASE) % (2 * length) == 0 && is_free(o, at, 2 * length)) {
      length *= 2;
    }
    list_put(o, o->count, (hole){at, length, false});
  }
}

/* The smallest aligned power of two around a stretch. */
static block piece_around(uint64_t start, uint64_t length) {
  uint64_t power = 1, from = start - BASE;
  while (from / power != (from + length - 1) / power) {
    power *= 2;
  }
  return (block){.start = BASE + from / power * power, .length = power};
}

/* Searches. */

static uint64_t needed(const oracle *o, uint64_t length) {
  uint64_t granule = o->options.granule == 0 ? 1 : o->options.granule;
  return (length + granule - 1) / granule * granule + o->options.header;
}

/* Where a request begins in a hole; 0: it does not fit. */
static uint64_t lies(const oracle *o, const hole *h, uint64_t need, uint64_t alignment) {
  uint64_t start = h->start;
  while ((start + o->options.header) % alignment != 0) {
    start++;
  }
  return start + need <= end_of(h) ? start : 0;
}

/* The hole that a list's policy wants; o->count: none. */
static unsigned search(oracle *o, uint64_t need, uint64_t alignment) {
  unsigned first = 0, best = o->count;
  fh_fit fit = o->options.fit;
  for (unsigned i = 0; fit == FH_FIT_NEXT && i < o->count; i++) {
    first = o->holes[i].rover ? i : first;
  }
  o->searched = 0;
  for (unsigned k = 0; k < o->count; k++) {
    unsigned i = (first + k) % o->count;
    o->searched++;
    if (lies(o, &o->holes[i], need, alignment) != 0 &&
        (best == o->count || (fit == FH_FIT_BEST ? o->holes[i].length < o->holes[best].length
                                                 : o->holes[i].length > o->holes[best].length))) {
      best = i;
      if (fit == FH_FIT_FIRST || fit == FH_FIT_NEXT) {
        break;
      }
    }
  }
  for (unsigned i = 0; fit == FH_FIT_NEXT && best != o->count && i < o->count; i++) {
    o->holes[i].rover = i == best;
  }
  return best;
}

/* Good and buddy may take any hole of the right length. The one that was taken. */
static unsigned chosen(const oracle *o, uint64_t need, uint64_t alignment, uint64_t address) {
  unsigned least = o->count, taken = hole_over(o, address - o->options.header);
  for (unsigned i = 0; i < o->count; i++) {
    if (lies(o, &o->holes[i], need, alignment) != 0 &&
        (least == o->count || o->holes[i].length < o->holes[least].length)) {
      least = i;
    }
  }
  if (least == o->count || taken == o->count) {
    return least;
  }
  REQUIRE(lies(o, &o->holes[taken], need, alignment) == address - o->options.header);
  REQUIRE((alignment != 1 && o->options.fit == FH_FIT_GOOD) || o->holes[taken].length == o->holes[least].length);
  return taken;
}

static uint64_t free_of(const oracle *o) {
  uint64_t sum = 0;
  for (unsigned i = 0; i < o->count; i++) {
    sum += o->holes[i].length;
  }
  return sum;
}

/* Operations. Each is played on the oracle first, as if there were nodes enough; `before` is what it was. */

static bool has_nodes(const oracle *o) { return o->count + o->blocks <= range->capacity - 1; }

/* A new block; its hole has been cut already, but for buddies. */
static void hold(oracle *o, uint64_t address, uint64_t asked, uint64_t start, uint64_t length) {
  REQUIRE(o->blocks < BLOCKS);
  o->block[o->blocks++] = (block){address, asked, start, length};
  if (o->options.fit == FH_FIT_BUDDY) {
    find_pieces(o);
  }
  uint64_t used = o->end - BASE - free_of(o);
  o->peak = used > o->peak ? used : o->peak;
}

static void take(oracle *o, uint64_t length, uint64_t alignment) {
  uint64_t address = 0, need = needed(o, length), start = 0;
  oracle before = *o;
  fh_status status = fh_range_alloc(range, length, alignment, &address);
  unsigned i = is_list(o) ? search(o, need, alignment) : chosen(o, need, alignment, address);
  REQUIRE(!is_list(o) || fh_range_searched(range) == o->searched);
  if (i == o->count) {
    REQUIRE(status == (need > free_of(o) ? FH_EXHAUSTED : FH_FRAGMENTED));
    return;
  }
  start = lies(o, &o->holes[i], need, alignment);
  if (o->options.fit == FH_FIT_BUDDY) {
    block piece = piece_around(start, need);
    hold(o, start + o->options.header, length, piece.start, piece.length);
  } else {
    cut(o, i, start, start + need);
    hold(o, start + o->options.header, length, start, need);
  }
  if (status == FH_OK) {
    REQUIRE(address == start + o->options.header && has_nodes(o));
    return;
  }
  REQUIRE(status == FH_EXHAUSTED && !has_nodes(o));
  *o = before;
}

/* Holes side by side are needed together. */
static void cut_several(oracle *o, uint64_t start, uint64_t end) {
  while (start != end) {
    unsigned i = hole_over(o, start);
    uint64_t stop = end_of(&o->holes[i]) < end ? end_of(&o->holes[i]) : end;
    cut(o, i, start, stop);
    start = stop;
  }
}

static void take_at(oracle *o, uint64_t address, uint64_t length) {
  uint64_t need = needed(o, length);
  oracle before = *o;
  fh_status status = fh_range_alloc_at(range, address, length);
  if (address - o->options.header < BASE || address - o->options.header + need > o->end) {
    REQUIRE(status == FH_NOT_OWNED);
    return;
  }
  block charge = {.start = address - o->options.header, .length = need};
  if (o->options.fit == FH_FIT_BUDDY) {
    charge = piece_around(charge.start, need);
  }
  if (!is_free(o, charge.start, charge.length)) {
    REQUIRE(status == FH_FRAGMENTED);
    return;
  }
  if (o->options.fit != FH_FIT_BUDDY) {
    cut_several(o, charge.start, charge.start + need);
  }
  hold(o, address, length, charge.start, charge.length);
  REQUIRE(status == (has_nodes(o) ? FH_OK : FH_EXHAUSTED));
  if (status != FH_OK) {
    *o = before;
  }
}

/* A stretch is free: it joins its neighbours, in place only in a list by address. */
static void list_give(oracle *o, uint64_t start, uint64_t length) {
  unsigned left = hole_over(o, start - 1), right = hole_over(o, start + length);
  bool place = o->options.order == FH_ORDER_ADDRESS, joins = !o->options.no_coalesce;
  uint64_t end = start + length;
  if (joins && right != o->count) {
    end = end_of(&o->holes[right]);
    if (place && left == o->count) {
      o->holes[right].start = start;
      o->holes[right].length = end - start;
      return;
    }
    list_remove(o, right);
    left = hole_over(o, start - 1);
  }
  if (joins && left != o->count) {
    start = o->holes[left].start;
    if (place) {
      o->holes[left].length = end - start;
      return;
    }
    list_remove(o, left);
  }
  list_insert(o, start, end - start);
}

/* Nothing begins there. */
static void give_wrong(const oracle *o, const block *b) {
  REQUIRE(fh_range_free(range, BASE - 1) == FH_NOT_OWNED && fh_range_free(range, o->end) == FH_NOT_OWNED);
  REQUIRE(b->start == b->address || fh_range_free(range, b->start) == FH_NOT_OWNED);
  REQUIRE(b->asked == 1 || fh_range_free(range, b->address + 1) == FH_NOT_OWNED);
}

static void give(oracle *o, unsigned i) {
  block b = o->block[i];
  give_wrong(o, &b);
  REQUIRE(fh_range_length(range, b.address) == b.asked);
  REQUIRE(fh_range_free(range, b.address) == FH_OK && fh_range_free(range, b.address) == FH_DOUBLE_FREE);
  o->blocks--;
  memmove(&o->block[i], &o->block[i + 1], (o->blocks - i) * sizeof b);
  if (o->options.fit == FH_FIT_BUDDY) {
    find_pieces(o);
  } else {
    list_give(o, b.start, b.length);
  }
}

static void grow(oracle *o, uint64_t more) {
  oracle before = *o;
  unsigned tail = hole_over(o, o->end - 1);
  o->end += more;
  if (o->options.fit == FH_FIT_BUDDY) {
    find_pieces(o);
  } else if (tail == o->count) {
    list_insert(o, o->end - more, more);
  } else if (o->options.order == FH_ORDER_ADDRESS) {
    o->holes[tail].length += more;
  } else {
    hole h = o->holes[tail];
    list_remove(o, tail);
    list_insert(o, h.start, h.length + more);
  }
  fh_status status = fh_range_grow(range, more);
  REQUIRE(status == FH_OK || status == FH_EXHAUSTED);
  REQUIRE(!has_nodes(o) ? status != FH_OK : status == FH_OK || o->options.fit == FH_FIT_BUDDY);
  if (status != FH_OK) {
    *o = before;
  }
}

static void shrink(oracle *o, uint64_t less) {
  oracle before = *o;
  fh_status status = fh_range_shrink(range, less);
  if (less >= o->end - BASE || !is_free(o, o->end - less, less)) {
    REQUIRE(status == (less >= o->end - BASE ? FH_INVALID : FH_EXHAUSTED));
    return;
  }
  uint64_t cut_at = o->end - less;
  while (o->options.fit != FH_FIT_BUDDY && o->end != cut_at) {
    unsigned i = hole_over(o, o->end - 1);
    uint64_t start = o->holes[i].start < cut_at ? cut_at : o->holes[i].start;
    cut(o, i, start, o->end);
    o->end = start;
  }
  o->end = cut_at;
  if (o->options.fit == FH_FIT_BUDDY) {
    find_pieces(o);
  }
  REQUIRE(status == (has_nodes(o) ? FH_OK : FH_EXHAUSTED));
  if (status != FH_OK) {
    *o = before;
  }
}

static void coalesce(oracle *o) {
  uint64_t gone = 0;
  for (unsigned i = 0; o->options.no_coalesce && i + 1 < o->count;) {
    if (end_of(&o->holes[i]) == o->holes[i + 1].start) {
      o->holes[i].length += o->holes[i + 1].length;
      list_remove(o, i + 1);
      gone++;
    } else {
      i++;
    }
  }
  REQUIRE(fh_range_coalesce(range) == gone);
}

/* The same on both sides. */

typedef struct seen {
  const oracle *o;
  unsigned count;
  uint64_t at;
} seen;

static int see_hole(uint64_t address, uint64_t length, bool used, void *arg) {
  seen *s = arg;
  REQUIRE(!used && s->count < s->o->count);
  REQUIRE(address == s->o->holes[s->count].start && length == s->o->holes[s->count].length);
  s->count++;
  return 0;
}

static int see_any(uint64_t address, uint64_t length, bool used, void *arg) {
  seen *s = arg;
  bool found = !used;
  REQUIRE(address == s->at);
  for (unsigned i = 0; i < s->o->blocks; i++) {
    found |= s->o->block[i].start == address && s->o->block[i].length == length;
  }
  REQUIRE(found);
  s->at += length;
  s->count++;
  return 0;
}

static uint64_t largest_of(const oracle *o) {
  uint64_t least = needed(o, 1), largest = 0;
  for (unsigned i = 0; i < o->count; i++) {
    for (uint64_t length = 1; least <= o->holes[i].length && needed(o, length) <= o->holes[i].length; length++) {
      largest = length > largest ? length : largest;
    }
  }
  return largest;
}

static void compare(const oracle *o) {
  seen list = {.o = o}, all = {.o = o, .at = BASE};
  uint64_t asked = 0;
  fh_space space;
  REQUIRE(fh_range_check(range) == FH_OK);
  REQUIRE(fh_range_walk_list(range, see_hole, &list) == 0 && list.count == o->count);
  REQUIRE(fh_range_walk(range, see_any, &all) == 0 && all.at == o->end && all.count == o->count + o->blocks);
  for (unsigned i = 0; i < o->blocks; i++) {
    asked += o->block[i].asked;
  }
  fh_range_space(range, &space);
  REQUIRE(space.size == o->end - BASE && space.free == free_of(o) && space.used == space.size - space.free);
  REQUIRE(space.requested == asked && space.holes == o->count && space.chunks == o->blocks);
  REQUIRE(space.largest == largest_of(o) && space.metadata == 0 && space.peak_used == o->peak);
}

/* All sequences. */

typedef void operation(oracle *o);

static void take_1(oracle *o) { take(o, 1, 1); }
static void take_2(oracle *o) { take(o, 2, 1); }
static void take_4(oracle *o) { take(o, 4, 1); }
static void take_aligned(oracle *o) { take(o, 2, 4); }
static void take_front(oracle *o) { take_at(o, BASE + 3, 2); }
static void take_wide(oracle *o) { take_at(o, BASE + 1, 5); }
static void grow_3(oracle *o) { grow(o, 3); }
static void shrink_2(oracle *o) { shrink(o, 2); }

static void give_oldest(oracle *o) { give(o, 0); }
static void give_middle(oracle *o) { give(o, o->blocks / 2); }
static void give_newest(oracle *o) { give(o, o->blocks - 1); }

static operation *const operations[] = {take_1, take_2,   take_4,      take_aligned, take_front,  take_wide,
                                        grow_3, shrink_2, give_oldest, give_newest,  give_middle, coalesce};

enum { KINDS = sizeof operations / sizeof *operations, FIRST_GIVE = 8, COALESCE = KINDS - 1 };

/* Operations that would be another one of them, or none. */
static bool is_needless(const oracle *o, unsigned kind) {
  if (kind == COALESCE) {
    return !o->options.no_coalesce;
  }
  return kind >= FIRST_GIVE && o->blocks <= kind - FIRST_GIVE;
}

static void play(const oracle *before, unsigned depth) {
  unsigned char copy[BYTES];
  memcpy(copy, range, bytes);
  for (unsigned kind = 0; depth != 0 && kind < KINDS; kind++) {
    if (!is_needless(before, kind)) {
      oracle o = *before;
      operations[kind](&o);
      compare(&o);
      count_played++;
      play(&o, depth - 1);
      memcpy(range, copy, bytes);
    }
  }
}

static void play_all(const fh_range_options *options, size_t nodes, unsigned depth) {
  oracle o = {.options = *options, .end = BASE};
  bytes = fh_range_bytes_for(nodes, options) - (sizeof(uint64_t) - 1);
  REQUIRE(bytes <= BYTES);
  range = fh_range_create_in(memory, bytes, BASE, 1, options);
  REQUIRE(range != NULL && fh_range_shrink(range, 1) == FH_INVALID);
  o.end = BASE + 1;
  list_insert(&o, BASE, 1);
  grow(&o, SIZE - 1);
  compare(&o);
  play(&o, depth);
}

/* With all the nodes that could be needed, with few of them, and with a header and a granule. One call less of each
 * alone and with few nodes. */
static void play_options(fh_range_options options, unsigned depth) {
  play_all(&options, MOST, depth);
  play_all(&options, 4, depth);
  options.header = 2;
  play_all(&options, MOST, depth - 1);
  options.granule = 3;
  play_all(&options, MOST, depth);
  play_all(&options, 3, depth - 1);
  options.header = 0;
  options.granule = 4;
  play_all(&options, MOST, depth - 1);
}

int main(int argc, char **argv) {
  unsigned depth = depth_of(argc, argv, USUAL, DEEPEST);
  for (unsigned fit = FH_FIT_GOOD; fit <= FH_FIT_BUDDY; fit++) {
    bool list = fit != FH_FIT_GOOD && fit != FH_FIT_BUDDY;
    for (unsigned order = 0; order <= (list ? FH_ORDER_BACK : 0); order++) {
      for (unsigned apart = 0; apart <= list; apart++) {
        play_options((fh_range_options){.fit = (fh_fit)fit, .order = (fh_order)order, .no_coalesce = apart != 0},
                     depth);
      }
    }
  }
  printf("%lu sequences of up to %u calls\n", count_played, depth);
  return 0;
}
