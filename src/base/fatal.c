#include "base/fatal.h"

#include <stdlib.h>

#include "base/print.h"

void fh_fatal(const char *call, const void *pointer, const char *what) {
  char memory[512];
  fh_out out = {.fd = 2, .memory = memory, .room = sizeof memory};
  fh_out_text(&out, "freehold: ");
  fh_out_text(&out, call);
  fh_out_text(&out, "(");
  fh_out_hex(&out, (uintptr_t)pointer);
  fh_out_text(&out, "): ");
  fh_out_text(&out, what);
  fh_out_text(&out, "\n");
  fh_out_flush(&out);
  abort();
}

void fh_warn(const char *text, const char *detail) {
  char memory[512];
  fh_out out = {.fd = 2, .memory = memory, .room = sizeof memory};
  fh_out_text(&out, "freehold: ");
  fh_out_text(&out, text);
  fh_out_text(&out, detail);
  fh_out_text(&out, "\n");
  fh_out_flush(&out);
}
