/* From and to the bytes of the file; nothing here reads or writes it. */
#include "format.h"

#include <stdlib.h>
#include <string.h>

static const char magic[8] = "FHSTORE1";

/* A record of the directory; the key follows. */
typedef struct record {
  store_extent value;
  uint64_t key_bytes;
} record;

/* FNV-1a: any change of one byte changes it. */
uint64_t store_sum(const void *bytes, size_t count) {
  const unsigned char *at = bytes;
  uint64_t sum = 0xcbf29ce484222325U;
  for (size_t i = 0; i < count; i++) {
    sum = (sum ^ at[i]) * 0x100000001b3U;
  }
  return sum;
}

uint64_t store_pages(uint64_t bytes) { return bytes / STORE_PAGE + (bytes % STORE_PAGE != 0); }

bool store_key_ok(const char *key) {
  size_t length = 0;
  for (; key[length] != '\0'; length++) {
    unsigned char c = (unsigned char)key[length];
    if (c < ' ' || c == 0x7f || length == STORE_KEY) {
      return false;
    }
  }
  return length != 0;
}

void store_super_seal(store_super *super) {
  memcpy(super->magic, magic, sizeof magic);
  super->sum = store_sum(super, offsetof(store_super, sum));
}

bool store_super_ok(const store_super *super) {
  return memcmp(super->magic, magic, sizeof magic) == 0 && super->sum == store_sum(super, offsetof(store_super, sum));
}

unsigned char *store_directory_write(const store_entry *entries, size_t count, size_t *bytes) {
  unsigned char *directory = malloc(count * (sizeof(record) + STORE_KEY) + 1), *at = directory;
  for (size_t i = 0; directory != NULL && i < count; i++) {
    record one = {entries[i].value, strlen(entries[i].key)};
    memcpy(at, &one, sizeof one);
    memcpy(at + sizeof one, entries[i].key, one.key_bytes);
    at += sizeof one + one.key_bytes;
  }
  *bytes = directory == NULL ? 0 : (size_t)(at - directory);
  return directory;
}

/* One record; NULL: it is good and `*used` bytes long. */
static const char *read_record(const unsigned char *from, size_t bytes, store_entry *to, size_t *used) {
  record one;
  if (bytes < sizeof one) {
    return "a record is cut off";
  }
  memcpy(&one, from, sizeof one);
  if (one.key_bytes > STORE_KEY || one.key_bytes > bytes - sizeof one) {
    return "a key is too long";
  }
  *to = (store_entry){.value = one.value};
  memcpy(to->key, from + sizeof one, one.key_bytes);
  *used = sizeof one + one.key_bytes;
  if (strlen(to->key) != one.key_bytes || !store_key_ok(to->key)) {
    return "a key is no key";
  }
  return (one.value.page == 0) == (one.value.bytes == 0) ? NULL : "a value has no page";
}

const char *store_directory_read(const unsigned char *from, size_t bytes, store_entry **entries, size_t *count) {
  const char *wrong = NULL;
  *count = 0;
  *entries = malloc((bytes / (sizeof(record) + 1) + 1) * sizeof **entries);
  if (*entries == NULL) {
    return "there is no memory for it";
  }
  for (size_t at = 0, used = 0; wrong == NULL && at < bytes; at += used) {
    store_entry *entry = *entries + *count;
    wrong = read_record(from + at, bytes - at, entry, &used);
    if (wrong == NULL && *count != 0 && strcmp(entry[-1].key, entry->key) >= 0) {
      wrong = "its keys are not in order";
    }
    ++*count;
  }
  if (wrong != NULL) {
    free(*entries);
    *entries = NULL;
    *count = 0;
  }
  return wrong;
}
