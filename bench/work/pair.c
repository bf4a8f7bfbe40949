/* malloc(16) and free, again and again; for counting instructions. */
#include <stdlib.h>

int main(int argc, char **argv) {
  long rounds = argc > 1 ? atol(argv[1]) : 50000000;
  for (long i = 0; i < rounds; i++) {
    void *volatile p = malloc(16);
    free(p);
  }
  return 0;
}
