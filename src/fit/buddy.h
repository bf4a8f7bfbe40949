/* Policy "buddy": lengths are powers of two, and a piece of length L lies at a multiple of L from the start of its
 * space. A piece splits into two halves, and joins the other half of the piece it was split from, its buddy, and no one
 * else (Knowlton, 1965). Which pieces are free is kept in the bins of good.h: powers of two have bins, or paths, of
 * their own. */
#ifndef FH_FIT_BUDDY_H
#define FH_FIT_BUDDY_H

#include "fit/space.h"

/* The smallest power of two that holds `length`, which is not 0; 0: there is none. */
fh_inline fh_fit_word fh_buddy_round(fh_fit_word length) {
  fh_fit_word below = fh_fit_left(1, fh_fit_highest(length));
  return length == below ? below : (fh_fit_word)(below << 1);
}

/* Where the buddy of a piece lies. */
fh_inline fh_fit_word fh_buddy_of(fh_fit_word offset, fh_fit_word length) { return offset ^ length; }

/* The largest piece that may begin at `offset` in a space that still has `rest`, which is not 0. */
fh_inline fh_fit_word fh_buddy_first(fh_fit_word offset, fh_fit_word rest) {
  fh_fit_word fits = fh_fit_left(1, fh_fit_highest(rest)), aligned = offset & (~offset + 1);
  return offset == 0 || fits < aligned ? fits : aligned;
}

#endif
