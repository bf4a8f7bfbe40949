#include "heap/count.h"

#include "base/settings.h"
#include "heap/heap.h"
#include "os/os.h"

fh_zeros("first") int fh_counting;

static fh_zeros("apart") fh_counted counted;

/* The shadow of each arena holds slack + 1 where a counted block begins, else 0. */
typedef struct shadow {
  uint16_t *at;     /* atomic: as long as the arena's reservation, an eighth of its bytes */
  size_t committed; /* atomic: bytes */
} shadow;

static fh_zeros("apart") shadow shadows[FH_ARENAS_MAX];

void fh_count_start(void) {
  static int decided; /* every thread that finds 0 reads the same */
  if (__atomic_exchange_n(&decided, 1, __ATOMIC_RELAXED) != 0) {
    return;
  }
  const char *wanted = fh_os_setting(fh_settings[FH_SETTING_STATS].name);
  if (wanted != NULL && wanted[0] != '\0' && !(wanted[0] == '0' && wanted[1] == '\0')) {
    fh_counting = 1;
  }
}

static uint64_t add(uint64_t *to, uint64_t value) { return __atomic_add_fetch(to, value, __ATOMIC_RELAXED); }

static uint64_t take(uint64_t *from, uint64_t value) { return __atomic_sub_fetch(from, value, __ATOMIC_RELAXED); }

static uint64_t read(uint64_t *from) { return __atomic_load_n(from, __ATOMIC_RELAXED); }

unsigned fh_count_size_of(size_t requested) {
  if (requested <= FH_SLAB_MAX) {
    return fh_class_of(requested);
  }
  unsigned size = FH_CLASSES;
  for (size_t most = 2 * FH_SLAB_MAX; size < FH_COUNT_SIZES - 1 && requested > most; most *= 2) {
    size++;
  }
  return size;
}

size_t fh_count_size_most(unsigned size) {
  return size < FH_CLASSES           ? fh_class_bytes(size)
         : size < FH_COUNT_SIZES - 1 ? (size_t)2 * FH_SLAB_MAX << (size - FH_CLASSES)
                                     : SIZE_MAX;
}

/* Two threads may both reserve; the second gives its own back. */
static uint16_t *shadow_open(shadow *s, const fh_arena *arena) {
  uint16_t *now = __atomic_load_n(&s->at, __ATOMIC_ACQUIRE);
  if (now != NULL) {
    return now;
  }
  uint16_t *made = fh_os_reserve(arena->reserved / 8, FH_PAGE_SIZE * 4);
  if (made != NULL && !__atomic_compare_exchange_n(&s->at, &now, made, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
    fh_os_release(made, arena->reserved / 8);
    made = now;
  }
  return made;
}

/* Committing twice does no harm, so no lock is needed. */
static bool shadow_commit(shadow *s, const fh_arena *arena) {
  size_t before = __atomic_load_n(&s->committed, __ATOMIC_ACQUIRE);
  size_t need = fh_round_up(__atomic_load_n(&arena->limit, __ATOMIC_ACQUIRE) / 8, FH_PAGE_SIZE * 4);
  need = fh_min(need, arena->reserved / 8);
  if (!fh_os_commit((char *)s->at + before, need - before)) {
    return false;
  }
  while (before < need &&
         !__atomic_compare_exchange_n(&s->committed, &before, need, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
  }
  return true;
}

/* Where the slack of a block is written; NULL: there is no memory for it. */
static uint16_t *slack_of(const void *user) {
  for (size_t i = 0; i < fh_arena_count(); i++) {
    const fh_arena *arena = &fh_arenas[i];
    size_t offset = (size_t)((uintptr_t)user - (uintptr_t)arena->base);
    if (offset < __atomic_load_n(&arena->limit, __ATOMIC_ACQUIRE)) {
      shadow *s = &shadows[i];
      if (shadow_open(s, arena) == NULL) {
        return NULL;
      }
      if (offset / 8 >= __atomic_load_n(&s->committed, __ATOMIC_ACQUIRE) && !shadow_commit(s, arena)) {
        return NULL;
      }
      return s->at + offset / 16;
    }
  }
  return NULL;
}

static void note_peak(uint64_t usable, uint64_t requested) {
  uint64_t peak = read(&counted.peak_usable);
  while (usable > peak) {
    if (__atomic_compare_exchange_n(&counted.peak_usable, &peak, usable, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
      __atomic_store_n(&counted.peak_requested, requested, __ATOMIC_RELAXED);
      return;
    }
  }
}

static void note(const void *user, size_t requested, unsigned calls) {
  uint16_t *slack = slack_of(user);
  if (slack == NULL) {
    add(&counted.missed, 1);
    return;
  }
  size_t usable = fh_block_usable("malloc", user);
  size_t kept = fh_min(usable - requested, UINT16_MAX - 1);
  *slack = (uint16_t)(kept + 1);
  unsigned size = fh_count_size_of(usable - kept);
  add(&counted.calls[size], calls);
  add(&counted.live[size], 1);
  uint64_t all_requested = add(&counted.requested, usable - kept);
  note_peak(add(&counted.usable, usable), all_requested);
}

void fh_count_take(const void *user, size_t requested) { note(user, requested, 1); }

void fh_count_keep(const void *user, size_t requested) { note(user, requested, 0); }

size_t fh_count_give(const char *call, const void *user) {
  size_t usable = fh_block_usable(call, user);
  uint16_t *slack = slack_of(user);
  if (slack == NULL || *slack == 0) {
    return usable;
  }
  size_t requested = usable - (*slack - 1u);
  *slack = 0;
  take(&counted.live[fh_count_size_of(requested)], 1);
  take(&counted.usable, usable);
  take(&counted.requested, requested);
  return requested;
}

void fh_count_read(fh_counted *out) {
  out->requested = read(&counted.requested);
  out->usable = read(&counted.usable);
  out->peak_requested = read(&counted.peak_requested);
  out->peak_usable = read(&counted.peak_usable);
  out->missed = read(&counted.missed);
  out->shadow = 0;
  for (size_t i = 0; i < fh_arena_count(); i++) {
    out->shadow += fh_os_resident(shadows[i].at, __atomic_load_n(&shadows[i].committed, __ATOMIC_RELAXED), NULL);
  }
  for (unsigned i = 0; i < FH_COUNT_SIZES; i++) {
    out->calls[i] = read(&counted.calls[i]);
    out->live[i] = read(&counted.live[i]);
  }
}
