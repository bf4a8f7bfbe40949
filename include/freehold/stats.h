/* Where the heap's bytes are, read without stopping anyone. */
#ifndef FREEHOLD_STATS_H
#define FREEHOLD_STATS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

/* All in bytes but the counts. Exact when no other thread allocates meanwhile. */
typedef struct fh_heap_stats {
  uint64_t committed;                   /* address space that may be touched: page runs and metadata */
  uint64_t resident;                    /* of the arenas and the metadata, as the kernel counts it */
  uint64_t used_pages;                  /* bytes of spans handed out: slabs, chunk stretches, large objects */
  uint64_t kept_dirty;                  /* free page runs with memory behind them */
  uint64_t clean;                       /* free page runs without */
  uint64_t purges;                      /* calls to the kernel that took memory back */
  uint64_t purged;                      /* bytes they took */
  uint64_t metadata;                    /* committed for heaps and tables */
  uint64_t heaps;                       /* made so far; heaps of ended threads are used again */
  uint64_t requested, usable;           /* bytes asked for and handed out, not freed yet; counted only while */
  uint64_t peak_requested, peak_usable; /* FREEHOLD_STATS is set, else 0; at the moment when `usable` was highest */
  uint64_t process_resident;
  uint64_t minor_faults, major_faults;
} fh_heap_stats;

void fh_stats(fh_heap_stats *);

/* The same and more as JSON into `room` bytes of `text`, zero-terminated; returns the length that all of it needs. */
size_t fh_stats_json(char *text, size_t room);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif

#ifdef __cplusplus
}
#endif

#endif
