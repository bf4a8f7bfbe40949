/* What a block store's file holds, in the byte order of the machine that wrote it:
 *
 *   page 0          page 1          pages that an fh_range hands out
 *   | superblock A  | superblock B  | value | directory | free | value ...
 *
 * Both superblocks say the same; the second is there in case the first is torn. They name the directory, one record a
 * value, and the directory names the values. Each of them is a run of pages with a checksum kept by who names it. */
#ifndef BLOCK_STORE_FORMAT_H
#define BLOCK_STORE_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STORE_PAGE = 4096, STORE_SUPERS = 2, STORE_KEY = 255 };

/* Bytes that begin with a page. No bytes have no page: it is 0. */
typedef struct store_extent {
  uint64_t page, bytes, sum;
} store_extent;

typedef struct store_super {
  char magic[8];
  uint64_t pages; /* of the file up to the last one in use; what is behind them is of no change that counts */
  store_extent directory;
  uint64_t sum; /* of all before it */
} store_super;

typedef struct store_entry {
  store_extent value;
  char key[STORE_KEY + 1];
} store_entry;

uint64_t store_sum(const void *bytes, size_t count);

/* Pages that so many bytes take. */
uint64_t store_pages(uint64_t bytes);

/* 1 to STORE_KEY characters, none of them a control character: a key stands on a line of its own. */
bool store_key_ok(const char *key);

void store_super_seal(store_super *);
bool store_super_ok(const store_super *);

/* The directory of so many entries, which are in order of their keys: NULL when there is no memory. The caller frees.
 */
unsigned char *store_directory_write(const store_entry *, size_t count, size_t *bytes);

/* Says what is wrong; NULL: the entries are the caller's to free, there may be none. */
const char *store_directory_read(const unsigned char *from, size_t bytes, store_entry **, size_t *count);

#endif
