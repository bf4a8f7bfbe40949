/* 4,000 buffers that grow by half again and again, a few at a time. */
#include "work.h"

enum { BUFFERS = 4000 / SHORT };

int main(void) {
  char **at = own(BUFFERS * sizeof(char *));
  size_t *bytes = own(BUFFERS * sizeof(size_t));
  uint64_t random = 17;
  size_t live = 0;
  for (long i = 0; i < BUFFERS * 16; i++) {
    size_t b = next(&random) % BUFFERS, old = bytes[b];
    size_t size = old == 0 ? 64 : old + old / 2;
    if (size > 300000) {
      free(at[b]);
      at[b] = NULL;
      live -= old;
      bytes[b] = 0;
      continue;
    }
    at[b] = realloc(at[b], size);
    for (size_t k = old; k < size; k += 4096) {
      at[b][k] = 1;
    }
    at[b][size - 1] = 1;
    bytes[b] = size;
    live += size - old;
  }
  result(live, resident());
  return 0;
}
