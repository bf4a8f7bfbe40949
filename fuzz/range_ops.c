/* Operations on a range, decoded from bytes and held against a shadow of every unit: which allocation has it. After
 * each one the range must check, and its account must be the shadow's.
 *
 *   byte 0: policy   1: order, coalescing, whose memory   2: granule, header   3: where the range begins   4: nodes
 *   then operations */
#include "freehold/range.h"
#include "fuzz.h"

enum { UNITS = 4096, LIVE = 200 };

typedef struct live {
  uint64_t address, asked;
} live;

typedef struct model {
  fh_range *r;
  fh_range_options options;
  uint64_t base, length;
  bool few; /* nodes may run out */
  live live[LIVE];
  size_t count;
  uint64_t requested;
} model;

static fh_space account(const model *m) {
  fh_space space;
  fh_range_space(m->r, &space);
  return space;
}

/* What the walk tells: stretches that follow each other without a gap. */
typedef struct seen {
  const model *m;
  uint64_t at;
  fh_space sum;
  uint64_t used_at[LIVE], used_length[LIVE];
} seen;

static int see(uint64_t address, uint64_t length, bool used, void *arg) {
  seen *s = arg;
  must(address == s->at && length != 0 && length <= s->m->length);
  s->at = address + length;
  if (used) {
    must(s->sum.chunks < LIVE);
    s->used_at[s->sum.chunks] = address;
    s->used_length[s->sum.chunks] = length;
  }
  *(used ? &s->sum.used : &s->sum.free) += length;
  (*(used ? &s->sum.chunks : &s->sum.holes))++;
  s->sum.largest = !used && length > s->sum.largest ? length : s->sum.largest;
  return 0;
}

static int see_hole(uint64_t address, uint64_t length, bool used, void *arg) {
  fh_space *sum = arg;
  (void)address;
  must(!used);
  sum->free += length;
  sum->holes++;
  return 0;
}

static bool is_live(const model *m, uint64_t address) {
  for (size_t i = 0; i < m->count; i++) {
    if (m->live[i].address == address) {
      return true;
    }
  }
  return false;
}

/* Allocations that lie in a stretch, each behind a header. */
static size_t live_in(const model *m, uint64_t start, uint64_t length) {
  size_t count = 0;
  for (size_t i = 0; i < m->count; i++) {
    uint64_t address = m->live[i].address;
    if (address - start < length) {
      must(address - start >= m->options.header && length - (address - start) >= m->live[i].asked);
      count++;
    }
  }
  return count;
}

/* Every used stretch is one allocation's. */
static void must_hold(const model *m) {
  static seen s;
  s = (seen){.m = m, .at = m->base};
  fh_space space = account(m), holes = {0};
  must(fh_range_check(m->r) == FH_OK);
  must(fh_range_walk(m->r, see, &s) == 0 && s.at == m->base + m->length);
  must(fh_range_walk_list(m->r, see_hole, &holes) == 0);
  must(holes.free == space.free && holes.holes == space.holes);
  must(space.size == m->length && space.size == space.used + space.free + space.metadata);
  must(s.sum.used == space.used && s.sum.free == space.free && s.sum.holes == space.holes);
  must(s.sum.chunks == space.chunks && space.chunks == m->count && space.requested == m->requested);
  must(space.peak_used >= space.used && space.largest <= s.sum.largest);
  for (size_t i = 0; i < s.sum.chunks; i++) {
    must(live_in(m, s.used_at[i], s.used_length[i]) == 1);
  }
  for (size_t i = 0; i < m->count; i++) {
    must(fh_range_length(m->r, m->live[i].address) == m->live[i].asked);
  }
}

static void keep(model *m, uint64_t address, uint64_t asked) {
  must(!is_live(m, address));
  m->live[m->count++] = (live){address, asked};
  m->requested += asked;
}

static uint64_t next_length(input *in) {
  uint8_t kind = next_8(in);
  return kind < 0xD0 ? kind : kind < 0xF8 ? next_16(in) % 2048 : kind < 0xFC ? next_64(in) : UINT64_MAX - next_8(in);
}

static void op_alloc(model *m, input *in) {
  uint64_t length = next_length(in), address = 7;
  uint8_t how = next_8(in);
  uint64_t alignment = how < 0x80    ? how / 64
                       : how < 0xFE  ? UINT64_C(1) << (how % 12)
                       : how == 0xFE ? 12
                                     : UINT64_C(1) << 63;
  fh_space before = account(m);
  if (m->count == LIVE) {
    return;
  }
  fh_status status = fh_range_alloc(m->r, length, alignment, &address);
  if (status == FH_OK) {
    must(length != 0 && (alignment < 2 || (address & (alignment - 1)) == 0));
    keep(m, address, length);
    return;
  }
  must(status == FH_INVALID || status == FH_EXHAUSTED || status == FH_FRAGMENTED);
  must(status != FH_INVALID || length == 0 || length > UINT32_MAX || alignment == 12);
  must(status == FH_INVALID || length > before.largest || alignment > 1 || (m->few && status == FH_EXHAUSTED));
  must(length != 0 || status == FH_INVALID);
  must(status != FH_FRAGMENTED || before.free >= length);
}

static void op_alloc_at(model *m, input *in) {
  uint64_t address = m->base + next_16(in) % (UNITS + 64) - 32, length = next_length(in);
  if (m->count == LIVE) {
    return;
  }
  fh_status status = fh_range_alloc_at(m->r, address, length);
  if (status == FH_OK) {
    must(length != 0);
    keep(m, address, length);
  }
}

static void op_largest(model *m, input *in) {
  uint64_t address;
  fh_space before = account(m);
  (void)in;
  if (m->count == LIVE || before.largest == 0 || m->few) {
    return;
  }
  must(fh_range_alloc(m->r, before.largest + 1, 0, &address) != FH_OK);
  must(fh_range_alloc(m->r, before.largest, 0, &address) == FH_OK);
  keep(m, address, before.largest);
}

static void op_free(model *m, input *in) {
  size_t i = next_8(in);
  if (m->count == 0) {
    return;
  }
  i %= m->count;
  uint64_t address = m->live[i].address;
  must(fh_range_free(m->r, address) == FH_OK);
  m->requested -= m->live[i].asked;
  m->live[i] = m->live[--m->count];
  must(is_live(m, address) || fh_range_free(m->r, address) == FH_DOUBLE_FREE);
  must(fh_range_length(m->r, address) == 0);
}

static void op_wrong(model *m, input *in) {
  uint64_t address = m->base + next_16(in) % (UNITS + 64) - 32;
  fh_space before = account(m), after;
  if (is_live(m, address)) {
    return;
  }
  fh_status status = fh_range_free(m->r, address);
  must(status == FH_NOT_OWNED || status == FH_DOUBLE_FREE);
  must(address - m->base < m->length || status == FH_NOT_OWNED);
  must(fh_range_length(m->r, address) == 0);
  after = account(m);
  must(memcmp(&before, &after, sizeof after) == 0);
}

static void op_grow(model *m, input *in) {
  uint64_t more = next_length(in);
  fh_status status = m->length < 2 * UNITS || more > UINT32_MAX ? fh_range_grow(m->r, more) : FH_INVALID;
  must(status == FH_OK || status == FH_INVALID || status == FH_EXHAUSTED);
  must(status != FH_OK || m->base + m->length + more >= m->base + m->length);
  m->length += status == FH_OK ? more : 0;
  must(account(m).size == m->length);
}

static void op_shrink(model *m, input *in) {
  uint64_t less = next_length(in);
  fh_status status = fh_range_shrink(m->r, less);
  must(status == FH_OK || status == FH_INVALID || status == FH_EXHAUSTED);
  must(status != FH_OK || less < m->length);
  m->length -= status == FH_OK ? less : 0;
}

static void op_coalesce(model *m, input *in) {
  fh_space before = account(m);
  (void)in;
  uint64_t gone = fh_range_coalesce(m->r);
  must(account(m).holes == before.holes - gone);
  must(m->options.no_coalesce || gone == 0);
}

static void run(model *m, input *in) {
  static const uint64_t granules[] = {0, 1, 4, 16, 3, 64, 1, 1};
  uint8_t how, shape;
  m->options.fit = (fh_fit)(next_8(in) % 6);
  how = next_8(in);
  shape = next_8(in);
  m->options.order = (fh_order)(how % 5);
  m->options.no_coalesce = (how / 5 & 1) != 0;
  m->options.granule = granules[shape % 8];
  m->options.header = shape < 0x80 ? 0 : shape / 8 % 8;
  m->base = next_8(in);
  m->base = m->base < 0x80 ? m->base * 64 : m->base < 0xF0 ? m->base << 40 : UINT64_MAX - 3 * UNITS + m->base;
  m->length = UNITS;
  m->few = how >= 128;
  size_t nodes = next_8(in), bytes = m->few ? fh_range_bytes_for(nodes, &m->options) : 0;
  unsigned char *memory = malloc(bytes + 1);
  must(memory != NULL);
  m->r = m->few ? fh_range_create_in(memory + (how & 1), bytes, m->base, m->length, &m->options)
                : fh_range_create(m->base, m->length, &m->options);
  static void (*const operations[])(model *, input *) = {op_alloc,    op_alloc,   op_alloc,   op_alloc, op_free,
                                                         op_free,     op_free,    op_wrong,   op_grow,  op_shrink,
                                                         op_alloc_at, op_largest, op_coalesce};
  while (m->r != NULL && in->at < in->end) {
    operations[next_8(in) % (sizeof operations / sizeof *operations)](m, in);
    must_hold(m);
  }
  if (m->r != NULL) {
    while (m->count != 0) {
      op_free(m, in);
      must_hold(m);
    }
    must(account(m).used == 0);
    fh_range_destroy(m->r);
  }
  free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  static model m;
  input in = {bytes, bytes + count};
  m = (model){.count = 0};
  run(&m, &in);
  return 0;
}
