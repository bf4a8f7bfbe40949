/* The C library's names. Each forwards; nothing else happens here. */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>

#include "base/bits.h"
#include "base/compiler.h"
#include "freehold/freehold.h"
#include "heap/fast.h"
#include "lens/report.h"
#include "os/os.h"

void *reallocarray(void *, size_t, size_t);
void cfree(void *);
void free_sized(void *, size_t);
void free_aligned_sized(void *, size_t, size_t);

fh_public void *malloc(size_t bytes) { return fh_fast_malloc(bytes); }

fh_public void free(void *pointer) { fh_fast_free(pointer); }

fh_public void *calloc(size_t count, size_t bytes) { return fh_calloc(count, bytes); }

fh_public void *realloc(void *pointer, size_t bytes) { return fh_realloc(pointer, bytes); }

fh_public void *reallocarray(void *pointer, size_t count, size_t bytes) {
  return fh_reallocarray(pointer, count, bytes);
}

fh_public int posix_memalign(void **out, size_t alignment, size_t bytes) {
  return fh_posix_memalign(out, alignment, bytes);
}

fh_public void *aligned_alloc(size_t alignment, size_t bytes) { return fh_aligned_alloc(alignment, bytes); }

fh_public void *memalign(size_t alignment, size_t bytes) { return fh_memalign(alignment, bytes); }

fh_public void *valloc(size_t bytes) { return fh_memalign(fh_os_page_size(), bytes); }

fh_public void *pvalloc(size_t bytes) {
  size_t page = fh_os_page_size();
  if (bytes > FH_OBJECT_MAX) {
    errno = ENOMEM;
    return NULL;
  }
  return fh_memalign(page, fh_round_up(bytes, page));
}

fh_public size_t malloc_usable_size(void *pointer) { return fh_usable_size(pointer); }

fh_public void cfree(void *pointer) { fh_fast_free(pointer); }

fh_public void free_sized(void *pointer, size_t bytes) { fh_free_sized(pointer, bytes); }

fh_public void free_aligned_sized(void *pointer, size_t alignment, size_t bytes) {
  fh_free_aligned_sized(pointer, alignment, bytes);
}

fh_public int malloc_trim(size_t keep) { return fh_trim(keep); }

/* A program that links the library statically wants FREEHOLD_STATS as well. */
__attribute__((used)) static char *const report_at_exit = &fh_exit_report;

fh_public void malloc_stats(void) { fh_report_text(2); }

/* The fields that mean something here; the others are 0. */
fh_public struct mallinfo2 mallinfo2(void) {
  fh_heap_stats now;
  fh_stats(&now);
  return (struct mallinfo2){
      .arena = now.committed,
      .uordblks = now.used_pages,
      .fordblks = now.kept_dirty + now.clean,
      .keepcost = now.kept_dirty,
  };
}

static int clamp(size_t value) { return value > INT32_MAX ? INT32_MAX : (int)value; }

fh_public struct mallinfo mallinfo(void) {
  struct mallinfo2 now = mallinfo2();
  return (struct mallinfo){
      .arena = clamp(now.arena),
      .uordblks = clamp(now.uordblks),
      .fordblks = clamp(now.fordblks),
      .keepcost = clamp(now.keepcost),
  };
}

/* XML, as the manual page asks. The stream is the caller's and may allocate: no lock is held here. */
fh_public int malloc_info(int options, FILE *stream) {
  fh_heap_stats now;
  if (options != 0) {
    errno = EINVAL;
    return -1;
  }
  fh_stats(&now);
  int printed = fprintf(stream,
                        "<malloc version=\"freehold-1\">\n<system type=\"current\" size=\"%llu\"/>\n"
                        "<used size=\"%llu\"/>\n<free type=\"dirty\" size=\"%llu\"/>\n</malloc>\n",
                        (unsigned long long)now.committed, (unsigned long long)now.used_pages,
                        (unsigned long long)now.kept_dirty);
  return printed < 0 ? -1 : 0;
}

/* glibc's tuning parameters have no counterpart; M_ARENA_MAX and the like are accepted and change nothing. */
fh_public int mallopt(int parameter, int value) {
  (void)parameter;
  (void)value;
  return 1;
}

/* What programs that were written against glibc call past any interposition. */
#define LIBC(result, name, args) fh_public result __libc_##name args __attribute__((alias(#name)))
LIBC(void *, malloc, (size_t));
LIBC(void, free, (void *));
LIBC(void *, calloc, (size_t, size_t));
LIBC(void *, realloc, (void *, size_t));
LIBC(void *, memalign, (size_t, size_t));
LIBC(void *, valloc, (size_t));
LIBC(void *, pvalloc, (size_t));
LIBC(void *, reallocarray, (void *, size_t, size_t));
LIBC(struct mallinfo, mallinfo, (void));
LIBC(int, mallopt, (int, int));
fh_public int __posix_memalign(void **, size_t, size_t) __attribute__((alias("posix_memalign")));
fh_public void *__libc_aligned_alloc(size_t, size_t) __attribute__((alias("aligned_alloc")));
fh_public void __libc_cfree(void *) __attribute__((alias("cfree")));
