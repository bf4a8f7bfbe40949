/* Runs a target on the files named, or on what comes from standard input; under AFL++'s compiler many in one process.
 */
#include "fuzz.h"

enum { MOST = 1 << 16 };

static void run(FILE *file) {
  static uint8_t bytes[MOST];
  size_t count = fread(bytes, 1, MOST, file);
  /* A copy of its own: reading behind it is seen. */
  uint8_t *copy = malloc(count != 0 ? count : 1);
  if (copy != NULL) {
    memcpy(copy, bytes, count);
    LLVMFuzzerTestOneInput(copy, count);
    free(copy);
  }
}

int main(int count, char **names) {
#ifdef __AFL_LOOP
  while (count == 1 && __AFL_LOOP(10000)) {
    run(stdin);
    clearerr(stdin);
  }
#else
  if (count == 1) {
    run(stdin);
  }
#endif
  for (int i = 1; i < count; i++) {
    FILE *file = fopen(names[i], "rb");
    if (file == NULL) {
      perror(names[i]);
      return 2;
    }
    run(file);
    fclose(file);
  }
  return 0;
}
