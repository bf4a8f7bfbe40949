/* The kernel with faults: each call fails when the test says so, otherwise the real one answers. */
#include "os/os.h"

size_t fh_linux_page_size(void);
void *fh_linux_reserve(size_t size, size_t alignment);
bool fh_linux_commit(void *address, size_t size);
bool fh_linux_purge(void *address, size_t size);
unsigned fh_linux_purge_parts(const fh_os_part *parts, unsigned count);
bool fh_linux_move(void *to, void *from, size_t size);

fh_os_faults fh_os_faults_now = {.fail_after = -1};

static bool random_fault(fh_os_faults *faults) {
  unsigned x = __atomic_load_n(&faults->seed, __ATOMIC_RELAXED);
  if (x == 0) {
    return false;
  }
  x ^= x << 13;
  x ^= x >> 17;
  x ^= x << 5;
  __atomic_store_n(&faults->seed, x, __ATOMIC_RELAXED);
  return x % 100 < faults->percent;
}

static bool fault(void) {
  fh_os_faults *faults = &fh_os_faults_now;
  __atomic_add_fetch(&faults->calls, 1, __ATOMIC_RELAXED);
  bool now = random_fault(faults);
  if (faults->fail_after >= 0) {
    now |= __atomic_sub_fetch(&faults->fail_after, 1, __ATOMIC_RELAXED) < 0;
    if (now) {
      __atomic_store_n(&faults->fail_after, 0, __ATOMIC_RELAXED);
    }
  }
  if (now) {
    __atomic_add_fetch(&faults->failed, 1, __ATOMIC_RELAXED);
  }
  return now;
}

size_t fh_os_page_size(void) {
  return fh_os_faults_now.page_size != 0 ? fh_os_faults_now.page_size : fh_linux_page_size();
}

void *fh_os_reserve(size_t size, size_t alignment) { return fault() ? NULL : fh_linux_reserve(size, alignment); }

bool fh_os_commit(void *address, size_t size) { return !fault() && fh_linux_commit(address, size); }

bool fh_os_purge(void *address, size_t size) { return !fault() && fh_linux_purge(address, size); }

/* Each part may be the one that the kernel refuses. */
unsigned fh_os_purge_parts(const fh_os_part *parts, unsigned count) {
  unsigned allowed = 0;
  while (allowed < count && !fault()) {
    allowed++;
  }
  return allowed == 0 ? 0 : fh_linux_purge_parts(parts, allowed);
}

bool fh_os_move(void *to, void *from, size_t size) { return !fault() && fh_linux_move(to, from, size); }
