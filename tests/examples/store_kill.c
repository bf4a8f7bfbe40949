/* A process that changes a block store is killed at any moment, again and again. Every change that it has told of must
 * be there, the one it was at is there or not, and no page is lost. The kernel keeps what a dead process wrote, so
 * nothing waits for the disk here (the linker takes fdatasync away): more moments are met. */
#include <signal.h>
#include <sys/wait.h>

#include "store_model.h"

enum { ROUNDS = 250, TOLD = 1 << 20 };

int __wrap_fdatasync(int);
int __wrap_fdatasync(int file) { return file < 0; }

static void work(const char *path, model m, uint64_t random, int tell) {
  store s;
  must_open(&s, path, STORE_CREATE);
  for (;;) {
    step one = step_next(&m, &random);
    REQUIRE(step_run(&s, &one));
    model_take(&m, &one);
    REQUIRE(write(tell, "", 1) == 1);
  }
}

/* How many changes the child told of before it was killed. */
static size_t live_and_die(const char *path, const model *m, uint64_t random, unsigned wait) {
  static char told[TOLD];
  int ends[2], status = 0;
  REQUIRE(pipe(ends) == 0);
  pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    work(path, *m, random, ends[1]);
  }
  REQUIRE(close(ends[1]) == 0);
  usleep(wait);
  REQUIRE(kill(child, SIGKILL) == 0 && waitpid(child, &status, 0) == child);
  REQUIRE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  size_t count = 0;
  for (ssize_t got; (got = read(ends[0], told, sizeof told)) > 0;) {
    count += (size_t)got;
  }
  REQUIRE(close(ends[0]) == 0);
  return count;
}

/* The model after the child's changes; true: with the one that it did not tell of. */
static bool follow(const char *path, model *m, uint64_t random, size_t told) {
  store s;
  for (; told != 0; told--) {
    step one = step_next(m, &random);
    model_take(m, &one);
  }
  must_open(&s, path, STORE_READ);
  bool old = model_same(&s, m);
  if (!old) {
    step one = step_next(m, &random);
    model_take(m, &one);
    REQUIRE(model_same(&s, m));
  }
  store_close(&s);
  return !old;
}

int main(void) {
  uint64_t random = 20261123;
  size_t changes = 0, untold = 0, none = 0;
  model m = {.values = {{.there = false}}};
  const char *path = scratch_file();
  for (unsigned round = 0; round < ROUNDS; round++) {
    uint64_t seed = chance(&random) | 1;
    size_t told = live_and_die(path, &m, seed, (unsigned)(chance(&random) % 12000));
    untold += follow(path, &m, seed, told);
    changes += told;
    none += told == 0;
  }
  unlink(path);
  printf("%d killed after %zu changes: %zu before the first, %zu between a change and its word\n", ROUNDS, changes,
         none, untold);
  return 0;
}
