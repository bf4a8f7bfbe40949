/* Bytes that claim to be a region. Opening them never reads or writes outside them, and what opens works.
 *
 *   byte 0: 0 all that follows are the bytes; else a region is made and used, and what follows damages it: single
 *           bytes, words of its start, heads that are forged with the tag they need
 *   then    how far from aligned they lie */
#include "fuzz.h"
#include "region/chunk.h"

enum { MOST = 12000, POINTERS = 48 };

typedef struct pointers {
  void *at[POINTERS];
  size_t count;
} pointers;

static void operate(fh_region *r, input *in, pointers *p, unsigned steps) {
  while (steps-- != 0) {
    uint8_t kind = next_8(in);
    size_t size = (size_t)next_8(in) << (kind >> 5);
    size_t i = p->count != 0 ? size % p->count : 0;
    if (kind % 4 < 2 && p->count < POINTERS) {
      void *at = kind % 4 == 0 ? fh_region_alloc(r, size) : fh_region_alloc_aligned(r, (size_t)1 << kind / 16, size);
      if (at != NULL) {
        memset(at, 0xEE, size);
        p->at[p->count++] = at;
      }
    } else if (p->count != 0 && kind % 4 == 2) {
      must(fh_region_free(r, p->at[i]) == FH_OK);
      p->at[i] = p->at[--p->count];
    } else if (p->count != 0) {
      void *at = size != 0 ? fh_region_realloc(r, p->at[i], size) : NULL;
      p->at[i] = at != NULL ? at : p->at[i];
    }
  }
}

static int touch(uint64_t address, uint64_t length, bool used, void *arg) {
  pointers *p = arg;
  if (used && p->count < POINTERS) {
    p->at[p->count++] = (void *)(uintptr_t)(address + HEAD_BYTES);
  }
  return length == 0;
}

/* Also what `pointers` had no place for. */
static void give_all(fh_region *r, pointers *p) {
  fh_space space;
  do {
    while (p->count != 0) {
      must(fh_region_free(r, p->at[--p->count]) == FH_OK);
    }
    must(fh_region_walk(r, touch, p) == 0);
  } while (p->count != 0);
  must(fh_region_check(r) == FH_OK);
  fh_region_space(r, &space);
  must(space.used == 0 && space.chunks == 0 && space.requested == 0);
}

/* It is served; more is not. */
static void take_largest(fh_region *r) {
  fh_space space;
  fh_region_space(r, &space);
  if (space.largest == 0) {
    return;
  }
  must(fh_region_alloc(r, space.largest + 16) == NULL);
  unsigned char *at = fh_region_alloc(r, space.largest);
  must(at != NULL);
  memset(at, 0xEE, space.largest);
  must(fh_region_check(r) == FH_OK && fh_region_free(r, at) == FH_OK);
}

/* What was opened: everything in it can be given back and taken again. */
static void use(fh_region *r, input *in) {
  pointers p = {.count = 0};
  fh_space space;
  must(fh_region_check(r) == FH_OK);
  fh_region_space(r, &space);
  must(space.size == space.used + space.free + space.metadata);
  must(fh_region_walk(r, touch, &p) == 0);
  for (unsigned i = 0; i < 8; i++) {
    operate(r, in, &p, 4);
    must(fh_region_check(r) == FH_OK);
  }
  fh_region_trim(r);
  must(fh_region_check(r) == FH_OK);
  give_all(r, &p);
  take_largest(r);
}

static void damage(unsigned char *memory, size_t bytes, input *in) {
  fh_region *r = (fh_region *)(void *)memory;
  for (unsigned times = next_8(in) % 8; times != 0; times--) {
    size_t where = next_16(in);
    switch (next_8(in) % 4) {
      case 0: memory[where % bytes] ^= next_8(in); break;
      case 1: {
        uint64_t word = next_64(in);
        where = where % (sizeof *r / 4) * 4;
        memcpy(memory + where, &word, where + 8 <= sizeof *r ? 4u + (unsigned)(word & 4) : 4);
        break;
      }
      case 2: {
        uint32_t cells = next_16(in), id = (uint32_t)(where % ((bytes >> CELL_SHIFT) + 1));
        if (id != 0) {
          head_write(r, id, low_of(cells, next_8(in) & 31u, next_8(in) & 7u));
        }
        break;
      }
      default: {
        uint32_t value = next_16(in); /* a link, a length at the end of a hole, an entry of the index */
        memcpy(memory + where % (bytes / 4) * 4, &value, 4);
        break;
      }
    }
  }
}

static void run_made(unsigned char *memory, size_t bytes, input *in) {
  uint8_t policy = next_8(in);
  fh_region_options options = {(fh_fit)(policy % 6), policy / 6u % 8u, NULL, NULL};
  size_t first = next_8(in) * 16u + 1200u;
  fh_region *r = fh_region_create(memory, first < bytes ? first : bytes, &options);
  pointers p = {.count = 0};
  if (r == NULL) {
    return;
  }
  operate(r, in, &p, next_8(in) % 32);
  if (first < bytes && (policy & 1) != 0) {
    size_t gap = next_8(in) % 64;
    if (bytes - first > gap) {
      fh_region_extend(r, memory + first + gap, bytes - first - gap);
    }
  }
  operate(r, in, &p, next_8(in) % 16);
  uint8_t damaged = next_8(in);
  if (damaged != 0 && ((uintptr_t)memory & 15) == 0) { /* the start of the region is the start of the memory */
    damage(memory, bytes, in);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  input in = {bytes, bytes + count};
  uint8_t kind = next_8(&in), shift = next_8(&in) % 32;
  size_t length = kind == 0 ? (size_t)(in.end - in.at) : (size_t)kind * (MOST / 256) + 1;
  unsigned char *made = malloc(length + shift), *memory = made + shift;
  const char *what = NULL;
  must(made != NULL);
  memset(made, 0, length + shift);
  if (kind == 0) {
    memcpy(memory, in.at, length);
  } else {
    run_made(memory, length, &in);
  }
  fh_status status = fh_region_examine(memory, length, &what);
  fh_region *r = fh_region_open(memory, length);
  must(what != NULL && (status == FH_OK || status == FH_INVALID || status == FH_CORRUPT));
  must((r != NULL) == (status == FH_OK));
  if (r != NULL) {
    use(r, &in);
  }
  free(made);
  return 0;
}
