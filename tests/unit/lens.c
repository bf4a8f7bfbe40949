/* The account adds up, against the heap's own counts and the kernel's, and is printed as it was read. */
#include "unit/cm.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/print.h"
#include "freehold/freehold.h"
#include "heap/heap.h"
#include "lens/account.h"
#include "lens/report.h"
#include "os/os.h"
#include "pages/meta.h"
#include "unit/child.h"

/* Something of everything: slabs, chunks and large objects, live, free and in holes. */

enum { BLOCKS = 600 };

static char *blocks[BLOCKS];

static size_t size_of(size_t i) {
  return i % 7 == 0 ? 200000 + i * 300 : i % 7 < 3 ? 1200 + i * 90 : 1 + i * 13 % 1024;
}

static int make_mess(void **state) {
  (void)state;
  for (size_t i = 0; i < BLOCKS; i++) {
    blocks[i] = fh_malloc(size_of(i));
    if (blocks[i] == NULL) {
      return -1;
    }
    memset(blocks[i], 1, i % 5 == 0 ? 1 : size_of(i)); /* some without memory behind them */
  }
  for (size_t i = 0; i < BLOCKS; i += 2) {
    fh_free(blocks[i]);
  }
  return 0;
}

static int clear_mess(void **state) {
  (void)state;
  for (size_t i = 1; i < BLOCKS; i += 2) {
    fh_free(blocks[i]);
  }
  return 0;
}

static uint64_t sum_of_parts(const fh_account *a) {
  return a->slab_live + a->slab_free + a->slab_uncarved + a->slab_maps + a->chunk_live + a->chunk_heads +
         a->chunk_quick + a->chunk_holes + a->chunk_ends + a->large_live;
}

static void parts_add_up(void **state) {
  fh_account a;
  fh_heap_stats s;
  (void)state;
  fh_account_read(&a);
  fh_stats(&s);
  assert_int_equal(sum_of_parts(&a), s.used_pages);
  assert_int_equal(s.used_pages + s.kept_dirty + s.clean, fh_arena_committed());
  assert_int_equal(s.committed, fh_arena_committed() + fh_meta_bytes());
  assert_true(a.slab_live != 0 && a.slab_free != 0 && a.slab_uncarved != 0);
  assert_true(a.chunk_live != 0 && a.chunk_heads != 0 && a.chunk_holes != 0 && a.large_live != 0);
  uint64_t holes = 0;
  for (unsigned i = 0; i < FH_HOLE_SIZES; i++) {
    holes += a.holes[i];
  }
  assert_int_equal(holes, a.chunk_holes);
}

/* More slabs than have their maps in the heap itself. */
static void pages_of_maps_are_told(void **state) {
  enum { SLABS = 400, EACH = (int)(FH_PAGE_SIZE / 1024) };
  static void *slots[SLABS * EACH];
  fh_account before, with, after;
  fh_heap_stats s;
  (void)state;
  fh_account_read(&before);
  for (size_t i = 0; i < SLABS * EACH; i++) {
    slots[i] = fh_malloc(1024);
    assert_non_null(slots[i]);
  }
  fh_account_read(&with);
  fh_stats(&s);
  assert_true(with.slab_maps > before.slab_maps && with.slab_maps % FH_PAGE_SIZE == 0);
  assert_int_equal(sum_of_parts(&with), s.used_pages);
  for (size_t i = 0; i < SLABS * EACH; i++) {
    fh_free(slots[i]);
  }
  fh_cache_flush(fh_heap_mine());
  fh_account_read(&after);
  assert_int_equal(after.slab_maps, before.slab_maps);
}

/* By what the program holds. */
static void live_is_what_was_asked_for(void **state) {
  fh_account a;
  uint64_t slabs = 0, chunks = 0, large = 0, count = 0, classes[FH_CLASSES] = {0};
  (void)state;
  for (size_t i = 1; i < BLOCKS; i += 2) {
    size_t usable = fh_usable_size(blocks[i]);
    fh_span *span = fh_arena_find(blocks[i]);
    if (fh_span_kind_of(span) == FH_SPAN_SLAB) {
      slabs += usable;
      classes[span->class]++;
    } else if (fh_span_kind_of(span) != FH_SPAN_LARGE) {
      chunks += usable;
      count++;
    } else {
      large += usable;
    }
  }
  fh_account_read(&a);
  assert_int_equal(a.slab_live, slabs);
  assert_int_equal(a.chunk_live, chunks);
  assert_int_equal(a.chunk_heads, count * FH_CHUNK_HEAD);
  assert_int_equal(a.large_live, large);
  for (unsigned class = 1; class < FH_CLASSES; class ++) {
    assert_int_equal(a.class_live[class], classes[class]);
    assert_true(a.class_slots[class] >= a.class_live[class]);
  }
}

static void changes_show(void **state) {
  fh_account a, b, c;
  (void)state;
  fh_account_read(&a);
  char *slot = fh_malloc(50), *chunk = fh_malloc(50000), *large = fh_malloc((size_t)1 << 20);
  assert_true(slot != NULL && chunk != NULL && large != NULL);
  fh_account_read(&b);
  assert_int_equal(b.slab_live - a.slab_live, 64);
  assert_int_equal(b.chunk_live - a.chunk_live, fh_usable_size(chunk));
  assert_int_equal(b.chunk_heads - a.chunk_heads, FH_CHUNK_HEAD);
  assert_int_equal(b.large_live - a.large_live, (size_t)1 << 20);
  fh_free(slot);
  fh_free(chunk);
  fh_free(large);
  fh_account_read(&c);
  assert_int_equal(c.slab_live, a.slab_live);
  assert_int_equal(c.chunk_live, a.chunk_live);
  assert_int_equal(c.large_live, a.large_live);
}

/* Bytes with memory behind them in the mappings that lie between two addresses, as the kernel counts it. */
static uint64_t resident_between(uintptr_t from, uintptr_t to) {
  FILE *file = fopen("/proc/self/smaps", "r");
  char text[512];
  uint64_t total = 0, kib;
  uintptr_t low, high;
  bool inside = false;
  assert_non_null(file);
  while (fgets(text, sizeof text, file) != NULL) {
    if (sscanf(text, "%" SCNxPTR "-%" SCNxPTR " ", &low, &high) == 2) {
      inside = low < to && high > from;
    } else if (inside && sscanf(text, "Rss: %" SCNu64, &kib) == 1) {
      total += kib * 1024;
    }
  }
  fclose(file);
  return total;
}

static uint64_t resident_in_arenas(void) {
  uint64_t total = 0;
  for (size_t i = 0; i < fh_arena_count(); i++) {
    const fh_arena *arena = &fh_arenas[i];
    total += resident_between((uintptr_t)(arena->spans - 1), (uintptr_t)arena->base + arena->reserved);
  }
  return total;
}

static uint64_t apart(uint64_t a, uint64_t b) { return a > b ? a - b : b - a; }

static void kernel_agrees(void **state) {
  fh_account a;
  fh_heap_stats s;
  uint64_t few = 4 * fh_os_page_size();
  (void)state;
  for (int round = 0; round < 2; round++) {
    fh_account_read(&a);
    fh_stats(&s);
    uint64_t mine = s.used_pages - a.untouched + a.kept_resident + a.map_resident;
    assert_true(apart(mine, s.resident) <= few);
    assert_true(apart(resident_in_arenas(), s.resident) <= few);
    assert_true(a.untouched != 0);
    assert_true(s.process_resident >= s.resident / 2);
    fh_trim(0);
  }
  assert_true(a.kept_resident <= few); /* the trim took it all */
}

static void stats_count_what_happens(void **state) {
  fh_heap_stats a, b;
  (void)state;
  fh_stats(&a);
  char *large = fh_malloc((size_t)3 << 20);
  assert_non_null(large);
  memset(large, 1, (size_t)3 << 20);
  fh_stats(&b);
  assert_int_equal(b.used_pages - a.used_pages, (size_t)3 << 20);
  assert_int_equal(b.heaps, 1);
  assert_true(b.metadata >= sizeof(fh_heap));
  fh_free(large);
  fh_trim(0);
  fh_stats(&b);
  assert_int_equal(b.kept_dirty, 0);
  assert_true(b.purges > a.purges && b.purged - a.purged >= (size_t)3 << 20);
  assert_true(b.minor_faults >= a.minor_faults);
}

/* JSON. */

static const char *skip_space(const char *at) {
  while (isspace((unsigned char)*at)) {
    at++;
  }
  return at;
}

/* One object of names and whole numbers, and nothing behind it; how many fields, or -1. */
static int json_fields(const char *at) {
  int fields = 0;
  at = skip_space(at);
  if (*at++ != '{') {
    return -1;
  }
  do {
    size_t name, digits;
    at = skip_space(at);
    name = *at == '"' ? strspn(at + 1, "abcdefghijklmnopqrstuvwxyz_") : 0;
    if (name == 0 || at[1 + name] != '"') {
      return -1;
    }
    at = skip_space(at + name + 2);
    if (*at != ':') {
      return -1;
    }
    at = skip_space(at + 1);
    digits = strspn(at, "0123456789");
    if (digits == 0 || (*at == '0' && digits > 1)) {
      return -1;
    }
    at = skip_space(at + digits);
    fields++;
  } while (*at++ == ',');
  return at[-1] == '}' && *skip_space(at) == '\0' ? fields : -1;
}

/* The value of a name that is there once. */
static uint64_t json_value(const char *text, const char *name) {
  char key[64];
  snprintf(key, sizeof key, "\"%s\":", name);
  const char *at = strstr(text, key);
  assert_non_null(at);
  assert_null(strstr(at + 1, key));
  return strtoull(at + strlen(key), NULL, 10);
}

static void json_is_whole(void **state) {
  static char text[4096];
  fh_account a;
  fh_heap_stats s;
  (void)state;
  memset(text, '#', sizeof text);
  size_t length = fh_stats_json(text, sizeof text);
  fh_account_read(&a);
  fh_stats(&s);
  assert_true(length < sizeof text);
  assert_int_equal(strlen(text), length);
  assert_true(json_fields(text) >= 15);
  assert_int_equal(json_value(text, "used_pages"), s.used_pages);
  assert_int_equal(json_value(text, "committed"), s.committed);
  assert_int_equal(json_value(text, "heaps"), s.heaps);
  assert_int_equal(json_value(text, "purged"), s.purged);
  uint64_t sum = json_value(text, "live_slabs") + json_value(text, "live_chunks") + json_value(text, "live_large") +
                 json_value(text, "chunk_headers") + json_value(text, "free_slots") +
                 json_value(text, "slots_not_reached") + json_value(text, "slab_maps") +
                 json_value(text, "quick_lists") + json_value(text, "holes");
  assert_int_equal(sum, json_value(text, "used_pages")); /* for programs too */
}

static void json_is_cut_to_the_room(void **state) {
  static char text[4096], cut[4096];
  (void)state;
  size_t length = fh_stats_json(text, sizeof text);
  for (size_t room = 0; room < 100; room += 11) {
    memset(cut, '#', sizeof cut);
    size_t full = fh_stats_json(cut, room);
    assert_true(full + 10 > length && full < length + 10); /* some numbers grow meanwhile */
    assert_int_equal(cut[room], '#');
    if (room != 0) {
      assert_int_equal(strlen(cut), room - 1);
      assert_int_equal(strncmp(cut, text, fh_min(room - 1, 15)), 0);
    }
  }
}

/* The text. */

/* What the report writes to the end of a pipe. */
static void read_report(char *text, size_t room) {
  int ends[2];
  assert_int_equal(pipe(ends), 0);
  fh_report_text(ends[1]); /* a pipe holds it: it is not read meanwhile */
  close(ends[1]);
  child_read(ends[0], text, room);
  close(ends[0]);
}

/* The tenths of a percent in the line with this label. */
static long tenths_of(const char *text, const char *label) {
  const char *at = strstr(text, label), *percent = at == NULL ? NULL : strchr(at, '%');
  assert_true(percent != NULL && percent < strchr(at, '\n'));
  while (percent[-1] == ' ' || percent[-1] == '.' || isdigit((unsigned char)percent[-1])) {
    percent--;
  }
  double share;
  assert_int_equal(sscanf(percent, "%lf", &share), 1);
  return (long)(share * 10 + 0.5);
}

/* The line says what the account says. */
static void check_line(const char *text, const char *label, uint64_t bytes) {
  char line[128];
  fh_out out = {.fd = -1, .memory = line, .room = sizeof line - 1};
  fh_out_text(&out, "\n  ");
  fh_out_label(&out, label, 34);
  fh_out_size(&out, bytes, 14);
  line[out.length] = '\0';
  assert_non_null(strstr(text, line));
}

static void report_is_the_account(void **state) {
  static const char *const holes[FH_HOLE_SIZES] = {
      "  holes < 256",    "  holes < 1 KiB",   "  holes < 4 KiB", "  holes < 16 KiB",
      "  holes < 64 KiB", "  holes < 256 KiB", "  holes < 1 MiB", "  holes, larger",
  };
  static char text[16384];
  fh_account a;
  fh_heap_stats s;
  (void)state;
  fh_account_read(&a);
  fh_stats(&s);
  read_report(text, sizeof text);
  check_line(text, "live in slabs", a.slab_live);
  check_line(text, "live in chunks", a.chunk_live);
  check_line(text, "live in large objects", a.large_live);
  check_line(text, "chunk headers", a.chunk_heads + a.chunk_ends);
  check_line(text, "free slots in slabs", a.slab_free);
  check_line(text, "slots not reached yet", a.slab_uncarved);
  check_line(text, "maps of slabs", a.slab_maps);
  check_line(text, "quick lists (thread caches)", a.chunk_quick);
  check_line(text, "holes between chunks", a.chunk_holes);
  for (unsigned i = 0; i < FH_HOLE_SIZES; i++) {
    if (a.holes[i] != 0) {
      check_line(text, holes[i], a.holes[i]);
    }
  }
  check_line(text, "free spans kept, touched", a.kept_resident);
  check_line(text, "committed address space", s.committed);
  check_line(text, "purged", s.purged);
}

static void report_goes_where_it_should(void **state) {
  static char text[16384];
  static const char *const parts[] = {
      "live in slabs", "live in chunks",  "live in large",        "chunk headers",
      "free slots",    "slots not reach", "quick lists (thread ", "holes between chunks",
  };
  long sum = 0;
  (void)state;
  read_report(text, sizeof text);
  assert_int_equal(strncmp(text, "freehold: process ", 18), 0);
  assert_non_null(strstr(text, "\nfreehold: bytes of spans in use\n"));
  assert_null(strchr(text, '\033')); /* no colours in a pipe */
  assert_null(strstr(text, "NOT ACCOUNTED FOR"));
  assert_non_null(strstr(text, "\n  whole process "));
  assert_int_equal(text[strlen(text) - 1], '\n');
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    sum += tenths_of(text, parts[i]);
  }
  assert_true(sum >= 990 && sum <= 1010); /* each is rounded */
}

/* Nothing is taken from the heap that is reported on. */
static void reports_do_not_allocate(void **state) {
  static char text[16384], json[4096];
  fh_account a, b;
  (void)state;
  fh_account_read(&a);
  read_report(text, sizeof text);
  fh_stats_json(json, sizeof json);
  fh_account_read(&b);
  assert_int_equal(sum_of_parts(&a), sum_of_parts(&b));
  assert_memory_equal(a.class_live, b.class_live, sizeof a.class_live);
  assert_int_equal(a.chunk_live, b.chunk_live);
}

#define WITH_MESS(test) cmocka_unit_test_setup_teardown(test, make_mess, clear_mess)

int main(void) {
  const struct CMUnitTest tests[] = {
      WITH_MESS(parts_add_up),
      WITH_MESS(live_is_what_was_asked_for),
      WITH_MESS(changes_show),
      WITH_MESS(kernel_agrees),
      WITH_MESS(stats_count_what_happens),
      WITH_MESS(json_is_whole),
      WITH_MESS(json_is_cut_to_the_room),
      WITH_MESS(report_is_the_account),
      WITH_MESS(report_goes_where_it_should),
      WITH_MESS(reports_do_not_allocate),
      WITH_MESS(pages_of_maps_are_told),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
