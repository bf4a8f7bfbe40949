/* The holes of a range as its policy keeps them. The policies are told apart here, and where buddies split and join. */
#ifndef FH_RANGE_INDEX_H
#define FH_RANGE_INDEX_H

#include "range/node.h"

/* A hole that serves a request, and what is to be charged of it. */
typedef struct fh_place {
  uint32_t hole;
  uint64_t start; /* of the hole */
  fh_stretch charge;
  uint64_t address;
} fh_place;

fh_inline uint32_t *hole_links(const fh_range *r, uint32_t hole) { return node_at(r, hole)->links; }

void fh_index_insert(fh_range *r, uint32_t hole);
void fh_index_remove(fh_range *r, uint32_t hole);

/* The hole gets another length, or another start, where it stands: in a list it keeps its place. */
void fh_index_change(fh_range *r, uint32_t hole, uint64_t start, uint64_t length);

/* A new hole that was cut from another: in a list it stands right behind that. */
void fh_index_insert_behind(fh_range *r, uint32_t hole, uint32_t other);

/* Where the policy wants a request of `need` to be served. place->hole is FH_NONE: nowhere. */
void fh_index_find(fh_range *r, uint64_t need, uint64_t alignment, fh_place *place);

/* The length of the largest hole; 0: there is none. */
uint64_t fh_index_largest(const fh_range *r);

/* Whether `hole` stands before `other` in the list's order. */
bool fh_index_before(const fh_range *r, uint32_t hole, uint32_t other);

#endif
