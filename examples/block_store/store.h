/* Named values in one file that survives restarts and a process or a machine that stops at any moment: a value is then
 * the old one or the new one. An fh_range over the numbers of the pages knows which are free; it is not stored but made
 * again from the directory each time. */
#ifndef BLOCK_STORE_STORE_H
#define BLOCK_STORE_STORE_H

#include <freehold/range.h>

#include "format.h"

typedef enum store_mode { STORE_READ, STORE_WRITE, STORE_CREATE } store_mode;

typedef struct store {
  int file;
  bool writes;
  bool broken;          /* a change failed half way: what the disk holds is known again after the next open */
  fh_range *pages;      /* the file, in pages: what is handed out is superblocks, directory and values */
  store_entry *entries; /* in order of their keys */
  size_t count;
  store_super super; /* what the last change wrote */
  char reason[256];  /* why the last call answered false */
} store;

/* Waits for the lock: many may read, or one write. False: there is nothing to close. */
bool store_open(store *, const char *path, store_mode);
void store_close(store *);

/* NULL: there is no such value. */
const store_entry *store_find(const store *, const char *key);

/* The bytes of a value, which the caller frees; NULL: the reason says why. */
unsigned char *store_get(store *, const store_entry *);

/* True: it is on the disk. False: nothing has changed, or the store is broken. */
bool store_put(store *, const char *key, const void *bytes, size_t count);
bool store_delete(store *, const char *key);

#endif
