/* Reads the heap's account; changes nothing. */
#include "freehold/stats.h"

#include "heap/count.h"
#include "heap/heap.h"
#include "heap/sleeper.h"
#include "os/os.h"
#include "pages/meta.h"

static uint64_t resident_in_arenas(void) {
  size_t page = fh_os_page_size(), total = 0;
  for (size_t i = 0; i < fh_arena_count(); i++) {
    fh_arena *arena = &fh_arenas[i];
    char *map = (char *)(void *)(arena->spans - 1);
    total += fh_os_resident(arena->base, __atomic_load_n(&arena->limit, __ATOMIC_ACQUIRE), NULL);
    total += fh_os_resident(
        map, fh_round_down((size_t)(__atomic_load_n(&arena->map_end, __ATOMIC_ACQUIRE) - map), page), NULL);
  }
  return total;
}

void fh_stats(fh_heap_stats *out) {
  fh_pages_counts counts;
  fh_os_usage usage = {0};
  fh_counted counted;
  fh_pages_read(&counts);
  fh_os_read_usage(&usage);
  fh_count_read(&counted);
  size_t metadata = fh_meta_bytes() + fh_sleeper_table_bytes();
  *out = (fh_heap_stats){
      .committed = fh_arena_committed() + metadata,
      .resident = resident_in_arenas(),
      .used_pages = (uint64_t)counts.used << FH_PAGE_SHIFT,
      .kept_dirty = (uint64_t)counts.dirty << FH_PAGE_SHIFT,
      .clean = (uint64_t)counts.clean << FH_PAGE_SHIFT,
      .purges = counts.purges,
      .purged = (uint64_t)counts.purged_pages << FH_PAGE_SHIFT,
      .metadata = metadata,
      .requested = counted.requested,
      .usable = counted.usable,
      .peak_requested = counted.peak_requested,
      .peak_usable = counted.peak_usable,
      .process_resident = usage.resident,
      .minor_faults = usage.minor_faults,
      .major_faults = usage.major_faults,
  };
  for (fh_heap *heap = fh_heap_all(); heap != NULL; heap = heap->next) {
    out->heaps++;
  }
}
