/* An account is read while threads allocate, free and end: slabs and stretches vanish under it, and what the program
 * writes is where they were. It may be off, it stays within what is committed; and it is exact when they have ended. */
#include <pthread.h>
#include <time.h>

#include "heap/heap.h"
#include "lens/account.h"
#include "model/oracle.h"

enum { THREADS = 3, BLOCKS = 1500, HANDED = 256, KEPT = 600, SECONDS = 1 };

static int stop;
static void *handed[HANDED]; /* from one thread to another */

/* Of one kind at a time, so that the pages of one are soon another's. The random number is what is written. */
static void *make(uint64_t *random, unsigned kind) {
  static const size_t most[] = {1024, 3000, 40000, 1 << 20}, least[] = {1, 1100, 1100, 200000};
  *random = *random * 6364136223846793005u + 1442695040888963407u;
  size_t bytes = least[kind] + (size_t)(*random >> 33) % (most[kind] - least[kind]);
  unsigned char *made = fh_malloc(bytes);
  REQUIRE(made != NULL);
  memset(made, (int)(*random >> 56) | 1, bytes);
  return made;
}

static void *life(void *seed) {
  static _Thread_local void *mine[BLOCKS];
  uint64_t random = (uint64_t)(uintptr_t)seed;
  for (unsigned round = 0; round < 12; round++) {
    unsigned kind = (unsigned)(random >> 40) % 4, count = kind < 2 ? BLOCKS : kind == 2 ? BLOCKS / 8 : BLOCKS / 256;
    for (unsigned i = 0; i < count; i++) {
      mine[i] = make(&random, kind);
    }
    for (unsigned i = 0; i < count; i++) {
      fh_free(i % 16 != 0 ? mine[i] : __atomic_exchange_n(&handed[i % HANDED], mine[i], __ATOMIC_ACQ_REL));
    }
  }
  return NULL;
}

static void *lives(void *seed) {
  for (uintptr_t i = 1; !__atomic_load_n(&stop, __ATOMIC_RELAXED); i++) {
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, life, (void *)((uintptr_t)seed * 100000 + i)) == 0);
    pthread_join(thread, NULL);
  }
  return NULL;
}

#if defined(__SANITIZE_THREAD__)
void AnnotateIgnoreReadsBegin(const char *file, int line);
void AnnotateIgnoreReadsEnd(const char *file, int line);
#else
#define AnnotateIgnoreReadsBegin(file, line) ((void)0)
#define AnnotateIgnoreReadsEnd(file, line) ((void)0)
#endif

/* It reads what is being written, by design. */
static void read_account(fh_account *out) {
  AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
  fh_account_read(out);
  AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
}

static uint64_t sum_of_parts(const fh_account *a) {
  return a->slab_live + a->slab_free + a->slab_uncarved + a->slab_maps + a->chunk_live + a->chunk_heads +
         a->chunk_quick + a->chunk_holes + a->chunk_ends + a->large_live;
}

static void look(void) {
  fh_account a;
  uint64_t holes = 0;
  read_account(&a);
  REQUIRE(sum_of_parts(&a) <= fh_arena_committed());
  REQUIRE(a.untouched <= fh_arena_committed() && a.kept_resident <= fh_arena_committed());
  for (unsigned i = 0; i < FH_HOLE_SIZES; i++) {
    holes += a.holes[i];
  }
  REQUIRE(holes == a.chunk_holes);
  for (unsigned class = 1; class < FH_CLASSES; class ++) {
    REQUIRE(a.class_live[class] <= a.class_slots[class]);
  }
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Quiet: each byte in one place, and live is what the program holds. */
static void look_at_the_end(void) {
  static oracle sizes = {.random = 11};
  uint64_t slabs = 0, chunks = 0, large = 0;
  fh_account a;
  fh_heap_stats s;
  for (size_t i = 0; i < HANDED; i++) {
    fh_free(handed[i]);
  }
  fh_trim(0); /* posts the last batches */
  fh_account_read(&a);
  REQUIRE(a.slab_live == 0 && a.chunk_live == 0 && a.large_live == 0 && a.chunk_heads == 0);
  for (size_t i = 0; i < KEPT; i++) {
    void *kept = fh_malloc(oracle_size(&sizes));
    REQUIRE(kept != NULL);
    unsigned kind = fh_span_kind_of(fh_arena_find(kept));
    *(kind == FH_SPAN_SLAB ? &slabs : kind == FH_SPAN_LARGE ? &large : &chunks) += fh_usable_size(kept);
  }
  fh_account_read(&a);
  fh_stats(&s);
  REQUIRE(sum_of_parts(&a) == s.used_pages);
  REQUIRE(s.used_pages + s.kept_dirty + s.clean == fh_arena_committed());
  REQUIRE(slabs != 0 && chunks != 0 && large != 0);
  REQUIRE(a.slab_live == slabs && a.chunk_live == chunks && a.large_live == large);
}

int main(void) {
  pthread_t threads[THREADS];
  unsigned long reads = 0;
  for (uintptr_t i = 0; i < THREADS; i++) {
    REQUIRE(pthread_create(&threads[i], NULL, lives, (void *)(i + 1)) == 0);
  }
  for (double end = now() + SECONDS; now() < end; reads++) {
    look();
  }
  __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
  for (int i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
  }
  printf("%lu accounts\n", reads);
  REQUIRE(reads > 10);
  look_at_the_end();
  return 0;
}
