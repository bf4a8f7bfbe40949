/* A block store whose bytes are not what it wrote is refused with a reason, or answers as if nothing had happened. */
#include <fcntl.h>

#include "store_model.h"

typedef struct image {
  unsigned char *bytes;
  size_t length;
} image;

static image read_image(const char *path) {
  struct stat about;
  int file = open(path, O_RDONLY);
  REQUIRE(file >= 0 && fstat(file, &about) == 0);
  image i = {malloc((size_t)about.st_size + 1), (size_t)about.st_size};
  REQUIRE(i.bytes != NULL && read(file, i.bytes, i.length) == (ssize_t)i.length && close(file) == 0);
  return i;
}

static void write_bytes(const char *path, const void *bytes, size_t length, size_t at) {
  int file = open(path, O_WRONLY | O_CREAT, 0666);
  REQUIRE(file >= 0 && pwrite(file, bytes, length, (off_t)at) == (ssize_t)length && close(file) == 0);
}

static void restore(const char *path, const image *i) {
  write_bytes(path, i->bytes, i->length, 0);
  REQUIRE(truncate(path, (off_t)i->length) == 0);
}

static model make(const char *path, unsigned changes, uint64_t random) {
  store s;
  model m = {.values = {{.there = false}}};
  must_open(&s, path, STORE_CREATE);
  for (unsigned i = 0; i < changes; i++) {
    step one = step_next(&m, &random);
    REQUIRE(step_run(&s, &one));
    model_take(&m, &one);
  }
  store_close(&s);
  return m;
}

/* Refused in few words, or all is well. True: refused. */
static bool refused(const char *path, const model *m) {
  store s;
  if (!store_open(&s, path, STORE_READ)) {
    REQUIRE(s.reason[0] != '\0' && strchr(s.reason, '\n') == NULL);
    return true;
  }
  check_pages(&s);
  REQUIRE(model_same(&s, m));
  store_close(&s);
  return false;
}

/* One bit of each byte of a stretch; how many of them were refused. */
static size_t flip(const char *path, const image *i, const model *m, size_t from, size_t count) {
  size_t times = 0;
  for (size_t at = from; at < from + count; at++) {
    unsigned char wrong = (unsigned char)(i->bytes[at] ^ 1 << at % 8);
    write_bytes(path, &wrong, 1, at);
    times += refused(path, m);
    write_bytes(path, &i->bytes[at], 1, at);
  }
  return times;
}

/* One superblock is enough; the directory has none beside it. */
static void test_flips(const char *path) {
  model m = make(path, 40, 7);
  image i = read_image(path);
  store s;
  must_open(&s, path, STORE_READ);
  store_extent directory = s.super.directory;
  store_close(&s);
  REQUIRE(flip(path, &i, &m, 0, sizeof(store_super) + 64) == 0);
  REQUIRE(flip(path, &i, &m, STORE_PAGE, sizeof(store_super) + 64) == 0);
  REQUIRE(flip(path, &i, &m, (size_t)directory.page * STORE_PAGE, (size_t)directory.bytes) == directory.bytes);
  for (size_t at = 0; at < sizeof(store_super); at++) {
    unsigned char wrong = (unsigned char)~i.bytes[at];
    write_bytes(path, &wrong, 1, at);
    REQUIRE(flip(path, &i, &m, STORE_PAGE, sizeof(store_super)) == sizeof(store_super));
    write_bytes(path, &i.bytes[at], 1, at);
  }
  REQUIRE(!refused(path, &m));
  free(i.bytes);
}

/* A damaged value is refused, and the others are still read. */
static void test_value(const char *path) {
  store s;
  unlink(path);
  must_open(&s, path, STORE_CREATE);
  REQUIRE(store_put(&s, "good", "12345", 5) && store_put(&s, "bad", "12345", 5));
  store_extent bad = store_find(&s, "bad")->value;
  store_close(&s);
  write_bytes(path, "x", 1, (size_t)bad.page * STORE_PAGE + 3);
  must_open(&s, path, STORE_READ);
  REQUIRE(store_get(&s, store_find(&s, "bad")) == NULL &&
          strcmp(s.reason, "corrupt: the checksum of bad is wrong") == 0);
  unsigned char *good = store_get(&s, store_find(&s, "good"));
  REQUIRE(good != NULL && memcmp(good, "12345", 5) == 0);
  free(good);
  store_close(&s);
}

/* Cut off: refused, but for an empty file, which is an empty store. */
static void test_cuts(const char *path) {
  unlink(path);
  model m = make(path, 40, 11), empty = {.values = {{.there = false}}};
  image i = read_image(path);
  for (size_t length = i.length - 1; length > 0; length = length > 700 ? length - 700 : length - 1) {
    REQUIRE(truncate(path, (off_t)length) == 0);
    REQUIRE(refused(path, &m));
  }
  REQUIRE(truncate(path, 0) == 0 && !refused(path, &empty));
  free(i.bytes);
}

/* Random bytes over a whole store. */
static void test_noise(const char *path) {
  uint64_t random = 99;
  unlink(path);
  model m = make(path, 40, 13);
  image i = read_image(path);
  for (unsigned round = 0; round < 300; round++) {
    unsigned char noise[64];
    size_t at = chance(&random) % (2 * sizeof(store_super));
    for (size_t k = 0; k < sizeof noise; k++) {
      noise[k] = (unsigned char)chance(&random);
    }
    write_bytes(path, noise, sizeof noise, at % sizeof(store_super));
    write_bytes(path, noise, sizeof noise, STORE_PAGE + at / 2);
    (void)refused(path, &m);
    restore(path, &i);
  }
  free(i.bytes);
}

/* Superblock and directory with good checksums, and one thing wrong in them. */
static void forge(const char *path, store_super super, const void *directory, size_t bytes, const char *reason) {
  store s;
  static const char zeros[16 * STORE_PAGE];
  write_bytes(path, zeros, sizeof zeros, 0);
  REQUIRE(truncate(path, sizeof zeros) == 0);
  if (bytes != 0) {
    write_bytes(path, directory, bytes, (size_t)super.directory.page * STORE_PAGE);
  }
  super.directory.bytes += bytes;
  super.directory.sum = store_sum(directory, bytes);
  store_super_seal(&super);
  write_bytes(path, &super, sizeof super, 0);
  if (store_open(&s, path, STORE_READ)) {
    fprintf(stderr, "opened, not: %s\n", reason);
    abort();
  }
  if (strstr(s.reason, reason) == NULL) {
    fprintf(stderr, "'%s' is not '%s'\n", s.reason, reason);
    abort();
  }
}

static void forge_entries(const char *path, const store_entry *entries, size_t count, const char *reason) {
  size_t bytes;
  unsigned char *directory = store_directory_write(entries, count, &bytes);
  REQUIRE(directory != NULL);
  forge(path, (store_super){.pages = 16, .directory = {.page = 15}}, directory, bytes, reason);
  free(directory);
}

static void test_forged_supers(const char *path) {
  forge(path, (store_super){.pages = 17}, "", 0, "17 pages");
  forge(path, (store_super){.pages = UINT64_MAX}, "", 0, "pages are said to be in use");
  forge(path, (store_super){.pages = 1}, "", 0, "1 pages");
  forge(path, (store_super){.pages = 8, .directory = {.page = 8}}, "x", 1, "outside");
  forge(path, (store_super){.pages = 8, .directory = {.page = 1}}, "x", 1, "something else");
  forge(path, (store_super){.pages = 8, .directory = {.page = 3, .bytes = UINT64_MAX - 1}}, "x", 1, "outside");
  forge(path, (store_super){.pages = 8, .directory = {.page = 3}}, "x", 1, "a record is cut off");
}

static void test_forged_directories(const char *path) {
  store_extent page_3 = {.page = 3, .bytes = 1}, twice = {.page = 2, .bytes = STORE_PAGE + 1};
  forge_entries(path, (store_entry[]){{page_3, "a"}, {twice, "b"}}, 2, "pages of b belong to something else too");
  forge_entries(path, (store_entry[]){{{.page = 15, .bytes = 1}, "a"}}, 1, "pages of a belong to something else too");
  forge_entries(path, (store_entry[]){{{.page = 16, .bytes = 1}, "a"}}, 1, "pages of a lie outside");
  forge_entries(path, (store_entry[]){{{.page = UINT64_MAX, .bytes = UINT64_MAX}, "a"}}, 1, "pages of a lie outside");
  forge_entries(path, (store_entry[]){{{.page = 0, .bytes = 1}, "a"}}, 1, "a value has no page");
  forge_entries(path, (store_entry[]){{page_3, "b"}, {{.page = 4, .bytes = 1}, "a"}}, 2, "not in order");
  forge_entries(path, (store_entry[]){{page_3, "a"}, {{.page = 4, .bytes = 1}, "a"}}, 2, "not in order");
  forge_entries(path, (store_entry[]){{page_3, ""}}, 1, "a key is no key");
  forge_entries(path, (store_entry[]){{page_3, "two\nlines"}}, 1, "a key is no key");
  unsigned char record[33] = {3, [8] = 1, [24] = 255};
  forge(path, (store_super){.pages = 16, .directory = {.page = 15}}, record, sizeof record, "a key is too long");
  record[24] = 1; /* a key of one byte, which is 0 */
  forge(path, (store_super){.pages = 16, .directory = {.page = 15}}, record, sizeof record, "a key is no key");
}

static uint64_t pages_of(const store *s) {
  fh_space space;
  fh_range_space(s->pages, &space);
  return space.size;
}

static int note(uint64_t address, uint64_t length, bool used, void *arg) {
  uint64_t *sum = arg;
  *sum = (*sum * 31 + address) * 31 + length * 2 + used;
  return 0;
}

/* The page map made from the directory is the one that was lost. */
static void test_rebuilt(const char *path) {
  uint64_t random = 5;
  unlink(path);
  store s;
  model m = {.values = {{.there = false}}};
  must_open(&s, path, STORE_CREATE);
  for (unsigned i = 0; i < 400; i++) {
    uint64_t before = 0, after = 0;
    step one = step_next(&m, &random);
    REQUIRE(step_run(&s, &one));
    model_take(&m, &one);
    check_pages(&s);
    check_length(&s);
    fh_range_walk(s.pages, note, &before);
    store_close(&s);
    must_open(&s, path, STORE_WRITE);
    fh_range_walk(s.pages, note, &after);
    REQUIRE(before == after && model_same(&s, &m));
  }
  store_close(&s);
}

static void test_shrinks(const char *path) {
  static char bytes[8 * STORE_PAGE];
  store s;
  unlink(path);
  must_open(&s, path, STORE_CREATE);
  for (char key[] = "a"; key[0] <= 'h'; key[0]++) {
    REQUIRE(store_put(&s, key, bytes, sizeof bytes));
  }
  REQUIRE(pages_of(&s) >= 8 * 8 + STORE_SUPERS + 1);
  for (char key[] = "h"; key[0] > 'a'; key[0]--) {
    REQUIRE(store_delete(&s, key) && pages_of(&s) <= (uint64_t)(key[0] - 'a') * 8 + STORE_SUPERS + 3);
    check_length(&s);
  }
  REQUIRE(store_delete(&s, "a") && pages_of(&s) == STORE_SUPERS);
  check_length(&s);
  REQUIRE(!store_delete(&s, "a") && strcmp(s.reason, "no value 'a'") == 0);
  REQUIRE(!store_put(&s, "", "", 0) && !store_put(&s, "a\nb", "", 0));
  store_close(&s);
}

int main(void) {
  const char *path = scratch_file();
  test_flips(path);
  test_value(path);
  test_cuts(path);
  test_noise(path);
  test_forged_supers(path);
  test_forged_directories(path);
  test_rebuilt(path);
  test_shrinks(path);
  unlink(path);
  return 0;
}
