/* launch [-s BYTES] LIBRARY PROGRAM [ARGUMENT...]: runs the program under the library and prints its peak resident
 * bytes, and the microseconds it took by the clock and of the processor, on standard error. A fork of a small program:
 * the peak that the kernel reports of a child begins with what its parent had.
 *
 * With -s no address is drawn at random, and the stack begins so many bytes lower: see suite.py. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
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

/* What the environment holds lies above the stack. False: this place does not allow it. */
static int place_stack(const char *bytes) {
  char padding[4096] = {0};
  size_t length = (size_t)atoi(bytes);
  if (length >= sizeof padding || personality(ADDR_NO_RANDOMIZE) == -1) {
    return 0;
  }
  memset(padding, 'x', length);
  return setenv("BENCH_PADDING", padding, 1) == 0;
}

int main(int argc, char **argv) {
  struct rusage usage;
  int status;
  if (argc > 2 && strcmp(argv[1], "-s") == 0) {
    if (!place_stack(argv[2])) {
      fputs("launch: the stack cannot be placed\n", stderr);
      return 1;
    }
    argv += 2;
    argc -= 2;
  }
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
