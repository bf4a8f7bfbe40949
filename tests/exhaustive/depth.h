/* How long the sequences are that an exhaustive test plays. */
#ifndef TESTS_EXHAUSTIVE_DEPTH_H
#define TESTS_EXHAUSTIVE_DEPTH_H

#include "model/require.h"

/* One call more takes about ten times as long. Ten seconds or so in any build, and script/soak goes on to one call
 * more; the thread sanitizer has nothing to see here and is the slowest. */
#if defined(__SANITIZE_THREAD__)
enum { CALLS_LESS = 2 };
#elif defined(FREEHOLD_DEBUG) || defined(__SANITIZE_ADDRESS__)
enum { CALLS_LESS = 1 };
#else
enum { CALLS_LESS = 0 };
#endif

/* The first argument, FREEHOLD_DEPTH, or what is usual; between 2 and `most`. */
static inline unsigned depth_of(int argc, char **argv, unsigned usual, unsigned most) {
  const char *text = argc > 1 ? argv[1] : getenv("FREEHOLD_DEPTH");
  long depth = text == NULL ? (long)usual - CALLS_LESS : atol(text);
  return depth < 2 ? 2 : depth < (long)most ? (unsigned)depth : most;
}

#endif
