/* Where pieces of the policy "buddy" lie, in words of 64 bits; tests/unit/fit_good.c has some at random. */
#include "unit/cm.h"

#include "fit/buddy.h"

static const uint64_t high_bit = UINT64_C(1) << 63;

static void rounds_up_to_powers_of_two(void **state) {
  (void)state;
  for (unsigned power = 0; power < 64; power++) {
    uint64_t length = UINT64_C(1) << power;
    assert_int_equal(fh_buddy_round(length), length);
    assert_int_equal(fh_buddy_round(length + 1), power == 0 ? 2 : power == 63 ? 0 : length * 2);
    assert_int_equal(fh_buddy_round(length | (length - 1)), power == 0 ? 1 : power == 63 ? 0 : length * 2);
  }
}

/* Two halves of a piece: each is the other's, and nobody else's. */
static void buddies_are_two_halves(void **state) {
  (void)state;
  for (uint64_t length = 1; length <= 256; length *= 2) {
    for (uint64_t offset = 0; offset < 4096; offset += length) {
      uint64_t buddy = fh_buddy_of(offset, length), lower = offset < buddy ? offset : buddy;
      assert_int_equal(fh_buddy_of(buddy, length), offset);
      assert_true(buddy + length == offset || offset + length == buddy);
      assert_int_equal(lower % (2 * length), 0);
    }
  }
  assert_int_equal(fh_buddy_of(0, high_bit), high_bit);
  assert_int_equal(fh_buddy_of(high_bit, high_bit), 0);
}

/* By looking at all powers: the largest that is aligned and fits. */
static uint64_t first_naively(uint64_t offset, uint64_t rest) {
  uint64_t best = 0;
  for (uint64_t power = 1; power != 0; power *= 2) {
    best = offset % power == 0 && power <= rest ? power : best;
  }
  return best;
}

static void the_largest_piece_first(void **state) {
  (void)state;
  for (uint64_t offset = 0; offset < 300; offset++) {
    for (uint64_t rest = 1; rest < 300; rest++) {
      assert_int_equal(fh_buddy_first(offset, rest), first_naively(offset, rest));
    }
  }
  assert_int_equal(fh_buddy_first(0, UINT64_MAX), high_bit);
  assert_int_equal(fh_buddy_first(high_bit, high_bit), high_bit);
  assert_int_equal(fh_buddy_first(high_bit, high_bit - 1), high_bit / 2);
  assert_int_equal(fh_buddy_first(UINT64_MAX, 1), 1);
}

/* A stretch is cut into at most two pieces of each length, side by side. */
static void a_stretch_in_pieces(void **state) {
  (void)state;
  for (uint64_t from = 0; from < 70; from++) {
    for (uint64_t to = from; to < 140; to++) {
      unsigned count = 0, most = 0;
      for (uint64_t at = from; at != to; count++) {
        at += fh_buddy_first(at, to - at);
        assert_true(at <= to);
      }
      for (uint64_t length = 1; length <= to - from; length *= 2) {
        most += 2;
      }
      assert_true(count <= most);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(rounds_up_to_powers_of_two),
      cmocka_unit_test(buddies_are_two_halves),
      cmocka_unit_test(the_largest_piece_first),
      cmocka_unit_test(a_stretch_in_pieces),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
