/* Text without allocating: a small buffer that is written to a file descriptor when full. */
#ifndef FH_BASE_PRINT_H
#define FH_BASE_PRINT_H

#include "base/compiler.h"

typedef struct fh_out {
  int fd;        /* where to write; -1: keep in memory only */
  char *memory;  /* the buffer */
  size_t room;   /* its size */
  size_t length; /* bytes in it now */
  size_t total;  /* bytes printed, also those that found no room */
  bool colour;   /* escape sequences are wanted */
} fh_out;

void fh_out_text(fh_out *, const char *text);
void fh_out_number(fh_out *, uint64_t value);
void fh_out_hex(fh_out *, uint64_t value);
/* A number right-aligned in `width` columns with a thousands separator. */
void fh_out_column(fh_out *, uint64_t value, unsigned width);
/* Bytes as "12.3 MiB", right-aligned in `width` columns. */
void fh_out_size(fh_out *, uint64_t bytes, unsigned width);
/* part / whole as " 12.3 %". */
void fh_out_share(fh_out *, uint64_t part, uint64_t whole);
/* Text padded with blanks to `width` columns. */
void fh_out_label(fh_out *, const char *text, unsigned width);
void fh_out_flush(fh_out *);

#endif
