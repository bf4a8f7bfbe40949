/* The corners that the standards name. */
#include "unit/cm.h"

#include <errno.h>
#include <string.h>

#include "freehold/freehold.h"

static volatile size_t too_much = SIZE_MAX;

static void zero_sizes(void **state) {
  void *a = fh_malloc(0), *b = fh_malloc(0), *c = fh_calloc(0, 10);
  (void)state;
  assert_true(a != NULL && b != NULL && c != NULL && a != b);
  fh_free(a);
  fh_free(b);
  fh_free(c);
  fh_free(NULL);
  assert_null(fh_realloc(fh_malloc(10), 0));
}

static void impossible_sizes(void **state) {
  void *kept = fh_malloc(10), *out = kept;
  (void)state;
  errno = 0;
  assert_null(fh_malloc(too_much));
  assert_int_equal(errno, ENOMEM);
  errno = 0;
  assert_null(fh_malloc(too_much / 2));
  assert_int_equal(errno, ENOMEM);
  errno = 0;
  assert_null(fh_calloc(too_much / 2, 3));
  assert_int_equal(errno, ENOMEM);
  errno = 0;
  assert_null(fh_reallocarray(kept, too_much / 2, 3));
  assert_int_equal(errno, ENOMEM);
  assert_null(fh_realloc(kept, too_much - 100));
  assert_null(fh_aligned_alloc(64, too_much - 30));
  errno = 5;
  assert_int_equal(fh_posix_memalign(&out, 64, too_much - 30), ENOMEM);
  assert_int_equal(errno, 5);
  assert_ptr_equal(out, kept);
  fh_free(kept);
}

static void alignments(void **state) {
  void *out = NULL;
  (void)state;
  for (size_t align = 8; align <= (4u << 20); align *= 2) {
    for (size_t size = 1; size < 300000; size = size * 3 + 1) {
      assert_int_equal(fh_posix_memalign(&out, align, size), 0);
      assert_int_equal((uintptr_t)out % align, 0);
      memset(out, 1, size);
      out = fh_realloc(out, size + 100);
      assert_non_null(out);
      fh_free(out);
    }
  }
  assert_int_equal(fh_posix_memalign(&out, 24, 10), EINVAL);
  assert_int_equal(fh_posix_memalign(&out, 4, 10), EINVAL);
  errno = 0;
  assert_null(fh_aligned_alloc(48, 10));
  assert_int_equal(errno, EINVAL);
}

static void errno_is_kept(void **state) {
  (void)state;
  errno = 77;
  void *p = fh_malloc(100);
  p = fh_realloc(p, 5u << 20);
  p = fh_realloc(p, 50u << 20);
  fh_free(p);
  fh_free(fh_calloc(1, 300000));
  assert_int_equal(errno, 77);
}

/* A block stays where it is when it is to be as long as it is, or hardly shorter; what is far shorter does not keep the
 * rest; and no length is so large that it is taken for a short one. */
static void realloc_stays_where_it_may(void **state) {
  (void)state;
  for (size_t size = 1; size < (64u << 10); size += size / 3 + 1) {
    char *p = fh_malloc(size), *before = p;
    assert_non_null(p);
    size_t usable = fh_usable_size(p);
    assert_ptr_equal(fh_realloc(p, usable), before);
    assert_ptr_equal(fh_realloc(p, usable - usable / 8 % 64), before);
    for (size_t less = 0; less <= 2 * usable && less <= 128; less++) {
      assert_null(fh_realloc(p, SIZE_MAX - less));
    }
    assert_int_equal(fh_usable_size(p), usable);
    p = fh_realloc(p, size / 4 + 1);
    assert_true(usable < 256 || fh_usable_size(p) <= usable / 2 + 64);
    fh_free(p);
  }
}

/* A buffer of a chunk's length changes by a little again and again: nothing is split off for less than a class or two,
 * and all that is more goes back. */
static void chunks_keep_a_little(void **state) {
  (void)state;
  for (size_t size = 2000; size < (100u << 10); size += size / 7) {
    char *p = fh_malloc(size), *guard = fh_malloc(size);
    size_t usable = fh_usable_size(p);
    assert_ptr_equal(fh_realloc(p, usable - usable / 32), p);
    assert_int_equal(fh_usable_size(p), usable);
    assert_ptr_equal(fh_realloc(p, usable - usable / 8), p);
    assert_true(fh_usable_size(p) < usable - usable / 16);
    assert_true(fh_usable_size(p) >= usable - usable / 8);
    fh_free(p);
    fh_free(guard);
  }
}

static void usable_sizes(void **state) {
  (void)state;
  assert_int_equal(fh_usable_size(NULL), 0);
  for (size_t size = 0; size < 400000; size += 1 + size / 50) {
    void *p = fh_malloc(size);
    size_t usable = fh_usable_size(p);
    assert_true(usable >= size);
    memset(p, 0xff, usable);
    fh_free(p);
  }
}

static void huge_grows_without_loss(void **state) {
  size_t size = 1u << 20;
  unsigned char *p = fh_malloc(size);
  (void)state;
  memset(p, 9, size);
  for (; size < (200u << 20); size *= 2) {
    void *blocker = fh_malloc(1u << 20); /* so that it must move */
    p = fh_realloc(p, 2 * size);
    assert_non_null(p);
    assert_int_equal(p[0], 9);
    assert_int_equal(p[size - 1], 9);
    assert_int_equal(p[size / 2 + 13], 9);
    memset(p + size, 9, size);
    fh_free(blocker);
  }
  fh_free(p);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(zero_sizes),           cmocka_unit_test(impossible_sizes),
      cmocka_unit_test(alignments),           cmocka_unit_test(errno_is_kept),
      cmocka_unit_test(usable_sizes),         cmocka_unit_test(realloc_stays_where_it_may),
      cmocka_unit_test(chunks_keep_a_little), cmocka_unit_test(huge_grows_without_loss),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
