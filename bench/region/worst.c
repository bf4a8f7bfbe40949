/* Instructions of the worst call, by stepping through it. Stepping is slow, so each workload runs on its own some times
 * first, and only the calls that took longest then are stepped through: a child runs the workload again, to the same
 * addresses, and stops at a breakpoint before each of them; its parent steps on from there until the child says that
 * the call is over. The steps of a call that does nothing are taken off; what is left is the callee, from its first
 * instruction to its return.
 *
 * Workloads: random ones of several kinds of sizes, and some that are bad for whatever keeps holes by size: many holes
 * of lengths next to each other, in orders that make trees of them deep, above and below powers of two; frees that join
 * two of those to a third that has many like it. */
#include "race.h"

#include <errno.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

/* Between parent and child. */
typedef struct board {
  volatile int on; /* a call is being stepped through */
  volatile int gives;
} board;

typedef struct bench bench;

typedef struct workload {
  const char *kind;
  void (*run)(bench *, const struct workload *);
  size_t base;
  unsigned count, order;
} workload;

typedef struct worst {
  unsigned steps;
  workload where;
} worst;

enum { CALLS = 1 << 14, RUNS = 3 };

struct bench {
  const region_plugin *plugin;
  board *board;
  char *memory;
  void *heap;
  size_t bytes;
  unsigned effort;
  uint64_t random;
  unsigned call; /* how many there have been */
  bool stepping;
  bool chosen[CALLS], gives[CALLS];
  uint64_t cycles[CALLS]; /* the least of some runs */
};

/* What is measured. */

static void *nothing_taken(void *heap, size_t size) {
  (void)size;
  return heap;
}

static void nothing_given(void *heap, void *pointer) {
  (void)heap;
  (void)pointer;
}

static __attribute__((noinline)) void *stepped_take(const bench *b, size_t size) {
  void *(*volatile call)(void *, size_t) = b->plugin->take;
  b->board->gives = 0;
  b->board->on = 1;
  __asm__ volatile("int3" ::: "memory");
  void *taken = call(b->heap, size);
  b->board->on = 0;
  return taken;
}

static __attribute__((noinline)) void stepped_give(const bench *b, void *pointer) {
  void (*volatile call)(void *, void *) = b->plugin->give;
  b->board->gives = 1;
  b->board->on = 1;
  __asm__ volatile("int3" ::: "memory");
  call(b->heap, pointer);
  b->board->on = 0;
}

static void timed(bench *b, unsigned call, bool gives, uint64_t start) {
  uint64_t spent = __rdtsc() - start;
  b->gives[call] = gives;
  b->cycles[call] = spent < b->cycles[call] ? spent : b->cycles[call];
}

/* The calls of a workload that count. */
static void *take(bench *b, size_t size) {
  unsigned call = b->call < CALLS - 1 ? b->call++ : b->call;
  if (b->stepping) {
    return b->chosen[call] ? stepped_take(b, size) : b->plugin->take(b->heap, size);
  }
  uint64_t start = __rdtsc();
  void *taken = b->plugin->take(b->heap, size);
  timed(b, call, false, start);
  return taken;
}

static void give(bench *b, void *pointer) {
  unsigned call = b->call < CALLS - 1 ? b->call++ : b->call;
  if (b->stepping) {
    if (b->chosen[call]) {
      stepped_give(b, pointer);
    } else {
      b->plugin->give(b->heap, pointer);
    }
    return;
  }
  uint64_t start = __rdtsc();
  b->plugin->give(b->heap, pointer);
  timed(b, call, true, start);
}

/* Workloads. */

static size_t heavy_random(bench *b) { return (size_t)(16 * pow((double)b->bytes / 64, unit_random(&b->random))); }

static size_t some_size(bench *b, unsigned kind) {
  switch (kind) {
    case 0: return size_random(&b->random);
    case 1: return 1 + next_random(&b->random) % 256;
    default: return heavy_random(b);
  }
}

/* Around a fill that rises until nothing fits: first without stepping, then with. */
static void random_calls(bench *b, const workload *w) {
  live l = live_for(b->bytes * 2);
  for (unsigned failures = 0; failures < 1000;) {
    if (l.count == 0 || unit_random(&b->random) < 0.55) {
      failures += !live_take(b->plugin, b->heap, &l, some_size(b, w->order));
    } else {
      live_give(b->plugin, b->heap, &l, next_random(&b->random) % l.count);
    }
  }
  for (unsigned i = 0; i < CALLS / 2 && l.count != 0; i++) {
    size_t size = some_size(b, w->order);
    void *taken = take(b, size);
    if (taken != NULL) {
      live_add(&l, taken, size);
    }
    if (taken == NULL || i % 2 == 0) {
      size_t victim = next_random(&b->random) % l.count;
      give(b, l.at[victim]);
      live_remove(&l, victim);
    }
  }
  live_end(&l);
}

enum { HOLES = 256, ORDERS = 4 };

/* The i-th of `count`: upward, downward, bits reversed, at random (odd multiples visit everything below 256). */
static unsigned ordered(unsigned i, unsigned count, unsigned order) {
  unsigned reversed = 0;
  switch (order) {
    case 0: return i;
    case 1: return count - 1 - i;
    case 2:
      for (unsigned bit = 1; bit < count; bit *= 2) {
        reversed = reversed * 2 + ((i & bit) != 0);
      }
      return reversed % count;
    default: return (i * 167 + 13) % count;
  }
}

/* Leaves no room but what is given back from here on. */
static void eat(bench *b) {
  for (size_t size = b->bytes; size >= 16; size -= size / 8) {
    while (b->plugin->take(b->heap, size) != NULL) {
    }
  }
}

typedef struct rows {
  void *hole[HOLES], *guard[HOLES];
  size_t size[HOLES];
  unsigned count;
} rows;

/* Objects with a small one behind each; then no other room. */
static void lay(bench *b, rows *r) {
  for (unsigned i = 0; i < r->count; i++) {
    r->hole[i] = b->plugin->take(b->heap, r->size[i]);
    r->guard[i] = b->plugin->take(b->heap, 16);
  }
  eat(b);
}

static void open_holes(bench *b, rows *r, unsigned order) {
  for (unsigned i = 0; i < r->count; i++) {
    unsigned which = ordered(i, r->count, order);
    if (r->hole[which] != NULL) {
      give(b, r->hole[which]);
      r->hole[which] = NULL;
    }
  }
}

/* Takes sizes around those of the holes; half of them come back. */
static void ask(bench *b, size_t low, size_t high) {
  for (unsigned i = 0; i < HOLES; i++) {
    void *taken = take(b, low + next_random(&b->random) % (high - low + 1));
    if (taken != NULL && i % 2 == 0) {
      give(b, taken);
    }
  }
}

static void join_guards(bench *b, rows *r, unsigned order, unsigned stride) {
  for (unsigned i = 0; i < r->count; i += stride) {
    void **guard = &r->guard[ordered(i, r->count, order) / stride * stride];
    if (*guard != NULL) {
      give(b, *guard);
      *guard = NULL;
    }
  }
}

static size_t step_of(const bench *b) { return b->plugin->alignment < 8 ? 8 : b->plugin->alignment; }

/* Holes of `count` lengths next to each other, the smallest of `base` bytes with its header. */
static void neighbours(bench *b, const workload *w) {
  rows r = {.count = w->count};
  for (unsigned i = 0; i < w->count; i++) {
    r.size[i] = w->base - 8 + ordered(i, w->count, 3) * step_of(b);
  }
  lay(b, &r);
  open_holes(b, &r, w->order);
  ask(b, w->base - 8, w->base + w->count * step_of(b));
  ask(b, w->base / 2, w->base);
  join_guards(b, &r, w->order, 1);
}

/* Holes just below `base` but none one step below, and others at about its double: what is left of one of those has
 * again many neighbours. */
static void below(bench *b, const workload *w) {
  rows r = {.count = w->count};
  size_t step = step_of(b), half = w->count / 2;
  for (unsigned i = 0; i < half; i++) {
    r.size[i] = w->base - 8 - (i + 2) * step;
    r.size[half + i] = 2 * w->base - 8 + (w->order % 2 == 0 ? i : half + i) * step - 2 * step;
  }
  lay(b, &r);
  open_holes(b, &r, w->order);
  ask(b, w->base - 8 - step, w->base - 8 - step);
  ask(b, w->base - 8 - half * step, w->base - 8 + half * step);
}

/* Pairs of holes that differ in length, a small chunk between them; freeing it joins them to one of the sums, which lie
 * next to each other too. */
static void pairs(bench *b, const workload *w) {
  rows r = {.count = w->count};
  for (unsigned i = 0; i < w->count; i++) {
    r.size[i] = w->base - 8 + (i % 2 * (w->count / 2) + i / 2) * step_of(b);
  }
  lay(b, &r);
  open_holes(b, &r, w->order);
  join_guards(b, &r, w->order, 2);
}

/* Stepping. */

static void fix_processor(void) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET((size_t)sched_getcpu(), &one);
  sched_setaffinity(0, sizeof one, &one);
}

static void run_once(bench *b, const workload *w) {
  b->random = 7;
  b->call = 0;
  b->heap = b->plugin->make(b->memory, b->bytes);
  if (b->heap != NULL) {
    w->run(b, w);
  }
}

static pid_t child_of(bench *b, const workload *w) {
  pid_t child = fork();
  if (child == 0) {
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    raise(SIGSTOP);
    b->stepping = true;
    run_once(b, w);
    _exit(0);
  }
  memory_or_die(child < 0 ? NULL : b);
  return child;
}

/* Whether it stopped again. */
static bool resumed(pid_t child, enum __ptrace_request how) {
  int status;
  ptrace(how, child, NULL, NULL);
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP) {
    return true;
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    fprintf(stderr, "bench region: a stepped program ended with status %#x\n", (unsigned)status);
    kill(child, SIGKILL);
    exit(1);
  }
  return false;
}

/* Runs the workload to its end: the longest take and the longest give. */
static void step_through(bench *b, const workload *w, worst found[2]) {
  pid_t child = child_of(b, w);
  waitpid(child, NULL, 0);
  while (resumed(child, PTRACE_CONT)) {
    unsigned steps = 0;
    while (b->board->on && resumed(child, PTRACE_SINGLESTEP)) {
      steps++;
    }
    worst *slot = &found[b->board->gives];
    if (steps > slot->steps) {
      *slot = (worst){steps, *w};
    }
  }
}

static void choose_one(bench *b, bool gives) {
  unsigned slowest = CALLS;
  for (unsigned call = 0; call < b->call; call++) {
    if (b->gives[call] == gives && !b->chosen[call] && (slowest == CALLS || b->cycles[call] > b->cycles[slowest])) {
      slowest = call;
    }
  }
  if (slowest != CALLS) {
    b->chosen[slowest] = true;
  }
}

static void judge(bench *b, const workload *w, worst found[2]) {
  memset(b->cycles, 0xff, sizeof b->cycles);
  memset(b->chosen, 0, sizeof b->chosen);
  for (unsigned run = 0; run < RUNS; run++) {
    run_once(b, w);
  }
  for (unsigned i = 0; i < 2 * b->effort; i++) {
    choose_one(b, false);
    choose_one(b, true);
  }
  step_through(b, w, found);
}

static void adverse(bench *b, size_t base, size_t count, worst found[2]) {
  unsigned holes = count < HOLES ? (unsigned)count : HOLES;
  for (unsigned order = b->effort > 1 ? 0 : 2; order < ORDERS; order++) {
    judge(b, &(workload){"neighbours", neighbours, base, holes, order}, found);
    judge(b, &(workload){"below", below, base, holes & ~1u, order}, found);
    judge(b, &(workload){"pairs", pairs, base, holes & ~1u, order}, found);
  }
}

/* As many holes as there is room for, of each magnitude; and few large ones. */
static void judge_all(bench *b, worst found[2]) {
  for (unsigned kind = 0; kind < 3; kind++) {
    judge(b, &(workload){"random", random_calls, 0, 0, kind}, found);
  }
  for (size_t base = 256; base <= b->bytes / 8; base *= 2) {
    size_t most = b->bytes * 9 / 20 / (base + 64);
    adverse(b, base, most, found);
    if (b->effort > 1) {
      adverse(b, base / 2 * 3, most * 2 / 3, found);
    }
  }
  for (unsigned count = 4; count <= 12; count++) {
    adverse(b, b->bytes * 15 / 16 / count & ~(size_t)15, count, found);
  }
}

static void nothing(bench *b, const workload *w) {
  (void)w;
  b->heap = b;
  stepped_give(b, b);
  stepped_take(b, 1);
}

static void *nothing_made(void *memory, size_t bytes) {
  (void)bytes;
  return memory;
}

/* The steps of a call that returns at once, but its return. */
static void own_steps(bench *b, unsigned own[2]) {
  const region_plugin idle = {"nothing", 16, nothing_made, nothing_taken, nothing_given};
  worst found[2] = {{0}};
  b->plugin = &idle;
  step_through(b, &(workload){"nothing", nothing, 0, 0, 0}, found);
  own[0] = found[0].steps - 2; /* it moves its result, too */
  own[1] = found[1].steps - 1;
}

static void print_worst(const char *call, const bench *b, const worst *w, unsigned own) {
  printf("%s_steps_%zu %s %u %s,%zu,%u,%u\n", call, b->bytes / 1024, b->plugin->name, w->steps - own, w->where.kind,
         w->where.base, w->where.count, w->where.order);
  fflush(stdout);
}

void race_steps(size_t bytes, unsigned effort) {
  static bench b;
  char *shared = memory_or_die(mmap(NULL, bytes + 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  unsigned own[2];
  b = (bench){.board = (board *)(void *)(shared + bytes), .memory = shared, .bytes = bytes, .effort = effort};
  fix_processor();
  own_steps(&b, own);
  for (unsigned i = 0; i < field_count; i++) {
    worst found[2] = {{0}};
    b.plugin = &field[i];
    judge_all(&b, found);
    print_worst("alloc", &b, &found[0], own[0]);
    print_worst("free", &b, &found[1], own[1]);
  }
  munmap(shared, bytes + 4096);
}
