/* retention LOAD MILLISECONDS: runs a load, looks at the heap every few milliseconds while all of its threads stand
 * still, and prints what was kept. 0 milliseconds: looks never, and prints how long it took. */
#include <inttypes.h>
#include <stdio.h>

#include "heap/heap.h"
#include "lens/retained.h"
#include "retention/loads.h"

/* The bound: kept <= live / SHARE + FIXED + a thread's part for each. */
enum { SHARE = 10 };
#define FIXED (FH_RETAIN_BYTES + FH_WIDEN_BYTES + FH_ORPHANS_RETAIN)
#define EACH (FH_CHUNK_RETAIN + FH_CHUNK_WIDEN + FH_QUICK_RETAIN)

static struct {
  uint64_t samples, live, kept;  /* sums of all samples */
  uint64_t live_most, kept_most; /* the highest */
  uint64_t unknown, untouched;   /* the heap's account from the kernel's, less and more than there is */
  uint64_t smaps;                /* the kernel's one word from its other */
  uint64_t heaps;                /* with a thread */
  int64_t beyond;                /* the most that was kept beyond the share of what was live alone */
  int64_t over_whole;            /* the same as over, without pages of slabs in use */
  int64_t over;                  /* what was kept beyond the bound, where that was most */
  double share;                  /* the highest, while at least half of the most was live */
  uint64_t kinds[FH_KEEPERS];    /* the highest */
  fh_retained at;                /* the sample with most over */
  uint64_t at_heaps;
} seen;

static int finished;

static uint64_t more(uint64_t a, uint64_t b) { return a > b ? a - b : 0; }

static void raise(uint64_t *most, uint64_t value) { *most = value > *most ? value : *most; }

/* Bytes with memory behind them in the first arena, as the kernel writes it. */
static uint64_t read_smaps(void) {
  FILE *file = fopen("/proc/self/smaps", "r");
  char line[512];
  uint64_t total = 0, kib;
  uintptr_t low, high, from = (uintptr_t)fh_arenas[0].base, to = from + fh_arenas[0].reserved;
  bool within = false;
  while (file != NULL && fgets(line, sizeof line, file) != NULL) {
    if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &low, &high) == 2) {
      within = low < to && high > from;
    } else if (within && sscanf(line, "Rss: %" SCNu64, &kib) == 1) {
      total += kib * 1024;
    }
  }
  if (file != NULL) {
    fclose(file);
  }
  return total;
}

static uint64_t heaps_with_threads(void) {
  uint64_t count = 0;
  for (const fh_heap *heap = fh_heap_all(); heap != NULL; heap = heap->next) {
    count += heap->state == FH_HEAP_LIVE;
  }
  return count;
}

static int64_t over_bound(const fh_retained *now, uint64_t heaps) {
  return (int64_t)now->total - (int64_t)(now->live / SHARE + FIXED + EACH * heaps);
}

static void note_bound(const fh_retained *now, uint64_t heaps) {
  int64_t over = over_bound(now, heaps);
  if (seen.samples == 0 || over > seen.over) {
    seen.over = over;
    seen.at = *now;
    seen.at_heaps = heaps;
  }
}

static void note(const fh_retained *now, uint64_t heaps) {
  uint64_t unknown = 0, untouched = 0;
  int64_t whole = over_bound(now, heaps) - (int64_t)now->kept[FH_KEPT_SLOTS];
  int64_t beyond = (int64_t)now->total - (int64_t)(now->live / SHARE);
  note_bound(now, heaps);
  seen.over_whole = seen.samples == 0 || whole > seen.over_whole ? whole : seen.over_whole;
  seen.beyond = seen.samples == 0 || beyond > seen.beyond ? beyond : seen.beyond;
  for (unsigned i = 0; i < FH_KEEPERS; i++) {
    unknown += more(now->kept[i], now->believed[i]);
    untouched += more(now->believed[i], now->kept[i]);
    raise(&seen.kinds[i], now->kept[i]);
  }
  seen.samples++;
  seen.live += now->live;
  seen.kept += now->total;
  raise(&seen.live_most, now->live);
  raise(&seen.kept_most, now->total);
  raise(&seen.unknown, unknown);
  raise(&seen.untouched, untouched);
  raise(&seen.heaps, heaps);
  double share = now->live == 0 ? 0 : (double)now->total / (double)now->live;
  if (now->live >= seen.live_most / 2 && share > seen.share) {
    seen.share = share;
  }
}

static void sample(void) {
  fh_retained now;
  gate_close();
  uint64_t heaps = heaps_with_threads();
  if (!fh_retained_read(&now)) {
    abort();
  }
  if (seen.samples % 16 == 0) {
    uint64_t smaps = read_smaps();
    raise(&seen.smaps, more(smaps, now.resident) + more(now.resident, smaps));
  }
  gate_open();
  note(&now, heaps);
}

static void *run(void *chosen) {
  gate_start();
  ((const load *)chosen)->run();
  __atomic_store_n(&finished, 1, __ATOMIC_RELEASE);
  return NULL;
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void put(const char *name, uint64_t value) { printf(" %s=%" PRIu64, name, value); }

static void print(void) {
  printf("RESULT over=%" PRId64 " over_whole=%" PRId64 " beyond=%" PRId64 " share=%.4f", seen.over, seen.over_whole,
         seen.beyond, seen.share);
  put("samples", seen.samples);
  put("live", seen.live / seen.samples);
  put("kept", seen.kept / seen.samples);
  put("live_most", seen.live_most);
  put("kept_most", seen.kept_most);
  put("unknown", seen.unknown);
  put("untouched", seen.untouched);
  put("smaps", seen.smaps);
  put("heaps", seen.heaps);
  put("fixed", FIXED);
  put("each", EACH);
  put("at_live", seen.at.live);
  put("at_kept", seen.at.total);
  put("at_heaps", seen.at_heaps);
  for (unsigned i = 0; i < FH_KEEPERS; i++) {
    printf(" %s=%" PRIu64 " at_%s=%" PRIu64, fh_keeper_names[i], seen.kinds[i], fh_keeper_names[i], seen.at.kept[i]);
  }
  printf("\n");
}

static const load *find(const char *name) {
  for (size_t i = 0; i < sizeof loads / sizeof loads[0]; i++) {
    if (strcmp(name, loads[i].name) == 0) {
      return &loads[i];
    }
  }
  return NULL;
}

int main(int argc, char **argv) {
  const load *chosen = argc == 3 ? find(argv[1]) : NULL;
  if (chosen == NULL) {
    return 2;
  }
  long every = atol(argv[2]);
  double begin = seconds();
  pthread_t thread;
  pthread_create(&thread, NULL, run, (void *)(uintptr_t)chosen);
  while (every > 0 && !__atomic_load_n(&finished, __ATOMIC_ACQUIRE)) {
    nanosleep(&(struct timespec){every / 1000, every % 1000 * 1000000}, NULL);
    sample();
  }
  pthread_join(thread, NULL);
  if (every > 0) {
    print();
  } else {
    printf("RESULT time=%.6f\n", seconds() - begin);
  }
  return 0;
}
