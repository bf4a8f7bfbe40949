/* The table of allocations: from an address to its node. Linear hashing (Litwin, 1980): one bucket for each allocation
 * there has been at once, and each bucket that is added takes its share from one other, so that no call moves more than
 * one chain.
 *
 *   bucket of a hash:   hash & hash_mask, if there is that bucket yet; else hash & hash_mask / 2
 */
#ifndef FH_RANGE_TABLE_H
#define FH_RANGE_TABLE_H

#include "range/node.h"

fh_inline uint32_t *bucket_at(const fh_range *r, uint32_t number) {
  unsigned block = fh_highest_bit_32((number >> r->shift) * 2 | 1);
  return (uint32_t *)(r->blocks[block].buckets +
                      (size_t)number * sizeof(uint32_t));  // NOLINT(performance-no-int-to-ptr)
}

/* Products of 32 bits only, so that small processors need no library for them. */
fh_inline uint32_t hash_of(uint64_t address) {
  uint32_t hash = (uint32_t)(address >> 32) * 0x85EBCA6Bu;
  hash = (hash ^ hash >> 15) + (uint32_t)address;
  hash = (hash ^ hash >> 16) * 0x7FEB352Du;
  hash = (hash ^ hash >> 15) * 0x846CA68Bu;
  return hash ^ hash >> 16;
}

fh_inline uint32_t *bucket_of(const fh_range *r, uint64_t address) {
  uint32_t number = hash_of(address) & r->hash_mask;
  return bucket_at(r, number < r->buckets ? number : number & r->hash_mask / 2);
}

/* Makes the node that of an allocation answered as `address`. */
void fh_table_insert(fh_range *r, uint32_t number, uint64_t address, uint64_t length);

/* The node of the allocation at exactly that address; FH_NONE: there is none. */
uint32_t fh_table_find(const fh_range *r, uint64_t address);

/* The same, out of the table. */
uint32_t fh_table_take(fh_range *r, uint64_t address);

#endif
