/* Growth of a region by asking the kernel: hosted libraries only. */
#include <sys/mman.h>

#include "base/bits.h"
#include "freehold/region.h"
#include "os/os.h"

enum { LEAST = 64 << 10 };

/* Behind the region if nothing is there, so that it stays one space; anywhere otherwise. */
static void *map_near(void *end, size_t bytes) {
  const int protection = PROT_READ | PROT_WRITE, flags = MAP_PRIVATE | MAP_ANONYMOUS;
  void *made = MAP_FAILED;
#ifdef MAP_FIXED_NOREPLACE
  if (((uintptr_t)end & (fh_os_page_size() - 1)) == 0) {
    made = mmap(end, bytes, protection, flags | MAP_FIXED_NOREPLACE, -1, 0);
    if (made != MAP_FAILED && made != end) { /* an old kernel takes it for a hint */
      munmap(made, bytes);
      made = MAP_FAILED;
    }
  }
#endif
  return made != MAP_FAILED ? made : mmap(NULL, bytes, protection, flags, -1, 0);
}

size_t fh_region_grow_from_kernel(fh_region *r, size_t need, void *most) {
  fh_space space;
  fh_region_space(r, &space);
  size_t bytes = fh_max(fh_max(need, LEAST), (size_t)(space.size / 4)), page = fh_os_page_size();
  size_t limit = most == NULL ? SIZE_MAX : *(const size_t *)most;
  size_t left = space.size < limit ? fh_round_down(limit - (size_t)space.size, page) : 0;
  bytes = bytes < left ? fh_round_up(bytes, page) : left;
  if (bytes < need || bytes == 0) {
    return 0;
  }
  void *made = map_near(fh_region_end(r), bytes);
  if (made == MAP_FAILED) {
    return 0;
  }
  if (fh_region_extend(r, made, bytes) != FH_OK) {
    munmap(made, bytes);
    return 0;
  }
  return bytes;
}
