/* Freehold's process heap, beside any other malloc or in its place.
 *
 * Each call means what the C library's function of the same name means. All are thread-safe; none takes a lock on the
 * common path. Memory belongs to the caller until it is given to fh_free, fh_realloc or a sized free, by any thread.
 * Pointers are aligned to 16 bytes at least. A call that fails returns NULL and sets errno to ENOMEM (no memory, or a
 * size that cannot be) or EINVAL (an alignment that is no power of two); a call that succeeds keeps errno. Freeing what
 * is not the start of a live allocation stops the program with one line on standard error: at once, but for small
 * blocks (1 KiB and less) of the thread's own, which are looked at when its cache gives them back. */
#ifndef FREEHOLD_FREEHOLD_H
#define FREEHOLD_FREEHOLD_H

#include <stddef.h>

#include "freehold/stats.h"

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

/* `bytes` bytes, contents undefined; 0 bytes give a pointer of their own. Constant time but for the kernel's part. */
void *fh_malloc(size_t bytes);
/* count x bytes bytes that read as zero; the product is checked. Fresh pages are not written. */
void *fh_calloc(size_t count, size_t bytes);
/* Same contents in `bytes` bytes, in place where it can. fh_realloc(p, 0) frees p and returns NULL. */
void *fh_realloc(void *pointer, size_t bytes);
void *fh_reallocarray(void *pointer, size_t count, size_t bytes);
/* NULL is allowed. Keeps errno. */
void fh_free(void *pointer);
/* With the size, or size and alignment, that was asked for (C23). */
void fh_free_sized(void *pointer, size_t bytes);
void fh_free_aligned_sized(void *pointer, size_t alignment, size_t bytes);
void *fh_aligned_alloc(size_t alignment, size_t bytes);
void *fh_memalign(size_t alignment, size_t bytes);
/* 0, EINVAL or ENOMEM; errno is kept. `alignment`: a power of two and a multiple of sizeof(void *). */
int fh_posix_memalign(void **out, size_t alignment, size_t bytes);
/* Bytes that may be used behind the pointer, at least as many as were asked for; 0 for NULL. */
size_t fh_usable_size(const void *pointer);
/* Gives back to the kernel what the calling thread and the page runs keep, and what was freed of other threads' blocks
 * and not taken in by them; 1 when there was something. */
int fh_trim(size_t keep);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif

#ifdef __cplusplus
}
#endif

#endif
