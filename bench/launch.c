/* launch LIBRARY PROGRAM [ARGUMENT...]: runs the program under the library and prints its peak resident bytes, and the
 * microseconds it took by the clock and of the processor, on standard error. A fork of a small program: the peak that
 * the kernel reports of a child begins with what its parent had. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long micros_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static long long micros_of(struct timeval t) { return t.tv_sec * 1000000LL + t.tv_usec; }

int main(int argc, char **argv) {
  struct rusage usage;
  int status;
  if (argc < 3) {
    return 2;
  }
  long long begin = micros_now();
  pid_t child = vfork();
  if (child == 0) {
    if (argv[1][0] != '\0') {
      setenv("LD_PRELOAD", argv[1], 1);
    }
    execv(argv[2], argv + 2);
    _exit(127);
  }
  if (child < 0 || wait4(child, &status, 0, &usage) != child) {
    return 1;
  }
  fprintf(stderr, "PEAK %ld WALL %lld CPU %lld\n", usage.ru_maxrss * 1024, micros_now() - begin,
          micros_of(usage.ru_utime) + micros_of(usage.ru_stime));
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
