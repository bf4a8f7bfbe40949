/* Reading a range. */
#include "range/index.h"
#include "range/table.h"

static int walk_nodes(const fh_range *r, bool holes_only, fh_visit *visit, void *arg) {
  int result = 0;
  uint64_t at = r->base, length = 0;
  uint32_t node = node_at(r, NODE_END)->right;
  for (; node != NODE_END && result == 0; node = node_at(r, node)->right, at += length) {
    length = length_of(r, node);
    bool used = !is_hole(r, node);
    if (!used || !holes_only) {
      result = visit(at, length, used, arg);
    }
  }
  return result;
}

int fh_range_walk(const fh_range *r, fh_visit *visit, void *arg) { return walk_nodes(r, false, visit, arg); }

int fh_range_walk_list(const fh_range *r, fh_visit *visit, void *arg) {
  int result = 0;
  if (!uses_list(r)) {
    return walk_nodes(r, true, visit, arg);
  }
  for (uint32_t hole = r->list.first; hole != FH_NONE && result == 0; hole = hole_links(r, hole)[FH_NEXT]) {
    result = visit(node_at(r, hole)->at.address, node_at(r, hole)->length, false, arg);
  }
  return result;
}

uint64_t fh_range_length(const fh_range *r, uint64_t address) {
  uint32_t node = fh_table_find(r, address);
  return node == FH_NONE ? 0 : node_at(r, node)->length;
}

uint64_t fh_range_searched(const fh_range *r) { return r->list.searched; }

void fh_range_space(const fh_range *r, fh_space *space) {
  uint64_t largest = fh_index_largest(r), behind = largest < r->header ? 0 : largest - r->header;
  *space = (fh_space){.size = r->end - r->base,
                      .used = r->used,
                      .requested = r->requested,
                      .free = r->free,
                      .largest = behind - above_granule(r, behind),
                      .holes = r->holes,
                      .chunks = r->chunks,
                      .peak_used = r->peak};
}
