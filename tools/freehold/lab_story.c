/* lab --story: the chapter's example, from beginning to end, on a real range. */
#include <inttypes.h>

#include "lab.h"

typedef struct story {
  fh_range *range;
  lab_picture picture;
  uint64_t header;
} story;

static void tell(const char *text) { printf("%s\n\n", text); }

static bool begin(story *s, bool no_coalesce, uint64_t header) {
  fh_range_destroy(s->range);
  s->header = header;
  s->range =
      fh_range_create(0, 30, &(fh_range_options){.fit = FH_FIT_FIRST, .no_coalesce = no_coalesce, .header = header});
  return s->range != NULL;
}

static uint64_t take(story *s, uint64_t length) {
  char text[160];
  uint64_t address = UINT64_MAX;
  fh_status status = fh_range_alloc(s->range, length, 0, &address);
  if (status == FH_OK) {
    snprintf(text, sizeof text, "alloc(%" PRIu64 ") = %" PRIu64, length, address);
  } else {
    fh_space space;
    fh_range_space(s->range, &space);
    snprintf(text, sizeof text,
             "alloc(%" PRIu64 "): %s. Free in total: %" PRIu64 ". Largest request that would fit: %" PRIu64, length,
             fh_status_name(status), space.free, space.largest);
  }
  lab_picture_show(&s->picture, s->range, s->header, text);
  return address;
}

static void give(story *s, uint64_t address) {
  char text[64];
  fh_status status = fh_range_free(s->range, address);
  snprintf(text, sizeof text, "free(%" PRIu64 ")%s", address, status == FH_OK ? "" : fh_status_name(status));
  lab_picture_show(&s->picture, s->range, s->header, text);
}

/* Free | used | free, ten bytes each. */
static bool three_tens(story *s, bool no_coalesce) {
  uint64_t at[3];
  if (!begin(s, no_coalesce, 0)) {
    return false;
  }
  for (unsigned i = 0; i < 3; i++) {
    fh_range_alloc(s->range, 10, 0, &at[i]);
  }
  fh_range_free(s->range, at[0]);
  fh_range_free(s->range, at[2]);
  lab_picture_show(&s->picture, s->range, 0, "a heap of 30 bytes: free | used | free");
  return true;
}

static bool splitting(story *s) {
  tell(
      "1. Splitting. A heap of 30 bytes has ten in use in the middle. Its free list has two entries. A request for "
      "more\n"
      "than 10 bytes must fail. A request for 1 byte is served from the first entry, which is split: one byte is "
      "handed\n"
      "out, nine stay in the list.");
  if (!three_tens(s, true)) {
    return false;
  }
  take(s, 1);
  return true;
}

static bool coalescing(story *s) {
  tell(
      "2. The middle is given back. The list now has three entries of 10 bytes. All 30 bytes are free, and still a "
      "request\n"
      "for 20 is refused: no entry is large enough. That is external fragmentation.");
  if (!three_tens(s, true)) {
    return false;
  }
  give(s, 10);
  take(s, 20);
  tell("3. Coalescing. An entry that begins where the one before it ends is joined to it. One pass along the list:");
  fh_range_coalesce(s->range);
  lab_picture_show(&s->picture, s->range, 0, "coalesced");
  take(s, 20);
  tell("A range that coalesces by itself, at each free, never comes into that position:");
  if (!three_tens(s, false)) {
    return false;
  }
  give(s, 10);
  return true;
}

static bool headers(story *s) {
  tell(
      "4. Headers. free(p) is not told a size, so the size stands in a header in front of each allocation. With a "
      "header of\n"
      "4 bytes a request for 10 looks for 14, and the address that is answered lies behind the header (=).");
  if (!begin(s, false, 4)) {
    return false;
  }
  lab_picture_show(&s->picture, s->range, 4, "a heap of 30 bytes with headers of 4");
  uint64_t first = take(s, 10);
  take(s, 12);
  give(s, first);
  return true;
}

static bool growing(story *s) {
  tell("5. Growing. When nothing fits, the heap asks for more at its end; what is new joins the free bytes before it.");
  take(s, 15);
  fh_range_grow(s->range, 20);
  lab_picture_show(&s->picture, s->range, s->header, "grown by 20 bytes");
  take(s, 15);
  return true;
}

int lab_story(const lab_options *o) {
  story s = {0};
  if (!lab_picture_open(&s.picture, o, 50)) {
    return 2;
  }
  bool told = splitting(&s) && coalescing(&s) && headers(&s) && growing(&s);
  fh_range_destroy(s.range);
  int status = lab_picture_close(&s.picture);
  return told ? status : lab_refuse("there is no memory for a heap");
}
