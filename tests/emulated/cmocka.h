/* As much of cmocka as the unit tests use, for processors that Debian has no cmocka for beside the machine's own. A
 * test that fails jumps back to the runner, which goes on with the next. */
#ifndef TESTS_EMULATED_CMOCKA_H
#define TESTS_EMULATED_CMOCKA_H

#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>

typedef struct CMUnitTest {
  const char *name;
  void (*test)(void **state);
  int (*setup)(void **state);
  int (*teardown)(void **state);
  void *initial;
} CMUnitTest;

enum { EMULATED_FAILED = 1, EMULATED_SKIPPED = 2 };

static jmp_buf emulated_back;

static inline void emulated_leave(int why, const char *what, const char *file, int line) {
  fprintf(stderr, "%s:%d: %s%s\n", file, line, why == EMULATED_FAILED ? "not so: " : "skipped", what);
  longjmp(emulated_back, why);
}

static inline void emulated_same(uint64_t a, uint64_t b, int same, const char *what, const char *file, int line) {
  if ((a == b) != same) {
    fprintf(stderr, "%#llx, %#llx\n", (unsigned long long)a, (unsigned long long)b);
    emulated_leave(EMULATED_FAILED, what, file, line);
  }
}

#define emulated_must(so, what) ((so) ? (void)0 : emulated_leave(EMULATED_FAILED, what, __FILE__, __LINE__))
#define emulated_equal(a, b, same, what) emulated_same((uint64_t)(a), (uint64_t)(b), same, what, __FILE__, __LINE__)

#define assert_true(x) emulated_must((x), #x)
#define assert_false(x) emulated_must(!(x), "not " #x)
#define assert_null(x) emulated_must((x) == NULL, #x " is NULL")
#define assert_non_null(x) emulated_must((x) != NULL, #x " is not NULL")
#define assert_int_equal(a, b) emulated_equal(a, b, 1, #a " == " #b)
#define assert_int_not_equal(a, b) emulated_equal(a, b, 0, #a " != " #b)
#define assert_ptr_equal(a, b) emulated_equal((uintptr_t)(a), (uintptr_t)(b), 1, #a " == " #b)
#define assert_ptr_not_equal(a, b) emulated_equal((uintptr_t)(a), (uintptr_t)(b), 0, #a " != " #b)
#define assert_string_equal(a, b) emulated_must(__builtin_strcmp((a), (b)) == 0, #a " is " #b)
#define assert_string_not_equal(a, b) emulated_must(__builtin_strcmp((a), (b)) != 0, #a " is not " #b)
#define assert_memory_equal(a, b, n) emulated_must(__builtin_memcmp((a), (b), (n)) == 0, #a " holds " #b)
#define assert_memory_not_equal(a, b, n) emulated_must(__builtin_memcmp((a), (b), (n)) != 0, #a " does not hold " #b)
#define assert_in_range(x, low, high) emulated_must((x) >= (low) && (x) <= (high), #low " <= " #x " <= " #high)
#define fail() emulated_leave(EMULATED_FAILED, "fail", __FILE__, __LINE__)
#define fail_msg(...) (fprintf(stderr, __VA_ARGS__), emulated_leave(EMULATED_FAILED, "", __FILE__, __LINE__))
#define skip() emulated_leave(EMULATED_SKIPPED, "", __FILE__, __LINE__)
#define print_message(...) printf(__VA_ARGS__)

#define cmocka_unit_test(f) \
  { #f, f, NULL, NULL, NULL }
#define cmocka_unit_test_setup(f, s) \
  { #f, f, s, NULL, NULL }
#define cmocka_unit_test_teardown(f, t) \
  { #f, f, NULL, t, NULL }
#define cmocka_unit_test_setup_teardown(f, s, t) \
  { #f, f, s, t, NULL }
#define cmocka_unit_test_prestate(f, p) \
  { #f, f, NULL, NULL, p }

static inline int emulated_run_one(const CMUnitTest *test, void *group_state) {
  void *state = test->initial != NULL ? test->initial : group_state;
  if (test->setup != NULL && test->setup(&state) != 0) {
    fprintf(stderr, "setup of %s failed\n", test->name);
    return 1;
  }
  int why = setjmp(emulated_back);
  if (why == 0) {
    test->test(&state);
  }
  int failed = why == EMULATED_FAILED;
  if (test->teardown != NULL && test->teardown(&state) != 0) {
    failed = 1;
  }
  printf("%s %s\n", failed ? "FAILED" : "ok    ", test->name);
  fflush(stdout);
  return failed;
}

static inline int emulated_run(const CMUnitTest *tests, size_t count, int (*setup)(void **), int (*teardown)(void **)) {
  void *state = NULL;
  int failed = 0;
  if (setup != NULL && setup(&state) != 0) {
    return 1;
  }
  for (size_t i = 0; i < count; i++) {
    failed += emulated_run_one(&tests[i], state);
  }
  if (teardown != NULL) {
    teardown(&state);
  }
  return failed;
}

#define cmocka_run_group_tests(tests, setup, teardown) \
  emulated_run(tests, sizeof(tests) / sizeof(tests)[0], setup, teardown)
#define cmocka_run_group_tests_name(name, tests, setup, teardown) cmocka_run_group_tests(tests, setup, teardown)

#endif
