/* For model tests without a framework, so that they run on any target: one line and the end. */
#ifndef TESTS_MODEL_REQUIRE_H
#define TESTS_MODEL_REQUIRE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUIRE(condition)                                                \
  do {                                                                    \
    if (!(condition)) {                                                   \
      fprintf(stderr, "%s:%d: not %s\n", __FILE__, __LINE__, #condition); \
      abort();                                                            \
    }                                                                     \
  } while (0)

static inline uint64_t chance(uint64_t *random) {
  *random ^= *random << 13;
  *random ^= *random >> 7;
  *random ^= *random << 17;
  return *random * UINT64_C(0x2545F4914F6CDD1D) >> 16;
}

/* Steps of a test: its first argument, FREEHOLD_STEPS, or what it takes for a second or two. */
static inline long steps_of(int argc, char **argv, long usual) {
  const char *text = argc > 1 ? argv[1] : getenv("FREEHOLD_STEPS");
  return text == NULL ? usual : atol(text);
}

#endif
