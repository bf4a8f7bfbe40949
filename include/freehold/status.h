/* What a call of range or region answers, and the account of a space. */
#ifndef FREEHOLD_STATUS_H
#define FREEHOLD_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

typedef enum fh_status {
  FH_OK = 0,
  FH_INVALID,     /* an argument makes no sense: alignment not a power of two, a region too small, size overflow */
  FH_EXHAUSTED,   /* fewer bytes are free in total than were asked for */
  FH_FRAGMENTED,  /* enough bytes are free in total, no hole is large enough */
  FH_NOT_OWNED,   /* the address was never handed out here, or points inside an allocation */
  FH_DOUBLE_FREE, /* it was handed out and has been given back already */
  FH_CORRUPT      /* the metadata does not add up */
} fh_status;

/* The enumerator's own name, "FH_FRAGMENTED"; "FH_UNKNOWN" for a value that is none. Never NULL; static. */
const char *fh_status_name(fh_status);

/* Which hole serves a request. */
typedef enum fh_fit {
  FH_FIT_GOOD = 0, /* a smallest hole that fits, in bounded time */
  FH_FIT_FIRST,    /* the first of the free list that fits */
  FH_FIT_NEXT,     /* the first from where the last search ended, around the list */
  FH_FIT_BEST,     /* the smallest that fits, by looking at all */
  FH_FIT_WORST,    /* the largest, by looking at all */
  FH_FIT_BUDDY     /* powers of two that split into halves and join their other half only */
} fh_fit;

/* A space's free list at one moment; all in bytes (a range: in its own unit) but the counts. */
typedef struct fh_space {
  uint64_t size;      /* the whole space */
  uint64_t used;      /* handed out, with headers and rounding */
  uint64_t requested; /* what callers asked for */
  uint64_t metadata;  /* the manager's own bytes inside the space */
  uint64_t free;      /* size = used + free + metadata, always */
  uint64_t largest;   /* the largest request that would succeed now */
  uint64_t holes;     /* free chunks */
  uint64_t chunks;    /* allocations */
  uint64_t peak_used; /* the most `used` has been; a region of several spaces: the sum of theirs, which may be more */
} fh_space;

/* External fragmentation: 1 - largest / free, between 0 and 1; 0 when nothing is free. */
double fh_space_fragmentation(const fh_space *);

/* One stretch of a space: where it begins, its length, whether it is handed out. Non-zero stops the walk. */
typedef int fh_visit(uint64_t address, uint64_t length, bool used, void *arg);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
