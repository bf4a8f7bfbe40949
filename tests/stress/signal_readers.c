/* A signal handler may measure a block and read the statistics whatever its thread is doing: nothing waits, nothing
 * changes. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

#include "model/oracle.h"

enum { STEPS = 150000 };

static char *volatile known;
static int reads, wrong; /* atomic: both threads are interrupted */

static void look(int number) {
  int saved = errno;
  fh_heap_stats now;
  (void)number;
  fh_stats(&now);
  int right = fh_usable_size(known) >= 3000 && now.heaps != 0 && now.used_pages != 0 && errno == saved;
  __atomic_add_fetch(&wrong, !right, __ATOMIC_RELAXED);
  __atomic_add_fetch(&reads, 1, __ATOMIC_RELAXED);
}

static void *busy(void *seed) {
  static _Thread_local oracle model;
  model.random = 5 + (uint64_t)(uintptr_t)seed;
  for (unsigned i = 0; i < STEPS; i++) {
    oracle_step(&model);
  }
  oracle_end(&model);
  return NULL;
}

int main(void) {
  struct sigaction act = {.sa_handler = look, .sa_flags = SA_RESTART};
  struct itimerval often = {.it_interval = {.tv_usec = 2000}, .it_value = {.tv_usec = 2000}}, never = {0};
  pthread_t thread;
  known = fh_malloc(3000);
  REQUIRE(known != NULL);
  sigemptyset(&act.sa_mask);
  REQUIRE(sigaction(SIGALRM, &act, NULL) == 0);
  REQUIRE(setitimer(ITIMER_REAL, &often, NULL) == 0);
  REQUIRE(pthread_create(&thread, NULL, busy, (void *)1) == 0);
  busy((void *)2);
  pthread_join(thread, NULL);
  REQUIRE(setitimer(ITIMER_REAL, &never, NULL) == 0);
  printf("%d reads in signal handlers\n", reads);
  REQUIRE(reads > 10);
  REQUIRE(wrong == 0);
  return 0;
}
