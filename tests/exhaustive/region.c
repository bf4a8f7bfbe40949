/* All sequences of calls up to a length, on a region so small that each boundary is met, for every policy and flag.
 * Each answer and all chunks after it are held against an oracle that knows nothing of heads: an array of parts in
 * address order. A region is its bytes, so a sequence's beginning is played once: they are put back before each way to
 * go on. */
#include "freehold/region.h"

#include "exhaustive/depth.h"

enum {
  WORD = sizeof(void *),
  ROOM = 448,   /* for chunks, at the start */
  MORE = 96,    /* what an extension adds */
  ALIGNED = 64, /* what an aligned request asks for */
  BYTES = 2048, /* all there is */
  USUAL = 6,    /* script/soak: one more */
  DEEPEST = 9,
  BLOCKS = DEEPEST,
  MOST = 64
};

/* A chunk, or a hole; where it begins is counted from the memory. */
typedef struct part {
  size_t start, length;
  bool used;
  bool rover; /* the next search of NEXT begins here */
} part;

typedef struct block {
  size_t start, asked, alignment;
  unsigned char fill;
} block;

typedef struct oracle {
  fh_region_options options;
  size_t bytes, begin, end; /* of the space; of its parts */
  size_t used, peak;
  unsigned count, blocks;
  unsigned char filled;
  part parts[MOST];
  block block[BLOCKS];
} oracle;

static _Alignas(64) unsigned char memory[BYTES];
static fh_region *region;
static unsigned long count_played;

static bool is_buddy(const oracle *o) { return o->options.fit == FH_FIT_BUDDY; }

static bool has(const oracle *o, unsigned flag) { return (o->options.flags & flag) != 0; }

static size_t unit_of(const oracle *o) { return has(o, FH_REGION_PACKED) ? WORD : 2 * WORD; }

static size_t round_up(size_t value, size_t to) { return (value + to - 1) / to * to; }

/* A head and a hole's three links of 4 bytes, in whole units; buddies: a power of two. */
static size_t least_of(const oracle *o) {
  size_t least = round_up(WORD + 12, unit_of(o));
  return is_buddy(o) && least == 24 ? 32 : least;
}

/* The chunk for a request: with its head, a canary, and the byte in which an aligned one keeps its alignment. */
static size_t chunk_for(const oracle *o, size_t size, size_t alignment) {
  size_t own = (has(o, FH_REGION_CHECKED) ? 2 * WORD : WORD) + (size_t)(alignment != 0);
  size_t need = round_up(size + own, unit_of(o)), least = least_of(o), power = least;
  need = need < least ? least : need;
  if (!is_buddy(o)) {
    return need;
  }
  while (power < need) {
    power *= 2;
  }
  return power;
}

/* Parts. */

static size_t end_of(const part *p) { return p->start + p->length; }

static void part_put(oracle *o, unsigned i, part p) {
  REQUIRE(o->count < MOST);
  memmove(&o->parts[i + 1], &o->parts[i], (o->count - i) * sizeof p);
  o->parts[i] = p;
  o->count++;
}

static void part_remove(oracle *o, unsigned i) {
  o->count--;
  memmove(&o->parts[i], &o->parts[i + 1], (o->count - i) * sizeof(part));
}

static unsigned part_at(const oracle *o, size_t start) {
  unsigned i = 0;
  while (i < o->count && start - o->parts[i].start >= o->parts[i].length) {
    i++;
  }
  return i;
}

static bool is_hole(const oracle *o, unsigned i) { return i < o->count && !o->parts[i].used; }

/* The hole leaves the list of NEXT: its search goes on at the next in the list, or from the front. */
static void rover_leaves(oracle *o, unsigned i) {
  bool rover = o->parts[i].rover;
  o->parts[i].rover = false;
  for (i++; rover && i < o->count; i++) {
    if (!o->parts[i].used) {
      o->parts[i].rover = true;
      return;
    }
  }
}

/* A part that is not used any more joins the holes beside it. */
static void join(oracle *o, unsigned i) {
  if (is_hole(o, i + 1)) {
    rover_leaves(o, i + 1);
    o->parts[i].length += o->parts[i + 1].length;
    part_remove(o, i + 1);
  }
  if (i != 0 && is_hole(o, i - 1)) {
    bool rover = o->parts[i - 1].rover;
    o->parts[i].rover = rover;
    rover_leaves(o, i);
    o->parts[i - 1].rover = false;
    o->parts[i - 1].length += o->parts[i].length;
    part_remove(o, i);
  }
}

/* Buddies: the free pieces are the largest that lie aligned in what is free. */

static bool is_free(const oracle *o, size_t start, size_t length) {
  for (unsigned i = 0; i < o->count; i++) {
    if (o->parts[i].used && o->parts[i].start < start + length && start < end_of(&o->parts[i])) {
      return false;
    }
  }
  return start + length <= o->end;
}

static void find_pieces(oracle *o) {
  oracle was = *o;
  unsigned next = 0;
  o->count = 0;
  for (size_t at = o->begin, length; at < o->end; at += length) {
    while (next < was.count && (!was.parts[next].used || was.parts[next].start < at)) {
      next++;
    }
    length = least_of(o);
    if (next < was.count && was.parts[next].start == at) {
      length = was.parts[next].length;
      part_put(o, o->count, was.parts[next]);
      continue;
    }
    while ((at - o->begin) % (2 * length) == 0 && is_free(&was, at, 2 * length)) {
      length *= 2;
    }
    part_put(o, o->count, (part){.start = at, .length = length});
  }
}

static void account(oracle *o) {
  o->used = 0;
  for (unsigned i = 0; i < o->count; i++) {
    o->used += o->parts[i].used ? o->parts[i].length : 0;
  }
  o->peak = o->used > o->peak ? o->used : o->peak;
}

/* Searches. */

/* What is looked for: a chunk, and where it may begin. */
typedef struct request {
  size_t need, alignment; /* 0: anywhere */
} request;

/* Where a request is served in a hole: the first place that leaves nothing in front, or a hole. BYTES: nowhere. */
static size_t place_in(const oracle *o, unsigned i, request q) {
  const part *p = &o->parts[i];
  size_t at = p->start;
  while (q.alignment != 0 &&
         ((uintptr_t)(memory + at + WORD) % q.alignment != 0 || (at != p->start && at - p->start < least_of(o)))) {
    at += WORD;
  }
  return is_hole(o, i) && at <= end_of(p) && end_of(p) - at >= q.need ? at : BYTES;
}

static unsigned smallest(const oracle *o, request q) {
  unsigned best = o->count;
  for (unsigned i = 0; i < o->count; i++) {
    if (place_in(o, i, q) != BYTES && (best == o->count || o->parts[i].length < o->parts[best].length)) {
      best = i;
    }
  }
  return best;
}

static unsigned largest(const oracle *o, request q) {
  unsigned best = o->count;
  for (unsigned i = 0; i < o->count; i++) {
    if (place_in(o, i, q) != BYTES && (best == o->count || o->parts[i].length > o->parts[best].length)) {
      best = i;
    }
  }
  return best;
}

static unsigned first_from(const oracle *o, unsigned from, request q) {
  for (unsigned k = 0; k < o->count; k++) {
    unsigned i = (from + k) % o->count;
    if (place_in(o, i, q) != BYTES) {
      return i;
    }
  }
  return o->count;
}

static unsigned rover_of(const oracle *o) {
  for (unsigned i = 0; i < o->count; i++) {
    if (o->parts[i].rover) {
      return i;
    }
  }
  return 0;
}

/* The hole that serves a request that began at `start`; o->count: none may. `start` tells where the policy leaves a
 * choice: GOOD and BUDDY between holes of one length, and GOOD between any holes for an aligned request; BOUNDED may
 * pass over holes of less than twice the need, but takes one that fits. */
static unsigned search(const oracle *o, request q, size_t start) {
  unsigned taken = part_at(o, start), least = smallest(o, q);
  bool fits = is_hole(o, taken) && place_in(o, taken, q) == start, equal = false;
  switch (o->options.fit) {
    case FH_FIT_FIRST: return first_from(o, 0, q);
    case FH_FIT_NEXT: return first_from(o, rover_of(o), q);
    case FH_FIT_BEST: return least;
    case FH_FIT_WORST: return largest(o, q);
    default: break;
  }
  equal = fits && o->parts[taken].length == o->parts[least].length;
  if (o->options.fit == FH_FIT_GOOD && has(o, FH_REGION_BOUNDED)) {
    request sure = {2 * (q.need + (q.alignment == 0 ? 0 : q.alignment + least_of(o))), 0};
    return fits ? taken : first_from(o, 0, sure);
  }
  return equal || (fits && q.alignment != 0) ? taken : least;
}

/* Calls. Each is made first, and then played on the oracle. */

static void refused(const oracle *o, size_t size) {
  size_t free = o->end - o->begin - o->used;
  REQUIRE(fh_region_why(region) == (free < size + WORD ? FH_EXHAUSTED : FH_FRAGMENTED));
}

static void fill(oracle *o, block *b) {
  b->fill = ++o->filled;
  memset(memory + b->start + WORD, b->fill, b->asked);
}

static bool holds(const block *b, size_t bytes) {
  const unsigned char *at = memory + b->start + WORD;
  while (bytes != 0 && at[bytes - 1] == b->fill) {
    bytes--;
  }
  return bytes == 0;
}

/* Cuts a chunk out of a part that is free. What is too short for a hole stays with the chunk. */
static void cut(oracle *o, unsigned i, size_t start, size_t need) {
  part old = o->parts[i];
  size_t rest = end_of(&old) - start - need;
  rover_leaves(o, i);
  if (start != old.start) {
    REQUIRE(start - old.start >= least_of(o));
    part_put(o, i++, (part){.start = old.start, .length = start - old.start});
  }
  if (rest < least_of(o)) {
    need += rest;
  } else {
    part_put(o, i + 1, (part){.start = start + need, .length = rest});
  }
  o->parts[i] = (part){.start = start, .length = need, .used = true};
  if (is_buddy(o)) {
    find_pieces(o);
  }
}

/* NEXT goes on in what is left of the hole. */
static void move_rover(oracle *o, unsigned hole, size_t start, size_t need) {
  bool rest = o->options.fit == FH_FIT_NEXT && end_of(&o->parts[hole]) - start - need >= least_of(o);
  for (unsigned i = 0; i < o->count; i++) {
    o->parts[i].rover = o->options.fit == FH_FIT_NEXT && i == hole;
  }
  cut(o, hole, start, need);
  if (rest) {
    o->parts[rover_of(o)].rover = false;
    o->parts[part_at(o, start + need)].rover = true;
  }
}

/* The oracle takes a chunk where the region did: `at` is its answer. False: it answered NULL, rightly. A buddy's piece
 * is aligned when it is as long as that. */
static bool take_like(oracle *o, size_t size, size_t alignment, const unsigned char *at) {
  request q = {chunk_for(o, size, alignment), is_buddy(o) ? 0 : alignment};
  q.need = is_buddy(o) && q.need < alignment ? alignment : q.need;
  size_t start = at == NULL ? BYTES : (size_t)(at - memory) - WORD;
  unsigned i = search(o, q, start);
  if (at == NULL) {
    REQUIRE(i == o->count);
    return false;
  }
  REQUIRE(i != o->count && place_in(o, i, q) == start);
  REQUIRE((uintptr_t)at % (alignment == 0 ? unit_of(o) : alignment) == 0);
  move_rover(o, i, start, q.need);
  account(o);
  return true;
}

static void take(oracle *o, size_t size, size_t alignment, const unsigned char *at) {
  if (!take_like(o, size, alignment, at)) {
    refused(o, size);
    return;
  }
  REQUIRE(o->blocks < BLOCKS);
  o->block[o->blocks] = (block){.start = (size_t)(at - memory) - WORD, .asked = size, .alignment = alignment};
  fill(o, &o->block[o->blocks++]);
}

/* The part of a block is free. */
static void give_part(oracle *o, size_t start) {
  unsigned i = part_at(o, start);
  o->parts[i].used = false;
  if (is_buddy(o)) {
    find_pieces(o);
  } else {
    join(o, i);
  }
  account(o);
}

/* Nothing of ours begins there. On 32 bits a head has too few bits to tell always. */
static void give_wrong(const block *b) {
  unsigned char *at = memory + b->start + WORD;
  REQUIRE(fh_region_free(region, NULL) == FH_NOT_OWNED && fh_region_free(region, memory + BYTES) == FH_NOT_OWNED);
  REQUIRE(b->asked < 24 || WORD == 4 || fh_region_free(region, at + 16) == FH_NOT_OWNED);
  REQUIRE(fh_region_free(region, at + 1) == FH_NOT_OWNED && fh_region_why(region) == FH_NOT_OWNED);
}

static void give(oracle *o, unsigned i, bool by_realloc) {
  block b = o->block[i];
  unsigned char *at = memory + b.start + WORD;
  give_wrong(&b);
  if (by_realloc) {
    REQUIRE(fh_region_realloc(region, at, 0) == NULL && fh_region_why(region) == FH_OK);
  } else {
    REQUIRE(fh_region_free(region, at) == FH_OK);
  }
  REQUIRE(fh_region_free(region, at) == FH_DOUBLE_FREE && fh_region_why(region) == FH_DOUBLE_FREE);
  o->blocks--;
  memmove(&o->block[i], &o->block[i + 1], (o->blocks - i) * sizeof b);
  give_part(o, b.start);
}

/* The chunk gets `need` of itself and the hole behind. */
static void resize_here(oracle *o, unsigned i, size_t need) {
  part *p = &o->parts[i];
  bool joins = is_hole(o, i + 1);
  if (joins && p->length < need) {
    rover_leaves(o, i + 1);
    p->length += o->parts[i + 1].length;
    part_remove(o, i + 1);
    joins = false;
  }
  size_t rest = p->length - need;
  if (rest >= least_of(o) || (rest != 0 && joins)) {
    p->length = need;
    part_put(o, i + 1, (part){.start = p->start + need, .length = rest});
    join(o, i + 1);
  }
}

/* Where the block lies afterwards, if its neighbours allow it to stay or to move back into the hole in front;
 * BYTES: they do not. */
static size_t resize_in_place(oracle *o, const block *b, size_t need) {
  unsigned i = part_at(o, b->start);
  size_t have = o->parts[i].length, behind = is_hole(o, i + 1) ? o->parts[i + 1].length : 0;
  if (is_buddy(o)) {
    o->parts[i].length = need < have ? need : have;
    find_pieces(o);
    return need <= have ? b->start : BYTES;
  }
  if (need <= have + behind) {
    resize_here(o, i, need);
    return b->start;
  }
  size_t front = i != 0 && is_hole(o, i - 1) ? o->parts[i - 1].length : 0;
  if (front == 0 || need > front + have + behind ||
      (b->alignment != 0 && (uintptr_t)(memory + b->start - front + WORD) % b->alignment != 0)) {
    return BYTES;
  }
  rover_leaves(o, i - 1);
  part_remove(o, i - 1);
  o->parts[i - 1].start -= front;
  o->parts[i - 1].length += front;
  resize_here(o, i - 1, need);
  return b->start - front;
}

/* From 150 to 130 less is left than a hole needs. */
static size_t resized(size_t size) { return size == 1 ? 40 : size == 40 ? 150 : size == 150 ? 130 : 1; }

static void resize(oracle *o, unsigned i) {
  block *b = &o->block[i], old = *b;
  size_t size = resized(old.asked), need = chunk_for(o, size, old.alignment);
  unsigned char *at = fh_region_realloc(region, memory + old.start + WORD, size);
  size_t start = at == NULL ? BYTES : (size_t)(at - memory) - WORD, same = resize_in_place(o, &old, need);
  if (same != BYTES) {
    REQUIRE(start == same);
    account(o);
  } else if (!take_like(o, size, old.alignment, at)) {
    refused(o, size);
    return;
  } else {
    give_part(o, old.start);
  }
  b->start = start;
  REQUIRE(holds(b, old.asked < size ? old.asked : size));
  b->asked = size;
  fill(o, b);
}

static void extend(oracle *o) {
  REQUIRE(fh_region_extend(region, fh_region_end(region), MORE) == FH_OK);
  part_put(o, o->count, (part){.start = o->end, .length = MORE});
  o->bytes += MORE;
  o->end += MORE;
  if (is_buddy(o)) {
    find_pieces(o);
  } else {
    join(o, o->count - 1);
  }
}

static void trim(oracle *o) {
  size_t given = fh_region_trim(region), before = o->bytes;
  while (o->count != 0 && !o->parts[o->count - 1].used) {
    o->end = o->parts[--o->count].start;
    o->bytes = o->end + WORD; /* the closing head */
  }
  REQUIRE(given == before - o->bytes);
}

/* The same on both sides. */

typedef struct seen {
  const oracle *o;
  unsigned count;
} seen;

static int see(uint64_t address, uint64_t length, bool used, void *arg) {
  seen *s = arg;
  REQUIRE(s->count < s->o->count);
  const part *p = &s->o->parts[s->count++];
  REQUIRE(address == (uintptr_t)memory + p->start && length == p->length && used == p->used);
  return 0;
}

static void compare_space(const oracle *o, size_t asked, unsigned holes) {
  fh_space space;
  size_t own = has(o, FH_REGION_CHECKED) ? 2 * WORD : WORD;
  unsigned most = largest(o, (request){1, 0});
  size_t serves = most == o->count ? 0 : o->parts[most].length - own;
  fh_region_space(region, &space);
  REQUIRE(space.size == o->bytes && space.used == o->used && space.free == o->end - o->begin - o->used);
  REQUIRE(space.metadata == space.size - space.used - space.free && space.peak_used == o->peak);
  REQUIRE(space.requested == asked && space.chunks == o->blocks && space.holes == holes);
  REQUIRE(has(o, FH_REGION_BOUNDED) ? space.largest <= serves : space.largest == serves);
}

static void compare(const oracle *o) {
  seen s = {.o = o};
  size_t asked = 0;
  REQUIRE(fh_region_check(region) == FH_OK);
  REQUIRE(fh_region_walk(region, see, &s) == 0 && s.count == o->count);
  REQUIRE(fh_region_end(region) == memory + o->bytes);
  for (unsigned i = 0; i < o->blocks; i++) {
    const block *b = &o->block[i];
    size_t usable = fh_region_usable_size(region, memory + b->start + WORD);
    REQUIRE(holds(b, b->asked) && (has(o, FH_REGION_CHECKED) ? usable == b->asked : usable >= b->asked));
    asked += b->asked;
  }
  compare_space(o, asked, o->count - o->blocks);
}

/* All sequences. */

typedef void operation(oracle *o);

static void take_1(oracle *o) { take(o, 1, 0, fh_region_alloc(region, 1)); }

static void take_40(oracle *o) {
  unsigned char *at = fh_region_calloc(region, 4, 10);
  for (unsigned i = 0; at != NULL && i < 40; i++) {
    REQUIRE(at[i] == 0);
  }
  take(o, 40, 0, at);
}

static void take_150(oracle *o) { take(o, 150, 0, fh_region_alloc(region, 150)); }

static void take_on_64(oracle *o) { take(o, 40, ALIGNED, fh_region_alloc_aligned(region, ALIGNED, 40)); }

static void give_oldest(oracle *o) { give(o, 0, false); }
static void give_newest(oracle *o) { give(o, o->blocks - 1, false); }
static void give_middle(oracle *o) { give(o, o->blocks / 2, true); }
static void resize_oldest(oracle *o) { resize(o, 0); }
static void resize_newest(oracle *o) { resize(o, o->blocks - 1); }

static operation *const operations[] = {take_1,      take_40,     take_150,    take_on_64,    extend,       trim,
                                        give_oldest, give_newest, give_middle, resize_oldest, resize_newest};

/* How many blocks there must be for an operation to be none of the others. */
static const unsigned needs[] = {0, 0, 0, 0, 0, 0, 1, 2, 3, 1, 2};

enum { KINDS = sizeof operations / sizeof *operations };

static bool is_possible(const oracle *o, unsigned kind) {
  return o->blocks >= needs[kind] && (operations[kind] != extend || o->bytes + MORE <= BYTES) &&
         (operations[kind] != trim || is_hole(o, o->count - 1));
}

static void play(const oracle *before, unsigned depth) {
  unsigned char copy[BYTES];
  memcpy(copy, memory, before->bytes);
  for (unsigned kind = 0; depth != 0 && kind < KINDS; kind++) {
    if (is_possible(before, kind)) {
      oracle o = *before;
      operations[kind](&o);
      compare(&o);
      count_played++;
      play(&o, depth - 1);
      memcpy(memory, copy, before->bytes);
    }
  }
}

static int add_part(uint64_t address, uint64_t length, bool used, void *arg) {
  oracle *o = arg;
  part p = {.start = (size_t)(address - (uintptr_t)memory), .length = (size_t)length, .used = used};
  REQUIRE(!used && (o->count == 0 || p.start == o->end));
  o->begin = o->count == 0 ? p.start : o->begin;
  o->end = p.start + p.length;
  part_put(o, o->count, p);
  return 0;
}

/* The fewest bytes that leave so much room: what the region needs of them for itself is its own affair. */
static oracle begin(const fh_region_options *options) {
  oracle o = {.options = *options};
  for (o.bytes = ROOM; o.end - o.begin < ROOM; o.bytes += WORD) {
    REQUIRE(o.bytes < BYTES - MORE);
    region = fh_region_create(memory, o.bytes, options);
    o.count = 0;
    o.begin = o.end = 0;
    if (region != NULL) {
      fh_region_walk(region, add_part, &o);
    }
  }
  o.bytes -= WORD;
  REQUIRE(o.end + WORD <= o.bytes && o.bytes - o.end - WORD < least_of(&o));
  REQUIRE(is_buddy(&o) || o.count == 1);
  return o;
}

int main(int argc, char **argv) {
  unsigned depth = depth_of(argc, argv, USUAL, DEEPEST);
  for (unsigned fit = FH_FIT_GOOD; fit <= FH_FIT_BUDDY; fit++) {
    for (unsigned flags = 0; flags < 8; flags++) {
      fh_region_options options = {.fit = (fh_fit)fit, .flags = flags};
      oracle o = begin(&options);
      compare(&o);
      play(&o, fit == FH_FIT_GOOD || (flags & FH_REGION_BOUNDED) == 0 ? depth : 2); /* it means nothing to the others */
    }
  }
  printf("%lu sequences of up to %u calls\n", count_played, depth);
  return 0;
}
