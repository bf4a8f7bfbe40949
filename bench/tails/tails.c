/* tails THREADS STEPS: how long each call of malloc and free takes under steady mixed load (load.h). The line it prints
 * has picoseconds, less what an empty measurement takes, and how many calls took over a millisecond.
 *
 * Such a call is the allocator's own doing when its thread used a millisecond of processor time in it, in the kernel or
 * not, or gave up the processor by itself, which is a wait for a lock. Otherwise the processor was taken from it: by
 * another thread, or from the whole virtual machine. What the thread used is read every 64 steps, some 20 us, and after
 * every such call. The same is asked of what lies between the calls, where the allocator has no part: a machine that
 * does not account for the time it was stopped shows there. */
#include "clock.h"
#include "histogram.h"
#include "load.h"

enum { SAMPLE = 64, WARM = 200000 };

typedef struct usage {
  int64_t processor; /* nanoseconds */
  long waits;        /* voluntary switches */
} usage;

typedef struct slow {
  uint64_t all, own; /* over a millisecond; of them not the kernel's doing */
} slow;

typedef struct log {
  histogram make, drop, empty;
  slow calls, between;
  usage sample;
  uint64_t end; /* of the last measurement */
} log_of_calls;

static double speed; /* ticks a nanosecond */
static uint64_t millisecond;
static unsigned long steps;
static pthread_barrier_t warm;

static usage usage_now(void) { return (usage){nanoseconds(CLOCK_THREAD_CPUTIME_ID), waits_now()}; }

static __attribute__((noinline, cold)) void judge(log_of_calls *l, slow *of) {
  usage now = usage_now();
  of->all++;
  of->own += now.processor - l->sample.processor > 1000000 || now.waits != l->sample.waits;
  l->sample = now;
}

static inline void note(log_of_calls *l, histogram *h, uint64_t begin, uint64_t end) {
  uint64_t took = end > begin ? end - begin : 0; /* the counters of two processors may differ a little */
  add(h, took);
  if (took > millisecond) {
    judge(l, &l->calls);
  } else if (begin > l->end && begin - l->end > millisecond) {
    judge(l, &l->between);
  }
  l->end = ticks_after();
}

static void *timed_make(worker *w, size_t bytes) {
  log_of_calls *l = w->log;
  uint64_t begin = ticks_before();
  void *object = malloc(bytes);
  note(l, &l->make, begin, ticks_after());
  return object;
}

static void timed_drop(worker *w, void *object) {
  log_of_calls *l = w->log;
  uint64_t begin = ticks_before();
  free(object);
  note(l, &l->drop, begin, ticks_after());
}

static void time_nothing(log_of_calls *l) {
  uint64_t begin = ticks_before();
  note(l, &l->empty, begin, ticks_after());
}

static void run_steps(worker *w, unsigned long count) {
  log_of_calls *l = w->log;
  for (unsigned long i = 0; i < count; i++) {
    if (i % SAMPLE == 0) {
      l->sample = usage_now();
      l->end = ticks_after();
    }
    step(w, timed_make, timed_drop);
    time_nothing(l);
  }
}

static void *work(void *argument) {
  worker *w = argument;
  fill_all(w, timed_make);
  run_steps(w, WARM);
  pthread_barrier_wait(&warm);
  memset(w->log, 0, sizeof(log_of_calls));
  run_steps(w, steps);
  return NULL;
}

static uint64_t picoseconds(double ticks, double less) {
  return ticks <= less ? 0 : (uint64_t)((ticks - less) / speed * 1000);
}

/* Less the mean of an empty measurement: some processors' counters move in steps as long as a short call, and its
 * median would be a whole step off. */
static void print(const char *name, const histogram *h, double less) {
  static const struct {
    const char *name;
    double share;
  } shown[] = {{"p50", .5}, {"p99", .99}, {"p99_9", .999}, {"p99_99", .9999}};
  for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++) {
    uint64_t ticks = percentile(h, shown[i].share);
    printf("%s_%s=%llu ", name, shown[i].name, (unsigned long long)picoseconds((double)ticks, less));
  }
  printf("%s_max=%llu ", name, (unsigned long long)picoseconds((double)h->most, less));
  printf("%s_mean=%llu ", name, (unsigned long long)picoseconds(mean(h), less));
}

static void print_slow(const char *name, slow of) {
  printf("%s_slow=%llu %s_own=%llu ", name, (unsigned long long)of.all, name, (unsigned long long)of.own);
}

static void gather(log_of_calls *all, const log_of_calls *one) {
  merge(&all->make, &one->make);
  merge(&all->drop, &one->drop);
  merge(&all->empty, &one->empty);
  all->calls.all += one->calls.all;
  all->calls.own += one->calls.own;
  all->between.all += one->between.all;
  all->between.own += one->between.own;
}

int main(int argc, char **argv) {
  unsigned threads = argc > 1 ? (unsigned)atoi(argv[1]) : 2;
  steps = argc > 2 ? strtoul(argv[2], NULL, 10) : 1000000;
  if (threads == 0 || threads > THREADS_MOST || steps == 0) {
    return 2;
  }
  speed = ticks_a_nanosecond();
  millisecond = (uint64_t)(speed * 1e6);
  worker *all = make_workers(threads, threads > 1);
  log_of_calls *logs = own((threads + 1) * sizeof *logs);
  pthread_barrier_init(&warm, NULL, threads);
  for (unsigned i = 0; i < threads; i++) {
    all[i].log = &logs[i];
    pthread_create(&all[i].thread, NULL, work, &all[i]);
  }
  for (unsigned i = 0; i < threads; i++) {
    pthread_join(all[i].thread, NULL);
    gather(&logs[threads], &logs[i]);
  }
  double nothing = mean(&logs[threads].empty);
  printf("RESULT ");
  print("malloc", &logs[threads].make, nothing);
  print("free", &logs[threads].drop, nothing);
  print("empty", &logs[threads].empty, 0);
  print_slow("calls", logs[threads].calls);
  print_slow("between", logs[threads].between);
  printf("own=%zu\n", own_bytes);
  return 0;
}
