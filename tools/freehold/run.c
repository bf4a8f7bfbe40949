/* freehold run: the library in front of the program, the statistics behind it. */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"

typedef struct run_options {
  bool json;
  const char *report;
  char **program;
} run_options;

static bool parse(int argc, char **argv, run_options *out) {
  *out = (run_options){0};
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--json") == 0) {
      out->json = true;
    } else if (strcmp(argv[i], "--report") == 0 && i + 1 < argc) {
      out->report = argv[++i];
    } else {
      out->program = argv + i + (strcmp(argv[i], "--") == 0);
      break;
    }
  }
  return out->program != NULL && out->program[0] != NULL && out->program[0][0] != '-';
}

/* Beside the command in a build tree, in the library folder when installed. */
static bool find_library(char path[PATH_MAX]) {
  static const char *const places[] = {"libfreehold.so", "../" FREEHOLD_LIBDIR "/libfreehold.so",
                                       "../lib/libfreehold.so"};
  char self[PATH_MAX];
  ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
  if (length <= 0) {
    return false;
  }
  self[length] = '\0';
  *strrchr(self, '/') = '\0';
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    int n = snprintf(path, PATH_MAX, "%s/%s", self, places[i]);
    if (n > 0 && n < PATH_MAX && access(path, R_OK) == 0) {
      return true;
    }
  }
  return false;
}

static void set_environment(const char *library, const char *stats) {
  char value[2 * PATH_MAX];
  const char *before = getenv("LD_PRELOAD");
  snprintf(value, sizeof value, "%s%s%s", library, before != NULL ? ":" : "", before != NULL ? before : "");
  setenv("LD_PRELOAD", value, 1);
  setenv("FREEHOLD_STATS", stats, 1);
}

static int wait_for(pid_t child) {
  int status;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) {
      return 1;
    }
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void copy_to_stderr(const char *path) {
  char text[4096];
  FILE *file = fopen(path, "r");
  for (size_t n; file != NULL && (n = fread(text, 1, sizeof text, file)) != 0;) {
    fwrite(text, 1, n, stderr);
  }
  if (file != NULL) {
    fclose(file);
  }
  unlink(path);
}

static int spawn(const char *library, const char *stats, char **program) {
  pid_t child = fork();
  if (child == 0) {
    set_environment(library, stats);
    execvp(program[0], program);
    fprintf(stderr, "freehold run: %s: %s\n", program[0], strerror(errno));
    _exit(errno == ENOENT ? 127 : 126);
  }
  return child < 0 ? 1 : wait_for(child);
}

int command_run(int argc, char **argv) {
  run_options options;
  char library[PATH_MAX], temporary[] = "/tmp/freehold-XXXXXX";
  if (!parse(argc, argv, &options)) {
    fputs("usage: freehold run [--json] [--report FILE] -- PROGRAM [ARG ...]\n", stderr);
    return 2;
  }
  if (!find_library(library)) {
    fputs("freehold run: libfreehold.so is neither beside this command nor installed\n", stderr);
    return 1;
  }
  const char *stats = options.report != NULL ? options.report : "1";
  if (options.json && options.report == NULL) {
    int file = mkstemp(temporary);
    if (file < 0) {
      perror("freehold run: a temporary file");
      return 1;
    }
    close(file);
    stats = temporary;
  }
  int status = spawn(library, stats, options.program);
  if (stats == temporary) {
    copy_to_stderr(temporary);
  }
  return status;
}
