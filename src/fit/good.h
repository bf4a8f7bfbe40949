/* Policy "good": a smallest hole that fits, in a bounded number of steps.
 *
 *   bin 0..63       one length each; its holes are a list, the last given back first
 *   then            16 bins for each doubling, until a bin is 2^shift lengths wide; from there on all are that wide
 *   the last one    lengths from `big` on
 *
 *   top:    bit w set  <=>  words[w] != 0
 *   words:  bit b set  <=>  heads[b] != 0
 *
 * A bin of several lengths is a trie over the low bits of the length, highest bit first, whose nodes are the holes
 * themselves, the largest of each subtree on top of it. Holes of a node's length hang on it as a list:
 *
 *                   [78]                  below a node, lengths with a 0 in the next bit lie left, with a 1 right:
 *                 0 /  \ 1                everything right is larger than everything left. So the largest is on
 *              [71]    [77] - 77 - 77     top, and the smallest that fits is found on the way down from it, to the
 *                     0 /                 left where that fits, else to the right where that fits.
 *                   [76]
 *
 * A path has at most shift + 1 nodes; in the last bin at most as many as there can be holes of that length: `big` is
 * chosen so that this is no more than 8. Steps: a search and the removal of what it finds are one path together, an
 * insertion is one, a removal is one. None depends on how many holes there are.
 *
 * Bins of bins are TLSF's (Masmano, Ripoll, Crespo, Real, 2004); tries whose nodes are the holes are Doug Lea's; a
 * search tree with the largest on top is McCreight's priority search tree (1985). With `flat` set, every bin is a list
 * and none is searched: a request takes the head of its own bin if that fits, and goes on to the next bin otherwise. */
#ifndef FH_FIT_GOOD_H
#define FH_FIT_GOOD_H

#include "fit/space.h"

enum {
  FH_GOOD_SPLIT = 4, /* log2 of the bins for each doubling */
  FH_GOOD_EXACT = 64,
  FH_GOOD_BASE =
      FH_GOOD_EXACT - ((7 - FH_GOOD_SPLIT) << FH_GOOD_SPLIT), /* so that the first wide bin comes right after */
  FH_GOOD_BITS = sizeof(size_t) * 8,
  FH_GOOD_LEAST = FH_GOOD_EXACT + 16 /* bins that an index must be allowed to have */
};

_Static_assert(FH_GOOD_EXACT == 1 << 6, "FH_GOOD_BASE takes it for that");

typedef struct fh_good {
  fh_fit_word big;
  uint16_t shift;
  uint16_t flat;
  uint32_t bins;  /* no more than two levels of words have bits */
  uint32_t lists; /* the first bins, each a list: those of one length, or all of them */
  size_t top;
} fh_good;

fh_inline unsigned fh_good_lowest(size_t word) {
  return sizeof word == 4 ? fh_lowest_bit_32((uint32_t)word) : fh_lowest_bit(word);
}

fh_inline unsigned fh_good_highest(size_t word) {
  return sizeof word == 4 ? fh_highest_bit_32((uint32_t)word) : fh_highest_bit(word);
}

/* How far the bits of a length of FH_GOOD_EXACT or more are shifted to find its bin. */
fh_inline unsigned fh_good_shift(const fh_good *g, fh_fit_word length) {
  unsigned shift = fh_fit_highest(length) - FH_GOOD_SPLIT;
  return shift < g->shift ? shift : g->shift;
}

/* The bin of a length, were it in any but the last. */
fh_inline uint32_t fh_good_middle(const fh_good *g, fh_fit_word length) {
  if (length < FH_GOOD_EXACT) {
    return (uint32_t)length;
  }
  unsigned shift = fh_good_shift(g, length);
  return (uint32_t)(FH_GOOD_BASE + (shift << FH_GOOD_SPLIT) + fh_fit_right(length, shift));
}

fh_inline uint32_t fh_good_bin(const fh_good *g, fh_fit_word length) {
  return fh_unlikely(length >= g->big) ? g->bins - 1 : fh_good_middle(g, length);
}

/* The first bit that tells the lengths of a bin of several lengths apart. */
fh_inline fh_fit_word fh_good_bit(const fh_good *g, fh_fit_word length) {
  unsigned bits = length >= g->big ? FH_FIT_BITS : fh_good_shift(g, length);
  return fh_fit_left(1, bits - 1);
}

/* There is a bit for the bin behind the last: a search may begin there. */
fh_inline uint32_t fh_good_words(const fh_good *g) { return g->bins / FH_GOOD_BITS + 1; }

/* For lengths up to `most`, in no more than `bins` bins, FH_GOOD_LEAST or more: they get wider, and when that does not
 * help, more lengths share the last. */
fh_inline void fh_good_shape(fh_good *g, fh_fit_word most, uint32_t bins, bool flat) {
  unsigned shift = flat ? FH_FIT_BITS - 1 : FH_GOOD_SPLIT;
  fh_fit_word ninth = (most >> 3) - (most >> 6) + (most >> 9); /* hardly more; a division may need a library */
  fh_fit_word big = flat ? most : ninth + 2;
  if (bins > FH_GOOD_BITS * FH_GOOD_BITS - 1) {
    bins = FH_GOOD_BITS * FH_GOOD_BITS - 1;
  }
  g->flat = flat;
  g->big = big;
  for (;;) {
    g->shift = (uint16_t)shift;
    if (fh_fit_right(big, shift) < bins && (g->bins = fh_good_middle(g, big - 1) + 2) <= bins) {
      break;
    }
    if (shift < FH_FIT_BITS - 1) {
      shift++;
    } else {
      g->big = big >>= 1;
    }
  }
  g->top = 0;
  g->lists = flat ? g->bins : g->bins - 1 < FH_GOOD_EXACT ? g->bins - 1 : FH_GOOD_EXACT;
}

/* Lists. `prev` of the first is FH_NONE, whether a bin's head leads to it or a trie's node, which is the first itself.
 */

/* Links the hole in where `slot` leads, behind `prev`. */
fh_inline void fh_good_link(const fh_fit_access *a, void *space, uint32_t *slot, uint32_t prev, uint32_t hole) {
  uint32_t *links = a->links(space, hole), next = *slot;
  links[FH_NEXT] = next;
  links[FH_PREV] = prev;
  *slot = hole;
  if (next != FH_NONE) {
    a->links(space, next)[FH_PREV] = hole;
  }
}

/* Takes what `slot` leads to out, which stands between the two. */
fh_inline void fh_good_unlink(const fh_fit_access *a, void *space, uint32_t *slot, uint32_t prev, uint32_t next) {
  *slot = next;
  if (next != FH_NONE) {
    a->links(space, next)[FH_PREV] = prev;
  }
}

/* Tries. What is on top of a subtree is its largest, and what lies below to the right is larger than what lies to the
 * left. */

/* The way of a length down to its node, or to where that would be: FH_NONE, or a smaller node. `bit` comes along. */
static inline uint32_t *fh_good_trie_seek(const fh_fit_access *a, void *space, uint32_t *slot, fh_fit_word *bit,
                                          fh_fit_word length) {
  for (uint32_t node; (node = *slot) != FH_NONE && a->length(space, node) > length; *bit >>= 1) {
    slot = &a->children(space, node)[(length & *bit) != 0];
  }
  return slot;
}

/* Puts the hole in `slot`. The node that was there is smaller, and takes the place of the next on its own way down;
 * this one takes the place of the next on its way, and so on. */
static inline void fh_good_trie_sink(const fh_fit_access *a, void *space, uint32_t *slot, fh_fit_word bit,
                                     uint32_t hole) {
  uint32_t *children = a->children(space, hole), node = *slot;
  *slot = hole;
  for (; node != FH_NONE; bit >>= 1) {
    uint32_t *below = a->children(space, node);
    unsigned side = (a->length(space, node) & bit) != 0;
    uint32_t next = below[side];
    children[side ^ 1] = below[side ^ 1];
    children[side] = node;
    children = below;
    node = next;
  }
  children[0] = children[1] = FH_NONE;
}

/* Takes the node in `slot` off, on which nothing hangs: its larger child steps in, for that its own, and so on. */
static inline void fh_good_trie_raise(const fh_fit_access *a, void *space, uint32_t *slot) {
  const uint32_t *children = a->children(space, *slot);
  uint32_t left = children[0], right = children[1];
  for (;;) {
    bool side = right != FH_NONE;
    uint32_t heir = side ? right : left;
    *slot = heir;
    if (heir == FH_NONE) {
      return;
    }
    uint32_t *inherited = a->children(space, heir), below_left = inherited[0], below_right = inherited[1];
    inherited[0] = left;
    inherited[1] = right;
    slot = &inherited[side];
    left = below_left;
    right = below_right;
  }
}

/* Where the smallest node of at least `need` is linked; NULL: not even the root is. Of two children that fit, all of
 * the left one's subtree is smaller; one that does not fit has nothing below that does. */
static inline uint32_t *fh_good_trie_find(const fh_fit_access *a, void *space, uint32_t *slot, fh_fit_word need) {
  uint32_t *best = NULL;
  while (a->length(space, *slot) >= need) {
    best = slot;
    uint32_t *children = a->children(space, *slot);
    if (children[0] != FH_NONE && a->length(space, children[0]) >= need) {
      slot = &children[0];
    } else if (children[1] != FH_NONE) {
      slot = &children[1];
    } else {
      break;
    }
  }
  return best;
}

/* The index. */

fh_inline void fh_good_mark(const fh_fit_access *a, void *space, uint32_t bin) {
  uint32_t word = bin / FH_GOOD_BITS;
  a->words(space)[word] |= (size_t)1 << bin % FH_GOOD_BITS;
  a->good(space)->top |= (size_t)1 << word;
}

/* Nothing is left in the bin. */
fh_inline void fh_good_clear(const fh_fit_access *a, void *space, uint32_t bin) {
  uint32_t word = bin / FH_GOOD_BITS;
  a->words(space)[word] &= ~((size_t)1 << bin % FH_GOOD_BITS);
  if (a->words(space)[word] == 0) {
    a->good(space)->top &= ~((size_t)1 << word);
  }
}

/* The first bin from `bin` on that holds something; 0, which holds nothing ever: none does. */
fh_inline uint32_t fh_good_next(const fh_fit_access *a, void *space, uint32_t bin) {
  uint32_t word = bin / FH_GOOD_BITS;
  size_t found = a->words(space)[word] & ~(size_t)0 << bin % FH_GOOD_BITS;
  if (found == 0) {
    size_t later = a->good(space)->top & ~(size_t)1 << word;
    if (later == 0) {
      return 0;
    }
    word = fh_good_lowest(later);
    found = a->words(space)[word];
  }
  return word * FH_GOOD_BITS + fh_good_lowest(found);
}

fh_inline void fh_good_insert(const fh_fit_access *a, void *space, uint32_t hole, fh_fit_word length) {
  uint32_t bin = fh_good_bin(a->good(space), length), *slot = &a->heads(space)[bin], prev = FH_NONE;
  fh_good_mark(a, space, bin);
  if (bin >= a->good(space)->lists) {
    fh_fit_word bit = fh_good_bit(a->good(space), length);
    slot = fh_good_trie_seek(a, space, slot, &bit, length);
    if (*slot == FH_NONE || a->length(space, *slot) != length) {
      uint32_t *links = a->links(space, hole);
      links[FH_NEXT] = links[FH_PREV] = FH_NONE;
      fh_good_trie_sink(a, space, slot, bit, hole);
      return;
    }
    prev = *slot;
    slot = &a->links(space, prev)[FH_NEXT];
  }
  fh_good_link(a, space, slot, prev, hole);
}

/* Takes the first of a list out, or the node in `slot`: what hangs on it becomes the node. */
fh_inline void fh_good_detach(const fh_fit_access *a, void *space, uint32_t bin, uint32_t *slot) {
  uint32_t hole = *slot, next = a->links(space, hole)[FH_NEXT];
  if (bin < a->good(space)->lists) {
    fh_good_unlink(a, space, slot, FH_NONE, next);
  } else if (next != FH_NONE) {
    const uint32_t *children = a->children(space, hole);
    uint32_t *inherited = a->children(space, next);
    inherited[0] = children[0];
    inherited[1] = children[1];
    fh_good_unlink(a, space, slot, FH_NONE, next);
  } else {
    fh_good_trie_raise(a, space, slot);
  }
  if (a->heads(space)[bin] == FH_NONE) {
    fh_good_clear(a, space, bin);
  }
}

fh_inline void fh_good_remove(const fh_fit_access *a, void *space, uint32_t hole, fh_fit_word length) {
  const uint32_t *links = a->links(space, hole);
  uint32_t prev = links[FH_PREV];
  if (prev != FH_NONE) {
    fh_good_unlink(a, space, &a->links(space, prev)[FH_NEXT], prev, links[FH_NEXT]);
    return;
  }
  uint32_t bin = fh_good_bin(a->good(space), length), *slot = &a->heads(space)[bin];
  if (bin >= a->good(space)->lists) {
    fh_fit_word bit = fh_good_bit(a->good(space), length);
    slot = fh_good_trie_seek(a, space, slot, &bit, length);
  }
  if (a->wary && *slot != hole) {
    return;
  }
  fh_good_detach(a, space, bin, slot);
}

/* The same for a bin that is known to be a list. */

fh_inline void fh_good_push(const fh_fit_access *a, void *space, uint32_t bin, uint32_t hole) {
  fh_good_mark(a, space, bin);
  fh_good_link(a, space, &a->heads(space)[bin], FH_NONE, hole);
}

fh_inline void fh_good_pop(const fh_fit_access *a, void *space, uint32_t bin, uint32_t next) {
  fh_good_unlink(a, space, &a->heads(space)[bin], FH_NONE, next);
  if (next == FH_NONE) {
    fh_good_clear(a, space, bin);
  }
}

/* Of a length below FH_GOOD_BITS: what fh_good_take would take if it ends in the first word's lists; FH_NONE: it does
 * not. The short way of most requests. */
fh_inline uint32_t fh_good_take_short(const fh_fit_access *a, void *space, fh_fit_word need) {
  size_t found = a->words(space)[0] & ~(size_t)0 << need;
  if (found == 0) {
    return FH_NONE;
  }
  uint32_t bin = fh_good_lowest(found), hole = a->heads(space)[bin];
  if (fh_unlikely(bin >= a->good(space)->lists)) {
    return FH_NONE;
  }
  fh_good_pop(a, space, bin, a->links(space, hole)[FH_NEXT]);
  return hole;
}

/* Where a smallest hole of at least `need` is linked, and its bin; NULL: there is none (with `flat`: none was found).
 * The first bin that holds something may be need's own, where it may be that nothing fits; the next one fits. */
fh_inline uint32_t *fh_good_search(const fh_fit_access *a, void *space, fh_fit_word need, uint32_t *in) {
  uint32_t bin = fh_good_next(a, space, fh_good_bin(a->good(space), need));
  if (bin != 0 && a->length(space, a->heads(space)[bin]) < need) {
    bin = fh_good_next(a, space, bin + 1);
  }
  if (fh_unlikely(bin == 0)) {
    return NULL;
  }
  *in = bin;
  return bin < a->good(space)->lists ? &a->heads(space)[bin] : fh_good_trie_find(a, space, &a->heads(space)[bin], need);
}

/* A smallest hole of at least `need`, still in the index; FH_NONE: there is none, or none was found. */
fh_inline uint32_t fh_good_find(const fh_fit_access *a, void *space, fh_fit_word need) {
  uint32_t bin, *slot = fh_good_search(a, space, need, &bin);
  return slot == NULL ? FH_NONE : *slot;
}

/* The same hole, taken out of the index. */
fh_inline uint32_t fh_good_take(const fh_fit_access *a, void *space, fh_fit_word need) {
  uint32_t bin, *slot = fh_good_search(a, space, need, &bin);
  if (fh_unlikely(slot == NULL)) {
    return FH_NONE;
  }
  uint32_t hole = *slot;
  fh_good_detach(a, space, bin, slot);
  return hole;
}

/* A hole of the largest length, or with `flat` of the largest that a request finds; FH_NONE: the index is empty. */
fh_inline uint32_t fh_good_largest(const fh_fit_access *a, void *space) {
  if (a->good(space)->top == 0) {
    return FH_NONE;
  }
  uint32_t word = fh_good_highest(a->good(space)->top);
  return a->heads(space)[word * FH_GOOD_BITS + fh_good_highest(a->words(space)[word])];
}

#endif
