/* What a block store should hold, kept beside it. */
#ifndef TESTS_EXAMPLES_STORE_MODEL_H
#define TESTS_EXAMPLES_STORE_MODEL_H

#include <sys/stat.h>
#include <unistd.h>

#include "block_store/store.h"
#include "model/require.h"

enum { KEYS = 6, MOST_PAGES = 6, MOST_BYTES = MOST_PAGES * STORE_PAGE };

typedef struct model_value {
  bool there;
  size_t bytes;
  uint64_t random; /* what the bytes are made from; never 0 */
} model_value;

typedef struct model {
  model_value values[KEYS];
} model;

/* One change: a value for a key, or none. */
typedef struct step {
  unsigned key;
  model_value value;
} step;

static inline const char *key_name(unsigned key) {
  static const char *const names[KEYS] = {"a",        "bb", "key with blanks",
                                          "\xc3\xa9", "e",  "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"};
  return names[key];
}

static inline step step_next(const model *m, uint64_t *random) {
  unsigned key = (unsigned)(chance(random) % KEYS);
  if (m->values[key].there && chance(random) % 3 == 0) {
    return (step){.key = key};
  }
  size_t most = chance(random) % 4 == 0 ? 3 : MOST_BYTES + 1;
  return (step){key, {true, (size_t)chance(random) % most, chance(random) | 1}};
}

static inline void model_fill(const model_value *value, unsigned char *to) {
  uint64_t random = value->random;
  for (size_t i = 0; i < value->bytes; i++) {
    to[i] = (unsigned char)chance(&random);
  }
}

static inline void model_take(model *m, const step *one) { m->values[one->key] = one->value; }

static inline bool step_run(store *s, const step *one) {
  static unsigned char bytes[MOST_BYTES];
  if (!one->value.there) {
    return store_delete(s, key_name(one->key));
  }
  model_fill(&one->value, bytes);
  return store_put(s, key_name(one->key), bytes, one->value.bytes);
}

static inline bool value_same(store *s, const model_value *want, const char *key) {
  static unsigned char bytes[MOST_BYTES];
  const store_entry *entry = store_find(s, key);
  if (!want->there || entry == NULL || entry->value.bytes != want->bytes) {
    return !want->there && entry == NULL;
  }
  unsigned char *got = store_get(s, entry);
  model_fill(want, bytes);
  bool same = got != NULL && memcmp(got, bytes, want->bytes) == 0;
  free(got);
  return same;
}

static inline bool model_same(store *s, const model *m) {
  size_t there = 0;
  for (unsigned key = 0; key < KEYS; key++) {
    there += m->values[key].there;
    if (!value_same(s, &m->values[key], key_name(key))) {
      return false;
    }
  }
  return there == s->count;
}

/* Each page that is handed out is somebody's. */
static inline void check_pages(const store *s) {
  fh_space space;
  uint64_t pages = STORE_SUPERS + store_pages(s->super.directory.bytes);
  for (size_t i = 0; i < s->count; i++) {
    pages += store_pages(s->entries[i].value.bytes);
  }
  fh_range_space(s->pages, &space);
  REQUIRE(fh_range_check(s->pages) == FH_OK);
  REQUIRE(space.used == pages && space.size == space.used + space.free);
}

static inline int last_used(uint64_t address, uint64_t length, bool used, void *arg) {
  (void)address;
  (void)length;
  *(bool *)arg = used;
  return 0;
}

/* After a change: no free page at the end, neither of the range nor of the file. */
static inline void check_length(const store *s) {
  struct stat about;
  fh_space space;
  bool used = false;
  fh_range_space(s->pages, &space);
  fh_range_walk(s->pages, last_used, &used);
  REQUIRE(used && fstat(s->file, &about) == 0);
  REQUIRE((uint64_t)about.st_size == space.size * STORE_PAGE && space.size == s->super.pages);
}

static inline void must_open(store *s, const char *path, store_mode mode) {
  if (!store_open(s, path, mode)) {
    fprintf(stderr, "%s\n", s->reason);
    abort();
  }
  check_pages(s);
}

/* An empty file of its own for a test. */
static inline const char *scratch_file(void) {
  static char path[] = "/tmp/freehold-store-XXXXXX";
  int file = mkstemp(path);
  REQUIRE(file >= 0 && close(file) == 0);
  return path;
}

#endif
