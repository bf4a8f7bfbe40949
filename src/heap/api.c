/* The public calls: arguments, errno, and what the standards say about the corners. */
#include <errno.h>
#include <string.h>

#include "base/fatal.h"
#include "freehold/freehold.h"
#include "heap/count.h"
#include "heap/fast.h"
#include "heap/internal.h"
#include "heap/large.h"
#include "heap/quick.h"
#include "heap/sleeper.h"
#include "heap/sparse.h"
#include "os/os.h"

static fh_cold void *no_memory(void) {
  errno = ENOMEM;
  return NULL;
}

/* What every new block passes on its way to the program. */
static void *taken_for(void *taken, size_t bytes) {
  if (fh_unlikely(taken == NULL)) {
    return no_memory();
  }
  if (fh_unlikely(fh_counting != 0)) {
    fh_count_take(taken, bytes);
  }
  return taken;
}

fh_noinline void *fh_malloc_slow(size_t bytes) {
  size_t unzeroed;
  return taken_for(fh_take(bytes, &unzeroed), bytes);
}

/* A chunk that waits in a quick list; NULL: none does, or this size has none. Before the first slow
 * malloc of a thread fh_this.fast is a heap whose lists are all empty. */
fh_inline void *take_quick(size_t bytes) {
  bool medium = bytes - FH_SLAB_MAX - 1 < FH_QUICK_MAX - FH_SLAB_MAX;
  return fh_likely(medium) ? fh_quick_take(&fh_this.fast->chunks, chunk_units(bytes)) : NULL;
}

fh_noinline void *fh_malloc_medium(size_t bytes) {
  void *user = take_quick(bytes);
  return fh_likely(user != NULL) ? user : fh_malloc_slow(bytes);
}

void *fh_malloc(size_t bytes) { return fh_fast_malloc(bytes); }

void fh_free(void *pointer) { fh_fast_free(pointer); }

void *fh_calloc(size_t count, size_t bytes) {
  size_t total, unzeroed;
  if (fh_unlikely(!fh_product(count, bytes, &total))) {
    return no_memory();
  }
  if (total <= FH_SLAB_MAX) {
    void *slot = fh_malloc(total);
    return slot == NULL ? NULL : memset(slot, 0, total);
  }
  void *taken = take_quick(total);
  if (fh_likely(taken != NULL)) {
    return memset(taken, 0, total);
  }
  taken = taken_for(fh_take(total, &unzeroed), total);
  return taken == NULL ? NULL : memset(taken, 0, fh_min(unzeroed, total));
}

static void *move_to_new(void *pointer, size_t old, size_t bytes) {
  void *taken = fh_malloc(bytes);
  if (taken != NULL) {
    memcpy(taken, pointer, fh_min(old, bytes));
    fh_free(pointer);
  }
  return taken;
}

static void *realloc_slot(void *pointer, size_t old, size_t bytes) {
  return bytes <= old && bytes > old / 2 ? pointer : move_to_new(pointer, old, bytes);
}

/* By less than is split off and a 32nd part together: classes of chunks are that far apart, and a buffer that grows by
 * a little each time is most often within one. Where lengths are exact it is the price of that. */
fh_inline bool hardly_longer(size_t usable, size_t bytes) {
  return bytes <= usable && bytes > usable / 2 && usable - bytes < FH_SPLIT_LEAST * FH_UNIT + usable / 32;
}

static void *realloc_chunk(fh_span *span, void *pointer, size_t old, size_t bytes) {
  bool mine = span->heap == fh_this.heap && fh_this.heap != NULL;
  bool fits = bytes > FH_SLAB_MAX && bytes <= FH_CHUNK_MAX;
  if (hardly_longer(old, bytes)) {
    return pointer;
  }
  if (fits && mine && fh_chunk_resize(&fh_this.heap->chunks, pointer, bytes)) {
    return pointer;
  }
  if (bytes <= old && bytes >= old / 2) {
    return pointer;
  }
  return move_to_new(pointer, old, bytes);
}

static void *realloc_large(fh_span *span, void *pointer, size_t bytes) {
  if (bytes <= FH_CHUNK_MAX) {
    return move_to_new(pointer, fh_span_bytes(span), bytes);
  }
  if (bytes > FH_OBJECT_MAX) {
    return NULL;
  }
  if (fh_large_resize(span, bytes)) {
    return pointer;
  }
  void *moved = fh_large_move(span, bytes);
  return fh_unlikely(moved == NULL) && fh_gather() ? fh_large_move(span, bytes) : moved;
}

static void *realloc_block(void *pointer, size_t bytes) {
  size_t usable = fh_block_usable("realloc", pointer);
  fh_span *span = fh_arena_find(pointer);
  switch (fh_span_kind_of(span)) {
    case FH_SPAN_SLAB: return realloc_slot(pointer, usable, bytes);
    case FH_SPAN_LARGE: return realloc_large(span, pointer, bytes);
    default: return realloc_chunk(span, pointer, usable, bytes);
  }
}

/* What stays in place or is moved by the kernel has not passed malloc and free, where the rest is counted. */
static fh_cold void *realloc_counted(void *pointer, size_t bytes) {
  size_t before = fh_count_give("realloc", pointer); /* stops when it is not a block */
  bool large = fh_span_kind_of(fh_arena_find(pointer)) == FH_SPAN_LARGE;
  void *now = realloc_block(pointer, bytes);
  if (now == NULL) {
    fh_count_keep(pointer, before);
  } else if (now == pointer || (large && bytes > FH_CHUNK_MAX)) {
    fh_count_take(now, bytes);
  }
  return now;
}

/* A block that is hardly longer than it is to be. */
fh_inline bool stays(const void *pointer, size_t bytes) {
  size_t usable;
  return fh_usable_near(pointer, &usable) && hardly_longer(usable, bytes);
}

static fh_noinline void *realloc_slow(void *pointer, size_t bytes) {
  if (pointer == NULL) {
    return fh_malloc(bytes);
  }
  if (bytes == 0) {
    fh_free(pointer);
    return NULL;
  }
  void *taken = fh_unlikely(fh_counting != 0) ? realloc_counted(pointer, bytes) : realloc_block(pointer, bytes);
  return taken != NULL ? taken : no_memory();
}

/* realloc(p, 0) frees and returns NULL, as glibc does; C23 leaves it undefined. */
void *fh_realloc(void *pointer, size_t bytes) {
  return fh_likely(stays(pointer, bytes) && fh_counting == 0) ? pointer : realloc_slow(pointer, bytes);
}

void *fh_reallocarray(void *pointer, size_t count, size_t bytes) {
  size_t total;
  return fh_product(count, bytes, &total) ? fh_realloc(pointer, total) : no_memory();
}

static void *take_aligned(size_t alignment, size_t bytes) {
  bool possible = bytes <= FH_OBJECT_MAX && alignment <= FH_OBJECT_MAX / 2;
  void *taken = possible ? fh_take_aligned(alignment, bytes) : NULL;
  if (fh_unlikely(fh_counting != 0) && taken != NULL) {
    fh_count_take(taken, bytes);
  }
  return taken;
}

void *fh_memalign(size_t alignment, size_t bytes) {
  if (!fh_is_power_of_two(alignment)) {
    if (alignment > FH_OBJECT_MAX / 2) {
      errno = EINVAL;
      return NULL;
    }
    alignment = alignment == 0 ? FH_ALIGNMENT : 2 * fh_power_of_two_below(alignment); /* the next one, as glibc */
  }
  if (alignment <= FH_ALIGNMENT) {
    return fh_malloc(bytes);
  }
  void *taken = take_aligned(alignment, bytes);
  return taken != NULL ? taken : no_memory();
}

void *fh_aligned_alloc(size_t alignment, size_t bytes) {
  if (!fh_is_power_of_two(alignment)) {
    errno = EINVAL;
    return NULL;
  }
  return fh_memalign(alignment, bytes);
}

int fh_posix_memalign(void **out, size_t alignment, size_t bytes) {
  if (!fh_is_power_of_two(alignment) || alignment % sizeof(void *) != 0) {
    return EINVAL;
  }
  void *taken = take_aligned(alignment, bytes);
  if (taken == NULL) {
    return ENOMEM;
  }
  *out = taken;
  return 0;
}

static fh_noinline size_t usable_slow(const void *pointer) {
  return pointer == NULL ? 0 : fh_block_usable("malloc_usable_size", pointer);
}

size_t fh_usable_size(const void *pointer) {
  size_t usable;
  return fh_likely(fh_usable_near(pointer, &usable)) ? usable : usable_slow(pointer);
}

void fh_free_sized(void *pointer, size_t bytes) {
  (void)bytes;
  fh_free(pointer);
}

void fh_free_aligned_sized(void *pointer, size_t alignment, size_t bytes) {
  (void)alignment;
  (void)bytes;
  fh_free(pointer);
}

int fh_trim(size_t keep) {
  fh_heap *heap = fh_this.heap;
  size_t given = 0;
  (void)keep;
  if (heap != NULL) {
    fh_remote_post_all(heap);
    fh_gather();
    given = fh_chunk_trim(&heap->chunks) + fh_sparse_trim(heap);
  }
  given += fh_sleeper_sort_all(heap);
  given += fh_pages_trim();
  return given != 0;
}
