/* The kernel, as far as Freehold needs it. Sizes and addresses are multiples of fh_os_page_size() unless said.
 * Every call keeps errno. */
#ifndef FH_OS_OS_H
#define FH_OS_OS_H

#include "base/bits.h"
#include "base/compiler.h"

/* Bytes in a page of the running kernel: 4, 16 or 64 KiB. */
size_t fh_os_page_size(void);

/* Address space without access and without a claim on memory, aligned to `alignment` (a power of two, at least a
 * page). NULL when there is no room. */
void *fh_os_reserve(size_t size, size_t alignment);

/* Gives reserved address space back. */
void fh_os_release(void *address, size_t size);

/* Makes reserved memory readable and writable; it reads as zero. False: the system has none to promise. */
bool fh_os_commit(void *address, size_t size);

/* Takes the memory behind committed addresses; they stay usable and read as zero afterwards. False: nothing changed. */
bool fh_os_purge(void *address, size_t size);

/* The same of several parts in one call: the kernel makes the processors forget them once, not once a part. How many of
 * them were purged, from the first on. A kernel that cannot (before Linux 6.15 or so, or one that a filter keeps from
 * it) is asked for one after the other. */
typedef struct fh_os_part {
  void *at;
  size_t bytes;
} fh_os_part;
/* The whole pages of the kernel's from `from` to `to`; where there are none, 0 bytes at `from`. */
fh_inline fh_os_part fh_os_pages_within(char *from, char *to) {
  size_t page = fh_os_page_size();
  char *first = (char *)fh_round_up((uintptr_t)from, page), *end = (char *)fh_round_down((uintptr_t)to, page);
  return first < end ? (fh_os_part){first, (size_t)(end - first)} : (fh_os_part){from, 0};
}

enum { FH_OS_PARTS = 128 }; /* that many at most: 3 KiB of the stack, with what they belong to */
unsigned fh_os_purge_parts(const fh_os_part *parts, unsigned count);

/* Lets other threads run. */
void fh_os_yield(void);

/* Asks for memory behind committed addresses at once instead of a fault a page: a hint, contents unchanged.
 * False: not done, as on a kernel without it (before Linux 5.14). */
bool fh_os_populate(void *address, size_t size);

/* Moves the memory behind committed [from, from + size) to committed [to, to + size) without copying. Afterwards
 * `from` is committed and reads as zero. False: nothing moved. */
bool fh_os_move(void *to, void *from, size_t size);

/* The limit on the process's address space in bytes (RLIMIT_AS); SIZE_MAX when there is none. */
size_t fh_os_address_limit(void);

/* Bytes of memory that the machine has. */
size_t fh_os_memory(void);

/* Bytes of [address, address + size) that are in memory now. `resident` gets one byte a page when not NULL. */
size_t fh_os_resident(const void *address, size_t size, unsigned char *resident);

/* Calls `hook` with `value` in each thread that called fh_os_thread_exit_arm, when it ends. */
bool fh_os_thread_exit_hook(void (*hook)(void *));
void fh_os_thread_exit_arm(void *value);

typedef struct fh_os_usage {
  uint64_t resident; /* bytes of the whole process */
  uint64_t minor_faults;
  uint64_t major_faults;
} fh_os_usage;
void fh_os_read_usage(fh_os_usage *);

/* Of a clock that never goes back and is cheap to read: it moves every few milliseconds. Never 0. */
uint64_t fh_os_milliseconds(void);

/* The environment, or NULL in a set-user-id program, where it is not to be trusted. */
const char *fh_os_setting(const char *name);

#if FREEHOLD_OS_FAKE
/* Tests: the calls above go through src/os/fake.c, which makes them fail on demand. */
typedef struct fh_os_faults {
  unsigned seed;          /* 0: no random failures */
  unsigned percent;       /* of reserve, commit, purge and move calls that fail */
  long fail_after;        /* that many further calls succeed, then all fail; < 0: off */
  size_t page_size;       /* pretend this page size; 0: the real one */
  uint64_t calls, failed; /* counted */
} fh_os_faults;
extern fh_os_faults fh_os_faults_now;
#endif

#endif
