/* The kernel calls on Linux. Compiled a second time behind src/os/fake.c, which then takes the public names. */
#if FREEHOLD_OS_FAKE
#define fh_os_page_size fh_linux_page_size
#define fh_os_reserve fh_linux_reserve
#define fh_os_commit fh_linux_commit
#define fh_os_purge fh_linux_purge
#define fh_os_purge_parts fh_linux_purge_parts
#define fh_os_move fh_linux_move
#endif

#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/fatal.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#ifndef SYS_process_madvise
#define SYS_process_madvise 440
#endif
enum { THIS_PROCESS = -10000 }; /* PIDFD_SELF, younger than this call */

enum { MOVES_MOST = 16384, MOVE_ALWAYS = 64 << 20 /* so few of these fit that they need not be counted */ };

size_t fh_os_page_size(void) {
  static size_t size; /* every thread that finds 0 writes the same value */
  size_t now = __atomic_load_n(&size, __ATOMIC_RELAXED);
  if (now == 0) {
    now = (size_t)getauxval(AT_PAGESZ); /* sysconf would drag 128 KiB of libc's pages in */
    __atomic_store_n(&size, now, __ATOMIC_RELAXED);
  }
  return now;
}

static void *map_nothing(void *hint, size_t size) {
  int saved = errno;
  void *at = mmap(hint, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  errno = saved;
  return at == MAP_FAILED ? NULL : at;
}

void *fh_os_reserve(size_t size, size_t alignment) {
  if (size > SIZE_MAX - alignment) {
    return NULL;
  }
  char *at = map_nothing(NULL, size + alignment);
  if (at == NULL) {
    return NULL;
  }
  char *aligned = (char *)fh_round_up((uintptr_t)at, alignment);
  if (aligned != at) {
    fh_os_release(at, (size_t)(aligned - at));
  }
  fh_os_release(aligned + size, (size_t)(at + alignment - aligned));
#ifdef MADV_NOHUGEPAGE
  /* A huge page makes 2 MiB resident for one byte: retention could not be bounded. Fails harmlessly on a kernel
   * without huge pages. */
  int saved = errno;
  madvise(aligned, size, MADV_NOHUGEPAGE);
  errno = saved;
#endif
  return aligned;
}

void fh_os_release(void *address, size_t size) {
  int saved = errno;
  if (size != 0) {
    munmap(address, size);
  }
  errno = saved;
}

bool fh_os_commit(void *address, size_t size) {
  int saved = errno;
  bool done = mprotect(address, size, PROT_READ | PROT_WRITE) == 0;
  errno = saved;
  return done;
}

bool fh_os_purge(void *address, size_t size) {
  int saved = errno;
  int result;
  do {
    result = madvise(address, size, MADV_DONTNEED);
  } while (result != 0 && errno == EAGAIN);
  errno = saved;
  return result == 0;
}

_Static_assert(sizeof(fh_os_part) == sizeof(struct iovec) &&
                   offsetof(fh_os_part, bytes) == offsetof(struct iovec, iov_len),
               "the kernel reads them as they are");

/* The kernel does not go on behind a part that it refuses. How many it took. */
static unsigned purge_at_once(const fh_os_part *parts, unsigned count) {
  static int unknown; /* set once the kernel has said so */
  if (count < 2 || __atomic_load_n(&unknown, __ATOMIC_RELAXED) != 0) {
    return 0;
  }
  int saved = errno;
  long bytes = syscall(SYS_process_madvise, THIS_PROCESS, parts, (size_t)count, MADV_DONTNEED, 0u);
  bool forbidden = errno == ENOSYS || errno == EBADF || errno == EPERM || errno == EACCES;
  if (bytes < 0 && forbidden) {
    __atomic_store_n(&unknown, 1, __ATOMIC_RELAXED);
  }
  errno = saved;
  unsigned done = 0;
  for (; done < count && bytes >= (long)parts[done].bytes; done++) {
    bytes -= (long)parts[done].bytes;
  }
  return done;
}

unsigned fh_os_purge_parts(const fh_os_part *parts, unsigned count) {
  unsigned done = purge_at_once(parts, count);
  while (done < count && fh_os_purge(parts[done].at, parts[done].bytes)) {
    done++;
  }
  return done;
}

void fh_os_yield(void) { sched_yield(); /* never fails on Linux */ }

bool fh_os_populate(void *address, size_t size) {
  static int unknown; /* set once the kernel has said so */
  if (__atomic_load_n(&unknown, __ATOMIC_RELAXED) != 0) {
    return false;
  }
  int saved = errno;
  bool done = madvise(address, size, MADV_POPULATE_WRITE) == 0;
  if (!done && errno == EINVAL) {
    __atomic_store_n(&unknown, 1, __ATOMIC_RELAXED);
  }
  errno = saved;
  return done;
}

size_t fh_os_address_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
    return SIZE_MAX;
  }
  return (size_t)limit.rlim_cur;
}

size_t fh_os_memory(void) {
  struct sysinfo info;
  int saved = errno;
  uint64_t bytes = sysinfo(&info) == 0 ? (uint64_t)info.totalram * info.mem_unit : 0;
  errno = saved;
  return bytes < SIZE_MAX ? (size_t)bytes : SIZE_MAX;
}

/* Whether [at, at + size) lies in one mapping: asked to grow what spans two, the kernel says EFAULT. What is one does
 * not grow as a rule, since something is mapped behind it; if it does, it is cut again. */
static bool is_one_mapping(char *at, size_t size) {
  size_t page = fh_os_page_size();
  if (mremap(at, size, size + page, 0) != MAP_FAILED) {
    munmap(at + size, page);
    return true;
  }
  return errno != EFAULT;
}

/* MREMAP_FIXED takes the target away before the kernel finds out that it cannot move: it is mapped again. When that
 * says that something is mapped there, the kernel had refused before. */
static void map_again(void *at, size_t size) {
  void *now = mmap(at, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (now == at) {
    madvise(at, size, MADV_NOHUGEPAGE);
  } else if (errno != EEXIST) {
    fh_fatal("realloc", at, "the kernel took memory away and does not give it back");
  }
}

/* A move by page tables. Old kernels refuse a stretch that they keep as several mappings, all of them refuse under a
 * limit on address space (the moved pages count twice for a moment), and a refusal comes after the target is gone. So
 * both are asked for first, and what is refused all the same is repaired. */
bool fh_os_move(void *to, void *from, size_t size) {
  static unsigned moves; /* each may leave two mappings more, of the 65,530 that a process may have */
  int saved = errno;
  bool few = size >= MOVE_ALWAYS || __atomic_add_fetch(&moves, 1, __ATOMIC_RELAXED) <= MOVES_MOST;
  bool done = few && fh_os_address_limit() == SIZE_MAX && is_one_mapping(from, size);
  if (done && mremap(from, size, size, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, to) == MAP_FAILED) {
    map_again(to, size);
    done = false;
  }
  errno = saved;
  return done;
}

static size_t count_resident(const char *at, size_t pages, unsigned char *flags) {
  size_t page = fh_os_page_size(), found = 0;
  if (mincore((void *)(uintptr_t)at, pages * page, flags) != 0) {
    for (size_t i = 0; i < pages; i++) {
      flags[i] = 0;
    }
    return 0;
  }
  for (size_t i = 0; i < pages; i++) {
    flags[i] &= 1;
    found += flags[i];
  }
  return found * page;
}

size_t fh_os_resident(const void *address, size_t size, unsigned char *resident) {
  unsigned char flags[1024];
  size_t page = fh_os_page_size(), total = 0;
  int saved = errno;
  for (size_t done = 0; done < size / page;) {
    size_t now = fh_min(size / page - done, sizeof flags);
    unsigned char *out = resident != NULL ? resident + done : flags;
    total += count_resident((const char *)address + done * page, now, out);
    done += now;
  }
  errno = saved;
  return total;
}

static pthread_key_t exit_key;

bool fh_os_thread_exit_hook(void (*hook)(void *)) { return pthread_key_create(&exit_key, hook) == 0; }

void fh_os_thread_exit_arm(void *value) { pthread_setspecific(exit_key, value); }

static uint64_t parse_number(const char *text) {
  uint64_t value = 0;
  for (; *text >= '0' && *text <= '9'; text++) {
    value = value * 10 + (uint64_t)(*text - '0');
  }
  return value;
}

/* The second number of /proc/self/statm is the resident pages. */
static uint64_t read_resident(void) {
  char text[128];
  int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    return 0;
  }
  ssize_t length = read(file, text, sizeof text - 1);
  close(file);
  if (length <= 0) {
    return 0;
  }
  text[length] = '\0';
  const char *at = text;
  while (*at != ' ' && *at != '\0') {
    at++;
  }
  return *at == ' ' ? parse_number(at + 1) * fh_os_page_size() : 0;
}

void fh_os_read_usage(fh_os_usage *usage) {
  int saved = errno;
  struct rusage now;
  usage->resident = read_resident();
  if (getrusage(RUSAGE_SELF, &now) == 0) {
    usage->minor_faults = (uint64_t)now.ru_minflt;
    usage->major_faults = (uint64_t)now.ru_majflt;
  }
  errno = saved;
}

/* secure_getenv would drag 64 KiB of libc's pages in. */
const char *fh_os_setting(const char *name) {
  if (environ == NULL || getauxval(AT_SECURE) != 0) {
    return NULL;
  }
  for (char **entry = environ; *entry != NULL; entry++) {
    const char *at = *entry, *want = name;
    while (*want != '\0' && *at == *want) {
      at++;
      want++;
    }
    if (*want == '\0' && *at == '=') {
      return at + 1;
    }
  }
  return NULL;
}

uint64_t fh_os_milliseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now); /* cannot fail, nor set errno: Linux has it since 2.6.32 */
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000 + 1;
}
