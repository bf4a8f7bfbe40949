/* launch LIBRARY PROGRAM: runs the program under the library and prints its peak resident bytes on standard error. A
 * fork of a small program: the peak that the kernel reports of a child begins with what its parent had. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv) {
  struct rusage usage;
  int status;
  if (argc != 3) {
    return 2;
  }
  pid_t child = vfork();
  if (child == 0) {
    if (argv[1][0] != '\0') {
      setenv("LD_PRELOAD", argv[1], 1);
    }
    execl(argv[2], argv[2], (char *)NULL);
    _exit(127);
  }
  if (child < 0 || wait4(child, &status, 0, &usage) != child) {
    return 1;
  }
  fprintf(stderr, "PEAK %ld\n", usage.ru_maxrss * 1024);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
