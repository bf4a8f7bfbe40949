/* A program that does nothing: what does the allocator cost it? */
#include <stdlib.h>

int main(void) {
  free(malloc(10));
  return 0;
}
