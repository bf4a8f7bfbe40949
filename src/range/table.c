#include "range/table.h"

#include "range/pool.h"

/* Adds a bucket; without memory for one the chains get longer, and that is all. */
static void split(fh_range *r) {
  if (r->buckets == r->bucket_capacity && !fh_pool_more_buckets(r)) {
    return;
  }
  uint32_t added = r->buckets++;
  if (added > r->hash_mask) {
    r->hash_mask = r->hash_mask * 2 + 1;
  }
  uint32_t *to = bucket_at(r, added), *from = bucket_at(r, added & r->hash_mask / 2);
  *to = FH_NONE;
  while (*from != FH_NONE) {
    fh_node *node = node_at(r, *from);
    if ((hash_of(node->at.address) & r->hash_mask) == added) {
      uint32_t number = *from;
      *from = node->links[FH_NEXT];
      node->links[FH_NEXT] = *to;
      *to = number;
    } else {
      from = &node->links[FH_NEXT];
    }
  }
}

void fh_table_insert(fh_range *r, uint32_t number, uint64_t address, uint64_t length) {
  fh_node *node = node_at(r, number);
  uint32_t *bucket = bucket_of(r, address);
  node->at.address = address;
  node->length = length;
  node->links[FH_NEXT] = *bucket;
  node->links[FH_PREV] = NODE_USED;
  *bucket = number;
  if (++r->chunks > r->buckets) {
    split(r);
  }
}

/* The word that holds the number of the node, or the FH_NONE at the end of the chain. */
fh_inline uint32_t *seek(const fh_range *r, uint64_t address) {
  uint32_t *at = bucket_of(r, address);
  while (*at != FH_NONE && node_at(r, *at)->at.address != address) {
    at = &node_at(r, *at)->links[FH_NEXT];
  }
  return at;
}

uint32_t fh_table_find(const fh_range *r, uint64_t address) { return *seek(r, address); }

uint32_t fh_table_take(fh_range *r, uint64_t address) {
  uint32_t *at = seek(r, address), number = *at;
  if (number != FH_NONE) {
    *at = node_at(r, number)->links[FH_NEXT];
    r->chunks--;
  }
  return number;
}
