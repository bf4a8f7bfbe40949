/* block_store FILE put KEY < data | get KEY | del KEY | list | map */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store.h"

static const char usage[] =
    "usage: block_store FILE put KEY < data   keep what is read under KEY\n"
    "       block_store FILE get KEY          print it\n"
    "       block_store FILE del KEY          forget it\n"
    "       block_store FILE list             every key, with its bytes\n"
    "       block_store FILE map              every page: 0 superblock, D directory, a letter a value, . free\n";

static int fail(const char *path, const char *reason) {
  fprintf(stderr, "block_store: %s: %s\n", path, reason);
  return 1;
}

/* All of standard input, which the caller frees; NULL: errno says why. */
static char *read_all(size_t *count) {
  size_t room = 1 << 16;
  char *bytes = malloc(room);
  for (*count = 0; bytes != NULL; room *= 2) {
    *count += fread(bytes + *count, 1, room - *count, stdin);
    if (*count < room) {
      break;
    }
    char *more = realloc(bytes, room * 2);
    if (more == NULL) {
      free(bytes);
    }
    bytes = more;
  }
  if (bytes != NULL && ferror(stdin)) {
    free(bytes);
    return NULL;
  }
  return bytes;
}

/* Reads before the file is locked: whoever writes to the pipe may take its time. */
static int put(const char *path, const char *key) {
  size_t count = 0;
  store s;
  char *bytes = read_all(&count);
  if (bytes == NULL) {
    return fail("standard input", strerror(errno));
  }
  bool opened = store_open(&s, path, STORE_CREATE), good = opened && store_put(&s, key, bytes, count);
  if (opened) {
    store_close(&s);
  }
  free(bytes);
  return good ? 0 : fail(path, s.reason);
}

static int get(store *s, const char *path, const char *key) {
  const store_entry *entry = store_find(s, key);
  if (entry == NULL) {
    fprintf(stderr, "block_store: %s: no value '%s'\n", path, key);
    return 1;
  }
  unsigned char *bytes = store_get(s, entry);
  if (bytes == NULL) {
    return fail(path, s->reason);
  }
  fwrite(bytes, 1, (size_t)entry->value.bytes, stdout);
  free(bytes);
  return 0;
}

static void list(const store *s) {
  for (size_t i = 0; i < s->count; i++) {
    printf("%10" PRIu64 "  %s\n", s->entries[i].value.bytes, s->entries[i].key);
  }
}

/* What a used run of pages holds. */
static char letter_of(const store *s, uint64_t page) {
  static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
  for (size_t i = 0; i < s->count; i++) {
    if (s->entries[i].value.bytes != 0 && s->entries[i].value.page == page) {
      return letters[i % (sizeof letters - 1)];
    }
  }
  return page == 0 ? '0' : 'D';
}

static int draw(uint64_t page, uint64_t pages, bool used, void *arg) {
  char letter = '.';
  if (used) {
    letter = letter_of(arg, page);
  }
  for (; pages != 0; pages--) {
    putchar(letter);
  }
  return 0;
}

static void map(store *s) {
  fh_space space;
  fh_range_space(s->pages, &space);
  fh_range_walk(s->pages, draw, s);
  printf("\n%" PRIu64 " pages of %d bytes: %" PRIu64 " used, %" PRIu64 " free in %" PRIu64 " holes, largest %" PRIu64
         ", fragmentation %.0f %%\n",
         space.size, STORE_PAGE, space.used, space.free, space.holes, space.largest,
         100 * fh_space_fragmentation(&space));
}

static int run(store *s, const char *path, const char *command, const char *key) {
  if (strcmp(command, "get") == 0) {
    return get(s, path, key);
  }
  if (strcmp(command, "del") == 0) {
    return store_delete(s, key) ? 0 : fail(path, s->reason);
  }
  if (strcmp(command, "list") == 0) {
    list(s);
  } else {
    map(s);
  }
  return 0;
}

/* How many arguments a command has, its name among them; 0: there is no such command. */
static int words_of(const char *command) {
  static const char *const with_key[] = {"put", "get", "del"};
  for (size_t i = 0; i < sizeof with_key / sizeof *with_key; i++) {
    if (strcmp(command, with_key[i]) == 0) {
      return 2;
    }
  }
  return strcmp(command, "list") == 0 || strcmp(command, "map") == 0;
}

int main(int argc, char **argv) {
  if (argc < 3 || words_of(argv[2]) != argc - 2) {
    fputs(usage, stderr);
    return 2;
  }
  const char *path = argv[1], *command = argv[2], *key = argv[3];
  if (strcmp(command, "put") == 0) {
    return put(path, key);
  }
  store s;
  if (!store_open(&s, path, strcmp(command, "del") == 0 ? STORE_WRITE : STORE_READ)) {
    return fail(path, s.reason);
  }
  int status = run(&s, path, command, key);
  store_close(&s);
  return fflush(stdout) == 0 && !ferror(stdout) ? status : fail("standard output", strerror(errno));
}
