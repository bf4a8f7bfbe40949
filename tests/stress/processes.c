/* Children that share the heap's memory for a while (vfork, posix_spawn, clone) leave the parent's heap whole. */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "model/oracle.h"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { CLONES = 0 }; /* the sanitizers know nothing of such a child */
#else
enum { CLONES = 1 };
#endif

enum { ROUNDS = 40, STEPS = 400 };

static oracle mine;
static int stop;

static void *busy(void *seed) {
  oracle_until(&stop, 11 + (uint64_t)(uintptr_t)seed);
  return NULL;
}

static void ends_well(pid_t child) {
  int status = 1;
  REQUIRE(child > 0);
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void by_vfork(void) {
  pid_t child = vfork();
  if (child == 0) {
    execl("/bin/true", "true", (char *)NULL);
    _exit(127);
  }
  ends_well(child);
}

static void by_spawn(void) {
  char *const arguments[] = {"true", NULL}, *const environment[] = {NULL};
  pid_t child = -1;
  REQUIRE(posix_spawn(&child, "/bin/true", NULL, NULL, arguments, environment) == 0);
  ends_well(child);
}

/* Same memory, same thread-locals, while the parent waits: what it takes and gives is the parent's. */
static int allocates(void *model) {
  for (unsigned i = 0; i < STEPS; i++) {
    oracle_step(model);
  }
  return 0;
}

static void by_clone(void) {
  static char stack[256 << 10] __attribute__((aligned(16)));
  ends_well(clone(allocates, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, &mine));
}

int main(void) {
  pthread_t thread;
  mine.random = 4;
  REQUIRE(pthread_create(&thread, NULL, busy, (void *)1) == 0);
  for (unsigned i = 0; i < ROUNDS; i++) {
    allocates(&mine);
    by_vfork();
    by_spawn();
    if (CLONES) {
      by_clone();
    }
  }
  __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
  pthread_join(thread, NULL);
  oracle_end(&mine);
  return 0;
}
