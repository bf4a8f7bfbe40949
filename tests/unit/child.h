/* A function in a forked child: how it ended, and what it wrote to standard error. */
#ifndef TESTS_UNIT_CHILD_H
#define TESTS_UNIT_CHILD_H

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct child_end {
  int status; /* as waitpid tells it */
  char text[8192];
} child_end;

static inline void child_read(int from, char *text, size_t room) {
  size_t length = 0;
  ssize_t n;
  while (length + 1 < room && (n = read(from, text + length, room - 1 - length)) > 0) {
    length += (size_t)n;
  }
  text[length] = '\0';
}

/* `act` returns what the child exits with; with `destructors` as a program does, else at once. */
static inline child_end child_run(int (*act)(void), int destructors) {
  child_end end = {.status = -1};
  int err[2];
  fflush(stdout); /* or the child would print it again */
  if (pipe(err) != 0) {
    return end;
  }
  pid_t child = fork();
  if (child == 0) {
    signal(SIGABRT, SIG_DFL);
    signal(SIGSEGV, SIG_DFL); /* cmocka's handler would go on with the next test */
    signal(SIGBUS, SIG_DFL);
    dup2(err[1], 2);
    close(err[0]);
    close(err[1]);
    int result = act();
    if (destructors) {
      exit(result);
    }
    _exit(result);
  }
  close(err[1]);
  child_read(err[0], end.text, sizeof end.text);
  close(err[0]);
  if (child < 0 || waitpid(child, &end.status, 0) != child) {
    end.status = -1;
  }
  return end;
}

#endif
