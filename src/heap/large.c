#include "heap/large.h"

#include "base/bits.h"
#include "base/fatal.h"
#include "heap/sleeper.h"
#include "os/os.h"

/* Below this a copy is cheaper than the kernel's work on page tables. */
#define MOVE_LEAST ((size_t)256 << 10)

static size_t pages_for(size_t bytes) { return (bytes + FH_PAGE_SIZE - 1) >> FH_PAGE_SHIFT; }

void *fh_large_take(size_t alignment, size_t bytes, bool *zero) {
  fh_sleeper_help();
  size_t align = fh_max(alignment >> FH_PAGE_SHIFT, 1);
  fh_span *span = fh_pages_take(fh_max(pages_for(bytes), 1), align, FH_SPAN_LARGE);
  if (span == NULL) {
    return NULL;
  }
  *zero = span->fresh != 0;
  return span->start;
}

void fh_large_give(const char *call, fh_span *span, void *pointer) {
  if (pointer != span->start) {
    fh_fatal(call, pointer, "not the start of an allocation");
  }
  fh_pages_give(span);
}

bool fh_large_resize(fh_span *span, size_t bytes) {
  size_t need = pages_for(bytes);
  if (need < span->pages) {
    fh_pages_cut(span, need);
  }
  return need <= span->pages || fh_pages_extend(span, need - span->pages);
}

/* The kernel moves only what is one mapping to it: try the whole, then halves, and copy what is left. */
static void move_contents(char *to, char *from, size_t bytes) {
  if (bytes >= MOVE_LEAST && fh_os_move(to, from, bytes)) {
    return;
  }
  if (bytes < 2 * MOVE_LEAST) {
    __builtin_memcpy(to, from, bytes);
    return;
  }
  size_t half = fh_round_up(bytes / 2, (size_t)64 << 10);
  move_contents(to, from, half);
  move_contents(to + half, from + half, bytes - half);
}

void *fh_large_move(fh_span *span, size_t bytes) {
  fh_span *next = fh_pages_take(pages_for(bytes), 1, FH_SPAN_LARGE);
  if (next == NULL) {
    return NULL;
  }
  size_t keep = fh_min(fh_span_bytes(span), fh_span_bytes(next));
  size_t page = fh_os_page_size();
  bool whole = (((uintptr_t)span->start | (uintptr_t)next->start | keep) & (page - 1)) == 0;
  if (whole) {
    move_contents(next->start, span->start, keep);
  } else {
    __builtin_memcpy(next->start, span->start, keep);
  }
  fh_pages_give(span);
  return next->start;
}
