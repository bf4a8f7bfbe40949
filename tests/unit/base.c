/* Arithmetic, printing, settings and the order of locks. */
#include "unit/cm.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/time.h>

#include "base/bits.h"
#include "base/fatal.h"
#include "base/lock.h"
#include "base/print.h"
#include "base/settings.h"
#include "unit/child.h"

/* Bits. */

static void rounding(void **state) {
  (void)state;
  for (size_t power = 1; power <= 4096; power *= 2) {
    for (size_t value = 0; value < 9000; value += 1 + value / 40) {
      size_t up = fh_round_up(value, power), down = fh_round_down(value, power);
      assert_true(up % power == 0 && up >= value && up - value < power);
      assert_true(down % power == 0 && down <= value && value - down < power);
    }
  }
  assert_int_equal(fh_round_up(SIZE_MAX - 4095, 4096), SIZE_MAX - 4095);
  assert_int_equal(fh_round_down(SIZE_MAX, 4096), SIZE_MAX - 4095);
}

static void single_bits(void **state) {
  (void)state;
  assert_false(fh_is_power_of_two(0));
  for (unsigned bit = 0; bit < 64; bit++) {
    uint64_t word = UINT64_C(1) << bit, below = word | (word - 1);
    assert_int_equal(fh_lowest_bit(word), bit);
    assert_int_equal(fh_lowest_bit(~(word - 1)), bit);
    assert_int_equal(fh_highest_bit(word), bit);
    assert_int_equal(fh_highest_bit(below), bit);
    assert_int_equal(fh_power_of_two_below(below), word);
    assert_true(fh_is_power_of_two(word));
    assert_int_equal(fh_is_power_of_two(word + 1), bit == 0); /* 2 is one too */
    assert_int_equal(fh_is_power_of_two(below), bit == 0);
  }
}

static void products(void **state) {
  size_t out = 1;
  (void)state;
  assert_true(fh_product(0, SIZE_MAX, &out));
  assert_int_equal(out, 0);
  assert_true(fh_product(SIZE_MAX, 1, &out));
  assert_true(out == SIZE_MAX);
  assert_true(fh_product((size_t)1 << 31, (size_t)1 << 32, &out));
  assert_true(out == (size_t)1 << 63);
  assert_false(fh_product((size_t)1 << 32, (size_t)1 << 32, &out));
  assert_false(fh_product(SIZE_MAX / 2 + 1, 2, &out));
  assert_false(fh_product(3, SIZE_MAX / 3 + 1, &out)); /* wraps to a small number */
  assert_true(fh_min(3, SIZE_MAX) == 3 && fh_max(3, SIZE_MAX) == SIZE_MAX);
}

/* Printing. */

static char text[256];

static fh_out in_memory(void) {
  memset(text, 0, sizeof text);
  return (fh_out){.fd = -1, .memory = text, .room = sizeof text - 1};
}

#define PRINTS(want, call)           \
  do {                               \
    fh_out out = in_memory();        \
    call;                            \
    assert_string_equal(text, want); \
  } while (0)

static void numbers(void **state) {
  (void)state;
  PRINTS("0", fh_out_number(&out, 0));
  PRINTS("10", fh_out_number(&out, 10));
  PRINTS("18446744073709551615", fh_out_number(&out, UINT64_MAX));
  PRINTS("0x0", fh_out_hex(&out, 0));
  PRINTS("0xdeadbeef", fh_out_hex(&out, 0xdeadbeef));
  PRINTS("0xffffffffffffffff", fh_out_hex(&out, UINT64_MAX));
}

static void columns(void **state) {
  (void)state;
  PRINTS("    0", fh_out_column(&out, 0, 5));
  PRINTS("  999", fh_out_column(&out, 999, 5));
  PRINTS("1,000", fh_out_column(&out, 1000, 5));
  PRINTS("1,234,567", fh_out_column(&out, 1234567, 5)); /* too narrow: never cut */
  PRINTS("18,446,744,073,709,551,615", fh_out_column(&out, UINT64_MAX, 0));
  PRINTS("ab   |", (fh_out_label(&out, "ab", 5), fh_out_text(&out, "|")));
  PRINTS("abcdef|", (fh_out_label(&out, "abcdef", 5), fh_out_text(&out, "|")));
}

static void byte_units(void **state) {
  (void)state;
  PRINTS("0 B  ", fh_out_size(&out, 0, 0));
  PRINTS("   1023 B  ", fh_out_size(&out, 1023, 11));
  PRINTS("    1.0 KiB", fh_out_size(&out, 1024, 11));
  PRINTS("1.5 KiB", fh_out_size(&out, 1536, 0));
  PRINTS("1023.9 KiB", fh_out_size(&out, (1u << 20) - 1, 0));
  PRINTS("1.0 MiB", fh_out_size(&out, 1u << 20, 0));
  PRINTS("2.5 GiB", fh_out_size(&out, UINT64_C(5) << 29, 0));
  PRINTS("1.0 TiB", fh_out_size(&out, UINT64_C(1) << 40, 0));
  PRINTS("1024.0 TiB", fh_out_size(&out, UINT64_C(1) << 50, 0)); /* the largest unit */
}

static void shares(void **state) {
  (void)state;
  PRINTS("   0.0 %", fh_out_share(&out, 0, 0));
  PRINTS("  33.3 %", fh_out_share(&out, 1, 3));
  PRINTS("  66.7 %", fh_out_share(&out, 2, 3));
  PRINTS(" 100.0 %", fh_out_share(&out, 7, 7));
}

static void too_long_is_cut_and_counted(void **state) {
  char small[16];
  fh_out out = {.fd = -1, .memory = small, .room = 10};
  (void)state;
  memset(small, '#', sizeof small);
  fh_out_text(&out, "0123456");
  fh_out_number(&out, 789012345);
  assert_int_equal(out.total, 16);
  assert_int_equal(out.length, 10);
  assert_memory_equal(small, "0123456789######", sizeof small); /* nothing behind the room is written */
}

/* Through a buffer much smaller than the text. */
static void pipe_gets_everything(void **state) {
  int ends[2];
  char small[7], got[2000], want[2000];
  size_t length = 0;
  (void)state;
  assert_int_equal(pipe(ends), 0);
  fh_out out = {.fd = ends[1], .memory = small, .room = sizeof small};
  errno = 77;
  for (unsigned i = 0; i < 300; i++) {
    fh_out_number(&out, i);
    fh_out_text(&out, "\n");
    length += (size_t)snprintf(want + length, sizeof want - length, "%u\n", i);
  }
  assert_true(out.length != 0); /* the end waits for the flush */
  fh_out_flush(&out);
  assert_int_equal(errno, 77);
  assert_int_equal(out.length, 0);
  assert_int_equal(out.total, length);
  close(ends[1]);
  child_read(ends[0], got, sizeof got);
  close(ends[0]);
  assert_string_equal(got, want);
}

static int drain_from;

static void drain(int signal_number) {
  char block[4096];
  int saved = errno;
  (void)signal_number;
  while (read(drain_from, block, sizeof block) > 0) {
  }
  errno = saved;
}

static void fill(int to) {
  static const char block[4096];
  fcntl(to, F_SETFL, O_NONBLOCK);
  while (write(to, block, sizeof block) > 0) {
  }
  fcntl(to, F_SETFL, 0);
}

/* write waits on a full pipe until the signal's handler empties it: it returns EINTR, and must be called again. */
static void interrupted_write_goes_on(void **state) {
  int ends[2];
  char small[8], got[64];
  struct sigaction act = {.sa_handler = drain}, old;
  struct itimerval soon = {.it_value.tv_usec = 20000}; /* once, or it might take the text away */
  (void)state;
  assert_int_equal(pipe(ends), 0);
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  fill(ends[1]);
  drain_from = ends[0];
  sigaction(SIGALRM, &act, &old);
  setitimer(ITIMER_REAL, &soon, NULL);
  fh_out out = {.fd = ends[1], .memory = small, .room = sizeof small};
  fh_out_text(&out, "12345678");
  fh_out_flush(&out);
  sigaction(SIGALRM, &old, NULL);
  close(ends[1]);
  child_read(ends[0], got, sizeof got);
  close(ends[0]);
  assert_string_equal(got, "12345678");
}

/* Nobody listens: the text is dropped, and printing ends. */
static void broken_pipe_is_dropped(void **state) {
  int ends[2];
  char small[4];
  void (*old)(int) = signal(SIGPIPE, SIG_IGN);
  (void)state;
  assert_int_equal(pipe(ends), 0);
  close(ends[0]);
  fh_out out = {.fd = ends[1], .memory = small, .room = sizeof small};
  fh_out_text(&out, "more than fits");
  fh_out_flush(&out);
  assert_int_equal(out.length, 0);
  assert_int_equal(out.total, 14);
  close(ends[1]);
  signal(SIGPIPE, old);
}

/* The warning about a bad setting, given before main, must not show there as an errno when standard error is closed. */
static void failed_write_keeps_errno(void **state) {
  char small[4];
  fh_out out = {.fd = 12345, .memory = small, .room = sizeof small};
  (void)state;
  errno = 77;
  fh_out_text(&out, "more than fits");
  fh_out_flush(&out);
  assert_int_equal(errno, 77);
}

static int warn(void) {
  fh_warn("text ", "and detail");
  return 3;
}

static void warning_is_one_line(void **state) {
  child_end end = child_run(warn, 0);
  (void)state;
  assert_true(WIFEXITED(end.status) && WEXITSTATUS(end.status) == 3);
  assert_string_equal(end.text, "freehold: text and detail\n");
}

static int stop(void) { fh_fatal("call", (void *)0xabc0, "what is wrong"); }

static void fatal_is_one_line_and_the_end(void **state) {
  child_end end = child_run(stop, 0);
  (void)state;
  assert_true(WIFSIGNALED(end.status) && WTERMSIG(end.status) == SIGABRT);
  assert_string_equal(end.text, "freehold: call(0xabc0): what is wrong\n");
}

/* Settings. */

static void accepts(const char *number, uint64_t most, uint64_t want) {
  uint64_t value = ~want;
  assert_true(fh_setting_number(number, most, &value));
  assert_true(value == want);
}

/* And leaves the value alone. */
static void refuses(const char *number, uint64_t most) {
  uint64_t value = 12345;
  assert_false(fh_setting_number(number, most, &value));
  assert_int_equal(value, 12345);
}

static void numbers_are_read(void **state) {
  (void)state;
  accepts("0", 0, 0);
  accepts("007", 10, 7);
  accepts("1000", 1000, 1000);
  accepts("18446744073709551615", UINT64_MAX, UINT64_MAX);
  accepts("0K", 0, 0);
  accepts("1K", UINT64_MAX, UINT64_C(1) << 10);
  accepts("3M", UINT64_MAX, UINT64_C(3) << 20);
  accepts("5G", UINT64_MAX, UINT64_C(5) << 30);
  accepts("7T", UINT64_MAX, UINT64_C(7) << 40);
  accepts("1K", 1024, 1024);
  accepts("16777215T", UINT64_MAX, UINT64_C(16777215) << 40);
}

static void other_text_is_refused(void **state) {
  static const char *const bad[] = {"",   "K",  "-1",  "+1",  " 1",  "1 ",   "0x10", "1.5",
                                    "1k", "1B", "1KB", "1KK", "ten", "none", "1,0",  "\xb2"};
  (void)state;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    refuses(bad[i], UINT64_MAX);
  }
}

static void out_of_range_is_refused(void **state) {
  (void)state;
  refuses("1001", 1000);
  refuses("1K", 1023);
  refuses("2K", 2047);
  refuses("18446744073709551616", UINT64_MAX); /* wraps to 0 */
  refuses("99999999999999999999999", UINT64_MAX);
  refuses("18446744073709551615K", UINT64_MAX);
  refuses("16777216T", UINT64_MAX);
}

/* One name each, with the prefix, and text for the manual. */
static void table_is_whole(void **state) {
  uint64_t value;
  (void)state;
  for (unsigned i = 0; i < FH_SETTINGS; i++) {
    assert_int_equal(strncmp(fh_settings[i].name, "FREEHOLD_", 9), 0);
    assert_true(strlen(fh_settings[i].help) > 10 && fh_settings[i].fallback[0] != '\0');
    for (unsigned k = 0; k < i; k++) {
      assert_string_not_equal(fh_settings[i].name, fh_settings[k].name);
    }
  }
  assert_string_equal(fh_settings[FH_SETTING_RETAIN].name, "FREEHOLD_RETAIN");
  assert_true(fh_setting_number(fh_settings[FH_SETTING_RETAIN].fallback, 1000, &value));
  assert_string_equal(fh_settings[FH_SETTING_LIMIT].name, "FREEHOLD_LIMIT");
}

/* Locks. */

static fh_lock low = FH_LOCK(FH_RANK_ORPHANS), middle = FH_LOCK(FH_RANK_PAGES), high = FH_LOCK(FH_RANK_META);

static int rising(void) {
  for (int i = 0; i < 2; i++) {
    fh_lock_take(&low);
    fh_lock_take(&middle);
    fh_lock_take(&high);
    fh_lock_drop(&middle); /* dropped in any order */
    fh_lock_drop(&high);
    fh_lock_take(&high);
    fh_lock_drop(&high);
    fh_lock_drop(&low);
  }
  return 0;
}

/* A lock that is held is free after the reset, for its rank too. */
static int reset(void) {
  fh_lock_take(&middle);
  fh_lock_reset(&middle);
  fh_lock_take(&low);
  fh_lock_take(&middle);
  return 0;
}

static void *try_middle(void *taken) {
  *(bool *)taken = fh_lock_try(&middle);
  return taken;
}

/* One that another thread holds is not waited for; what was taken so is held like any other. */
static void a_held_lock_is_not_taken(void **state) {
  pthread_t thread;
  bool taken = true;
  (void)state;
  assert_true(fh_lock_try(&middle));
  assert_int_equal(pthread_create(&thread, NULL, try_middle, &taken), 0);
  pthread_join(thread, NULL);
  assert_false(taken);
  fh_lock_drop(&middle);
  fh_lock_take(&middle);
  fh_lock_drop(&middle);
}

static void right_order_passes(void **state) {
  (void)state;
  assert_int_equal(child_run(rising, 0).status, 0);
  assert_int_equal(child_run(reset, 0).status, 0);
}

#if FREEHOLD_DEBUG
static int falling(void) {
  fh_lock_take(&high);
  fh_lock_take(&low);
  return 0;
}

static int same_rank(void) {
  static fh_lock other = FH_LOCK(FH_RANK_PAGES);
  fh_lock_take(&middle);
  fh_lock_take(&other);
  return 0;
}

static int false_assert(void) {
  volatile int one = 1;
  fh_assert(one == 2);
  return 0;
}

static void dies_with(int (*act)(void), const char *what) {
  child_end end = child_run(act, 0);
  assert_true(WIFSIGNALED(end.status) && WTERMSIG(end.status) == SIGABRT);
  assert_non_null(strstr(end.text, what));
}

static void wrong_order_dies(void **state) {
  (void)state;
  dies_with(falling, "a lock is taken out of its rank\n");
  dies_with(same_rank, "a lock is taken out of its rank\n");
  dies_with(false_assert, "assertion failed: one == 2\n");
}
#endif

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(failed_write_keeps_errno),
    cmocka_unit_test(rounding),
    cmocka_unit_test(single_bits),
    cmocka_unit_test(products),
    cmocka_unit_test(numbers),
    cmocka_unit_test(columns),
    cmocka_unit_test(byte_units),
    cmocka_unit_test(shares),
    cmocka_unit_test(too_long_is_cut_and_counted),
    cmocka_unit_test(pipe_gets_everything),
    cmocka_unit_test(interrupted_write_goes_on),
    cmocka_unit_test(broken_pipe_is_dropped),
    cmocka_unit_test(warning_is_one_line),
    cmocka_unit_test(fatal_is_one_line_and_the_end),
    cmocka_unit_test(numbers_are_read),
    cmocka_unit_test(other_text_is_refused),
    cmocka_unit_test(out_of_range_is_refused),
    cmocka_unit_test(table_is_whole),
    cmocka_unit_test(a_held_lock_is_not_taken),
    cmocka_unit_test(right_order_passes),
#if FREEHOLD_DEBUG
    cmocka_unit_test(wrong_order_dies),
#endif
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
