/* What every workload shares: a random source, memory that is not malloc's, and the closing line. */
#ifndef BENCH_WORK_H
#define BENCH_WORK_H

#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Loops are divided by this where instructions are counted one by one. */
#ifndef SHORT
#define SHORT 1
#endif

static size_t own_bytes; /* bookkeeping, kept out of the heap and told to the runner */

static inline void *own(size_t bytes) {
  own_bytes += bytes;
  return mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
}

static inline uint64_t next(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

/* Log-uniform in [low, high): many small, the bytes in the few large. */
static inline size_t heavy(uint64_t *state, double low, double high) {
  double u = (double)(next(state) >> 11) / 9007199254740992.0;
  return (size_t)(low * pow(high / low, u));
}

/* Bytes resident now; allocates nothing. */
static inline size_t resident(void) {
  char text[128];
  int file = open("/proc/self/statm", O_RDONLY);
  ssize_t n = read(file, text, sizeof text - 1);
  close(file);
  text[n > 0 ? n : 0] = '\0';
  char *at = strchr(text, ' ');
  return at == NULL ? 0 : (size_t)strtoul(at, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE);
}

static inline void result(size_t live, size_t settled) {
  char line[160];
  int n = snprintf(line, sizeof line, "RESULT live=%zu settled=%zu own=%zu\n", live, settled, own_bytes);
  if (write(1, line, (size_t)n) != n) {
    _exit(1);
  }
}

/* Each gets its number; returns when all have ended. */
static inline void run_threads(unsigned count, void *(*work)(void *)) {
  pthread_t threads[count];
  for (uintptr_t i = 0; i < count; i++) {
    pthread_create(&threads[i], NULL, work, (void *)i);
  }
  for (unsigned i = 0; i < count; i++) {
    pthread_join(threads[i], NULL);
  }
}

static inline void *touched(size_t bytes) {
  char *at = malloc(bytes);
  if (at == NULL) {
    _exit(2);
  }
  for (size_t i = 0; i < bytes; i += 4096) {
    at[i] = (char)i;
  }
  at[bytes - 1] = 1;
  return at;
}

#endif
