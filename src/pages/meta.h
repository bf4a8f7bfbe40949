/* The allocator's own memory: heaps and tables. Zeroed, aligned to 64 bytes, never given back, shared by all threads.
 */
#ifndef FH_PAGES_META_H
#define FH_PAGES_META_H

#include "base/compiler.h"

/* What is asked for in multiples of this has pages of its own, where the kernel's are no longer: all that is long is.
 */
enum { FH_META_PAGE = 4096 };

void *fh_meta_take(size_t bytes); /* NULL: no memory */
size_t fh_meta_bytes(void);       /* committed so far */
void fh_meta_lock(void);
void fh_meta_unlock(void);
void fh_meta_reset_lock(void);

#endif
