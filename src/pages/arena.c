#include "pages/arena.h"

#include "base/bits.h"
#include "base/fatal.h"
#include "os/os.h"

#if FREEHOLD_TINY
/* So small that further arenas, full ones and every step of growth are met in tests. */
#define ARENA_LARGEST ((size_t)16 << 20)
#define ARENA_FIRST ARENA_LARGEST
#define ARENA_SMALLEST ((size_t)1 << 20)
#define STEP_LARGEST ((size_t)256 << 10)
#else
#define ARENA_LARGEST ((size_t)1 << (sizeof(void *) == 8 ? 40 : 29))
#define ARENA_FIRST ((size_t)1 << (sizeof(void *) == 8 ? 36 : 29)) /* at least */
#define ARENA_SMALLEST ((size_t)4 << 20)
#define STEP_LARGEST ((size_t)64 << 20)
#endif

enum { MEMORY_TIMES = 4 /* rounded down to a power of two */ };

/* The kernel's page is at most this; arenas and their steps are multiples of it. */
#define BLOCK ((size_t)64 << 10)

fh_zeros("arenas") fh_arena fh_arenas[FH_ARENAS_MAX];
/* On a line with nothing that is written often (cmake/rare.ld). */
static fh_zeros("first") size_t arena_count;
fh_zeros("first") char *fh_first_base;
fh_zeros("first") size_t fh_first_limit;
fh_zeros("first") fh_span *fh_first_spans;

size_t fh_arena_count(void) { return __atomic_load_n(&arena_count, __ATOMIC_ACQUIRE); }

static size_t map_bytes(size_t reserved) {
  return fh_round_up(((reserved >> FH_PAGE_SHIFT) + 2) * sizeof(fh_span), BLOCK);
}

/* The first arena has room for more than a machine of this size can hold, and is not far larger: pages and pagemap that
 * lie a tebibyte apart need tables of the kernel's of their own, which a small program pays for at its start. */
static size_t first_size(void) {
  size_t memory = fh_min(fh_os_memory(), ARENA_LARGEST / MEMORY_TIMES);
  return fh_power_of_two_below(fh_max(memory * MEMORY_TIMES, ARENA_FIRST));
}

/* Under a limit on address space take an eighth of it at a time: stacks and files of the program need theirs. */
static size_t first_try(size_t at_least) {
  size_t limit = fh_os_address_limit(), size = arena_count == 0 ? first_size() : ARENA_LARGEST;
  if (limit != SIZE_MAX) {
    size = fh_min(size, fh_power_of_two_below(fh_max(limit / 8, ARENA_SMALLEST)));
  }
  return fh_max(size, at_least);
}

/* Reserves pages and pagemap in one piece, halving until it is granted. */
static char *reserve(size_t at_least, size_t *reserved) {
  at_least = fh_max(fh_round_up(at_least, BLOCK), ARENA_SMALLEST);
  for (size_t size = first_try(at_least);; size = fh_max(fh_round_up(size / 2, BLOCK), at_least)) {
    char *at = size > SIZE_MAX / 2 ? NULL : fh_os_reserve(map_bytes(size) + size, BLOCK);
    if (at != NULL) {
      *reserved = size;
      return at;
    }
    if (size <= at_least) {
      return NULL;
    }
  }
}

/* Makes sure that the descriptors of pages up to `limit`, and the guard behind them, can be written. */
static bool commit_map(fh_arena *arena, size_t limit) {
  size_t page = fh_os_page_size();
  char *need = (char *)(arena->spans + (limit >> FH_PAGE_SHIFT) + 1);
  if (need <= arena->map_end) {
    return true;
  }
  size_t more = fh_round_up((size_t)(need - arena->map_end), page);
  if (!fh_os_commit(arena->map_end, more)) {
    return false;
  }
  __atomic_store_n(&arena->map_end, arena->map_end + more, __ATOMIC_RELEASE); /* statistics read it */
  return true;
}

static bool commit_pages(fh_arena *arena, size_t bytes) {
  return commit_map(arena, arena->limit + bytes) && fh_os_commit(arena->base + arena->limit, bytes);
}

/* The first descriptors are committed before the arena is shown to anyone: a guard stands before page 0. */
static fh_arena *open_arena(size_t at_least) {
  size_t reserved = 0;
  if (arena_count == FH_ARENAS_MAX) {
    return NULL;
  }
  char *at = reserve(at_least, &reserved);
  if (at == NULL) {
    return NULL;
  }
  fh_arena *arena = &fh_arenas[arena_count];
  *arena = (fh_arena){.reserved = reserved, .spans = (fh_span *)(void *)at + 1, .map_end = at};
  if (!commit_map(arena, 0)) {
    fh_os_release(at, map_bytes(reserved) + reserved);
    return NULL;
  }
  __atomic_store_n(&arena->base, at + map_bytes(reserved), __ATOMIC_RELEASE);
  if (arena_count == 0) {
    __atomic_store_n(&fh_first_base, arena->base, __ATOMIC_RELAXED);
    __atomic_store_n(&fh_first_spans, arena->spans, __ATOMIC_RELAXED);
  }
  __atomic_store_n(&arena_count, arena_count + 1, __ATOMIC_RELEASE);
  return arena;
}

/* A sixteenth of what is there: few calls for a large program, little waste for a small one. */
static size_t step(const fh_arena *arena, size_t bytes) {
  size_t by = fh_round_up(arena->limit / 16, BLOCK);
  by = fh_min(fh_max(by, FH_ARENA_STEP), STEP_LARGEST);
  return fh_min(fh_max(by, bytes), arena->reserved - arena->limit);
}

static bool grow_in(fh_arena *arena, size_t bytes, fh_span **span, size_t *got) {
  if (arena->reserved - arena->limit < bytes) {
    return false;
  }
  size_t by = step(arena, bytes);
  if (!commit_pages(arena, by)) {
    by = bytes; /* the system is short: ask for no more than is needed */
    if (!commit_pages(arena, by)) {
      return false;
    }
  }
  *span = arena->spans + (arena->limit >> FH_PAGE_SHIFT);
  (*span)->start = arena->base + arena->limit;
  *got = by >> FH_PAGE_SHIFT;
  __atomic_store_n(&arena->limit, arena->limit + by, __ATOMIC_RELEASE);
  if (arena == &fh_arenas[0]) {
    __atomic_store_n(&fh_first_limit, arena->limit, __ATOMIC_RELEASE);
  }
  return true;
}

bool fh_arena_grow(size_t pages, fh_span **span, size_t *got) {
  if (pages > (SIZE_MAX / 4) >> FH_PAGE_SHIFT) {
    return false;
  }
  size_t bytes = fh_round_up(pages << FH_PAGE_SHIFT, BLOCK);
  for (size_t i = 0; i < arena_count; i++) { /* the first is found fastest, also when another had to be opened */
    if (grow_in(&fh_arenas[i], bytes, span, got)) {
      return true;
    }
    if (fh_arenas[i].reserved - fh_arenas[i].limit >= bytes) {
      return false; /* there was room: it is memory that is missing */
    }
  }
  fh_arena *arena = open_arena(bytes);
  return arena != NULL && grow_in(arena, bytes, span, got);
}

fh_span *fh_arena_find_further(const void *pointer) {
  size_t count = fh_arena_count();
  for (size_t i = 1; i < count; i++) {
    fh_arena *arena = &fh_arenas[i];
    size_t offset = (size_t)((uintptr_t)pointer - (uintptr_t)arena->base);
    if (offset < __atomic_load_n(&arena->limit, __ATOMIC_ACQUIRE)) {
      return arena->spans + (offset >> FH_PAGE_SHIFT);
    }
  }
  return NULL;
}

size_t fh_arena_committed(void) {
  size_t total = 0;
  for (size_t i = 0; i < fh_arena_count(); i++) {
    total += __atomic_load_n(&fh_arenas[i].limit, __ATOMIC_RELAXED);
  }
  return total;
}
