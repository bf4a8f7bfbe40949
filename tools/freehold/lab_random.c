/* The Mersenne Twister (Matsumoto, Nishimura, 1998), seeded and read as CPython does: what a student gets from the
 * textbook's simulator is what this has to give. */
#include "lab.h"

enum { WORDS = 624, SHIFT = 397 };

static uint32_t state[WORDS];
static unsigned position;

static void start(uint32_t seed) {
  state[0] = seed;
  for (uint32_t i = 1; i < WORDS; i++) {
    state[i] = 1812433253u * (state[i - 1] ^ state[i - 1] >> 30) + i;
  }
  position = WORDS;
}

/* The seed's size counts, not its sign; its digits are of 32 bits. */
void lab_seed(lab_int seed) {
  lab_int value = seed < 0 ? -seed : seed;
  uint32_t key[4] = {0};
  unsigned length = 0, i = 1, j = 0;
  do {
    key[length++] = (uint32_t)value;
    value >>= 32;
  } while (value != 0);
  start(19650218u);
  for (unsigned k = WORDS; k != 0; k--) {
    state[i] = (state[i] ^ (state[i - 1] ^ state[i - 1] >> 30) * 1664525u) + key[j] + j;
    j = (j + 1) % length;
    if (++i == WORDS) {
      state[0] = state[WORDS - 1];
      i = 1;
    }
  }
  for (unsigned k = WORDS - 1; k != 0; k--) {
    state[i] = (state[i] ^ (state[i - 1] ^ state[i - 1] >> 30) * 1566083941u) - i;
    if (++i == WORDS) {
      state[0] = state[WORDS - 1];
      i = 1;
    }
  }
  state[0] = 0x80000000u;
}

static void twist(void) {
  for (unsigned i = 0; i < WORDS; i++) {
    uint32_t joined = (state[i] & 0x80000000u) | (state[(i + 1) % WORDS] & 0x7fffffffu);
    state[i] = state[(i + SHIFT) % WORDS] ^ joined >> 1 ^ ((joined & 1) != 0 ? 0x9908b0dfu : 0);
  }
  position = 0;
}

static uint32_t word(void) {
  if (position == WORDS) {
    twist();
  }
  uint32_t value = state[position++];
  value ^= value >> 11;
  value ^= value << 7 & 0x9d2c5680u;
  value ^= value << 15 & 0xefc60000u;
  return value ^ value >> 18;
}

double lab_random(void) {
  uint32_t high = word() >> 5, low = word() >> 6;
  return (high * 67108864.0 + low) / 9007199254740992.0;
}
