#include "pages/meta.h"

#include "base/bits.h"
#include "base/lock.h"
#include "os/os.h"

#define META_RESERVE ((size_t)4 << 20)
#define META_STEP ((size_t)64 << 10)

/* What most processes need, beside what else the library has of its own: five calls of the kernel and a table of pages
 * less at start. */
static fh_zeros("meta") _Alignas(FH_META_PAGE) char first[META_STEP];

static fh_lock meta_lock = FH_LOCK(FH_RANK_META);
static char *next = first, *committed = first + META_STEP, *end = first + META_STEP;
static size_t total = META_STEP;

/* A new reservation when this one is full; what is left of it is lost, and was never touched. */
static bool make_room(size_t bytes) {
  if ((size_t)(end - next) < bytes) {
    size_t size = fh_max(META_RESERVE, fh_round_up(bytes, META_STEP));
    char *at = fh_os_reserve(size, META_STEP);
    if (at == NULL) {
      return false;
    }
    next = committed = at;
    end = at + size;
  }
  if ((size_t)(committed - next) < bytes) {
    size_t more = fh_round_up(bytes - (size_t)(committed - next), META_STEP);
    if (!fh_os_commit(committed, more)) {
      return false;
    }
    committed += more;
    total += more;
  }
  return true;
}

void *fh_meta_take(size_t bytes) {
  void *taken = NULL;
  bytes = fh_round_up(bytes, 64);
  fh_lock_take(&meta_lock);
  if (make_room(bytes)) {
    taken = next;
    next += bytes;
  }
  fh_lock_drop(&meta_lock);
  return taken;
}

size_t fh_meta_bytes(void) { return __atomic_load_n(&total, __ATOMIC_RELAXED); }

void fh_meta_lock(void) { fh_lock_take(&meta_lock); }

void fh_meta_unlock(void) { fh_lock_drop(&meta_lock); }

void fh_meta_reset_lock(void) { fh_lock_reset(&meta_lock); }
