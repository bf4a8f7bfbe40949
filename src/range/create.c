/* Making a range, and where its own memory lies:
 *
 *   | fh_range, blocks[] | words | heads |                      one piece of malloc's, and further ones for the blocks
 *   | fh_range, blocks[] | words | heads | nodes | buckets |    all in the caller's memory
 */
#include "range/pool.h"
#include "range/space.h"
#include "range/table.h"

enum {
  MOST_HEADS = 1024, /* 16 bins for each doubling up to 2^64 */
  LEAST_HEADS = 2 * FH_GOOD_EXACT
};

static const fh_range_options all_zero;

static bool options_make_sense(const fh_range_options *o) {
  bool list = o->fit != FH_FIT_GOOD && o->fit != FH_FIT_BUDDY;
  return (unsigned)o->fit <= FH_FIT_BUDDY && (unsigned)o->order <= FH_ORDER_BACK && (list || !o->no_coalesce);
}

/* What lies where, in bytes from the start. */
typedef struct fh_layout {
  fh_good good;
  size_t words, heads, nodes, buckets, end;
} fh_layout;

static uint32_t heads_for(uint64_t nodes) {
  return nodes < LEAST_HEADS ? LEAST_HEADS : nodes < MOST_HEADS ? (uint32_t)nodes : MOST_HEADS;
}

/* For an index of that shape, and fewer than MOST_NODES nodes. False: so much cannot be addressed. */
static bool lay_out(fh_layout *at, fh_fit fit, size_t blocks, uint64_t nodes) {
  size_t words = fh_good_words(&at->good), heads = fit == FH_FIT_BUDDY ? POWERS : at->good.bins;
  at->words = sizeof(fh_range) + blocks * sizeof(fh_block);
  at->heads = at->words + words * sizeof(size_t);
  at->nodes = fh_round_up(at->heads + heads * sizeof(uint32_t), sizeof(uint64_t));
  uint64_t rest = (nodes + 1) * sizeof(fh_node), end = at->nodes + rest + (nodes + 1) / 2 * sizeof(uint32_t);
  at->buckets = at->nodes + (size_t)rest;
  at->end = (size_t)end;
  return end <= SIZE_MAX - sizeof(uint64_t);
}

/* For lengths up to `most`. */
static bool lay_out_for(fh_layout *at, fh_fit fit, uint64_t most, size_t blocks, uint64_t nodes) {
  if (fit == FH_FIT_GOOD) {
    fh_good_shape(&at->good, most, heads_for(nodes), false);
  }
  return lay_out(at, fit, blocks, nodes);
}

/* A range without a space; it has room for node 0 and a bucket. */
static void start(fh_range *r, const fh_layout *at, size_t blocks, const fh_range_options *o) {
  __builtin_memset(r, 0, at->nodes);
  *r = (fh_range){.granule = o->granule == 0 ? 1 : o->granule,
                  .header = o->header,
                  .fit = (uint8_t)o->fit,
                  .order = (uint8_t)o->order,
                  .no_coalesce = o->no_coalesce,
                  .from_malloc = blocks != 1,
                  .shift = blocks == 1 ? FIXED_SHIFT : POOL_SHIFT,
                  .hash_mask = 1,
                  .good = at->good};
  r->words = (size_t *)(void *)((char *)r + at->words);
  r->heads = (uint32_t *)(void *)((char *)r + at->heads);
}

/* False: it has fewer nodes than the pieces that buddies begin with. */
static bool begin(fh_range *r, uint64_t base, uint64_t length) {
  *node_at(r, NODE_END) = (fh_node){.links = {FH_NONE, NODE_USED}};
  *bucket_at(r, 0) = FH_NONE;
  r->buckets = 1;
  r->fresh = 1;
  r->base = r->end = base;
  return fh_range_grow(r, length) == FH_OK;
}

static bool space_makes_sense(uint64_t base, uint64_t length) { return length != 0 && length <= UINT64_MAX - base; }

fh_range *fh_range_create(uint64_t base, uint64_t length, const fh_range_options *options) {
  const fh_range_options *o = options == NULL ? &all_zero : options;
  fh_layout at = {.end = 0};
  if (!space_makes_sense(base, length) || !options_make_sense(o) ||
      !lay_out_for(&at, o->fit, UINT64_MAX - base, POOL_BLOCKS, MOST_HEADS)) {
    return NULL;
  }
  fh_range *r = fh_pool_get(at.nodes);
  if (r == NULL) {
    return NULL;
  }
  start(r, &at, POOL_BLOCKS, o);
  if (fh_pool_more_nodes(r) && fh_pool_more_buckets(r) && begin(r, base, length)) {
    return r;
  }
  fh_pool_destroy(r);
  return NULL;
}

/* As many nodes as so many bytes hold; 0: not two. */
static uint32_t nodes_in(fh_layout *at, size_t bytes, fh_fit fit, uint64_t most) {
  uint32_t few = 1, many = MOST_NODES; /* `few` is enough, `many` is too many */
  while (many - few > 1) {
    uint32_t nodes = few + (many - few) / 2;
    *(lay_out_for(at, fit, most, 1, nodes) && at->end <= bytes ? &few : &many) = nodes;
  }
  (void)lay_out_for(at, fit, most, 1, few);
  return few == 1 ? 0 : few;
}

fh_range *fh_range_create_in(void *memory, size_t bytes, uint64_t base, uint64_t length,
                             const fh_range_options *options) {
  const fh_range_options *o = options == NULL ? &all_zero : options;
  size_t lead = (size_t)(-(uintptr_t)memory & (sizeof(uint64_t) - 1));
  if (memory == NULL || bytes < lead || !space_makes_sense(base, length) || !options_make_sense(o)) {
    return NULL;
  }
  fh_layout at = {.end = 0};
  uint32_t nodes = nodes_in(&at, bytes - lead, o->fit, length);
  if (nodes == 0) {
    return NULL;
  }
  fh_range *r = (fh_range *)(void *)((char *)memory + lead);
  start(r, &at, 1, o);
  r->blocks[0].nodes = (uintptr_t)r + at.nodes;
  r->blocks[0].buckets = (uintptr_t)r + at.buckets;
  r->capacity = nodes + 1;
  r->bucket_capacity = (nodes + 1) / 2;
  return begin(r, base, length) ? r : NULL;
}

size_t fh_range_bytes_for(size_t nodes, const fh_range_options *options) {
  const fh_range_options *o = options == NULL ? &all_zero : options;
  fh_layout at = {.good = {.bins = o->fit == FH_FIT_GOOD ? heads_for(nodes) : 0}};
  if (!options_make_sense(o) || nodes >= MOST_NODES || !lay_out(&at, o->fit, 1, nodes < 2 ? 2 : nodes)) {
    return 0;
  }
  return at.end + sizeof(uint64_t) - 1;
}

void fh_range_destroy(fh_range *r) {
  if (r != NULL && r->from_malloc) {
    fh_pool_destroy(r);
  }
}
