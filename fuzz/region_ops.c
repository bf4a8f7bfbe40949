/* Operations on a region, decoded from bytes and held against a shadow of every byte: who owns it, what it holds. After
 * each one the region must check, and its account must be the shadow's.
 *
 *   byte 0: policy   1: flags, growth   2, 3: bytes of the first space   4: how far it is from aligned   then
 * operations */
#include "freehold/region.h"
#include "fuzz.h"

enum { ARENA = 1 << 15, LIVE = 200, GONE = 8, OUTSIDE = 0x5C, CANARY_AREA = 0xA5 };

typedef struct live {
  unsigned char *at;
  size_t size, alignment;
  unsigned char fill; /* 0: nothing was written */
} live;

typedef struct model {
  unsigned char *arena, *owner; /* of each byte of the arena: 0 outside, 1 the region's */
  size_t start, reach;          /* what was handed to the region lies within */
  fh_region *r;
  unsigned flags;
  fh_fit fit;
  bool grows;
  live live[LIVE];
  size_t count, requested;
  void *gone[GONE];
  unsigned next_gone;
  unsigned char fill;
} model;

static size_t unit(const model *m) { return (m->flags & FH_REGION_PACKED) != 0 ? sizeof(size_t) : 2 * sizeof(size_t); }

static void hand(model *m, size_t at, size_t bytes) {
  memset(m->owner + at, 1, bytes);
  m->reach = at + bytes > m->reach ? at + bytes : m->reach;
}

static size_t grow(fh_region *r, size_t need, void *arg) {
  model *m = arg;
  size_t at = (size_t)((unsigned char *)fh_region_end(r) - m->arena);
  at = at < m->reach ? m->reach + 16 : at; /* the first space is not the last */
  if (at > ARENA || need > ARENA - at) {
    return 0;
  }
  if (fh_region_extend(r, m->arena + at, need) != FH_OK) {
    memset(m->arena + at, OUTSIDE, need);
    return 0;
  }
  hand(m, at, need);
  return need;
}

/* What is asked of every answer. */

static fh_space account(const model *m) {
  fh_space space;
  fh_region_space(m->r, &space);
  return space;
}

static bool all_are(const unsigned char *at, size_t bytes, unsigned char what) {
  return bytes == 0 || (*at == what && memcmp(at, at + 1, bytes - 1) == 0);
}

/* Nobody wrote outside what the region was given. */
static void must_stay_inside(const model *m) {
  for (unsigned char *at = m->owner, *end = at + ARENA; (at = memchr(at, 0, (size_t)(end - at))) != NULL;) {
    unsigned char *next = memchr(at, 1, (size_t)(end - at));
    next = next != NULL ? next : end;
    must(all_are(m->arena + (at - m->owner), (size_t)(next - at), OUTSIDE));
    at = next;
  }
}

static bool overlap(const live *a, const live *b) {
  size_t a_size = a->size != 0 ? a->size : 1, b_size = b->size != 0 ? b->size : 1;
  return a->at < b->at + b_size && b->at < a->at + a_size;
}

static void must_be_right(const model *m, const live *one) {
  size_t offset = (size_t)(one->at - m->arena), usable = fh_region_usable_size(m->r, one->at);
  must(((uintptr_t)one->at & (one->alignment - 1)) == 0);
  must(((uintptr_t)one->at & (unit(m) - 1)) == 0);
  must(offset >= m->start && offset < ARENA && one->size <= ARENA - offset);
  must((m->flags & FH_REGION_CHECKED) != 0 ? usable == one->size : usable >= one->size && usable != 0);
  must(memchr(m->owner + offset, 0, one->size) == NULL);
  must(one->fill == 0 || all_are(one->at, one->size, one->fill));
}

static void must_hold(const model *m) {
  fh_space space = account(m);
  must(fh_region_check(m->r) == FH_OK);
  must(space.size == space.used + space.free + space.metadata);
  must(space.chunks == m->count && space.requested == m->requested);
  must(space.largest <= space.free && space.peak_used >= space.used);
}

static int count_one(uint64_t address, uint64_t length, bool used, void *arg) {
  fh_space *seen = arg;
  must(address >= seen->metadata); /* the end of the one before */
  seen->metadata = address + length;
  *(used ? &seen->used : &seen->free) += length;
  (*(used ? &seen->chunks : &seen->holes))++;
  return 0;
}

static void must_hold_thoroughly(const model *m) {
  fh_space seen = {0}, space = account(m);
  for (size_t i = 0; i < m->count; i++) {
    must_be_right(m, &m->live[i]);
    for (size_t j = 0; j < i; j++) {
      must(!overlap(&m->live[i], &m->live[j]));
    }
  }
  must_stay_inside(m);
  if (account(m).size <= m->reach) { /* spaces lie in the order they were made */
    must(fh_region_walk(m->r, count_one, &seen) == 0);
    must(seen.used == space.used && seen.chunks == space.chunks && seen.holes == space.holes);
    must(seen.free <= space.free);
  }
}

/* Keeping the shadow. */

static void keep(model *m, void *at, size_t size, size_t alignment, bool write) {
  live *one = &m->live[m->count++];
  m->fill = m->fill == 0xFF ? 1 : (unsigned char)(m->fill + 1);
  *one = (live){at, size, alignment, write ? m->fill : 0};
  if (write) {
    memset(at, m->fill, size);
  }
  m->requested += size;
  must_be_right(m, one);
  for (size_t i = 0; i + 1 < m->count; i++) {
    must(!overlap(&m->live[i], one));
  }
  for (size_t i = 0; i < GONE; i++) {
    m->gone[i] = m->gone[i] == at ? NULL : m->gone[i];
  }
}

static void drop(model *m, size_t i) {
  m->requested -= m->live[i].size;
  m->gone[m->next_gone++ % GONE] = m->live[i].at;
  m->live[i] = m->live[--m->count];
}

/* A request that failed may not have fitted, and says why. */
static void must_have_failed(const model *m, const fh_space *before, size_t size) {
  fh_status why = fh_region_why(m->r);
  must(why == FH_INVALID || why == FH_EXHAUSTED || why == FH_FRAGMENTED);
  must((why == FH_INVALID) == (size > PTRDIFF_MAX));
  must(size > before->largest || before->largest == 0);
  if (why == FH_EXHAUSTED) {
    must(before->free < (uint64_t)size + 64);
  }
}

static size_t next_size(input *in) {
  uint8_t kind = next_8(in);
  if (kind < 0xC0) {
    return kind;
  }
  if (kind < 0xF8) {
    return next_16(in);
  }
  return kind < 0xFC ? (size_t)next_64(in) : kind < 0xFE ? SIZE_MAX - next_8(in) : (size_t)PTRDIFF_MAX - next_8(in);
}

/* Operations. */

static void op_alloc(model *m, input *in) {
  fh_space before = account(m);
  size_t size = next_size(in);
  if (m->count == LIVE) {
    return;
  }
  void *at = fh_region_alloc(m->r, size);
  if (at == NULL) {
    must_have_failed(m, &before, size);
  } else {
    must(m->grows || size <= before.largest || size == 0);
    keep(m, at, size, 1, (size & 1) != 0);
  }
}

static void op_largest(model *m, input *in) {
  fh_space before = account(m);
  (void)in;
  if (m->count == LIVE || before.largest == 0) {
    return;
  }
  if (!m->grows) {
    must(fh_region_alloc(m->r, (size_t)before.largest + 1) == NULL);
  }
  void *at = fh_region_alloc(m->r, (size_t)before.largest);
  must(at != NULL);
  keep(m, at, (size_t)before.largest, 1, true);
}

static void op_aligned(model *m, input *in) {
  size_t size = next_size(in), alignment = (size_t)1 << (next_8(in) % 14), odd = next_8(in);
  if (m->count == LIVE) {
    return;
  }
  if (odd == 0xFF) {
    must(fh_region_alloc_aligned(m->r, alignment * 3, size) == NULL && fh_region_why(m->r) == FH_INVALID);
    must(fh_region_alloc_aligned(m->r, 0, size) == NULL && fh_region_why(m->r) == FH_INVALID);
    must(fh_region_alloc_aligned(m->r, SIZE_MAX / 2 + 1, size) == NULL);
    return;
  }
  void *at = fh_region_alloc_aligned(m->r, alignment, size);
  if (at != NULL) {
    keep(m, at, size, alignment, true);
  }
}

static void op_calloc(model *m, input *in) {
  size_t count = next_size(in), size = next_8(in), total = count * size;
  if (m->count == LIVE) {
    return;
  }
  unsigned char *at = fh_region_calloc(m->r, count, size);
  if (at == NULL) {
    return;
  }
  must(size == 0 || total / size == count);
  must(all_are(at, total, 0));
  keep(m, at, total, 1, true);
}

static void op_free(model *m, input *in) {
  if (m->count == 0) {
    return;
  }
  size_t i = next_8(in) % m->count;
  unsigned char *at = m->live[i].at;
  must_be_right(m, &m->live[i]);
  must(fh_region_free(m->r, at) == FH_OK);
  drop(m, i);
  must(fh_region_free(m->r, at) == FH_DOUBLE_FREE);
  must(fh_region_why(m->r) == FH_DOUBLE_FREE && fh_region_usable_size(m->r, at) == 0);
}

static void op_realloc(model *m, input *in) {
  size_t size = next_size(in), i = next_8(in);
  if (m->count == 0) {
    return;
  }
  i %= m->count;
  live old = m->live[i];
  fh_space before = account(m);
  must_be_right(m, &old);
  unsigned char *at = fh_region_realloc(m->r, old.at, size);
  if (size == 0) {
    must(at == NULL && fh_region_why(m->r) == FH_OK);
    drop(m, i);
  } else if (at == NULL) {
    must(size > old.size && (size > before.largest || old.alignment > 1));
    must_be_right(m, &old);
  } else {
    must(old.fill == 0 || all_are(at, old.size < size ? old.size : size, old.fill));
    drop(m, i);
    keep(m, at, size, old.alignment, true);
  }
}

/* Wrong pointers change nothing. */

static void must_refuse(model *m, void *pointer, fh_status one, fh_status other) {
  fh_space before = account(m), after;
  fh_status status = fh_region_free(m->r, pointer);
  must(status == one || status == other);
  must(fh_region_why(m->r) == status && fh_region_usable_size(m->r, pointer) == 0);
  must(pointer == NULL || fh_region_realloc(m->r, pointer, 1) == NULL);
  after = account(m);
  must(memcmp(&before, &after, sizeof after) == 0);
}

static void op_wrong(model *m, input *in) {
  static unsigned char foreign[64];
  uint16_t where = next_16(in);
  must_refuse(m, NULL, FH_NOT_OWNED, FH_NOT_OWNED);
  must_refuse(m, foreign + where % 64, FH_NOT_OWNED, FH_NOT_OWNED);
  must_refuse(m, m->arena + where % (m->start + 1), FH_NOT_OWNED, FH_NOT_OWNED);
  must_refuse(m, (void *)(uintptr_t)(where + 1), FH_NOT_OWNED, FH_NOT_OWNED);
  if (m->gone[where % GONE] != NULL) {
    must_refuse(m, m->gone[where % GONE], FH_DOUBLE_FREE, FH_NOT_OWNED);
  }
  if (m->count != 0) {
    const live *one = &m->live[where % m->count];
    for (size_t i = 1; i < one->size && i < 100; i += i < 20 ? 1 : unit(m)) {
      must_refuse(m, one->at + i, FH_NOT_OWNED, FH_NOT_OWNED);
    }
  }
}

/* In a checked region a byte behind an allocation is missed by free, and nothing happens to the region. */
static void op_overflow(model *m, input *in) {
  size_t i = next_8(in);
  unsigned char bits = next_8(in);
  if (m->count == 0 || (m->flags & FH_REGION_CHECKED) == 0 || bits == 0) {
    return;
  }
  unsigned char *behind = m->live[i % m->count].at + m->live[i % m->count].size;
  must(*behind == CANARY_AREA);
  *behind ^= bits;
  must(fh_region_check(m->r) == FH_CORRUPT);
  must_refuse(m, m->live[i % m->count].at, FH_CORRUPT, FH_CORRUPT);
  *behind ^= bits;
}

static void op_extend(model *m, input *in) {
  size_t bytes = next_16(in) % 8192, gap = next_8(in) % 64, at = m->reach + gap;
  size_t first_end = (size_t)((unsigned char *)fh_region_end(m->r) - m->arena);
  if (gap < 8 && first_end <= m->reach) {
    at = first_end; /* behind the first space, whatever came after it */
  }
  if (at + bytes > ARENA) {
    return;
  }
  bool over = memchr(m->owner + at, 1, bytes) != NULL;
  fh_status status = fh_region_extend(m->r, m->arena + at, bytes);
  must(status == FH_OK || status == FH_INVALID);
  must(!over || status == FH_INVALID);
  if (status == FH_OK) {
    hand(m, at, bytes);
  }
  must(fh_region_extend(m->r, m->arena + m->start, 100) == FH_INVALID);
  must(fh_region_extend(m->r, NULL, 100) == FH_INVALID);
}

/* What is given back is the last space's tail; the caller writes there at once. */
static void op_trim(model *m, input *in) {
  fh_space before = account(m);
  (void)in;
  size_t bytes = fh_region_trim(m->r);
  fh_space after = account(m);
  must(bytes == before.size - after.size);
  if (bytes != 0) {
    must(before.free >= after.free && before.used == after.used);
    m->reach -= bytes;
    memset(m->arena + m->reach, OUTSIDE, bytes);
    memset(m->owner + m->reach, 0, bytes);
  }
}

/* The same bytes at another address are the same region, and so they are when they are opened where they lie. */
static void op_open(model *m, input *in) {
  const char *what = NULL;
  size_t shift = next_8(in) % 4 * 64, bytes = m->reach - m->start;
  fh_space before = account(m), there;
  if (fh_region_examine(m->arena + m->start, bytes, &what) != FH_OK) {
    fprintf(stderr, "%s\n", what);
    abort();
  }
  unsigned char *copy = aligned_alloc(4096, (bytes + 512 + 4095) / 4096 * 4096);
  must(copy != NULL);
  memcpy(copy + m->start % 64 + shift, m->arena + m->start, bytes);
  fh_region *moved = fh_region_open(copy + m->start % 64 + shift, bytes);
  must(moved != NULL && fh_region_check(moved) == FH_OK);
  fh_region_space(moved, &there);
  there.peak_used = before.peak_used; /* of before a trim: no longer believed */
  if ((m->flags & FH_REGION_BOUNDED) != 0) {
    there.largest = before.largest; /* the first of its bin, in another order now */
  }
  must(memcmp(&before, &there, sizeof there) == 0);
  for (size_t i = 0; i < m->count; i++) {
    must(fh_region_free(moved, copy + m->start % 64 + shift + (m->live[i].at - (m->arena + m->start))) == FH_OK);
  }
  must(fh_region_check(moved) == FH_OK);
  fh_region_space(moved, &there);
  must(there.used == 0 && there.requested == 0 && there.chunks == 0);
  free(copy);
  m->r = fh_region_open(m->arena + m->start, bytes);
  must(m->r != NULL);
  m->grows = false;
}

static void one_operation(model *m, input *in) {
  static void (*const operations[])(model *, input *) = {
      op_alloc,   op_alloc,  op_alloc, op_free,     op_free,   op_free, op_realloc, op_realloc, op_realloc,
      op_aligned, op_calloc, op_wrong, op_overflow, op_extend, op_trim, op_open,    op_largest,
  };
  operations[next_8(in) % (sizeof operations / sizeof *operations)](m, in);
}

static void run(model *m, input *in) {
  m->fit = (fh_fit)(next_8(in) % 6);
  uint8_t flags = next_8(in);
  m->flags = flags & 7u;
  m->grows = (flags & 8) != 0;
  size_t bytes = next_16(in) % (ARENA / 2);
  m->start = 64 + next_8(in) % 32;
  fh_region_options options = {m->fit, m->flags, m->grows ? grow : NULL, m};
  hand(m, m->start, bytes);
  m->r = fh_region_create(m->arena + m->start, bytes, &options);
  if (m->r == NULL) {
    must(bytes < 2048);
    return;
  }
  must_hold(m);
  for (unsigned steps = 0; in->at < in->end; steps++) {
    one_operation(m, in);
    must_hold(m);
    if (steps % 16 == 0) {
      must_hold_thoroughly(m);
    }
  }
  must_hold_thoroughly(m);
  while (m->count != 0) {
    must(fh_region_free(m->r, m->live[m->count - 1].at) == FH_OK);
    drop(m, m->count - 1);
    must_hold(m);
  }
  must(account(m).used == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  static model m;
  input in = {bytes, bytes + count};
  m = (model){.arena = aligned_alloc(4096, ARENA), .owner = calloc(ARENA, 1)};
  must(m.arena != NULL && m.owner != NULL);
  memset(m.arena, OUTSIDE, ARENA);
  run(&m, &in);
  free(m.arena);
  free(m.owner);
  return 0;
}
