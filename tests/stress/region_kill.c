/* A process maps a file twice, works in the region there, taking at one address and giving back at the other, and is
 * killed between two operations, again and again. What it left is opened at a third address, checked, and gone on with,
 * there and by the next. In the end the file is damaged, and refused with the reason. */
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
  uintptr_t maps[2]; /* where it saw the file */
  uint64_t random, operations;
  ptrdiff_t at[BLOCKS]; /* from the start of the region; 0: none */
  size_t size[BLOCKS];
} shared;

typedef struct view {
  char *start;
  fh_region *r;
} view;

static char *map(int file) {
  char *start = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  REQUIRE(start != MAP_FAILED);
  return start;
}

static void keep(shared *s, size_t i, const view *v, char *at, size_t size) {
  memset(at, (int)(i % 251), size);
  s->at[i] = at - v->start;
  s->size[i] = size;
}

static void take(const view *v, shared *s, size_t i) {
  size_t size = chance(&s->random) % 2000;
  char *made = fh_region_alloc(v->r, size);
  if (made != NULL) {
    keep(s, i, v, made, size);
  }
}

static void change(const view *v, shared *s, size_t i) {
  size_t size = 1 + chance(&s->random) % 2000;
  char *now = fh_region_realloc(v->r, v->start + s->at[i], size);
  if (now != NULL) {
    keep(s, i, v, now, size);
  }
}

static void give(const view *v, shared *s, size_t i) {
  REQUIRE(fh_region_free(v->r, v->start + s->at[i]) == FH_OK);
  REQUIRE(fh_region_free(v->r, v->start + s->at[i]) == FH_DOUBLE_FREE);
  s->at[i] = 0;
}

static void operate(const view *one, const view *two, shared *s) {
  size_t i = chance(&s->random) % BLOCKS;
  if (s->at[i] == 0) {
    take(one, s, i);
  } else if (chance(&s->random) % 3 == 0) {
    change(i % 2 == 0 ? one : two, s, i);
  } else {
    give(two, s, i);
  }
  s->operations++;
}

static void work(int file, shared *s) {
  view one = {.start = map(file)}, two = {.start = map(file)};
  s->maps[0] = (uintptr_t)one.start;
  s->maps[1] = (uintptr_t)two.start;
  one.r = fh_region_open(one.start, BYTES);
  two.r = fh_region_open(two.start, BYTES);
  REQUIRE(one.r != NULL && two.r != NULL);
  for (;;) {
    for (unsigned i = 0; i < 16; i++) {
      s->busy = 1;
      operate(&one, &two, s);
      s->busy = 0;
    }
    usleep(1); /* so that it is found between two operations soon */
  }
}

/* Stopped first, so that it can be seen whether it is between two operations, and has got so far. */
static void kill_between(pid_t child, const shared *s, uint64_t operations, unsigned wait) {
  int status;
  usleep(wait);
  for (;;) {
    kill(child, SIGSTOP);
    REQUIRE(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
    if (!s->busy && s->operations > operations) {
      break;
    }
    kill(child, SIGCONT);
    usleep(50);
  }
  kill(child, SIGKILL);
  REQUIRE(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
}

/* Where the dead one had it nowhere. */
static char *map_elsewhere(int file, const shared *s) {
  char *start = map(file);
  if ((uintptr_t)start != s->maps[0] && (uintptr_t)start != s->maps[1]) {
    return start;
  }
  char *other = map_elsewhere(file, s);
  munmap(start, BYTES);
  return other;
}

static void check(int file, shared *s) {
  const char *what;
  uint64_t chunks = 0;
  view v = {.start = map_elsewhere(file, s)};
  REQUIRE(fh_region_examine(v.start, BYTES, &what) == FH_OK);
  v.r = fh_region_open(v.start, BYTES);
  REQUIRE(v.r != NULL && fh_region_check(v.r) == FH_OK);
  for (size_t i = 0; i < BLOCKS; i++) {
    for (size_t k = 0; s->at[i] != 0 && k < s->size[i]; k++) {
      REQUIRE((unsigned char)v.start[s->at[i] + (ptrdiff_t)k] == i % 251);
    }
    chunks += s->at[i] != 0;
  }
  fh_space space;
  fh_region_space(v.r, &space);
  REQUIRE(space.chunks == chunks);
  for (unsigned i = 0; i < 50; i++) {
    operate(&v, &v, s);
  }
  munmap(v.start, BYTES);
}

/* Damage of `bytes` at an offset; -1: none, but only so many bytes are shown. */
static void refuse(int file, ptrdiff_t at, size_t bytes, fh_status want) {
  const char *what = NULL;
  char *start = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
  REQUIRE(start != MAP_FAILED);
  for (size_t i = 0; at >= 0 && i < bytes; i++) {
    start[at + (ptrdiff_t)i] = (char)~start[at + (ptrdiff_t)i];
  }
  size_t shown = at >= 0 ? BYTES : bytes;
  REQUIRE(fh_region_examine(start, shown, &what) == want);
  REQUIRE(what != NULL && strlen(what) > 10 && strcmp(what, "a region") != 0);
  REQUIRE(fh_region_open(start, shown) == NULL);
  munmap(start, BYTES);
}

static void refuse_what_does_not_check(int file, const shared *s) {
  size_t i = 0;
  while (s->at[i] == 0) {
    i++;
  }
  refuse(file, -1, 0, FH_INVALID);
  refuse(file, 0, 4, FH_INVALID);                                /* whose it is */
  refuse(file, -1, BYTES - 4096, FH_CORRUPT);                    /* cut off */
  refuse(file, s->at[i] - 8, 8, FH_CORRUPT);                     /* a head */
  refuse(file, s->at[i] - 1, 1, FH_CORRUPT);                     /* a part of it */
  refuse(file, s->at[i] + (ptrdiff_t)s->size[i], 1, FH_CORRUPT); /* the canary */
}

/* A file with an empty region. */
static int make_file(void) {
  char name[] = "/tmp/region_kill.XXXXXX";
  int file = mkstemp(name);
  REQUIRE(file >= 0 && unlink(name) == 0 && ftruncate(file, BYTES) == 0);
  char *start = map(file);
  REQUIRE(fh_region_create(start, BYTES, &(fh_region_options){.flags = FH_REGION_CHECKED}) != NULL);
  munmap(start, BYTES);
  return file;
}

int main(void) {
  int file = make_file();
  shared *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  REQUIRE(s != MAP_FAILED);
  s->random = 4711;
  for (unsigned round = 0; round < ROUNDS; round++) {
    uint64_t before = s->operations;
    s->busy = 1; /* opening writes too */
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      work(file, s);
    }
    kill_between(child, s, before + 100, 2000 + round * 300);
    check(file, s);
  }
  refuse_what_does_not_check(file, s);
  close(file);
  return 0;
}
