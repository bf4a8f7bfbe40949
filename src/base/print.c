#include "base/print.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

void fh_out_flush(fh_out *out) {
  size_t done = 0;
  int saved = errno;
  if (out->fd < 0) {
    return;
  }
  while (done < out->length) {
    ssize_t n = write(out->fd, out->memory + done, out->length - done);
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n <= 0) {
      break; /* nobody listens: there is nothing better to do with the text */
    }
    done += (size_t)n;
  }
  out->length = 0;
  errno = saved;
}

static void put(fh_out *out, const char *text, size_t length) {
  out->total += length;
  for (size_t i = 0; i < length; i++) {
    if (out->length == out->room) {
      fh_out_flush(out);
    }
    if (out->length < out->room) {
      out->memory[out->length++] = text[i];
    }
  }
}

void fh_out_text(fh_out *out, const char *text) { put(out, text, strlen(text)); }

static void pad(fh_out *out, size_t used, unsigned width) {
  for (; used < width; used++) {
    put(out, " ", 1);
  }
}

void fh_out_label(fh_out *out, const char *text, unsigned width) {
  fh_out_text(out, text);
  pad(out, strlen(text), width);
}

/* Writes the digits at the end of `text` (of 32 bytes) and returns where they begin. */
static const char *digits(char text[32], uint64_t value, unsigned base, bool group) {
  char *at = text + 31;
  unsigned n = 0;
  *at = '\0';
  do {
    if (group && n != 0 && n % 3 == 0) {
      *--at = ',';
    }
    *--at = "0123456789abcdef"[value % base];
    value /= base;
    n++;
  } while (value != 0);
  return at;
}

void fh_out_number(fh_out *out, uint64_t value) {
  char text[32] = "";
  fh_out_text(out, digits(text, value, 10, false));
}

void fh_out_hex(fh_out *out, uint64_t value) {
  char text[32] = "";
  fh_out_text(out, "0x");
  fh_out_text(out, digits(text, value, 16, false));
}

void fh_out_column(fh_out *out, uint64_t value, unsigned width) {
  char text[32] = "";
  const char *at = digits(text, value, 10, true);
  pad(out, strlen(at), width);
  fh_out_text(out, at);
}

void fh_out_size(fh_out *out, uint64_t bytes, unsigned width) {
  static const char *const unit[] = {" B  ", " KiB", " MiB", " GiB", " TiB"};
  char text[32] = "";
  unsigned u = 0;
  uint64_t whole = bytes;
  for (; whole >= (uint64_t)1 << 40; whole /= 1024) { /* far from overflow */
    u++;
  }
  uint64_t tenths = whole * 10;
  while (tenths >= 10240 && u < 4) {
    tenths /= 1024;
    u++;
  }
  const char *at = digits(text, u == 0 ? bytes : tenths / 10, 10, false);
  pad(out, strlen(at) + (u == 0 ? 0 : 2) + 4, width);
  fh_out_text(out, at);
  if (u != 0) {
    const char point[] = {'.', (char)('0' + tenths % 10)};
    put(out, point, sizeof point);
  }
  fh_out_text(out, unit[u]);
}

void fh_out_share(fh_out *out, uint64_t part, uint64_t whole) {
  unsigned shift = whole >> 50 == 0 ? 0 : 14; /* a thousand times the part must fit */
  whole >>= shift;
  part >>= shift;
  uint64_t tenths = whole == 0 ? 0 : (part * 1000 + whole / 2) / whole;
  fh_out_column(out, tenths / 10, 4);
  char rest[5] = {'.', (char)('0' + tenths % 10), ' ', '%', '\0'};
  fh_out_text(out, rest);
}
