/* Arithmetic on sizes and words. */
#ifndef FH_BASE_BITS_H
#define FH_BASE_BITS_H

#include "base/compiler.h"

/* The place of a bit in a word that is not 0. RISC-V without Zbb has no instruction for it, and the compiler would call
 * a library that firmware may not link. */
#if defined(__riscv) && !defined(__riscv_zbb)
fh_inline unsigned fh_highest_bit_32(uint32_t word) {
  unsigned bit = 0;
  for (unsigned step = 16; step != 0; step /= 2) {
    if (word >> step != 0) {
      word >>= step;
      bit += step;
    }
  }
  return bit;
}

fh_inline unsigned fh_lowest_bit_32(uint32_t word) { return fh_highest_bit_32(word & (~word + 1)); }
#else
fh_inline unsigned fh_highest_bit_32(uint32_t word) { return 31u - (unsigned)__builtin_clz(word); }

fh_inline unsigned fh_lowest_bit_32(uint32_t word) { return (unsigned)__builtin_ctz(word); }
#endif

#if SIZE_MAX == UINT32_MAX || (defined(__riscv) && !defined(__riscv_zbb))
fh_inline unsigned fh_highest_bit(uint64_t word) {
  return word >> 32 != 0 ? 32 + fh_highest_bit_32((uint32_t)(word >> 32)) : fh_highest_bit_32((uint32_t)word);
}

fh_inline unsigned fh_lowest_bit(uint64_t word) {
  return (uint32_t)word != 0 ? fh_lowest_bit_32((uint32_t)word) : 32 + fh_lowest_bit_32((uint32_t)(word >> 32));
}
#else
fh_inline unsigned fh_highest_bit(uint64_t word) { return 63u - (unsigned)__builtin_clzll(word); }

fh_inline unsigned fh_lowest_bit(uint64_t word) { return (unsigned)__builtin_ctzll(word); }
#endif

/* Shifts of 64 bits by less than 64. The same of a 32-bit RISC-V: the compiler would call a library. */
#if SIZE_MAX == UINT32_MAX && defined(__riscv)
fh_inline uint64_t fh_left(uint64_t word, unsigned by) {
  uint32_t low = (uint32_t)word, high = (uint32_t)(word >> 32);
  if (by >= 32) {
    high = low << (by - 32);
    low = 0;
  } else if (by != 0) {
    high = high << by | low >> (32 - by);
    low <<= by;
  }
  return (uint64_t)high << 32 | low;
}

fh_inline uint64_t fh_right(uint64_t word, unsigned by) {
  uint32_t low = (uint32_t)word, high = (uint32_t)(word >> 32);
  if (by >= 32) {
    low = high >> (by - 32);
    high = 0;
  } else if (by != 0) {
    low = low >> by | high << (32 - by);
    high >>= by;
  }
  return (uint64_t)high << 32 | low;
}
#else
fh_inline uint64_t fh_left(uint64_t word, unsigned by) { return word << by; }

fh_inline uint64_t fh_right(uint64_t word, unsigned by) { return word >> by; }
#endif

fh_inline bool fh_is_power_of_two(size_t value) { return value != 0 && (value & (value - 1)) == 0; }

fh_inline size_t fh_round_up(size_t value, size_t power_of_two) {
  return (value + power_of_two - 1) & ~(power_of_two - 1);
}

fh_inline size_t fh_round_down(size_t value, size_t power_of_two) { return value & ~(power_of_two - 1); }

fh_inline size_t fh_min(size_t a, size_t b) { return a < b ? a : b; }

fh_inline size_t fh_max(size_t a, size_t b) { return a > b ? a : b; }

/* Largest power of two that is not above value; value must not be 0. */
fh_inline size_t fh_power_of_two_below(size_t value) { return (size_t)1 << fh_highest_bit(value); }

/* The product of two sizes; false when it does not fit. */
fh_inline bool fh_product(size_t a, size_t b, size_t *out) { return !__builtin_mul_overflow(a, b, out); }

#endif
