#include "lens/report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fatal.h"
#include "base/print.h"
#include "base/settings.h"
#include "freehold/freehold.h"
#include "heap/count.h"
#include "lens/account.h"
#include "os/os.h"
#include "pages/pages.h"

static void line(fh_out *out, const char *label, uint64_t bytes, uint64_t whole) {
  fh_out_text(out, "  ");
  fh_out_label(out, label, 34);
  fh_out_size(out, bytes, 14);
  if (whole != 0) {
    fh_out_text(out, "  ");
    fh_out_share(out, bytes, whole);
  }
  fh_out_text(out, "\n");
}

static void title(fh_out *out, const char *text) {
  fh_out_text(out, out->colour ? "\033[1;36m" : "");
  fh_out_text(out, text);
  fh_out_text(out, out->colour ? "\033[0m\n" : "\n");
}

static void count(fh_out *out, const char *label, uint64_t value) {
  fh_out_text(out, "  ");
  fh_out_label(out, label, 34);
  fh_out_column(out, value, 10);
  fh_out_text(out, "\n");
}

static void pair(fh_out *out, const char *label, uint64_t now, uint64_t peak) {
  fh_out_text(out, "  ");
  fh_out_label(out, label, 34);
  fh_out_size(out, now, 14);
  fh_out_size(out, peak, 14);
  fh_out_text(out, "\n");
}

/* Of what the program asked for; only counted when FREEHOLD_STATS was set at start. */
static void print_requests(fh_out *out, const fh_counted *c) {
  title(out, "freehold: the program's blocks               now       at peak");
  pair(out, "requested", c->requested, c->peak_requested);
  pair(out, "rounded up", c->usable - c->requested, c->peak_usable - c->peak_requested);
  pair(out, "live", c->usable, c->peak_usable);
  if (c->missed != 0) {
    count(out, "allocations NOT COUNTED", c->missed);
  }
}

static void print_account(fh_out *out, const fh_account *a, const fh_heap_stats *s, const fh_counted *c) {
  uint64_t spans = s->used_pages, whole = spans, live = a->slab_live + a->chunk_live + a->large_live;
  title(out, "freehold: bytes of spans in use");
  line(out, "live in slabs", a->slab_live, whole);
  line(out, "live in chunks", a->chunk_live, whole);
  line(out, "live in large objects", a->large_live, whole);
  if (fh_counting && live >= c->usable) {
    line(out, "  of that requested", c->requested, whole);
    line(out, "  of that rounded up", c->usable - c->requested, whole);
    line(out, "  of that freed, on its way home", live - c->usable, whole);
  }
  line(out, "chunk headers", a->chunk_heads + a->chunk_ends, whole);
  line(out, "free slots in slabs", a->slab_free, whole);
  line(out, "slots not reached yet", a->slab_uncarved, whole);
  line(out, "maps of slabs", a->slab_maps, whole);
  line(out, "quick lists (thread caches)", a->chunk_quick, whole);
  line(out, "holes between chunks", a->chunk_holes, whole);
}

static void print_holes(fh_out *out, const fh_account *a) {
  static const char *const name[FH_HOLE_SIZES] = {"  holes < 256",    "  holes < 1 KiB",  "  holes < 4 KiB",
                                                  "  holes < 16 KiB", "  holes < 64 KiB", "  holes < 256 KiB",
                                                  "  holes < 1 MiB",  "  holes, larger"};
  for (unsigned i = 0; i < FH_HOLE_SIZES; i++) {
    if (a->holes[i] != 0) {
      line(out, name[i], a->holes[i], 0);
    }
  }
}

static void print_slots(fh_out *out, const fh_account *a, unsigned size) {
  if (size < FH_CLASSES) {
    fh_out_column(out, a->class_slots[size], 14);
  }
}

/* Slots in slabs and, when they were counted, allocations of all sizes: these by what was asked for, slots by their
 * length, which shorter sizes of which little is used share. */
static void print_sizes(fh_out *out, const fh_account *a, const fh_counted *c) {
  title(out, fh_counting ? "freehold: by size   allocations          live         slots"
                         : "freehold: by size          live         slots");
  for (unsigned size = 1; size < FH_COUNT_SIZES; size++) {
    uint64_t slots = size < FH_CLASSES ? a->class_slots[size] : 0;
    if (slots == 0 && c->calls[size] == 0) {
      continue;
    }
    if (size == FH_COUNT_SIZES - 1) {
      fh_out_text(out, "    larger");
    } else {
      fh_out_column(out, fh_count_size_most(size), 10);
    }
    if (fh_counting) {
      fh_out_column(out, c->calls[size], 21);
      fh_out_column(out, c->live[size], 14);
    } else {
      fh_out_column(out, a->class_live[size], 21);
    }
    print_slots(out, a, size);
    fh_out_text(out, "\n");
  }
}

/* Counted twice: by the heap (spans less untouched pages, kept runs) and by the kernel. */
static void print_resident(fh_out *out, const fh_account *a, const fh_heap_stats *s, const fh_counted *c) {
  uint64_t mine = s->used_pages - a->untouched, sum = mine + a->kept_resident + a->map_resident;
  uint64_t apart = sum > s->resident ? sum - s->resident : s->resident - sum;
  title(out, "freehold: resident");
  line(out, "spans in use, touched", mine, s->resident);
  line(out, "free spans kept, touched", a->kept_resident, s->resident);
  line(out, "pagemap, touched", a->map_resident, s->resident);
  line(out, "arenas and pagemap, by the kernel", s->resident, s->resident);
  if (apart > 2 * fh_os_page_size()) {
    line(out, "NOT ACCOUNTED FOR", apart, s->resident);
  }
  line(out, "whole process", s->process_resident, 0);
  line(out, "committed address space", s->committed, 0);
  line(out, "metadata (heaps)", s->metadata, 0);
  if (c->shadow != 0) {
    line(out, "for these statistics", c->shadow, 0);
  }
  count(out, "purges", s->purges);
  line(out, "purged", s->purged, 0);
  count(out, "heaps", s->heaps);
  count(out, "minor page faults", s->minor_faults);
  count(out, "major page faults", s->major_faults);
}

/* A program may start others, and each of them reports. */
static void print_process(fh_out *out) {
  fh_out_text(out, "freehold: process ");
  fh_out_number(out, (uint64_t)getpid());
  fh_out_text(out, " (");
  fh_out_text(out, program_invocation_short_name);
  fh_out_text(out, ")\n");
}

void fh_report_text(int fd) {
  char memory[4096];
  fh_account account;
  fh_heap_stats stats;
  fh_counted counted;
  fh_out out = {.fd = fd, .memory = memory, .room = sizeof memory};
  out.colour = isatty(fd) && getenv("NO_COLOR") == NULL;
  fh_stats(&stats);
  fh_count_read(&counted);
  fh_account_read(&account);
  print_process(&out);
  if (fh_counting) {
    print_requests(&out, &counted);
  }
  print_account(&out, &account, &stats, &counted);
  print_holes(&out, &account);
  print_sizes(&out, &account, &counted);
  print_resident(&out, &account, &stats, &counted);
  fh_out_flush(&out);
}
