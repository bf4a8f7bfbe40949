/* freehold run: the library in front of the program, the statistics behind it. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
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

static int become(const char *library, const char *stats, char **program) {
  set_environment(library, stats);
  execvp(program[0], program);
  int status = errno == ENOENT ? 127 : 126;
  fprintf(stderr, "freehold run: %s: %s\n", program[0], strerror(errno));
  return status;
}

static volatile pid_t child;

static void pass_on(int number) {
  if (child > 0) {
    kill(child, number);
  }
}

/* Whoever stops this command means the program. What the terminal sends goes to both anyway. */
static void listen_for_signals(void) {
  struct sigaction act = {.sa_handler = pass_on};
  sigemptyset(&act.sa_mask);
  sigaction(SIGTERM, &act, NULL);
  sigaction(SIGHUP, &act, NULL);
  signal(SIGINT, SIG_IGN);
  signal(SIGQUIT, SIG_IGN);
}

/* A signal between the fork and the handlers waits until there is somebody to pass it on to. */
static int spawn(const char *library, const char *stats, char **program) {
  sigset_t held;
  sigset_t before;
  sigemptyset(&held);
  sigaddset(&held, SIGTERM);
  sigaddset(&held, SIGHUP);
  sigprocmask(SIG_BLOCK, &held, &before);
  pid_t made = fork();
  if (made == 0) {
    sigprocmask(SIG_SETMASK, &before, NULL);
    _exit(become(library, stats, program));
  }
  child = made;
  listen_for_signals();
  sigprocmask(SIG_SETMASK, &before, NULL);
  return made < 0 ? 1 : wait_for(made);
}

/* The library writes JSON to a file only: one of ours, shown afterwards. */
static int run_with_json(const char *library, char **program) {
  char file[] = "/tmp/freehold-XXXXXX";
  int made = mkstemp(file);
  if (made < 0) {
    perror("freehold run: a temporary file");
    return 1;
  }
  close(made);
  int status = spawn(library, file, program);
  copy_to_stderr(file);
  return status;
}

int command_run(int argc, char **argv) {
  run_options options;
  char library[PATH_MAX];
  if (!parse(argc, argv, &options)) {
    fputs("usage: freehold run [--json] [--report FILE] -- PROGRAM [ARG ...]\n", stderr);
    return 2;
  }
  if (!find_library(library)) {
    fputs("freehold run: libfreehold.so is neither beside this command nor installed\n", stderr);
    return 1;
  }
  if (options.json && options.report == NULL) {
    return run_with_json(library, options.program);
  }
  return become(library, options.report != NULL ? options.report : "1", options.program);
}
