#include <stdio.h>
#include <stdlib.h>

#include "base/settings.h"
#include "command.h"

int command_options(int argc, char **argv) {
  if (argc > 1) {
    fprintf(stderr, "freehold options: unexpected argument '%s'\n", argv[1]);
    return 2;
  }
  for (unsigned i = 0; i < FH_SETTINGS; i++) {
    const char *now = getenv(fh_settings[i].name);
    printf("%-18s default %-6s now %-10s %s\n", fh_settings[i].name, fh_settings[i].fallback,
           now != NULL ? now : fh_settings[i].fallback, fh_settings[i].help);
  }
  return 0;
}
