/* The account as JSON, for programs. */
#include <unistd.h>

#include "base/print.h"
#include "freehold/stats.h"
#include "lens/account.h"

static void field(fh_out *out, const char *name, uint64_t value, const char *end) {
  fh_out_text(out, "  \"");
  fh_out_text(out, name);
  fh_out_text(out, "\": ");
  fh_out_number(out, value);
  fh_out_text(out, end);
}

/* Writes at most `room` bytes with the closing zero; the length that a large enough buffer would hold. */
size_t fh_stats_json(char *text, size_t room) {
  fh_heap_stats s;
  fh_account a;
  fh_out out = {.fd = -1, .memory = text, .room = room == 0 ? 0 : room - 1};
  fh_stats(&s);
  fh_account_read(&a);
  fh_out_text(&out, "{\n");
  field(&out, "process", (uint64_t)getpid(), ",\n");
  field(&out, "committed", s.committed, ",\n");
  field(&out, "resident", s.resident, ",\n");
  field(&out, "used_pages", s.used_pages, ",\n");
  field(&out, "kept_dirty", s.kept_dirty, ",\n");
  field(&out, "clean", s.clean, ",\n");
  field(&out, "purges", s.purges, ",\n");
  field(&out, "purged", s.purged, ",\n");
  field(&out, "metadata", s.metadata, ",\n");
  field(&out, "heaps", s.heaps, ",\n");
  field(&out, "requested", s.requested, ",\n");
  field(&out, "usable", s.usable, ",\n");
  field(&out, "peak_requested", s.peak_requested, ",\n");
  field(&out, "peak_usable", s.peak_usable, ",\n");
  field(&out, "live_slabs", a.slab_live, ",\n");
  field(&out, "live_chunks", a.chunk_live, ",\n");
  field(&out, "live_large", a.large_live, ",\n");
  field(&out, "chunk_headers", a.chunk_heads + a.chunk_ends, ",\n");
  field(&out, "free_slots", a.slab_free, ",\n");
  field(&out, "slots_not_reached", a.slab_uncarved, ",\n");
  field(&out, "slab_maps", a.slab_maps, ",\n");
  field(&out, "quick_lists", a.chunk_quick, ",\n");
  field(&out, "holes", a.chunk_holes, ",\n");
  field(&out, "process_resident", s.process_resident, ",\n");
  field(&out, "minor_faults", s.minor_faults, ",\n");
  field(&out, "major_faults", s.major_faults, "\n}\n");
  if (room != 0) {
    text[out.length] = '\0';
  }
  return out.total;
}
