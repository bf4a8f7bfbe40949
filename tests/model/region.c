/* Random calls of a region against an oracle that knows every live block and what it holds. All policies and flags,
 * three sizes, grown by the caller and by a callback, in one space and in several, trimmed, used at two addresses in
 * turn and opened anew: its bytes are mapped twice.
 *
 * A request must fail exactly when no hole that the walk shows holds it. What the walk shows is held against the
 * blocks: each used chunk is one block's, and the counts are its sums. Wrong pointers must get their status and change
 * no byte, and bytes that are not the region's must stay as they are. */
#include <sys/mman.h>
#include <unistd.h>

#include "model/require.h"

#include "freehold/region.h"

enum {
  BLOCKS = 300,
  STALE = 64,
  WORD = sizeof(void *),
  MOST_BYTES = 300000,
  ROOM = 128 + 2 * MOST_BYTES,
  MOST_SPACES = 4
};

typedef struct block {
  size_t at; /* its offset; 0: not live */
  size_t size, alignment;
  unsigned char mark; /* 0: never written, so that old heads stand in it; even: one byte again and again */
} block;

typedef struct model {
  fh_region *r;
  unsigned char *now;      /* one of the maps */
  size_t start, end, room; /* of the region, as offsets; of what it may grow to */
  unsigned spaces;
  fh_region_options options;
  block blocks[BLOCKS];
  size_t stale[STALE], scale; /* where blocks were; of large requests */
  unsigned stales;
  uint64_t random, outside; /* outside: of the bytes behind the region */
} model;

static unsigned char *maps[2], copy[ROOM];

static size_t below(model *m, size_t most) { return (size_t)(chance(&m->random) % most); }

static bool has(const model *m, unsigned flag) { return (m->options.flags & flag) != 0; }

static bool is_buddy(const model *m) { return m->options.fit == FH_FIT_BUDDY; }

static size_t unit_of(const model *m) { return has(m, FH_REGION_PACKED) ? WORD : 2 * WORD; }

static unsigned char *user(const model *m, const block *b) { return m->now + b->at; }

static fh_space space_of(const model *m) {
  fh_space space;
  fh_region_space(m->r, &space);
  return space;
}

static void same_space(const model *m, const fh_space *before) {
  fh_space now = space_of(m);
  now.peak_used = before->peak_used;
  now.largest = has(m, FH_REGION_BOUNDED) ? before->largest : now.largest; /* which holes it passes over may change */
  REQUIRE(memcmp(&now, before, sizeof now) == 0);
}

/* What a request needs, and what holes there are. */

static size_t least_of(const model *m) { return WORD == 4 ? 16 : has(m, FH_REGION_PACKED) ? 24 : 32; }

/* A word for the head and in a checked region one for the canary, in whole units. */
static size_t chunk_for(const model *m, size_t size) {
  size_t words = has(m, FH_REGION_CHECKED) ? 2 : 1, unit = unit_of(m);
  size_t chunk = (size + words * WORD + unit - 1) / unit * unit;
  return chunk < least_of(m) ? least_of(m) : chunk;
}

static size_t power_of_two(size_t least) {
  size_t power = 1;
  while (power < least) {
    power *= 2;
  }
  return power;
}

/* The hole with which a request may not be refused. An aligned one may have to leave a whole chunk in front; a buddy is
 * a power of two, and no more aligned than 64 bytes; a bounded search may pass over any hole, but not if `largest` says
 * that it would not. */
static size_t sure_for(const model *m, size_t size, size_t alignment) {
  bool aligned = alignment > unit_of(m);
  size_t sure = aligned ? chunk_for(m, size + 1) + alignment + 4 * WORD : chunk_for(m, size);
  if (has(m, FH_REGION_BOUNDED) || (is_buddy(m) && alignment > 64)) {
    return SIZE_MAX;
  }
  return is_buddy(m) ? power_of_two(sure) : sure;
}

/* The longest hole, and what lies around a block: the hole before it, its chunk, the hole behind it. */
typedef struct around {
  uint64_t block, most, before, own, behind;
  uint64_t hole_end, hole, own_end; /* of what came last */
} around;

static int look_around(uint64_t address, uint64_t length, bool used, void *arg) {
  around *a = arg;
  a->most = !used && length > a->most ? length : a->most;
  if (used && address < a->block && a->block < address + length) {
    a->before = a->hole_end == address ? a->hole : 0;
    a->own = length;
    a->own_end = address + length;
  }
  a->behind = !used && address == a->own_end ? length : a->behind;
  a->hole = used ? 0 : length;
  a->hole_end = address + length;
  return 0;
}

static around around_block(const model *m, const unsigned char *at) {
  around a = {.block = (uintptr_t)at};
  fh_region_walk(m->r, look_around, &a);
  return a;
}

static void check_refusal(const model *m, size_t size, size_t alignment) {
  fh_status why = fh_region_why(m->r);
  REQUIRE(why == FH_EXHAUSTED || why == FH_FRAGMENTED);
  fh_space space = space_of(m);
  REQUIRE((why == FH_EXHAUSTED) == (space.free < size + WORD));
  REQUIRE(around_block(m, NULL).most < sure_for(m, size, alignment));
  REQUIRE(alignment > unit_of(m) || size > space.largest || (size == 0 && space.largest == 0));
}

typedef struct holes {
  uint64_t at[BLOCKS + 64][2];
  size_t count;
} holes;

static int note_hole(uint64_t address, uint64_t length, bool used, void *arg) {
  holes *h = arg;
  if (!used && h->count < sizeof h->at / sizeof *h->at) {
    h->at[h->count][0] = address;
    h->at[h->count++][1] = address + length;
  }
  return 0;
}

/* Head and all. */
static void came_from_one(const holes *h, const unsigned char *at, size_t size) {
  size_t i = 0;
  while (i < h->count && !((uintptr_t)at - WORD >= h->at[i][0] && (uintptr_t)at + size <= h->at[i][1])) {
    i++;
  }
  REQUIRE(i < h->count);
}

/* What blocks hold. */

static unsigned char byte_at(const block *b, size_t i) {
  return (unsigned char)(b->mark % 2 == 0 ? b->mark : b->mark + i * 13 + (i >> 8));
}

static void fill(model *m, block *b) {
  size_t usable = fh_region_usable_size(m->r, user(m, b));
  b->mark = (unsigned char)(below(m, 8) == 0 ? 0 : 1 + below(m, 255));
  for (size_t i = 0; b->mark != 0 && i < usable; i++) {
    user(m, b)[i] = i < b->size ? byte_at(b, i) : 0xa5; /* all that may be used is the caller's */
  }
}

static void check_contents(const model *m, const block *b, size_t bytes) {
  for (size_t i = 0; b->mark != 0 && i < bytes; i++) {
    REQUIRE(user(m, b)[i] == byte_at(b, i));
  }
}

/* Taking and giving. */

static size_t random_size(model *m) {
  uint64_t r = chance(&m->random);
  return (size_t)(r / 4 % (r % 4 != 0 ? 120 : m->scale));
}

static void born(model *m, block *b, const unsigned char *at) {
  size_t usable = fh_region_usable_size(m->r, at);
  REQUIRE((uintptr_t)at % b->alignment == 0 && (uintptr_t)at % unit_of(m) == 0);
  REQUIRE(at >= m->now + m->start && at + usable <= m->now + m->end);
  REQUIRE(has(m, FH_REGION_CHECKED) ? usable == b->size : usable >= b->size);
  b->at = (size_t)(at - m->now);
}

static unsigned char *request(model *m, block *b, uint64_t what) {
  if (what == 0) {
    unsigned char *at = fh_region_calloc(m->r, b->size, 1);
    for (size_t i = 0; at != NULL && i < b->size; i++) {
      REQUIRE(at[i] == 0);
    }
    return at;
  }
  return b->alignment != 1 ? fh_region_alloc_aligned(m->r, b->alignment, b->size) : fh_region_alloc(m->r, b->size);
}

static void take(model *m, block *b) {
  static holes h;
  uint64_t what = below(m, 8);
  size_t end = m->end;
  bool look = below(m, 8) == 0;
  *b = (block){.size = random_size(m), .alignment = what == 1 ? (size_t)1 << below(m, 11) : 1};
  h.count = 0;
  if (look) {
    fh_region_walk(m->r, note_hole, &h);
  }
  unsigned char *at = request(m, b, what);
  if (at == NULL) {
    check_refusal(m, b->size, b->alignment);
    return;
  }
  if (look && m->end == end) {
    came_from_one(&h, at, b->size);
  }
  born(m, b, at);
  fill(m, b);
}

static void give(model *m, block *b) {
  check_contents(m, b, b->size);
  REQUIRE(fh_region_free(m->r, user(m, b)) == FH_OK);
  fh_status again = fh_region_free(m->r, user(m, b));
  REQUIRE(again == FH_DOUBLE_FREE && fh_region_why(m->r) == again);
  REQUIRE(fh_region_usable_size(m->r, user(m, b)) == 0 && fh_region_realloc(m->r, user(m, b), 1) == NULL);
  m->stale[m->stales++ % STALE] = b->at;
  b->at = 0;
}

/* It must have been served where it is if its neighbours are holes that suffice. */
static void check_stayed(model *m, const block *b, size_t size) {
  around a = around_block(m, user(m, b));
  bool aligned = b->alignment != 1;
  size_t need = chunk_for(m, size + aligned);
  REQUIRE(size > b->size && a.own != 0);
  REQUIRE(is_buddy(m) || a.own + a.behind < need);
  REQUIRE(is_buddy(m) || aligned || a.before + a.own + a.behind < need);
  check_refusal(m, size, b->alignment);
  check_contents(m, b, b->size);
}

static void change(model *m, block *b) {
  size_t size = random_size(m), before = b->size;
  check_contents(m, b, before);
  unsigned char *now = fh_region_realloc(m->r, user(m, b), size);
  if (size == 0) {
    REQUIRE(now == NULL && fh_region_why(m->r) == FH_OK);
    REQUIRE(fh_region_free(m->r, user(m, b)) == FH_DOUBLE_FREE);
    b->at = 0;
    return;
  }
  if (now == NULL) {
    check_stayed(m, b, size);
    return;
  }
  b->size = size;
  born(m, b, now);
  check_contents(m, b, before < size ? before : size);
  fill(m, b);
}

/* Wrong calls. */

/* A second time, when the reason that is kept is the same already, not a byte changes. */
static fh_status free_wrong(model *m, void *pointer) {
  fh_space before = space_of(m);
  fh_status status = fh_region_free(m->r, pointer);
  REQUIRE(status != FH_OK && status == fh_region_why(m->r));
  same_space(m, &before);
  REQUIRE(fh_region_usable_size(m->r, pointer) == 0);
  if (below(m, 16) == 0) {
    memcpy(copy, m->now + m->start, m->end - m->start);
    REQUIRE(fh_region_free(m->r, pointer) == status);
    REQUIRE(memcmp(copy, m->now + m->start, m->end - m->start) == 0);
  }
  return status;
}

static const block *block_around(const model *m, size_t at) {
  for (size_t i = 0; i < BLOCKS; i++) {
    const block *b = &m->blocks[i];
    if (b->at != 0 && b->at <= at && (at < b->at + b->size || at == b->at)) {
      return b;
    }
  }
  return NULL;
}

/* Anywhere: with 64 bits no head is taken for what is none. With 32 it may be where users wrote anything, but not where
 * every word is even: there is no head of a used chunk. */
static void free_anywhere(model *m, size_t at) {
  const block *b = block_around(m, at);
  if ((b != NULL && b->at == at) || (WORD == 4 && (b == NULL || b->mark == 0 || b->mark % 2 != 0))) {
    return;
  }
  fh_status status = free_wrong(m, m->now + at);
  if (WORD == 8) {
    REQUIRE(status == FH_NOT_OWNED || (status == FH_DOUBLE_FREE && b == NULL));
  }
}

/* One byte behind the block, or one bit of its head. */
static void smash(model *m, const block *b) {
  bool behind = WORD == 4 || below(m, 2) == 0;
  unsigned char *at = behind ? user(m, b) + b->size : user(m, b) - 1 - below(m, WORD);
  unsigned char was = *at, flip = (unsigned char)(behind ? 1 + below(m, 255) : 1u << below(m, 8));
  *at ^= flip;
  fh_status status = fh_region_free(m->r, user(m, b));
  REQUIRE(behind ? status == FH_CORRUPT : status != FH_OK);
  REQUIRE(fh_region_realloc(m->r, user(m, b), b->size + 1) == NULL);
  REQUIRE(fh_region_check(m->r) == FH_CORRUPT);
  *at = was;
}

static void ask_wrong(model *m) {
  fh_space before = space_of(m);
  fh_grow *grow = m->options.grow;
  REQUIRE(fh_region_alloc(m->r, SIZE_MAX - below(m, 100)) == NULL && fh_region_why(m->r) == FH_INVALID);
  REQUIRE(fh_region_calloc(m->r, SIZE_MAX / 2, 3) == NULL && fh_region_why(m->r) == FH_INVALID);
  REQUIRE(fh_region_alloc_aligned(m->r, (size_t)3 << below(m, 20), 10) == NULL && fh_region_why(m->r) == FH_INVALID);
  REQUIRE(fh_region_alloc_aligned(m->r, 0, 10) == NULL && fh_region_why(m->r) == FH_INVALID);
  if (grow == NULL) {
    REQUIRE(fh_region_alloc(m->r, PTRDIFF_MAX - below(m, 100)) == NULL && fh_region_why(m->r) == FH_EXHAUSTED);
    REQUIRE(fh_region_alloc_aligned(m->r, SIZE_MAX / 4 + 1, 10) == NULL);
  }
  REQUIRE(fh_region_extend(m->r, m->now + m->end - 1, m->room - m->end) == FH_INVALID);
  REQUIRE(fh_region_extend(m->r, NULL, 100) == FH_INVALID);
  same_space(m, &before);
}

static void wrong(model *m, const block *b) {
  char elsewhere[8];
  REQUIRE(free_wrong(m, NULL) == FH_NOT_OWNED && free_wrong(m, elsewhere) == FH_NOT_OWNED);
  REQUIRE(free_wrong(m, m->now + m->end + below(m, 100)) == FH_NOT_OWNED);
  REQUIRE(free_wrong(m, m->now + m->start - below(m, 16) - 1) == FH_NOT_OWNED);
  free_anywhere(m, m->start + below(m, m->end - m->start));
  free_anywhere(m, (m->start + below(m, m->end - m->start)) / unit_of(m) * unit_of(m) + (m->start % unit_of(m)));
  if (m->stales != 0) {
    size_t at = m->stale[below(m, m->stales < STALE ? m->stales : STALE)];
    free_anywhere(m, at < m->end ? at : m->start);
  }
  if (b->at != 0 && b->size > 1) {
    free_anywhere(m, b->at + 1 + below(m, b->size - 1));
  }
  if (b->at != 0 && has(m, FH_REGION_CHECKED)) {
    smash(m, b);
  }
  if (below(m, 16) == 0) {
    ask_wrong(m);
  }
}

/* More memory and less. */

static uint64_t sum_outside(const model *m) {
  uint64_t sum = 1, word;
  for (size_t i = m->end; i + 8 <= m->room; i += 8) {
    memcpy(&word, m->now + i, 8);
    sum = (sum ^ word) * UINT64_C(0x100000001B3);
  }
  return sum;
}

/* FH_INVALID: too little. Then what was offered is as it was. */
static bool extend(model *m, size_t gap, size_t bytes) {
  fh_space before = space_of(m);
  REQUIRE(m->outside == sum_outside(m));
  if (m->end + gap + bytes > m->room) {
    return false;
  }
  fh_status status = fh_region_extend(m->r, m->now + m->end + gap, bytes);
  REQUIRE(status == FH_OK || (status == FH_INVALID && fh_region_why(m->r) == FH_INVALID && bytes < 65536));
  if (status != FH_OK) {
    same_space(m, &before);
    REQUIRE(m->outside == sum_outside(m));
    return false;
  }
  m->end += gap + bytes;
  m->outside = sum_outside(m);
  fh_space after = space_of(m);
  bool another = after.metadata - before.metadata > 12 * WORD; /* with a start of its own */
  REQUIRE(another || gap == 0);
  m->spaces += another;
  REQUIRE(after.size > before.size && after.size <= before.size + bytes && after.used == before.used);
  return true;
}

static size_t grow(fh_region *r, size_t need, void *arg) {
  model *m = arg;
  REQUIRE(r == m->r);
  size_t gap = m->spaces < MOST_SPACES ? below(m, 2) * below(m, 300) : 0, bytes = need + below(m, 1000);
  return extend(m, gap, bytes) ? bytes : 0;
}

static void trim(model *m) {
  fh_space before = space_of(m);
  REQUIRE(m->outside == sum_outside(m));
  size_t given = fh_region_trim(m->r);
  fh_space after = space_of(m);
  REQUIRE(given < m->end - m->start && before.size - after.size <= given && after.used == before.used);
  m->end -= given;
  REQUIRE(m->spaces > 1 || fh_region_end(m->r) == m->now + m->end);
  if (below(m, 2) == 0) {
    memset(m->now + m->end, 0xee, m->room - m->end); /* else what it was is still there */
  }
  m->outside = sum_outside(m);
}

static void resize(model *m) {
  uint64_t what = below(m, 4);
  if (what == 0) {
    trim(m);
  } else if (what == 1 && m->spaces < MOST_SPACES) {
    extend(m, 1 + below(m, 300), below(m, m->scale * 2));
  } else {
    extend(m, 0, below(m, 4) == 0 ? below(m, 100) : below(m, m->scale * 2));
  }
  REQUIRE(fh_region_check(m->r) == FH_OK);
}

/* Everything that is counted. */

typedef struct seen {
  const model *m;
  const block *order[BLOCKS];
  size_t live, at;
  uint64_t used, free, holes, hole_end;
} seen;

static int by_offset(const void *a, const void *b) {
  const block *one = *(const block *const *)a, *two = *(const block *const *)b;
  return one->at < two->at ? -1 : one->at > two->at;
}

static int see(uint64_t address, uint64_t length, bool used, void *arg) {
  seen *s = arg;
  const model *m = s->m;
  REQUIRE(address >= (uintptr_t)m->now + m->start && address + length <= (uintptr_t)m->now + m->end);
  if (!used) {
    REQUIRE(s->hole_end != address || is_buddy(m));
    s->hole_end = address + length;
    s->free += length;
    s->holes++;
    return 0;
  }
  REQUIRE(s->at < s->live);
  const block *b = s->order[s->at++];
  REQUIRE((uintptr_t)user(m, b) == address + WORD && b->size + WORD <= length);
  REQUIRE(is_buddy(m) || length < chunk_for(m, b->size + (b->alignment != 1)) + least_of(m)); /* more would be a hole */
  s->used += length;
  return 0;
}

static void check_walk(const model *m, const fh_space *space) {
  static seen s;
  uint64_t requested = 0;
  s = (seen){.m = m};
  for (size_t i = 0; i < BLOCKS; i++) {
    if (m->blocks[i].at != 0) {
      s.order[s.live++] = &m->blocks[i];
      requested += m->blocks[i].size;
    }
  }
  qsort(s.order, s.live, sizeof *s.order, by_offset);
  REQUIRE(fh_region_walk(m->r, see, &s) == 0 && s.at == s.live);
  REQUIRE(s.used == space->used && s.free == space->free && s.holes == space->holes);
  REQUIRE(space->chunks == s.live && space->requested == requested);
}

static void check_all(model *m) {
  REQUIRE(fh_region_check(m->r) == FH_OK);
  fh_space space = space_of(m);
  for (size_t i = 0; i < BLOCKS; i++) {
    if (m->blocks[i].at != 0) {
      check_contents(m, &m->blocks[i], m->blocks[i].size);
    }
  }
  REQUIRE(space.size == space.used + space.free + space.metadata && space.size <= m->end - m->start);
  REQUIRE(space.peak_used >= space.used);
  check_walk(m, &space);
  if (m->options.grow == NULL) {
    void *most = space.largest == 0 ? NULL : fh_region_alloc(m->r, (size_t)space.largest);
    REQUIRE(space.largest == 0 || (most != NULL && fh_region_free(m->r, most) == FH_OK));
    REQUIRE(fh_region_alloc(m->r, (size_t)space.largest + 1) == NULL);
  }
}

/* At the other address: as if nothing had happened, or attached anew. */
static void move(model *m, bool anew) {
  fh_space before = space_of(m);
  const char *what;
  ptrdiff_t at = (unsigned char *)m->r - m->now;
  m->now = m->now == maps[0] ? maps[1] : maps[0];
  m->r = (fh_region *)(void *)(m->now + at);
  if (anew) {
    size_t bytes = below(m, 2) == 0 ? m->end - m->start : m->room - m->start;
    REQUIRE(fh_region_examine(m->now + m->start, bytes, &what) == FH_OK);
    m->r = fh_region_open(m->now + m->start, bytes);
    REQUIRE(m->r != NULL);
    m->options.grow = NULL;
  }
  same_space(m, &before);
}

static void step(model *m, long number, long steps) {
  block *b = &m->blocks[below(m, BLOCKS)];
  uint64_t what = below(m, 16);
  if (what == 0) {
    wrong(m, b);
  } else if (b->at == 0) {
    take(m, b);
  } else if (what < 5) {
    change(m, b);
  } else {
    give(m, b);
  }
  if (number % (m->scale > 20000 ? 256 : 64) == 0) {
    check_all(m);
  }
  if (number % 256 == 100) {
    resize(m);
  }
  if (number % 128 == 50) {
    move(m, m->options.grow == NULL ? number % 1024 == 562 : number > steps / 2);
  }
}

static void end(model *m) {
  for (size_t i = 0; i < BLOCKS; i++) {
    if (m->blocks[i].at != 0) {
      give(m, &m->blocks[i]);
    }
  }
  fh_space space = space_of(m);
  REQUIRE(space.used == 0 && space.requested == 0 && space.chunks == 0);
  REQUIRE(is_buddy(m) || space.holes <= m->spaces); /* one may be trimmed away */
  check_all(m);
  trim(m);
  check_all(m);
}

static long run(fh_fit fit, unsigned flags, size_t bytes, long steps) {
  static model m;
  uint64_t random;
  if (!start_plan(&random)) {
    return 0;
  }
  m = (model){.now = maps[0],
              .start = 64 + fit,
              .end = 64 + fit + bytes,
              .room = 128 + 2 * bytes,
              .spaces = 1,
              .options = {.fit = fit, .flags = flags, .grow_arg = &m},
              .scale = bytes / 6,
              .random = random};
  m.options.grow = below(&m, 4) == 0 ? grow : NULL;
  memset(m.now, 0xee, ROOM);
  m.outside = sum_outside(&m);
  m.r = fh_region_create(m.now + m.start, bytes, &m.options);
  REQUIRE(m.r != NULL);
  for (long i = 0; i < steps; i++) {
    step(&m, i, steps);
  }
  end(&m);
  return steps;
}

static void map_twice(void) {
  int file = memfd_create("region", 0);
  REQUIRE(file >= 0 && ftruncate(file, ROOM) == 0);
  for (unsigned i = 0; i < 2; i++) {
    maps[i] = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    REQUIRE(maps[i] != MAP_FAILED);
  }
  close(file);
}

int main(int argc, char **argv) {
  static const size_t sizes[] = {4000, 65536, MOST_BYTES};
  long done = 0;
  start_run(argc, argv, 1500000);
  map_twice();
  for (unsigned fit = FH_FIT_GOOD; fit <= FH_FIT_BUDDY; fit++) {
    for (unsigned flags = 0; flags < 8; flags++) {
      for (unsigned size = 0; size < 3; size++) {
        done += run((fh_fit)fit, flags, sizes[size], this_run.steps / (6 * 8 * 3));
      }
    }
  }
  printf("%ld steps passed\n", done);
  return 0;
}
