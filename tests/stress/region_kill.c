/* A process works in a mapped region and is killed between two operations, again and again. What it left is opened at
 * another address, checked, and gone on with by the next. */
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "freehold/region.h"
#include "model/require.h"

enum { BYTES = 1 << 19, BLOCKS = 300, ROUNDS = 60 };

/* Beside the region, in shared memory too: what the dead one had. */
typedef struct shared {
  volatile int busy;
  uint64_t random, operations;
  ptrdiff_t at[BLOCKS]; /* from the start of the region; 0: none */
  size_t size[BLOCKS];
} shared;

static void operate(fh_region *r, char *start, shared *s) {
  size_t i = chance(&s->random) % BLOCKS;
  if (s->at[i] == 0) {
    s->size[i] = chance(&s->random) % 2000;
    char *made = fh_region_alloc(r, s->size[i]);
    if (made != NULL) {
      memset(made, (int)(i % 251), s->size[i]);
      s->at[i] = made - start;
    }
  } else if (chance(&s->random) % 3 == 0) {
    size_t size = 1 + chance(&s->random) % 2000;
    char *now = fh_region_realloc(r, start + s->at[i], size);
    if (now != NULL) {
      memset(now, (int)(i % 251), size);
      s->at[i] = now - start;
      s->size[i] = size;
    }
  } else {
    REQUIRE(fh_region_free(r, start + s->at[i]) == FH_OK);
    s->at[i] = 0;
  }
  s->operations++;
}

static void work(int file, shared *s) {
  char *start = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  REQUIRE(start != MAP_FAILED);
  fh_region *r = fh_region_open(start, BYTES);
  REQUIRE(r != NULL);
  for (;;) {
    s->busy = 1;
    operate(r, start, s);
    s->busy = 0;
  }
}

/* Stopped first, so that it can be seen whether it is between two operations. */
static void kill_between(pid_t child, shared *s, unsigned wait) {
  int status;
  usleep(wait);
  for (;;) {
    kill(child, SIGSTOP);
    REQUIRE(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
    if (!s->busy) {
      break;
    }
    kill(child, SIGCONT);
    usleep(50);
  }
  kill(child, SIGKILL);
  REQUIRE(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
}

static void check(int file, const shared *s) {
  const char *what;
  uint64_t chunks = 0;
  char *spacer = mmap(NULL, BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); /* another address each time */
  char *start = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  REQUIRE(fh_region_examine(start, BYTES, &what) == FH_OK);
  fh_region *r = fh_region_open(start, BYTES);
  REQUIRE(r != NULL && fh_region_check(r) == FH_OK);
  for (size_t i = 0; i < BLOCKS; i++) {
    for (size_t k = 0; s->at[i] != 0 && k < s->size[i]; k++) {
      REQUIRE((unsigned char)start[s->at[i] + (ptrdiff_t)k] == i % 251);
    }
    chunks += s->at[i] != 0;
  }
  fh_space space;
  fh_region_space(r, &space);
  REQUIRE(space.chunks == chunks);
  munmap(start, BYTES);
  munmap(spacer, BYTES);
}

int main(void) {
  int file = memfd_create("region", 0);
  shared *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  REQUIRE(file >= 0 && ftruncate(file, BYTES) == 0 && s != MAP_FAILED);
  char *start = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  REQUIRE(fh_region_create(start, BYTES, &(fh_region_options){.flags = FH_REGION_CHECKED}) != NULL);
  munmap(start, BYTES);
  s->random = 4711;
  for (unsigned round = 0; round < ROUNDS; round++) {
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      work(file, s);
    }
    kill_between(child, s, 2000 + round * 300);
    check(file, s);
  }
  REQUIRE(s->operations > ROUNDS);
  return 0;
}
