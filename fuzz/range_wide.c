/* Operations on ranges of any length up to 64 bits, anywhere, decoded from bytes and held against a list of what was
 * handed out; range_ops.c looks closer at small ones. After each one the range must check, its account must be the
 * list's, and a call that failed must have changed nothing.
 *
 *   byte 0: policy and order   1: granule, header, coalescing, whose memory   2...: base, length   then operations */
#include "freehold/range.h"
#include "fuzz.h"

enum { LIVE = 200, MEMORY = 1 << 13 };

typedef struct live {
  uint64_t address, length;
} live;

typedef struct model {
  fh_range *r;
  fh_range_options options;
  uint64_t base, length;
  bool own_memory; /* nodes can run out */
  live live[LIVE];
  size_t count;
  uint64_t requested;
  uint64_t gone; /* what was given back last */
} model;

/* What is asked of every answer. */

static fh_space account(const model *m) {
  fh_space space;
  fh_range_space(m->r, &space);
  return space;
}

static bool same(const fh_space *a, const fh_space *b) { return memcmp(a, b, sizeof *a) == 0; }

static bool apart(const model *m, const live *a, const live *b) {
  return a->address + a->length - 1 < b->address - m->options.header ||
         b->address + b->length - 1 < a->address - m->options.header;
}

static void must_lie_well(const model *m, const live *one) {
  must(one->address - m->base >= m->options.header && one->address - m->base < m->length);
  must(one->length <= m->length - (one->address - m->base));
  must(fh_range_length(m->r, one->address) == one->length);
}

static void must_hold(const model *m) {
  fh_space space = account(m);
  must(fh_range_check(m->r) == FH_OK);
  must(space.size == m->length && space.size == space.used + space.free + space.metadata);
  must(space.chunks == m->count && space.requested == m->requested && space.requested <= space.used);
  must(space.largest <= space.free && space.peak_used >= space.used);
}

/* The walk covers the space without a gap. */
typedef struct walked {
  const model *m;
  uint64_t at, used, free;
  size_t chunks, holes;
  bool hole_before;
} walked;

static int one_step(uint64_t address, uint64_t length, bool used, void *arg) {
  walked *w = arg;
  must(address == w->at && length != 0);
  w->at += length;
  *(used ? &w->used : &w->free) += length;
  (*(used ? &w->chunks : &w->holes))++;
  must(used || !w->hole_before || w->m->options.no_coalesce || w->m->options.fit == FH_FIT_BUDDY);
  w->hole_before = !used;
  return 0;
}

static int one_entry(uint64_t address, uint64_t length, bool used, void *arg) {
  walked *w = arg;
  must(!used && address - w->m->base < w->m->length && length <= w->m->length - (address - w->m->base));
  w->free += length;
  w->holes++;
  return 0;
}

static void must_hold_thoroughly(const model *m) {
  fh_space space = account(m);
  walked all = {.m = m, .at = m->base}, list = {.m = m};
  must(fh_range_walk(m->r, one_step, &all) == 0);
  must(all.at == m->base + m->length && all.used == space.used && all.free == space.free);
  must(all.chunks == space.chunks && all.holes == space.holes);
  must(fh_range_walk_list(m->r, one_entry, &list) == 0);
  must(list.free == space.free && list.holes == space.holes);
  for (size_t i = 0; i < m->count; i++) {
    must_lie_well(m, &m->live[i]);
    for (size_t j = 0; j < i; j++) {
      must(apart(m, &m->live[i], &m->live[j]));
    }
  }
}

/* Keeping the list. */

static void keep(model *m, uint64_t address, uint64_t length) {
  live *one = &m->live[m->count++];
  *one = (live){address, length};
  m->requested += length;
  must_lie_well(m, one);
  for (size_t i = 0; i + 1 < m->count; i++) {
    must(apart(m, &m->live[i], one));
  }
}

static void drop(model *m, size_t i) {
  m->requested -= m->live[i].length;
  m->gone = m->live[i].address;
  m->live[i] = m->live[--m->count];
}

static uint64_t next_length(input *in) {
  uint8_t kind = next_8(in);
  if (kind < 0xE0) {
    return kind;
  }
  return kind < 0xF8 ? next_16(in) : kind < 0xFC ? next_64(in) : UINT64_MAX - next_8(in);
}

/* Operations. */

static void op_alloc(model *m, input *in) {
  uint64_t length = next_length(in), alignment = next_8(in) % 4 != 0 ? 0 : (uint64_t)1 << next_8(in) % 64, address = 0;
  fh_space before = account(m), after;
  if (m->count == LIVE) {
    return;
  }
  fh_status status = fh_range_alloc(m->r, length, alignment, &address);
  after = account(m);
  if (status == FH_OK) {
    must(alignment == 0 || (address & (alignment - 1)) == 0);
    must(after.used - before.used >= length && length != 0 && length <= before.largest);
    keep(m, address, length);
  } else {
    must(same(&before, &after));
    must(status == FH_INVALID || status == FH_EXHAUSTED || status == FH_FRAGMENTED);
    must(length != 0 || status == FH_INVALID);
    must(status == FH_INVALID || m->own_memory || alignment > 1 || length > before.largest);
  }
}

static void op_largest(model *m, input *in) {
  fh_space before = account(m);
  uint64_t address = 0;
  (void)in;
  if (m->count == LIVE || before.largest == 0) {
    return;
  }
  if (before.largest != UINT64_MAX) {
    must(fh_range_alloc(m->r, before.largest + 1, 1, &address) != FH_OK);
  }
  fh_status status = fh_range_alloc(m->r, before.largest, 1, &address);
  must(status == FH_OK || (m->own_memory && status == FH_EXHAUSTED));
  if (status == FH_OK) {
    keep(m, address, before.largest);
  }
}

static void op_bad_alignment(model *m, input *in) {
  uint64_t address = 0, alignment = next_64(in);
  if ((alignment & (alignment - 1)) != 0) {
    must(fh_range_alloc(m->r, 1, alignment, &address) == FH_INVALID);
  }
}

static void op_alloc_at(model *m, input *in) {
  uint64_t address = m->base + next_length(in), length = next_length(in);
  fh_space before = account(m), after;
  if (m->count == LIVE) {
    return;
  }
  fh_status status = fh_range_alloc_at(m->r, address, length);
  after = account(m);
  if (status == FH_OK) {
    keep(m, address, length);
  } else {
    must(same(&before, &after));
    must(status == FH_INVALID || status == FH_NOT_OWNED || status == FH_FRAGMENTED ||
         (status == FH_EXHAUSTED && m->own_memory));
  }
}

static void op_free(model *m, input *in) {
  size_t i = next_8(in);
  if (m->count == 0) {
    return;
  }
  i %= m->count;
  must_lie_well(m, &m->live[i]);
  must(fh_range_free(m->r, m->live[i].address) == FH_OK);
  drop(m, i);
  fh_space before = account(m), after;
  fh_status status = fh_range_free(m->r, m->gone);
  after = account(m);
  must((status == FH_DOUBLE_FREE || status == FH_NOT_OWNED) && same(&before, &after));
  must(m->options.header != 0 || status == FH_DOUBLE_FREE);
  must(fh_range_length(m->r, m->gone) == 0);
}

static bool is_live(const model *m, uint64_t address) {
  for (size_t i = 0; i < m->count; i++) {
    if (m->live[i].address == address) {
      return true;
    }
  }
  return false;
}

static void op_wrong(model *m, input *in) {
  uint64_t address = next_8(in) % 2 != 0 ? m->base + next_16(in) : next_64(in);
  fh_space before = account(m), after;
  if (is_live(m, address)) {
    return;
  }
  fh_status status = fh_range_free(m->r, address);
  after = account(m);
  must(status == FH_NOT_OWNED || status == FH_DOUBLE_FREE);
  must(address - m->base < m->length || status == FH_NOT_OWNED);
  must(same(&before, &after) && fh_range_length(m->r, address) == 0);
}

static void op_grow(model *m, input *in) {
  uint64_t more = next_length(in);
  fh_space before = account(m), after;
  fh_status status = fh_range_grow(m->r, more);
  after = account(m);
  if (status == FH_OK) {
    must(after.size - before.size == more && after.used == before.used);
    m->length += more;
  } else {
    must(same(&before, &after));
    must(status == FH_INVALID || (status == FH_EXHAUSTED && m->own_memory));
  }
}

static void op_shrink(model *m, input *in) {
  uint64_t less = next_length(in);
  fh_space before = account(m), after;
  fh_status status = fh_range_shrink(m->r, less);
  after = account(m);
  if (status == FH_OK) {
    must(before.size - after.size == less && after.used == before.used);
    m->length -= less;
  } else {
    must(same(&before, &after));
    must(status == FH_EXHAUSTED || status == FH_INVALID);
  }
}

static void op_coalesce(model *m, input *in) {
  fh_space before = account(m), after;
  (void)in;
  uint64_t gone = fh_range_coalesce(m->r);
  after = account(m);
  must(before.holes - after.holes == gone && before.free == after.free && after.largest >= before.largest);
}

static void one_operation(model *m, input *in) {
  static void (*const operations[])(model *, input *) = {
      op_alloc, op_alloc, op_alloc,         op_alloc,    op_free,   op_free,     op_free,    op_free,
      op_grow,  op_wrong, op_bad_alignment, op_alloc_at, op_shrink, op_coalesce, op_largest,
  };
  operations[next_8(in) % (sizeof operations / sizeof *operations)](m, in);
}

/* Bits of the second byte: 1 no coalescing, 2 in our memory, 12 granule, 48 header, 192 base. */
static void make(model *m, uint8_t *memory, input *in) {
  static const uint64_t granules[] = {0, 1, 8, 12}, headers[] = {0, 8, 16, 3};
  uint8_t policy = next_8(in), more = next_8(in);
  m->options.fit = (fh_fit)(policy % 6);
  m->options.order = (fh_order)(policy / 6 % 5);
  m->options.no_coalesce = (more & 1) != 0;
  m->options.granule = granules[more >> 2 & 3];
  m->options.header = headers[more >> 4 & 3];
  m->own_memory = (more & 2) != 0;
  m->length = next_length(in);
  m->base = more >> 6 == 0 ? 0 : more >> 6 == 1 ? next_16(in) : more >> 6 == 2 ? next_64(in) : 0 - m->length;
  size_t bytes = next_16(in) % MEMORY, shift = next_8(in) % 16;
  m->r = m->own_memory ? fh_range_create_in(memory + shift, bytes, m->base, m->length, &m->options)
                       : fh_range_create(m->base, m->length, &m->options);
}

static void run(model *m, input *in) {
  for (unsigned steps = 0; in->at < in->end; steps++) {
    one_operation(m, in);
    must_hold(m);
    if (steps % 16 == 0) {
      must_hold_thoroughly(m);
    }
  }
  must_hold_thoroughly(m);
  while (m->count != 0) {
    must(fh_range_free(m->r, m->live[m->count - 1].address) == FH_OK);
    drop(m, m->count - 1);
  }
  must_hold_thoroughly(m);
  must(account(m).used == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  static model m;
  input in = {bytes, bytes + count};
  uint8_t *memory = malloc(MEMORY + 16); /* its end is watched */
  m = (model){.r = NULL};
  must(memory != NULL);
  make(&m, memory, &in);
  if (m.r != NULL) {
    must_hold(&m);
    run(&m, &in);
    fh_range_destroy(m.r);
  }
  free(memory);
  return 0;
}
