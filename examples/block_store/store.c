/* A change never writes over what the superblocks name:
 *
 *   1. the value and a new directory go to free pages           fdatasync: they are there before anything names them
 *   2. superblock A names the new directory                     fdatasync: from here on the change counts
 *   3. superblock B says the same                               on the disk with the next change's step 1
 *   4. the pages of the old directory and value become free, and the file is cut if they were its last
 *
 * Stopped before the end of 2, A or else B names the old state, of which nothing was written over. B may be one change
 * behind A after that, so that pages it names may be free: whoever opens the file to write makes B say what A says
 * first. */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* The lowest hole that fits: pages at the end become free sooner, and the file can be cut. */
static const fh_range_options low_pages = {.fit = FH_FIT_FIRST};

__attribute__((format(printf, 2, 3))) static bool refuse(store *s, const char *format, ...) {
  va_list list;
  va_start(list, format);
  vsnprintf(s->reason, sizeof s->reason, format, list);  // NOLINT(clang-analyzer-valist.Uninitialized): it is not
  va_end(list);
  return false;
}

static bool refuse_errno(store *s, const char *what) { return refuse(s, "%s: %s", what, strerror(errno)); }

static bool write_at(store *s, uint64_t offset, const void *from, size_t bytes) {
  const char *at = from;
  while (bytes != 0) {
    ssize_t done = pwrite(s->file, at, bytes, (off_t)offset);
    if (done < 0 && errno != EINTR) {
      return refuse_errno(s, "writing");
    }
    size_t count = done < 0 ? 0 : (size_t)done;
    at += count;
    offset += count;
    bytes -= count;
  }
  return true;
}

/* What is behind the end of the file reads as zeros. */
static bool read_at(store *s, uint64_t offset, void *to, size_t bytes) {
  char *at = to;
  memset(to, 0, bytes);
  while (bytes != 0) {
    ssize_t done = pread(s->file, at, bytes, (off_t)offset);
    if (done == 0) {
      return true;
    }
    if (done < 0 && errno != EINTR) {
      return refuse_errno(s, "reading");
    }
    size_t count = done < 0 ? 0 : (size_t)done;
    at += count;
    offset += count;
    bytes -= count;
  }
  return true;
}

static bool sync_file(store *s) { return fdatasync(s->file) == 0 || refuse_errno(s, "fdatasync"); }

static bool set_length(store *s, uint64_t pages) {
  return ftruncate(s->file, (off_t)(pages * STORE_PAGE)) == 0 || refuse_errno(s, "setting the length");
}

static bool write_super(store *s, unsigned which, const store_super *super) {
  return write_at(s, (uint64_t)which * STORE_PAGE, super, sizeof *super);
}

/* The bytes of an extent, which lies within the file; NULL when they are not what was written. */
static unsigned char *read_extent(store *s, const store_extent *extent, const char *what) {
  unsigned char *bytes = malloc((size_t)extent->bytes + 1);
  if (bytes == NULL) {
    refuse(s, "no memory for %s", what);
    return NULL;
  }
  if (!read_at(s, extent->page * STORE_PAGE, bytes, (size_t)extent->bytes)) {
    free(bytes);
    return NULL;
  }
  if (store_sum(bytes, (size_t)extent->bytes) != extent->sum) {
    refuse(s, "corrupt: the checksum of %s is wrong", what);
    free(bytes);
    return NULL;
  }
  return bytes;
}

/* --- open --- */

/* The pages of an extent are taken in the range: a file whose extents meet or lie outside is refused. */
static bool take_extent(store *s, const store_extent *extent, const char *what) {
  if (extent->bytes == 0) {
    return true;
  }
  switch (fh_range_alloc_at(s->pages, extent->page, store_pages(extent->bytes))) {
    case FH_OK: return true;
    case FH_FRAGMENTED: return refuse(s, "corrupt: pages of %s belong to something else too", what);
    case FH_EXHAUSTED: return refuse(s, "no memory for the page map");
    default: return refuse(s, "corrupt: pages of %s lie outside the file", what);
  }
}

static bool read_directory(store *s) {
  if (!take_extent(s, &s->super.directory, "the directory")) {
    return false;
  }
  unsigned char *bytes = read_extent(s, &s->super.directory, "the directory");
  if (bytes == NULL) {
    return false;
  }
  const char *wrong = store_directory_read(bytes, (size_t)s->super.directory.bytes, &s->entries, &s->count);
  free(bytes);
  return wrong == NULL || refuse(s, "corrupt directory: %s", wrong);
}

static bool rebuild(store *s) {
  s->pages = fh_range_create(0, s->super.pages, &low_pages);
  if (s->pages == NULL || fh_range_alloc_at(s->pages, 0, STORE_SUPERS) != FH_OK) {
    return refuse(s, "no memory for the page map");
  }
  if (!read_directory(s)) {
    return false;
  }
  for (size_t i = 0; i < s->count; i++) {
    if (!take_extent(s, &s->entries[i].value, s->entries[i].key)) {
      return false;
    }
  }
  return true;
}

/* A file that nobody has written to, or whose first superblock did not get that far. */
static bool is_blank(store *s, uint64_t length) {
  char bytes[STORE_SUPERS * STORE_PAGE];
  if (length != 0 && (length != sizeof bytes || !read_at(s, 0, bytes, sizeof bytes))) {
    return false;
  }
  for (size_t i = 0; i < length; i++) {
    if (bytes[i] != 0) {
      return false;
    }
  }
  return true;
}

/* The name is in its folder for good. */
static bool sync_folder(store *s, const char *path) {
  char *copy = strdup(path);
  int folder = copy == NULL ? -1 : open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  bool good = folder >= 0 && fsync(folder) == 0;
  if (!good) {
    refuse_errno(s, "the file's folder");
  }
  if (folder >= 0) {
    close(folder);
  }
  free(copy);
  return good;
}

static bool begin(store *s, const char *path) {
  s->super = (store_super){.pages = STORE_SUPERS, .directory = {.sum = store_sum("", 0)}};
  store_super_seal(&s->super);
  if (!s->writes) {
    return true;
  }
  return set_length(s, STORE_SUPERS) && write_super(s, 0, &s->super) && sync_file(s) && sync_folder(s, path);
}

/* A is never behind B. */
static bool choose_super(store *s, uint64_t length) {
  store_super both[STORE_SUPERS];
  if (!read_at(s, 0, &both[0], sizeof both[0]) || !read_at(s, STORE_PAGE, &both[1], sizeof both[1])) {
    return false;
  }
  unsigned which = store_super_ok(&both[0]) ? 0 : 1;
  if (!store_super_ok(&both[which])) {
    return refuse(s, "no block store, or both superblocks are damaged");
  }
  s->super = both[which];
  if (s->super.pages < STORE_SUPERS || s->super.pages > length / STORE_PAGE) {
    return refuse(s, "corrupt: %llu pages are said to be in use, the file has %llu", (unsigned long long)s->super.pages,
                  (unsigned long long)(length / STORE_PAGE));
  }
  return true;
}

/* The superblock that is not the chosen one is made the same. */
static bool mend_supers(store *s) {
  for (unsigned which = 0; which < STORE_SUPERS; which++) {
    store_super there;
    if (!read_at(s, (uint64_t)which * STORE_PAGE, &there, sizeof there) ||
        (memcmp(&there, &s->super, sizeof there) != 0 && !write_super(s, which, &s->super))) {
      return false;
    }
  }
  return true;
}

static bool load(store *s, const char *path) {
  struct stat about;
  if (flock(s->file, s->writes ? LOCK_EX : LOCK_SH) != 0 || fstat(s->file, &about) != 0) {
    return refuse_errno(s, "the lock");
  }
  if (!S_ISREG(about.st_mode)) {
    return refuse(s, "no regular file");
  }
  uint64_t length = (uint64_t)about.st_size;
  bool good = is_blank(s, length) ? begin(s, path) : choose_super(s, length);
  return good && rebuild(s) && (!s->writes || mend_supers(s));
}

bool store_open(store *s, const char *path, store_mode mode) {
  *s = (store){.writes = mode != STORE_READ};
  int flags = (s->writes ? O_RDWR : O_RDONLY) | (mode == STORE_CREATE ? O_CREAT : 0);
  s->file = open(path, flags | O_CLOEXEC, 0666);
  if (s->file < 0) {
    return refuse(s, "%s", strerror(errno));
  }
  if (load(s, path)) {
    return true;
  }
  store_close(s);
  return false;
}

void store_close(store *s) {
  fh_range_destroy(s->pages);
  free(s->entries);
  close(s->file);
}

/* --- read --- */

/* Where the key is, or would be. */
static size_t place_of(const store *s, const char *key) {
  size_t low = 0, high = s->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (strcmp(s->entries[middle].key, key) < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

const store_entry *store_find(const store *s, const char *key) {
  size_t at = place_of(s, key);
  return at < s->count && strcmp(s->entries[at].key, key) == 0 ? &s->entries[at] : NULL;
}

unsigned char *store_get(store *s, const store_entry *entry) { return read_extent(s, &entry->value, entry->key); }

/* --- change --- */

static int note_last(uint64_t address, uint64_t length, bool used, void *arg) {
  (void)address;
  *(uint64_t *)arg = used ? 0 : length;
  return 0;
}

/* Free pages at the end. */
static uint64_t free_tail(const store *s) {
  uint64_t tail = 0;
  fh_range_walk(s->pages, note_last, &tail);
  return tail;
}

static uint64_t pages_now(const store *s) {
  fh_space space;
  fh_range_space(s->pages, &space);
  return space.size;
}

static void trim(store *s) {
  uint64_t tail = free_tail(s);
  if (tail != 0) {
    fh_range_shrink(s->pages, tail); /* can not fail: these pages are free, and the superblocks remain */
  }
}

static void give_extent(store *s, const store_extent *extent) {
  if (extent->bytes != 0) {
    fh_range_free(s->pages, extent->page);
  }
}

/* Exhausted or only fragmented, the file grows by what the free pages at its end lack. */
static fh_status take_pages(store *s, uint64_t count, uint64_t *page) {
  fh_status status = fh_range_alloc(s->pages, count, 1, page);
  uint64_t tail = free_tail(s);
  if ((status != FH_EXHAUSTED && status != FH_FRAGMENTED) || tail >= count) {
    return status;
  }
  status = fh_range_grow(s->pages, count - tail);
  return status == FH_OK ? fh_range_alloc(s->pages, count, 1, page) : status;
}

/* False: it has no pages. */
static bool write_extent(store *s, const void *bytes, size_t count, store_extent *extent) {
  *extent = (store_extent){.bytes = count, .sum = store_sum(bytes, count)};
  fh_status status = count == 0 ? FH_OK : take_pages(s, store_pages(count), &extent->page);
  if (status != FH_OK) {
    return refuse(s, "no pages: %s", fh_status_name(status));
  }
  if (set_length(s, pages_now(s)) && write_at(s, extent->page * STORE_PAGE, bytes, count)) {
    return true;
  }
  give_extent(s, extent);
  return false;
}

static uint64_t end_of(const store_extent *extent) { return extent->page + store_pages(extent->bytes); }

/* The superblock for a new directory: it counts the pages up to the last that is used when the old ones are free. */
static store_super next_super(const store_extent *directory, const store_entry *entries, size_t count) {
  store_super super = {.pages = STORE_SUPERS, .directory = *directory};
  uint64_t end = end_of(directory);
  for (size_t i = 0; i < count; i++) {
    end = end_of(&entries[i].value) > end ? end_of(&entries[i].value) : end;
  }
  super.pages = end > super.pages ? end : super.pages;
  store_super_seal(&super);
  return super;
}

static bool write_supers(store *s, const store_super *super) {
  s->broken = true; /* until it is known that all went well */
  if (!sync_file(s) || !write_super(s, 0, super) || !sync_file(s) || !write_super(s, 1, super)) {
    return false;
  }
  s->broken = false;
  return true;
}

/* The entries become the store's: the caller frees those that were it before. */
static bool commit(store *s, store_entry **entries, size_t *count) {
  size_t bytes = 0;
  store_extent old = s->super.directory, directory;
  unsigned char *text = store_directory_write(*entries, *count, &bytes);
  if (text == NULL) {
    return refuse(s, "no memory for the directory");
  }
  bool good = write_extent(s, text, bytes, &directory);
  free(text);
  if (!good) {
    return false;
  }
  store_super super = next_super(&directory, *entries, *count);
  if (!write_supers(s, &super)) {
    give_extent(s, &directory);
    return false;
  }
  store_entry *before = s->entries;
  s->entries = *entries;
  s->count = *count;
  s->super = super;
  *entries = before;
  give_extent(s, &old);
  return true;
}

/* The value at `key` becomes `value`; NULL: there is none any more. */
static bool change(store *s, const char *key, const store_extent *value) {
  size_t at = place_of(s, key), count = s->count + (value != NULL);
  const store_entry *old = store_find(s, key);
  store_extent gone = old == NULL ? (store_extent){.bytes = 0} : old->value;
  store_entry *entries = malloc((count + 1) * sizeof *entries), *to = entries;
  if (entries == NULL) {
    return refuse(s, "no memory for the directory");
  }
  memcpy(to, s->entries, at * sizeof *to);
  to += at;
  if (value != NULL) {
    *to = (store_entry){.value = *value};
    memcpy(to++->key, key, strlen(key));
  }
  size_t from = at + (old != NULL);
  memcpy(to, s->entries + from, (s->count - from) * sizeof *to);
  count -= old != NULL;
  bool good = commit(s, &entries, &count);
  free(entries);
  if (good) {
    give_extent(s, &gone);
  }
  return good;
}

static bool may_change(store *s, const char *key) {
  if (s->broken || !s->writes) {
    return refuse(s, s->broken ? "a change failed: open the file again" : "open for reading only");
  }
  return store_key_ok(key) || refuse(s, "a key is 1 to %d characters, none of them a control character", STORE_KEY);
}

/* What has become free at the end leaves the file. That this fails is no harm: the next change sets the length too. */
static bool finish(store *s, bool good) {
  trim(s);
  if (good) {
    (void)set_length(s, pages_now(s));
  }
  return good;
}

bool store_put(store *s, const char *key, const void *bytes, size_t count) {
  store_extent value;
  if (!may_change(s, key)) {
    return false;
  }
  bool written = write_extent(s, bytes, count, &value), good = written && change(s, key, &value);
  if (written && !good) {
    give_extent(s, &value);
  }
  return finish(s, good);
}

bool store_delete(store *s, const char *key) {
  if (!may_change(s, key)) {
    return false;
  }
  if (store_find(s, key) == NULL) {
    return refuse(s, "no value '%s'", key);
  }
  return finish(s, change(s, key, NULL));
}
