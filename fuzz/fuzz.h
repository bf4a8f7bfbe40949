/* What the fuzz targets share: reading decisions from bytes, and stopping where something is wrong.
 *
 * A target is a function LLVMFuzzerTestOneInput; main.c runs it where no fuzzer brings a main of its own. */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

typedef struct input {
  const uint8_t *at, *end;
} input;

/* Inputs that are used up answer 0. */
static inline uint8_t next_8(input *in) { return in->at < in->end ? *in->at++ : 0; }

static inline uint16_t next_16(input *in) {
  unsigned low = next_8(in);
  return (uint16_t)(low | (unsigned)next_8(in) << 8);
}

static inline uint64_t next_64(input *in) {
  uint64_t word = 0;
  for (unsigned i = 0; i < 8; i++) {
    word |= (uint64_t)next_8(in) << i * 8;
  }
  return word;
}

#define must(what)                                                       \
  do {                                                                   \
    if (!(what)) {                                                       \
      fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what); \
      abort();                                                           \
    }                                                                    \
  } while (0)

#endif
