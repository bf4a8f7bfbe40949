/* The power fails while a block store is changed. What it writes is recorded instead (the linker gives it these
 * functions); after a failure the disk holds all that was written before the last fdatasync, and of what was written
 * after it each sector or not, or garbage in a sector that was being written. The store goes on from there, until the
 * next failure. */
#include <sys/types.h>

#include "store_model.h"

enum { ROUNDS = 2500, SECTOR = 512, EVENTS = 4096, DISK = 1 << 20, CHANGES = 2 };

typedef enum event_kind { WROTE, LENGTH, SYNCED } event_kind;

typedef struct event {
  event_kind kind;
  uint64_t at; /* LENGTH: the new one */
  size_t bytes;
  unsigned char *what;
} event;

typedef struct disk {
  unsigned char bytes[DISK];
  uint64_t length;
} disk;

static event events[EVENTS];
static size_t count;
static bool recording;

ssize_t __real_pwrite(int, const void *, size_t, off_t);
ssize_t __wrap_pwrite(int, const void *, size_t, off_t);
int __real_ftruncate(int, off_t);
int __wrap_ftruncate(int, off_t);
int __wrap_fdatasync(int);

static void record(event one, const void *what) {
  REQUIRE(count < EVENTS && one.at + one.bytes <= DISK);
  if (recording) {
    if (what != NULL) {
      one.what = malloc(one.bytes);
      REQUIRE(one.what != NULL);
      memcpy(one.what, what, one.bytes);
    }
    events[count++] = one;
  }
}

ssize_t __wrap_pwrite(int file, const void *what, size_t bytes, off_t at) {
  record((event){.kind = WROTE, .at = (uint64_t)at, .bytes = bytes}, what);
  return __real_pwrite(file, what, bytes, at);
}

int __wrap_ftruncate(int file, off_t length) {
  record((event){.kind = LENGTH, .at = (uint64_t)length}, NULL);
  return __real_ftruncate(file, length);
}

int __wrap_fdatasync(int file) {
  (void)file;
  record((event){.kind = SYNCED}, NULL);
  return 0;
}

static void forget_events(void) {
  for (; count != 0; count--) {
    free(events[count - 1].what);
  }
}

static void set_disk_length(disk *d, uint64_t length) {
  if (length < d->length) {
    memset(d->bytes + length, 0, DISK - length);
  }
  d->length = length;
}

/* Of each sector, in percent: whether it got to the disk, whether it is garbage. */
typedef struct luck {
  unsigned kept, garbage;
} luck;

static void write_sectors(disk *d, const event *one, luck l, uint64_t *random) {
  for (size_t at = 0, part; at < one->bytes; at += part) {
    uint64_t to = one->at + at;
    part = SECTOR - to % SECTOR < one->bytes - at ? (size_t)(SECTOR - to % SECTOR) : one->bytes - at;
    unsigned die = (unsigned)(chance(random) % 100);
    if (die < l.garbage) {
      d->bytes[to] = (unsigned char)~d->bytes[to];
    } else if (die < l.garbage + l.kept) {
      memcpy(d->bytes + to, one->what + at, part);
    }
  }
}

/* The disk after the first `cut` events: lengths are changed in their order. */
static void fail_power(disk *d, size_t cut, luck l, uint64_t *random) {
  size_t safe = cut, lengths = 0, done = 0;
  while (safe != 0 && events[safe - 1].kind != SYNCED) {
    lengths += events[--safe].kind == LENGTH;
  }
  lengths = l.kept == 100 ? lengths : (size_t)chance(random) % (lengths + 1);
  for (size_t i = 0; i < cut; i++) {
    if (events[i].kind == WROTE) {
      write_sectors(d, &events[i], i < safe ? (luck){100, 0} : l, random);
    } else if (events[i].kind == LENGTH && (i < safe || done++ < lengths)) {
      set_disk_length(d, events[i].at);
    }
  }
  memset(d->bytes + d->length, 0, DISK - d->length);
}

static void to_file(const disk *d, const char *path) {
  FILE *file = fopen(path, "w");
  REQUIRE(file != NULL && fwrite(d->bytes, 1, d->length, file) == d->length && fclose(file) == 0);
}

/* Changes a store, with everything recorded; where the events of each change end. */
static void change_some(const char *path, model m, step *steps, size_t *ends, uint64_t *random) {
  store s;
  recording = true;
  must_open(&s, path, STORE_CREATE);
  for (unsigned i = 0; i < CHANGES; i++) {
    steps[i] = step_next(&m, random);
    REQUIRE(step_run(&s, &steps[i]));
    model_take(&m, &steps[i]);
    check_pages(&s);
    check_length(&s);
    ends[i] = count;
  }
  recording = false;
  REQUIRE(model_same(&s, &m));
  store_close(&s);
}

/* The changes that were over are there; the next may be. True: it is. */
static bool follow(const char *path, model *m, const step *steps, const size_t *ends, size_t cut) {
  store s;
  unsigned over = 0;
  for (; over < CHANGES && ends[over] <= cut; over++) {
    model_take(m, &steps[over]);
  }
  must_open(&s, path, STORE_READ);
  bool old = model_same(&s, m);
  if (!old) {
    REQUIRE(over < CHANGES);
    model_take(m, &steps[over]);
    REQUIRE(model_same(&s, m));
  }
  store_close(&s);
  return !old;
}

static const luck lucks[] = {{0, 0}, {50, 0}, {100, 0}, {45, 10}, {30, 40}};

/* Anywhere, or right behind the write of a superblock, where most is at stake. */
static size_t cut_somewhere(uint64_t *random) {
  size_t cut = chance(random) % (count + 1);
  if (chance(random) % 2 == 0) {
    while (cut != 0 && !(events[cut - 1].kind == WROTE && events[cut - 1].at < STORE_SUPERS * STORE_PAGE)) {
      cut--;
    }
  }
  return cut;
}

static bool live_and_fail(const char *path, disk *d, model *m, luck l, uint64_t *random) {
  step steps[CHANGES];
  size_t ends[CHANGES];
  to_file(d, path);
  change_some(path, *m, steps, ends, random);
  size_t cut = cut_somewhere(random);
  fail_power(d, cut, l, random);
  to_file(d, path);
  bool next = follow(path, m, steps, ends, cut);
  forget_events();
  return next;
}

int main(int argc, char **argv) {
  static disk d;
  uint64_t random = 20261123;
  long rounds = steps_of(argc, argv, ROUNDS), next = 0;
  const char *path = scratch_file();
  model m = {.values = {{.there = false}}};
  for (long round = 0; round < rounds; round++) {
    bool new_file = round % 10 == 0;
    if (new_file) {
      d.length = 0;
      memset(d.bytes, 0, DISK);
      m = (model){.values = {{.there = false}}};
    }
    /* Garbage in the first sector of a file that was never a store yet is refused, and nothing is lost with it. */
    next += live_and_fail(path, &d, &m, lucks[new_file ? round / 10 % 3 : round % 5], &random);
  }
  unlink(path);
  printf("%ld failures, %ld with the change that was not over\n", rounds, next);
  return 0;
}
