/* A heap inside bytes you own: a static array, a mapped file, shared memory.
 *
 * Pointers are aligned to 16 bytes on 64-bit targets and 8 on 32-bit ones, or with FH_REGION_PACKED to 8 and 4. Each
 * allocation costs a header of 8 (4) bytes. A region holds no absolute address of itself, so its bytes can be mapped
 * anywhere, and at two places at once. Not locked: one thread at a time. Nothing here calls malloc or the kernel.
 *
 * With FH_FIT_GOOD, the default, no request fails while a hole that fits it exists, and alloc and free take a bounded
 * number of steps that does not depend on the number of holes (docs/region.md states and derives it; each further space
 * is searched in turn; an aligned request looks at all chunks before it fails). FIRST, NEXT, BEST and WORST look
 * through the list. BUDDY is bounded, and rounds up to powers of two; it serves alignments to 64 bytes for certain.
 *
 * Wrong pointers (null, foreign, inside an allocation, freed before) get a status and change nothing. A head is told
 * from user data by a tag of 23 bits; on 32-bit targets it has only 8, from 256 KiB on fewer, 2 at least: there a
 * pointer into an allocation whose bytes happen to look like a head may pass for one (docs/region.md). A call that
 * fails changes nothing and leaves its reason in fh_region_why. A space holds at most 32 GiB on 64-bit targets and 16
 * MiB on 32-bit ones; bytes beyond that are left alone, or make a second space. */
#ifndef FREEHOLD_REGION_H
#define FREEHOLD_REGION_H

#include <freehold/status.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

typedef struct fh_region fh_region;

/* Asked when a request finds no hole: calls fh_region_extend with at least `need` more bytes, adjacent if possible, and
 * returns the bytes added; 0: it has no more. It must not use the region otherwise. */
typedef size_t fh_grow(fh_region *, size_t need, void *arg);

/* A growth function that asks the kernel: at least 64 KiB and a quarter of the region, behind it if nothing is there.
 * `most` is NULL, or points to a size_t with the bytes that the region may have in all; near them it asks for less.
 * What it took stays until the process ends. In libfreehold only, not in libfreehold-core. */
size_t fh_region_grow_from_kernel(fh_region *, size_t need, void *most);

enum {
  FH_REGION_CHECKED = 1, /* a canary behind and a checksum in each header: overflow and double free are caught */
  FH_REGION_BOUNDED = 2, /* a lower worst case for less density: never search inside a bin */
  FH_REGION_PACKED = 4   /* align to the word only (8 on 64-bit, 4 on 32-bit), for many small objects */
};

typedef struct fh_region_options {
  fh_fit fit;
  unsigned flags;
  fh_grow *grow; /* belongs to this process: a region that is opened has none */
  void *grow_arg;
} fh_region_options;

/* Makes the bytes a region; whatever they held is gone. `memory` need not be aligned. NULL: too small (some 300 bytes),
 * or an option makes no sense. Options may be NULL: all zero. */
fh_region *fh_region_create(void *memory, size_t bytes, const fh_region_options *);

/* Attaches to the region in these bytes, at whatever address they are mapped now, if it is the same modulo 16 (32-bit
 * targets: 8); larger alignments hold where the mapping is as aligned. Reads every header: steps in
 * proportion to the chunks. NULL if they do not check: fh_region_examine says why. Growth by callback is off
 * afterwards. */
fh_region *fh_region_open(void *memory, size_t bytes);

/* What fh_region_open would say, without writing: FH_OK, FH_INVALID (no region, or one of another format or word size)
 * or FH_CORRUPT (also: it is longer than these bytes). `what`, if not NULL, gets a line of static text. */
fh_status fh_region_examine(const void *memory, size_t bytes, const char **what);

/* `size` bytes, not cleared; 0 is served like 1. NULL: fh_region_why says FH_INVALID, FH_EXHAUSTED or FH_FRAGMENTED. */
void *fh_region_alloc(fh_region *, size_t size);

/* At a multiple of `alignment`, a power of two. What lies in front is given back as a hole. */
void *fh_region_alloc_aligned(fh_region *, size_t alignment, size_t size);

/* `count` times `size` bytes, cleared. FH_INVALID: the product overflows. */
void *fh_region_calloc(fh_region *, size_t count, size_t size);

/* In place where the neighbours allow it, forward, then backward (contents move), else moved; keeps the alignment asked
 * for at birth. NULL pointer: alloc. Size 0: frees and returns NULL with FH_OK. On failure the allocation is as it was.
 */
void *fh_region_realloc(fh_region *, void *, size_t size);

/* FH_OK, FH_NOT_OWNED (null, foreign, inside), FH_DOUBLE_FREE, FH_CORRUPT (CHECKED: something wrote past its end). */
fh_status fh_region_free(fh_region *, void *);

/* Bytes that may be used; 0 for a pointer that is no allocation. CHECKED: exactly what was asked for. */
size_t fh_region_usable_size(const fh_region *, const void *);

/* Adjacent to the end of a space: one larger space; apart: a second one, with a table of its own. A region that is to
 * be opened again has its spaces in the order of their addresses. FH_INVALID: too small
 * to be of use, overlapping, or beyond what a space can hold. */
fh_status fh_region_extend(fh_region *, void *memory, size_t bytes);

/* Gives back a free tail of the last space made: its last bytes are the caller's again. How many. */
size_t fh_region_trim(fh_region *);

/* The first byte behind the first space: where adjacent memory would begin. */
void *fh_region_end(const fh_region *);

/* Of the last call that failed: FH_OK when none has. */
fh_status fh_region_why(const fh_region *);

/* O(1) with GOOD and BUDDY (per space), else the number of holes. */
void fh_region_space(const fh_region *, fh_space *);

/* FH_OK or FH_CORRUPT: every header, the index of holes and all counts. Steps in proportion to the chunks. */
fh_status fh_region_check(const fh_region *);

/* Chunks in address order, space by space: addresses and lengths with their headers. What the last visit returned. */
int fh_region_walk(const fh_region *, fh_visit *, void *arg);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
