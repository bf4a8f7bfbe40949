/* A process with busy threads forks again and again: each child can allocate, always. */
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "model/oracle.h"

static int stop;

static void *busy(void *seed) {
  oracle_until(&stop, 77 + (uint64_t)(uintptr_t)seed);
  return NULL;
}

static void child(void) {
  for (size_t size = 1; size < 3000000; size = size * 2 + 7) {
    char *p = fh_malloc(size);
    if (p == NULL) {
      _exit(1);
    }
    p[0] = p[size - 1] = 1;
    fh_free(p);
  }
  _exit(0);
}

int main(void) {
  pthread_t threads[3];
  for (uintptr_t i = 0; i < 3; i++) {
    REQUIRE(pthread_create(&threads[i], NULL, busy, (void *)i) == 0);
  }
  for (int i = 0; i < 60; i++) {
    int status = 1;
    pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
      child();
    }
    REQUIRE(waitpid(pid, &status, 0) == pid && status == 0);
  }
  __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
  for (int i = 0; i < 3; i++) {
    pthread_join(threads[i], NULL);
  }
  return 0;
}
