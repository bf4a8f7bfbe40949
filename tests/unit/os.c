/* The kernel calls do what os.h says, and keep errno. */
#include "unit/cm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "base/bits.h"
#include "freehold/region.h"
#include "os/os.h"
#include "unit/child.h"

static size_t page;

/* Readable without a fault: the kernel is asked to copy from there. */
static int can_read(const void *at) {
  int ends[2], saved = errno;
  assert_int_equal(pipe(ends), 0);
  ssize_t n = write(ends[1], at, 1);
  assert_true(n == 1 || errno == EFAULT);
  close(ends[0]);
  close(ends[1]);
  errno = saved;
  return n == 1;
}

/* Some mapping covers all of it. */
static int is_mapped(void *at, size_t pages) {
  unsigned char flags[64];
  int saved = errno, result = mincore(at, pages * page, flags);
  errno = saved;
  return result == 0;
}

static int all_bytes(const char *at, size_t size, int value) {
  for (size_t i = 0; i < size; i++) {
    if (at[i] != (char)value) {
      return 0;
    }
  }
  return 1;
}

/* Committed and written. */
static char *filled(size_t pages, int value) {
  char *at = fh_os_reserve(pages * page, page);
  assert_non_null(at);
  assert_true(fh_os_commit(at, pages * page));
  memset(at, value, pages * page);
  return at;
}

static int start(void **state) {
  (void)state;
  page = fh_os_page_size();
  errno = 77;
  return 0;
}

static int errno_was_kept(void **state) {
  (void)state;
  return errno == 77 ? 0 : -1;
}

static void page_size(void **state) {
  (void)state;
  assert_int_equal(fh_os_page_size(), sysconf(_SC_PAGESIZE));
}

static void reserve_aligns(void **state) {
  (void)state;
  for (size_t alignment = page; alignment <= ((size_t)64 << 20); alignment *= 2) {
    char *at = fh_os_reserve(3 * page, alignment);
    assert_non_null(at);
    assert_int_equal((uintptr_t)at % alignment, 0);
    assert_true(is_mapped(at, 3));
    assert_false(can_read(at));
    assert_false(can_read(at + 2 * page));
    fh_os_release(at, 3 * page);
  }
}

/* Bytes of address space of the process. */
static size_t address_space(void) {
  char text[64] = "";
  int file = open("/proc/self/statm", O_RDONLY);
  assert_true(file >= 0 && read(file, text, sizeof text - 1) > 0);
  close(file);
  return (size_t)strtoull(text, NULL, 10) * page;
}

/* What was mapped only to find an aligned start is given back at once, and the rest by the release. */
static void reserve_takes_no_more(void **state) {
  size_t before = address_space(), size = 5 * page;
  (void)state;
  void *at = fh_os_reserve(size, (size_t)16 << 20);
  assert_non_null(at);
  assert_int_equal(address_space() - before, size);
  fh_os_release(at, size);
  assert_int_equal(address_space(), before);
  fh_os_release(at, 0); /* nothing */
}

static void impossible_reserve(void **state) {
  (void)state;
  assert_null(fh_os_reserve(SIZE_MAX - page + 1, page));
  assert_null(fh_os_reserve((size_t)1 << 62, page));
}

static void commit_then_write(void **state) {
  char *at = fh_os_reserve(4 * page, page);
  (void)state;
  assert_non_null(at);
  assert_true(fh_os_commit(at + page, 2 * page));
  assert_true(all_bytes(at + page, 2 * page, 0));
  memset(at + page, 0x5a, 2 * page);
  assert_true(all_bytes(at + page, 2 * page, 0x5a));
  assert_false(can_read(at)); /* its neighbours are as before */
  assert_false(can_read(at + 3 * page));
  fh_os_release(at, 4 * page);
  assert_false(fh_os_commit(at, 4 * page)); /* nothing is there any more */
}

static void purge_reads_as_zero(void **state) {
  char *at = filled(6, 0x5a);
  (void)state;
  assert_true(fh_os_purge(at + page, 4 * page));
  assert_int_equal(fh_os_resident(at, 6 * page, NULL), 2 * page);
  assert_true(all_bytes(at, page, 0x5a));
  assert_true(all_bytes(at + page, 4 * page, 0));
  assert_true(all_bytes(at + 5 * page, page, 0x5a));
  memset(at, 0x33, 6 * page); /* still writable */
  assert_true(all_bytes(at, 6 * page, 0x33));
  fh_os_release(at, 6 * page);
  assert_false(fh_os_purge(at, 6 * page));
}

enum { PARTS = FH_OS_PARTS };

/* Every second page, of as many as one call takes; what lies between is left alone. */
static int every_second_is_purged(void) {
  char *at = filled(2 * PARTS, 0x5a);
  fh_os_part parts[PARTS];
  for (unsigned i = 0; i < PARTS; i++) {
    parts[i] = (fh_os_part){at + 2 * i * page, page};
  }
  int done = fh_os_purge_parts(parts, PARTS) == PARTS;
  for (unsigned i = 0; i < PARTS; i++) {
    done &= all_bytes(at + 2 * i * page, page, 0) && all_bytes(at + (2 * i + 1) * page, page, 0x5a);
  }
  fh_os_release(at, 2 * PARTS * page);
  return done;
}

static void parts_are_purged(void **state) {
  (void)state;
  assert_true(every_second_is_purged());
}

/* Nothing is mapped at one of them: those before it were purged, those behind it were not. */
static void parts_are_purged_up_to_the_first_refused(void **state) {
  (void)state;
  for (unsigned refused = 0; refused < 4; refused++) {
    char *at = filled(8, 0x5a);
    fh_os_part parts[4];
    for (unsigned i = 0; i < 4; i++) {
      parts[i] = (fh_os_part){at + 2 * i * page, page};
    }
    fh_os_release(parts[refused].at, page);
    assert_int_equal(fh_os_purge_parts(parts, 4), refused);
    for (unsigned i = 0; i < 4; i++) {
      assert_true(i == refused || all_bytes(parts[i].at, page, i < refused ? 0 : 0x5a));
    }
    fh_os_release(at, 8 * page);
  }
  assert_true(every_second_is_purged());
}

/* A filter that lets every call through but one, which fails as it does on a kernel that does not know it. */
static int forbid(long call) {
  struct sock_filter rules[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {sizeof rules / sizeof *rules, rules};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

enum { NO_FILTERS = 3 };

static int purge_one_by_one(void) {
  if (!forbid(SYS_process_madvise)) {
    return NO_FILTERS;
  }
  errno = 77;
  return every_second_is_purged() && every_second_is_purged() && errno == 77 ? 0 : 1;
}

static void parts_are_purged_without_the_call(void **state) {
  child_end end = child_run(purge_one_by_one, 0);
  (void)state;
  assert_true(WIFEXITED(end.status));
  if (WEXITSTATUS(end.status) == NO_FILTERS) {
    skip();
  }
  assert_int_equal(WEXITSTATUS(end.status), 0);
}

static void resident_is_counted(void **state) {
  enum { PAGES = 2500 }; /* more than one call's worth */
  static unsigned char flags[PAGES + 1];
  static const size_t touched[] = {0, 3, 1022, 1023, 1024, 2047, 2048, 2499};
  size_t count = sizeof touched / sizeof *touched;
  char *at = fh_os_reserve(PAGES * page, page);
  (void)state;
  assert_true(at != NULL && fh_os_commit(at, PAGES * page));
  memset(flags, 9, sizeof flags);
  assert_int_equal(fh_os_resident(at, PAGES * page, flags), 0);
  for (size_t i = 0; i < count; i++) {
    at[touched[i] * page] = 1;
  }
  assert_int_equal(fh_os_resident(at, PAGES * page, flags), count * page);
  for (size_t i = 0, next = 0; i < PAGES; i++) {
    bool want = next < count && i == touched[next];
    assert_int_equal(flags[i], want);
    next += want;
  }
  assert_int_equal(flags[PAGES], 9);
  assert_int_equal(fh_os_resident(at, PAGES * page, NULL), count * page);
  assert_int_equal(fh_os_resident(at + page, 1022 * page, NULL), 2 * page);
  fh_os_release(at, PAGES * page);
  memset(flags, 9, sizeof flags);
  assert_int_equal(fh_os_resident(at, 2 * page, flags), 0); /* nothing is there */
  assert_true(flags[0] == 0 && flags[1] == 0 && flags[2] == 9);
}

static int kernel_is_at_least(int major, int minor) {
  struct utsname name;
  int a = 0, b = 0;
  assert_int_equal(uname(&name), 0);
  assert_int_equal(sscanf(name.release, "%d.%d", &a, &b), 2);
  return a > major || (a == major && b >= minor);
}

static void populate_makes_resident(void **state) {
  (void)state;
  if (!kernel_is_at_least(5, 14)) {
    skip();
  }
  char *at = fh_os_reserve(32 * page, page);
  assert_true(at != NULL && fh_os_commit(at, 32 * page));
  at[5 * page + 7] = 42;
  fh_os_populate(at + 4 * page, 20 * page);
  assert_int_equal(fh_os_resident(at, 32 * page, NULL), 20 * page);
  assert_int_equal(at[5 * page + 7], 42);
  at[5 * page + 7] = 0;
  assert_true(all_bytes(at, 32 * page, 0));
  fh_os_release(at, 32 * page);
  fh_os_populate(at, 32 * page); /* a hint: no harm where nothing is */
}

static void move_keeps_contents(void **state) {
  char *from = filled(64, 0), *to = filled(66, 0x11);
  (void)state;
  for (size_t i = 0; i < 64; i++) {
    memset(from + i * page, (int)i + 1, page);
  }
  if (!fh_os_move(to + page, from, 64 * page)) {
    assert_false(kernel_is_at_least(5, 7));
    skip();
  }
  for (size_t i = 0; i < 64; i++) {
    assert_true(all_bytes(to + (i + 1) * page, page, (int)i + 1));
  }
  assert_true(all_bytes(to, page, 0x11) && all_bytes(to + 65 * page, page, 0x11));
  assert_int_equal(fh_os_resident(from, 64 * page, NULL), 0); /* moved, not copied */
  assert_true(all_bytes(from, 64 * page, 0));
  memset(from, 0x22, 64 * page); /* both stay committed, and are apart */
  assert_true(all_bytes(to + page, page, 1));
  memset(to, 0x44, 66 * page);
  assert_true(all_bytes(from, 64 * page, 0x22));
  fh_os_release(from, 64 * page);
  fh_os_release(to, 66 * page);
}

/* Parts of both ends, where the kernel has to split its mappings. */
static void move_within_larger_stretches(void **state) {
  char *both = filled(64, 0x11);
  (void)state;
  memset(both + 8 * page, 0x22, 16 * page);
  if (!fh_os_move(both + 40 * page, both + 8 * page, 16 * page)) {
    skip();
  }
  assert_true(all_bytes(both, 8 * page, 0x11));
  assert_true(all_bytes(both + 8 * page, 16 * page, 0));
  assert_true(all_bytes(both + 24 * page, 16 * page, 0x11));
  assert_true(all_bytes(both + 40 * page, 16 * page, 0x22));
  assert_true(all_bytes(both + 56 * page, 8 * page, 0x11));
  fh_os_release(both, 64 * page);
}

/* The kernel refuses: the process has more address space than it may have. 0: nothing was moved, as promised. */
static int refused_move(void) {
  struct rlimit limit = {page, RLIM_INFINITY};
  char *from = filled(8, 0x22), *to = filled(8, 0x11);
  if (setrlimit(RLIMIT_AS, &limit) != 0 || fh_os_move(to, from, 8 * page)) {
    return 2;
  }
  return is_mapped(to, 8) && all_bytes(to, 8 * page, 0x11) && all_bytes(from, 8 * page, 0x22) ? 0 : 1;
}

/* mremap with MREMAP_FIXED takes the mapping at the new address away before it finds out that it cannot move. */
static void refused_move_changes_nothing(void **state) {
  (void)state;
  assert_int_equal(child_run(refused_move, 0).status, 0);
}

static int under_limit(void) {
  struct rlimit limit = {(rlim_t)3 << 30, RLIM_INFINITY};
  if (setrlimit(RLIMIT_AS, &limit) != 0) {
    return 1;
  }
  errno = 77;
  if (fh_os_address_limit() != (size_t)3 << 30) {
    return 2;
  }
  if (fh_os_reserve((size_t)4 << 30, page) != NULL) {
    return 3;
  }
  return errno == 77 ? 0 : 4;
}

static void address_limit(void **state) {
  struct rlimit now;
  (void)state;
  assert_int_equal(getrlimit(RLIMIT_AS, &now), 0);
  assert_true(fh_os_address_limit() == (now.rlim_cur == RLIM_INFINITY ? SIZE_MAX : (size_t)now.rlim_cur));
  assert_int_equal(child_run(under_limit, 0).status, 0);
}

static void memory_is_the_machines(void **state) {
  (void)state;
  uint64_t pages = (uint64_t)sysconf(_SC_PHYS_PAGES);
  assert_true(fh_os_memory() / (uint64_t)sysconf(_SC_PAGESIZE) == pages);
}

#if FH_TSAN
enum { SLACK_MIB = 128 }; /* it keeps several bytes of its own for each */
#else
enum { SLACK_MIB = 4 };
#endif

static void usage_follows(void **state) {
  enum { MIB = 16 };
  fh_os_usage before = {0}, after = {0};
  size_t size = (size_t)MIB << 20, slack = (size_t)SLACK_MIB << 20;
  (void)state;
  fh_os_read_usage(&before);
  char *at = filled(size / page, 1);
  fh_os_read_usage(&after);
  assert_true(before.resident != 0);
  assert_true(after.resident >= before.resident + size - (2u << 20)); /* the kernel counts in batches */
  assert_true(after.resident <= before.resident + size + slack);
  assert_true(after.minor_faults >= before.minor_faults + size / page);
  fh_os_release(at, size);
  fh_os_read_usage(&after);
  assert_true(after.resident <= before.resident + slack);
}

static void the_clock_goes_on(void **state) {
  (void)state;
  uint64_t before = fh_os_milliseconds();
  assert_true(before != 0 && fh_os_milliseconds() >= before);
  nanosleep(&(struct timespec){0, 50000000}, NULL);
  assert_true(fh_os_milliseconds() >= before + 30); /* it moves every few of them */
}

static void setting_is_the_environment(void **state) {
  (void)state;
  setenv("FREEHOLD_TEST_ONLY_NOT", "another", 1);
  assert_null(fh_os_setting("FREEHOLD_TEST_ONLY"));
  setenv("FREEHOLD_TEST_ONLY", "some text", 1);
  assert_null(fh_os_setting("FREEHOLD_TEST"));
  assert_string_equal(fh_os_setting("FREEHOLD_TEST_ONLY"), "some text");
  unsetenv("FREEHOLD_TEST_ONLY");
  assert_null(fh_os_setting("FREEHOLD_TEST_ONLY"));
}

static int hooked;

static void hook(void *value) { *(int *)value += 1; }

static void *armed(void *unused) {
  (void)unused;
  fh_os_thread_exit_arm(&hooked);
  fh_os_thread_exit_arm(&hooked);
  return NULL;
}

static void *not_armed(void *unused) { return unused; }

static void run_thread(void *(*act)(void *)) {
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, act, NULL), 0);
  pthread_join(thread, NULL);
}

/* Once in each thread that asked for it. */
static void exit_hook(void **state) {
  (void)state;
  assert_true(fh_os_thread_exit_hook(hook));
  run_thread(not_armed);
  assert_int_equal(hooked, 0);
  run_thread(armed);
  assert_int_equal(hooked, 1);
  run_thread(armed);
  assert_int_equal(hooked, 2);
}

/* A region that asks the kernel for more, until its limit. */
static void region_grows(void **state) {
  static size_t most = 1 << 20;
  (void)state;
  char *first = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  fh_region_options options = {.grow = fh_region_grow_from_kernel, .grow_arg = &most};
  fh_region *r = fh_region_create(first, 65536, &options);
  assert_non_null(r);
  size_t blocks = 0;
  char *last = NULL, *p;
  while ((p = fh_region_alloc(r, 10000)) != NULL) {
    memset(p, 1, 10000);
    last = p;
    blocks++;
  }
  assert_true(blocks > 60 && blocks <= (size_t)most / 10000);
  assert_int_not_equal(fh_region_why(r), FH_OK);
  assert_int_equal(fh_region_check(r), FH_OK);
  assert_int_equal(fh_region_free(r, last), FH_OK);
  assert_null(fh_region_alloc(r, (size_t)PTRDIFF_MAX)); /* what no kernel has */
}

/* What is left below the limit is taken before a request fails, though it is less than a quarter. */
static void region_grows_to_its_limit(void **state) {
  (void)state;
  for (size_t most = 200000; most < 2000000; most += 100000) {
    char *first = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    fh_region_options options = {.grow = fh_region_grow_from_kernel, .grow_arg = &most};
    fh_region *r = fh_region_create(first, 65536, &options);
    fh_space space;
    while (fh_region_alloc(r, 10000) != NULL) {
    }
    fh_region_space(r, &space);
    assert_true(space.size <= most && space.size + 10000 + 2 * fh_os_page_size() > most);
  }
}

#define KEEPS_ERRNO(test) cmocka_unit_test_setup_teardown(test, start, errno_was_kept)

int main(void) {
  const struct CMUnitTest tests[] = {
      KEEPS_ERRNO(page_size),
      KEEPS_ERRNO(reserve_aligns),
      KEEPS_ERRNO(reserve_takes_no_more),
      KEEPS_ERRNO(impossible_reserve),
      KEEPS_ERRNO(commit_then_write),
      KEEPS_ERRNO(purge_reads_as_zero),
      KEEPS_ERRNO(parts_are_purged),
      KEEPS_ERRNO(parts_are_purged_up_to_the_first_refused),
      cmocka_unit_test(parts_are_purged_without_the_call),
      KEEPS_ERRNO(resident_is_counted),
      KEEPS_ERRNO(populate_makes_resident),
      KEEPS_ERRNO(move_keeps_contents),
      KEEPS_ERRNO(move_within_larger_stretches),
      KEEPS_ERRNO(refused_move_changes_nothing),
      KEEPS_ERRNO(address_limit),
      KEEPS_ERRNO(memory_is_the_machines),
      KEEPS_ERRNO(usage_follows),
      KEEPS_ERRNO(the_clock_goes_on),
      KEEPS_ERRNO(setting_is_the_environment),
      KEEPS_ERRNO(exit_hook),
      cmocka_unit_test(region_grows),
      cmocka_unit_test(region_grows_to_its_limit),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
