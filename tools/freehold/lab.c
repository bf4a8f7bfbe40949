/* freehold lab: which of its four faces is wanted. */
#include "lab.h"

#include "command.h"

int command_lab(int argc, char **argv) {
  lab_options options;
  int status = lab_parse(argc, argv, &options);
  if (status < 0) {
    status = options.story     ? lab_story(&options)
             : options.compare ? lab_compare(&options)
             : options.draw    ? lab_draw(&options)
                               : lab_textbook(&options);
  }
  if (fflush(stdout) != 0 || ferror(stdout)) {
    fputs("freehold lab: standard output: cannot be written\n", stderr);
    return 1;
  }
  return status;
}
