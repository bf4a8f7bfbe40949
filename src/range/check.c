/* What is counted twice: nodes along the circle, in the table, in the index, and those given back; lengths and the
 * account. Reads what may be wrong, so numbers are looked at before nodes, and no loop is longer than there are nodes.
 */
#include "range/index.h"
#include "range/table.h"

/* The circle has nodes of both kinds, as many as the range says, side by side from the base to the end. */

static bool is_live(const fh_range *r, uint32_t number) {
  return number != NODE_END && number < r->fresh && node_at(r, number)->links[FH_PREV] != NODE_SPARE;
}

static bool is_live_hole(const fh_range *r, uint32_t number) { return is_live(r, number) && is_hole(r, number); }

/* Whether there is a charge for it at all: one that lies in the range. */
static bool has_charge(const fh_range *r, const fh_node *node) {
  uint64_t offset = node->at.address - r->header - r->base, size = r->end - r->base, need = 0;
  return node->length != 0 && need_of(r, node->length, &need) && offset < size && need <= size - offset &&
         !(uses_buddy(r) && power_around(offset, need) == POWERS);
}

static bool used_is_right(const fh_range *r, uint32_t number, uint64_t at) {
  const fh_node *node = node_at(r, number);
  if (!has_charge(r, node)) {
    return false;
  }
  fh_stretch charge = charge_of(r, node->at.address, node->length);
  return charge.start == at && charge.length <= r->end - at && fh_table_find(r, node->at.address) == number;
}

static bool piece_is_right(const fh_range *r, const fh_node *node, uint64_t offset) {
  uint64_t length = node->length;
  uint32_t buddy = (offset & length) != 0 ? node->left : node->right;
  bool joins = is_hole(r, buddy) && node_at(r, buddy)->length == length;
  return (length & (length - 1)) == 0 && (offset & (length - 1)) == 0 && !joins;
}

static bool hole_is_right(const fh_range *r, uint32_t number, uint64_t at) {
  const fh_node *node = node_at(r, number);
  if (node->length == 0 || node->length > r->end - at || node->right >= r->fresh) {
    return false;
  }
  if (uses_buddy(r)) {
    return node->at.address == at && piece_is_right(r, node, at - r->base);
  }
  return (r->no_coalesce || !is_hole(r, node->right)) && (uses_good(r) || node->at.address == at);
}

static void count_node(const fh_range *r, uint32_t number, fh_range *sum) {
  uint64_t length = length_of(r, number);
  if (is_hole(r, number)) {
    sum->holes++;
    sum->free += length;
  } else {
    sum->chunks++;
    sum->used += length;
    sum->requested += node_at(r, number)->length;
  }
}

/* No node comes twice: it would have two left neighbours. */
static bool circle_is_right(const fh_range *r) {
  fh_range sum = {.holes = 0};
  uint64_t at = r->base;
  uint32_t left = NODE_END, number = node_at(r, NODE_END)->right;
  for (; number != NODE_END; left = number, number = node_at(r, number)->right) {
    if (!is_live(r, number) || node_at(r, number)->left != left ||
        !(is_hole(r, number) ? hole_is_right(r, number, at) : used_is_right(r, number, at))) {
      return false;
    }
    count_node(r, number, &sum);
    at += length_of(r, number);
  }
  return at == r->end && node_at(r, NODE_END)->left == left && node_at(r, NODE_END)->links[FH_PREV] == NODE_USED &&
         sum.holes == r->holes && sum.chunks == r->chunks && sum.free == r->free && sum.used == r->used &&
         sum.requested == r->requested && r->peak >= r->used;
}

/* The table has the used nodes, each in its bucket. Looked at before the circle, which looks into it. */

static bool mask_is_right(const fh_range *r) {
  uint32_t mask = r->hash_mask, last = r->buckets - 1;
  return mask != 0 && (mask & (mask + 1)) == 0 && last <= mask && (mask == 1 || last > mask / 2);
}

static bool table_is_right(const fh_range *r) {
  uint32_t count = 0;
  if (r->buckets == 0 || r->buckets > r->bucket_capacity || !mask_is_right(r)) {
    return false;
  }
  for (uint32_t number = 0; number < r->buckets; number++) {
    const uint32_t *bucket = bucket_at(r, number);
    for (uint32_t node = *bucket; node != FH_NONE; node = node_at(r, node)->links[FH_NEXT]) {
      if (!is_live(r, node) || is_hole(r, node) || bucket_of(r, node_at(r, node)->at.address) != bucket ||
          count++ == r->chunks) {
        return false;
      }
    }
  }
  return count == r->chunks;
}

/* The own memory has no nodes but live ones, spares and fresh ones. */

static bool pool_is_right(const fh_range *r) {
  uint32_t spares = 0;
  if (r->fresh == 0 || r->fresh > r->capacity) {
    return false;
  }
  for (uint32_t node = r->spare; node != FH_NONE; node = node_at(r, node)->links[FH_NEXT]) {
    if (node >= r->fresh || node_at(r, node)->links[FH_PREV] != NODE_SPARE || spares++ == r->fresh) {
      return false;
    }
  }
  return r->live == r->chunks + r->holes && r->live + spares + 1 == r->fresh;
}

/* The index has the holes. */

/* Holes of one length, one behind the other. */
static bool chain_is_right(const fh_range *r, uint32_t first, uint32_t *count) {
  for (uint32_t hole = first, prev = FH_NONE; hole != FH_NONE; prev = hole, hole = hole_links(r, hole)[FH_NEXT]) {
    if (!is_live_hole(r, hole) || ++*count > r->holes || node_at(r, hole)->length != node_at(r, first)->length ||
        hole_links(r, hole)[FH_PREV] != prev) {
      return false;
    }
  }
  return true;
}

/* All chains of a trie. What lies below a node is shorter. A path has no more nodes than a length has bits, and one for
 * none of them. */
static bool trie_is_right(const fh_range *r, uint32_t root, uint32_t *count) {
  uint32_t stack[POWERS + 2] = {root}, depth = 1;
  while (depth != 0) {
    uint32_t node = stack[--depth];
    if (!chain_is_right(r, node, count)) {
      return false;
    }
    for (unsigned side = 0; side < 2; side++) {
      uint32_t child = node_at(r, node)->at.children[side];
      if (child != FH_NONE) {
        if (depth == POWERS + 2 || !is_live_hole(r, child) || node_at(r, child)->length >= node_at(r, node)->length) {
          return false;
        }
        stack[depth++] = child;
      }
    }
  }
  return true;
}

/* Whether the way down by a hole's length leads to it, or to the node it hangs on. */
static bool index_leads_to(const fh_range *r, uint32_t hole) {
  uint64_t length = node_at(r, hole)->length, bit;
  uint32_t bin = fh_good_bin(&r->good, length), node = r->heads[bin];
  bool trie = bin >= r->good.lists;
  for (bit = trie ? fh_good_bit(&r->good, length) : 0; bit != 0; bit >>= 1) {
    if (!is_live_hole(r, node) || node_at(r, node)->length <= length) {
      break;
    }
    node = node_at(r, node)->at.children[(length & bit) != 0];
  }
  return is_live_hole(r, node) && node_at(r, node)->length == length &&
         (!trie || node == hole || hole_links(r, hole)[FH_PREV] != FH_NONE);
}

/* Bits of no bin, and of no word, are 0. */
static bool good_bits_are_right(const fh_range *r) {
  uint32_t words = fh_good_words(&r->good), past = r->good.bins % FH_GOOD_BITS;
  size_t top = 0;
  for (uint32_t word = 0; word < words; word++) {
    top |= (size_t)(r->words[word] != 0) << word;
  }
  return top == r->good.top && r->words[words - 1] >> past == 0;
}

static bool good_is_right(const fh_range *r) {
  uint32_t count = 0;
  if (!good_bits_are_right(r)) {
    return false;
  }
  for (uint32_t bin = 0; bin < r->good.bins; bin++) {
    uint32_t head = r->heads[bin], word = bin / FH_GOOD_BITS;
    bool bit = (r->words[word] >> bin % FH_GOOD_BITS & 1) != 0;
    if (bit != (head != FH_NONE) ||
        (bit && !(bin < r->good.lists ? chain_is_right(r, head, &count) : trie_is_right(r, head, &count)))) {
      return false;
    }
  }
  for (uint32_t node = node_at(r, NODE_END)->right; node != NODE_END; node = node_at(r, node)->right) {
    if (is_hole(r, node) && !index_leads_to(r, node)) {
      return false;
    }
  }
  return count == r->holes;
}

static bool buddies_are_right(const fh_range *r) {
  uint32_t count = 0;
  for (unsigned power = 0; power < POWERS; power++) {
    uint32_t head = r->heads[power];
    if ((head != FH_NONE) != (fh_right(r->powers, power) & 1)) {
      return false;
    }
    if (head != FH_NONE && (!chain_is_right(r, head, &count) || node_at(r, head)->length != fh_left(1, power))) {
      return false;
    }
  }
  return count == r->holes;
}

static bool is_ordered(const fh_range *r) {
  return r->order == FH_ORDER_ADDRESS || (r->order <= FH_ORDER_SIZE_DOWN && !r->unsorted);
}

static bool list_is_right(const fh_range *r) {
  uint32_t count = 0, prev = FH_NONE;
  bool rover = r->list.rover == FH_NONE;
  for (uint32_t hole = r->list.first; hole != FH_NONE; prev = hole, hole = hole_links(r, hole)[FH_NEXT]) {
    if (!is_live_hole(r, hole) || hole_links(r, hole)[FH_PREV] != prev ||
        (prev != FH_NONE && is_ordered(r) && fh_index_before(r, hole, prev))) {
      return false;
    }
    rover |= hole == r->list.rover;
    count++;
  }
  return count == r->holes && r->list.last == prev && rover;
}

fh_status fh_range_check(const fh_range *r) {
  if (!pool_is_right(r) || !table_is_right(r) || !circle_is_right(r)) {
    return FH_CORRUPT;
  }
  bool right = uses_good(r) ? good_is_right(r) : uses_buddy(r) ? buddies_are_right(r) : list_is_right(r);
  return right ? FH_OK : FH_CORRUPT;
}
