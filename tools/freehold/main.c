#include <stdio.h>
#include <string.h>

#include "command.h"

static const char usage[] =
    "usage: freehold run [--json] [--report FILE] -- PROGRAM [ARG ...]\n"
    "       freehold lab [OPTIONS]\n"
    "       freehold options\n"
    "       freehold --version\n"
    "run      runs a program on Freehold, ends with its exit status and reports on standard error\n"
    "lab      shows the textbook's free list step by step; lab --help lists its options\n"
    "options  lists every setting, its default and its value now\n";

int main(int argc, char **argv) {
  const char *name = argc > 1 ? argv[1] : "--help";
  if (strcmp(name, "run") == 0) {
    return command_run(argc - 1, argv + 1);
  }
  if (strcmp(name, "lab") == 0) {
    return command_lab(argc - 1, argv + 1);
  }
  if (strcmp(name, "options") == 0) {
    return command_options(argc - 1, argv + 1);
  }
  if (strcmp(name, "--version") == 0) {
    puts("freehold " FREEHOLD_VERSION);
    return 0;
  }
  if (strcmp(name, "--help") == 0) {
    fputs(usage, stdout);
    return argc > 1 ? 0 : 2;
  }
  fprintf(stderr, "freehold: unknown command '%s' (run, lab, options)\n", name);
  return 2;
}
