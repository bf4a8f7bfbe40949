/* How the policies of range and region see a hole: as a number, 0 for none. Whoever owns the space knows where the hole
 * lies, how long it is and where its links stand; the policies only link. Everything here is inlined with constant
 * accessors, so that each user gets code of its own (a region 32-bit offsets in band, a range 32-bit node numbers).
 *
 * FH_FIT_WORD is the type of a length: 64 bits, or what the file that includes this has defined. */
#ifndef FH_FIT_SPACE_H
#define FH_FIT_SPACE_H

#include "base/bits.h"

#ifndef FH_FIT_WORD
#define FH_FIT_WORD uint64_t
#endif

typedef FH_FIT_WORD fh_fit_word;

enum { FH_NONE = 0, FH_FIT_BITS = sizeof(fh_fit_word) * 8 };

typedef struct fh_fit_access {
  fh_fit_word (*length)(void *space, uint32_t hole); /* never 0 */
  uint64_t (*address)(void *space, uint32_t hole);   /* only compared */
  uint32_t *(*links)(void *space, uint32_t hole);    /* two words */
  /* For "good" only: */
  uint32_t *(*children)(void *space, uint32_t hole); /* two words; of holes whose bin is no list */
  struct fh_good *(*good)(void *space);
  size_t *(*words)(void *space);   /* fh_good_words of them, at first all 0 */
  uint32_t *(*heads)(void *space); /* as many as there are bins, the same */
  bool wary; /* something may have written into a hole, so that a way does not lead where it should */
} fh_fit_access;

enum { FH_NEXT = 0, FH_PREV = 1 };

fh_inline fh_fit_word fh_fit_left(fh_fit_word word, unsigned by) {
  return sizeof word == 4 ? word << by : (fh_fit_word)fh_left(word, by);
}

fh_inline fh_fit_word fh_fit_right(fh_fit_word word, unsigned by) {
  return sizeof word == 4 ? word >> by : (fh_fit_word)fh_right(word, by);
}

fh_inline unsigned fh_fit_highest(fh_fit_word word) {
  return sizeof word == 4 ? fh_highest_bit_32((uint32_t)word) : fh_highest_bit(word);
}

#endif
