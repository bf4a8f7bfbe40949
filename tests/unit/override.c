/* The C library's names, as C23 and POSIX have them, in a program that is linked against the library. */
#include "unit/cm.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "freehold/freehold.h"
#include "unit/child.h"

void free_sized(void *, size_t);
void free_aligned_sized(void *, size_t, size_t);

/* The compiler knows these functions and may answer for them: it must not know what is called, nor the sizes. */
static void *(*volatile do_malloc)(size_t) = malloc;
static void *(*volatile do_calloc)(size_t, size_t) = calloc;
static void *(*volatile do_realloc)(void *, size_t) = realloc;
static void *(*volatile do_reallocarray)(void *, size_t, size_t) = reallocarray;
static int (*volatile do_posix_memalign)(void **, size_t, size_t) = posix_memalign;
static void *(*volatile do_aligned_alloc)(size_t, size_t) = aligned_alloc;
static void *(*volatile do_memalign)(size_t, size_t) = memalign;
static void *(*volatile do_valloc)(size_t) = valloc;
static void *(*volatile do_pvalloc)(size_t) = pvalloc;
static void (*volatile do_free)(void *) = free;

/* From slabs, chunks and large objects. */
static const size_t sizes[] = {1, 16, 100, 256, 257, 1000, 1024, 1025, 4096, 5000, 60000, 131072, 131073, 1 << 20};
enum { SIZES = sizeof sizes / sizeof *sizes };

/* No object can be that large: past PTRDIFF_MAX, at it, and so near that rounding would wrap. */
static const size_t impossible[] = {SIZE_MAX,         SIZE_MAX - 15,   SIZE_MAX - 4095, SIZE_MAX / 2 + 2,
                                    SIZE_MAX / 2 + 1, PTRDIFF_MAX - 1, PTRDIFF_MAX};
enum { IMPOSSIBLE = sizeof impossible / sizeof *impossible };

static size_t page;

static int start(void **state) {
  (void)state;
  page = (size_t)sysconf(_SC_PAGESIZE);
  errno = 77;
  return 0;
}

static bool kept_errno(void) {
  bool kept = errno == 77;
  errno = 77;
  return kept;
}

static bool failed_with(const void *result, int error) {
  bool right = result == NULL && errno == error;
  errno = 77;
  return right;
}

static bool all_are(const char *at, size_t bytes, int value) {
  for (size_t i = 0; i < bytes; i++) {
    if (at[i] != (char)value) {
      return false;
    }
  }
  return true;
}

static void names_are_the_library_s(void **state) {
  static const char *const names[] = {
      "malloc",   "calloc", "realloc", "free",       "reallocarray",       "posix_memalign", "aligned_alloc",
      "memalign", "valloc", "pvalloc", "free_sized", "malloc_usable_size", "malloc_trim",    "free_aligned_sized"};
  Dl_info want, got;
  (void)state;
  assert_true(dladdr(dlsym(RTLD_DEFAULT, "fh_malloc"), &want) != 0);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    assert_true(dladdr(dlsym(RTLD_DEFAULT, names[i]), &got) != 0);
    assert_ptr_equal(got.dli_fbase, want.dli_fbase);
  }
  fh_heap_stats before, after;
  fh_stats(&before);
  char *large = do_malloc(8u << 20), *copy = strdup("what the C library takes comes from here too");
  fh_stats(&after);
  assert_true(after.used_pages >= before.used_pages + (8u << 20));
  assert_true(fh_usable_size(copy) >= strlen(copy) + 1); /* would stop the program for a foreign pointer */
  do_free(copy);
  fh_free(large); /* both faces are of one heap */
}

static void malloc_gives_memory(void **state) {
  (void)state;
  for (size_t i = 0; i < SIZES; i++) {
    char *p = do_malloc(sizes[i]);
    assert_non_null(p);
    assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
    size_t usable = malloc_usable_size(p);
    assert_true(usable >= sizes[i] && usable < sizes[i] + sizes[i] / 8 + 20000);
    memset(p, 0x5a, usable); /* all of it may be used */
    char *next = do_malloc(sizes[i]);
    memset(next, 0x33, malloc_usable_size(next));
    assert_true(all_are(p, usable, 0x5a));
    do_free(p);
    assert_true(all_are(next, sizes[i], 0x33));
    do_free(next);
    assert_true(kept_errno());
  }
  assert_int_equal(malloc_usable_size(NULL), 0);
  do_free(NULL);
  assert_true(kept_errno());
}

/* A pointer of its own, which can be freed. */
static void size_0(void **state) {
  void *p[8], *aligned = NULL;
  (void)state;
  p[0] = do_malloc(0);
  p[1] = do_malloc(0);
  p[2] = do_calloc(0, 5);
  p[3] = do_calloc(5, 0);
  p[4] = do_realloc(NULL, 0);
  p[5] = do_aligned_alloc(64, 0);
  p[6] = do_memalign(8192, 0);
  assert_int_equal(do_posix_memalign(&aligned, 128, 0), 0);
  p[7] = aligned;
  for (size_t i = 0; i < 8; i++) {
    assert_non_null(p[i]);
    for (size_t k = 0; k < i; k++) {
      assert_ptr_not_equal(p[i], p[k]);
    }
  }
  for (size_t i = 0; i < 8; i++) {
    do_free(p[i]);
  }
  void *v = do_valloc(0), *pv = do_pvalloc(0);
  assert_true(v != NULL && pv != NULL && v != pv);
  do_free(v);
  do_free(pv);
  assert_true(kept_errno());
}

static void calloc_clears(void **state) {
  (void)state;
  for (int round = 0; round < 3; round++) { /* also what was used before */
    for (size_t i = 0; i < SIZES; i++) {
      char *p = do_calloc(sizes[i], 1), *q = do_calloc(3, sizes[i]);
      assert_true(p != NULL && all_are(p, sizes[i], 0));
      assert_true(q != NULL && all_are(q, 3 * sizes[i], 0));
      memset(p, 0xff, malloc_usable_size(p));
      memset(q, 0xff, malloc_usable_size(q));
      do_free(p);
      do_free(q);
    }
  }
  assert_true(kept_errno());
}

static void products_that_do_not_fit(void **state) {
  static const size_t factors[][2] = {{SIZE_MAX, 2},
                                      {2, SIZE_MAX},
                                      {SIZE_MAX / 2 + 1, 2}, /* wraps to 0 */
                                      {SIZE_MAX / 3 + 2, 3}, /* to a small number */
                                      {(size_t)1 << 33, (size_t)1 << 33},
                                      {SIZE_MAX / 4, 2}}; /* fits, but past PTRDIFF_MAX */
  char *kept = do_malloc(100);
  (void)state;
  memset(kept, 7, 100);
  for (size_t i = 0; i < sizeof factors / sizeof *factors; i++) {
    size_t a = factors[i][0], b = factors[i][1];
    if (a != SIZE_MAX / 4) {
      assert_true(failed_with(do_reallocarray(kept, a, b), ENOMEM));
      assert_true(failed_with(do_calloc(a, b), ENOMEM));
    } else {
      assert_true(failed_with(do_calloc(a, 2 * b), ENOMEM));
    }
    assert_true(all_are(kept, 100, 7));
  }
  kept = do_reallocarray(kept, 50, 40);
  assert_true(malloc_usable_size(kept) >= 2000 && all_are(kept, 100, 7));
  do_free(kept);
  assert_true(kept_errno());
}

static void impossible_sizes(void **state) {
  char *kept = do_malloc(2000);
  void *out = kept;
  (void)state;
  memset(kept, 7, 2000);
  for (size_t i = 0; i < IMPOSSIBLE; i++) {
    size_t size = impossible[i];
    assert_true(failed_with(do_malloc(size), ENOMEM));
    assert_true(failed_with(do_calloc(1, size), ENOMEM));
    assert_true(failed_with(do_calloc(size, 1), ENOMEM));
    assert_true(failed_with(do_realloc(kept, size), ENOMEM));
    assert_true(failed_with(do_realloc(NULL, size), ENOMEM));
    assert_true(failed_with(do_reallocarray(kept, size, 1), ENOMEM));
    assert_true(failed_with(do_memalign(64, size), ENOMEM));
    assert_true(failed_with(do_aligned_alloc(4096, size), ENOMEM));
    assert_true(failed_with(do_valloc(size), ENOMEM));
    assert_true(failed_with(do_pvalloc(size), ENOMEM));
    assert_int_equal(do_posix_memalign(&out, 64, size), ENOMEM);
    assert_true(kept_errno() && out == kept); /* neither is touched */
  }
  assert_true(all_are(kept, 2000, 7));
  do_free(kept);
  char *large = do_malloc(3u << 20);
  memset(large, 8, 3u << 20);
  for (size_t i = 0; i < IMPOSSIBLE; i++) {
    assert_true(failed_with(do_realloc(large, impossible[i]), ENOMEM));
  }
  assert_true(all_are(large, 3u << 20, 8));
  do_free(large);
  assert_true(kept_errno());
}

/* What an aligned call must give back. */
static void check_aligned(char *p, size_t alignment, size_t bytes) {
  assert_non_null(p);
  assert_int_equal((uintptr_t)p % alignment, 0);
  assert_true(malloc_usable_size(p) >= bytes);
  memset(p, 0x5a, bytes);
  p = do_realloc(p, bytes + 3000); /* such blocks are blocks as any */
  assert_true(p != NULL && all_are(p, bytes, 0x5a));
  do_free(p);
  assert_true(kept_errno());
}

static void alignments(void **state) {
  (void)state;
  for (size_t alignment = sizeof(void *); alignment <= (8u << 20); alignment *= 2) { /* far over a page */
    for (size_t i = 0; i < SIZES; i++) {
      void *p = NULL;
      assert_int_equal(do_posix_memalign(&p, alignment, sizes[i]), 0);
      check_aligned(p, alignment, sizes[i]);
      check_aligned(do_aligned_alloc(alignment, sizes[i]), alignment, sizes[i]); /* C23: any size */
      check_aligned(do_memalign(alignment, sizes[i]), alignment, sizes[i]);
    }
  }
}

static void bad_alignments(void **state) {
  static const size_t bad[] = {0, 3, 24, 48, 4097, SIZE_MAX, SIZE_MAX / 2};
  void *out = &out;
  (void)state;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    assert_int_equal(do_posix_memalign(&out, bad[i], 10), EINVAL);
    assert_true(failed_with(do_aligned_alloc(bad[i], 10), EINVAL));
  }
  for (size_t small = 1; small < sizeof(void *);
       small *= 2) { /* a power of two, but posix_memalign wants a pointer's */
    assert_int_equal(do_posix_memalign(&out, small, 10), EINVAL);
    check_aligned(do_aligned_alloc(small, 10), small, 10);
  }
  assert_ptr_equal(out, &out);
  assert_int_equal(do_posix_memalign(&out, (size_t)1 << 63, 10), ENOMEM); /* a power of two that no address can have */
  assert_true(kept_errno());
  assert_true(failed_with(do_aligned_alloc((size_t)1 << 63, 10), ENOMEM));
  assert_true(failed_with(do_aligned_alloc((size_t)1 << 62, 10), ENOMEM));
  assert_ptr_equal(out, &out);
  /* memalign takes the next power of two, as the C library's does. */
  check_aligned(do_memalign(0, 10), 16, 10);
  check_aligned(do_memalign(48, 100), 64, 100);
  check_aligned(do_memalign(4097, 100), 8192, 100);
  assert_true(failed_with(do_memalign(SIZE_MAX / 2, 10), EINVAL));
}

static void whole_pages(void **state) {
  (void)state;
  for (size_t i = 0; i < SIZES; i++) {
    check_aligned(do_valloc(sizes[i]), page, sizes[i]);
    check_aligned(do_pvalloc(sizes[i]), page, (sizes[i] + page - 1) / page * page);
  }
}

static void realloc_corners(void **state) {
  (void)state;
  char *p = do_realloc(NULL, 300);
  assert_true(malloc_usable_size(p) >= 300);
  for (size_t i = 0; i < SIZES; i++) { /* frees, as glibc does; C23 leaves it undefined */
    assert_null(do_realloc(do_malloc(sizes[i]), 0));
    assert_null(do_reallocarray(do_malloc(sizes[i]), 0, 8));
  }
  assert_true(kept_errno());
  fh_heap_stats before, after;
  fh_stats(&before);
  for (int i = 0; i < 1000; i++) {
    assert_null(do_realloc(do_malloc(1u << 20), 0));
  }
  fh_stats(&after);
  assert_true(after.used_pages <= before.used_pages + (2u << 20)); /* freed, not lost */
  do_free(p);
}

/* Byte i of the pattern, different in every page. */
static char pattern(size_t i) { return (char)(i ^ i >> 8 ^ i >> 16); }

static void write_pattern(char *p, size_t from, size_t to) {
  for (size_t i = from; i < to; i++) {
    p[i] = pattern(i);
  }
}

static bool has_pattern(const char *p, size_t bytes) {
  for (size_t i = 0; i < bytes; i++) {
    if (p[i] != pattern(i)) {
      return false;
    }
  }
  return true;
}

/* Slab, chunk, large object, pages that the kernel moves: and all the way back. A block behind makes it move. */
static void contents_survive(size_t numerator, size_t denominator) {
  size_t size = 5, most = (size_t)12 << 20;
  char *p = do_malloc(size);
  write_pattern(p, 0, size);
  while (size < most) {
    size_t next = size * numerator / denominator + 7;
    void *behind = do_malloc(size);
    p = do_realloc(p, next);
    assert_non_null(p);
    assert_true(has_pattern(p, size));
    assert_true(malloc_usable_size(p) >= next);
    write_pattern(p, size, next);
    do_free(behind);
    size = next;
  }
  while (size > 10) {
    size = size * denominator / numerator;
    p = do_realloc(p, size);
    assert_true(p != NULL && has_pattern(p, size));
  }
  do_free(p);
  assert_true(kept_errno());
}

static void growth_keeps_contents(void **state) {
  (void)state;
  contents_survive(2, 1);
  contents_survive(3, 2);
  contents_survive(10, 1);
}

/* Large enough for the kernel to move page tables, which must not show what was at the new place before. */
static void moved_pages_are_right(void **state) {
  enum { MIB = 1 << 20 };
  char *old = do_malloc(9 * MIB), *p = do_malloc(2 * MIB), *behind = do_malloc(2 * MIB);
  (void)state;
  assert_true(old != NULL && p != NULL && behind != NULL);
  memset(old, 0xff, 9 * MIB);
  write_pattern(p, 0, 2 * MIB);
  do_free(old);
  for (size_t size = 2 * MIB; size < 8 * MIB; size += MIB) {
    void *hold = do_malloc(MIB / 2);
    p = do_realloc(p, size + MIB);
    assert_true(p != NULL && has_pattern(p, size));
    write_pattern(p, size, size + MIB);
    do_free(hold);
  }
  do_free(p);
  do_free(behind);
  assert_true(kept_errno());
}

/* Grows a large block while the process has more address space than a limit that was set meanwhile: 0 when it moves, or
 * is refused, with its contents. */
static int grow_over_the_limit(void) {
  struct rlimit limit = {(rlim_t)2 << 30, RLIM_INFINITY};
  size_t size = (size_t)1 << 20;
  char *p = do_malloc(size), *behind = do_malloc(size);
  if (p == NULL || behind == NULL || setrlimit(RLIMIT_AS, &limit) != 0) {
    return 1;
  }
  write_pattern(p, 0, size);
  char *grown = do_realloc(p, 2 * size);
  return has_pattern(grown != NULL ? grown : p, size) ? 0 : 2;
}

static void lowered_limit_is_survived(void **state) {
  (void)state;
  assert_int_equal(child_run(grow_over_the_limit, 0).status, 0);
}

/* The memory really comes back: a loop of it does not grow. */
static void sized_frees_free(void **state) {
  fh_heap_stats before, after;
  (void)state;
  free_sized(NULL, 0);
  free_aligned_sized(NULL, 64, 0);
  fh_stats(&before);
  for (int i = 0; i < 200; i++) {
    for (size_t k = 0; k < SIZES; k++) {
      free_sized(do_malloc(sizes[k]), sizes[k]);
      free_sized(do_calloc(1, sizes[k]), sizes[k]);
      free_aligned_sized(do_aligned_alloc(4096, sizes[k]), 4096, sizes[k]);
    }
  }
  fh_stats(&after);
  assert_true(after.used_pages <= before.used_pages + (4u << 20));
  assert_true(kept_errno());
}

/* POSIX.1-2024: free keeps errno, also where it calls the kernel. */
static void free_keeps_errno(void **state) {
  static void *many[200];
  fh_heap_stats before, after;
  (void)state;
  fh_stats(&before);
  for (size_t i = 0; i < 200; i++) {
    many[i] = do_malloc(100000 + i * 997);
    memset(many[i], 1, 100000);
  }
  errno = 77;
  for (size_t i = 0; i < 200; i++) {
    do_free(many[i]);
    assert_true(kept_errno());
  }
  fh_stats(&after);
  assert_true(after.purges > before.purges);
  malloc_trim(0);
  assert_true(kept_errno());
}

static void trim_tells_whether_it_gave(void **state) {
  (void)state;
  malloc_trim(0);
  char *p = do_malloc(1u << 20);
  memset(p, 1, 1u << 20);
  do_free(p);
  assert_int_equal(malloc_trim(0), 1);
  assert_int_equal(malloc_trim(0), 0);
}

static void mallinfo_follows(void **state) {
  struct mallinfo2 before = mallinfo2();
  (void)state;
  void *p = do_malloc(16u << 20);
  struct mallinfo2 after = mallinfo2();
  assert_int_equal(after.uordblks - before.uordblks, 16u << 20);
  assert_true(after.arena >= after.uordblks);
  do_free(p);
  assert_int_equal(mallinfo2().uordblks, before.uordblks);
}

static void info_is_xml(void **state) {
  char text[2000] = "";
  FILE *stream = fmemopen(text, sizeof text, "w");
  (void)state;
  assert_int_equal(malloc_info(0, stream), 0);
  fclose(stream);
  assert_int_equal(strncmp(text, "<malloc version=", 16), 0);
  assert_non_null(strstr(text, "\n</malloc>\n"));
}

/* FREEHOLD_STATS. */

static char path[] = "freehold-stats-XXXXXX";

static int with_text(void) {
  setenv("FREEHOLD_STATS", "1", 1);
  return 0;
}

static int with_nothing(void) {
  setenv("FREEHOLD_STATS", "0", 1);
  return 0;
}

static int with_file(void) {
  setenv("FREEHOLD_STATS", path, 1);
  return 0;
}

static int with_bad_file(void) {
  setenv("FREEHOLD_STATS", "/nonexistent/stats", 1);
  return 0;
}

static void setting_reports_at_exit(void **state) {
  static char text[4096];
  (void)state;
  child_end end = child_run(with_text, 1);
  assert_int_equal(end.status, 0);
  assert_non_null(strstr(end.text, "freehold: bytes of spans in use\n"));
  end = child_run(with_nothing, 1);
  assert_int_equal(end.status, 0);
  assert_string_equal(end.text, "");
  int file = mkstemp(path);
  assert_true(file >= 0);
  end = child_run(with_file, 1);
  assert_int_equal(end.status, 0);
  assert_string_equal(end.text, "");
  child_read(file, text, sizeof text);
  close(file);
  unlink(path);
  assert_true(strncmp(text, "{\n", 2) == 0 && strstr(text, "\"used_pages\": ") != NULL);
  assert_string_equal(text + strlen(text) - 3, "\n}\n");
  end = child_run(with_bad_file, 1);
  assert_int_equal(end.status, 0);
  assert_string_equal(end.text, "freehold: statistics could not be written to /nonexistent/stats\n");
}

#define KEEPS(test) cmocka_unit_test_setup(test, start)

int main(void) {
  const struct CMUnitTest tests[] = {
      KEEPS(names_are_the_library_s),
      KEEPS(malloc_gives_memory),
      KEEPS(size_0),
      KEEPS(calloc_clears),
      KEEPS(products_that_do_not_fit),
      KEEPS(impossible_sizes),
      KEEPS(alignments),
      KEEPS(bad_alignments),
      KEEPS(whole_pages),
      KEEPS(realloc_corners),
      KEEPS(growth_keeps_contents),
      KEEPS(moved_pages_are_right),
      KEEPS(lowered_limit_is_survived),
      KEEPS(sized_frees_free),
      KEEPS(free_keeps_errno),
      KEEPS(trim_tells_whether_it_gave),
      KEEPS(mallinfo_follows),
      KEEPS(info_is_xml),
      KEEPS(setting_reports_at_exit),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
