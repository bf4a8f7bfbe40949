/* For model tests without a framework, so that they run on any target: one line, how to have it again, and the end. */
#ifndef TESTS_MODEL_REQUIRE_H
#define TESTS_MODEL_REQUIRE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a run is made of. Each plan (a policy, its flags, a size) draws from the seed and its own number, so that a plan
 * alone does what it does among the others. */
typedef struct model_run {
  const char *program;
  long steps; /* in all */
  uint64_t seed;
  long plan, only; /* the one that runs; the one that was asked for, or -1 */
} model_run;

static model_run this_run = {.program = "", .only = -1, .plan = -1};

static inline void require_failed(const char *file, int line, const char *what) {
  fprintf(stderr, "%s:%d: not %s\n", file, line, what);
  if (this_run.plan >= 0) {
    fprintf(stderr, "to repeat: FREEHOLD_STEPS=%ld FREEHOLD_SEED=%llu FREEHOLD_PLAN=%ld %s\n", this_run.steps,
            (unsigned long long)this_run.seed, this_run.plan, this_run.program);
  }
  abort();
}

#define REQUIRE(condition) ((condition) ? (void)0 : require_failed(__FILE__, __LINE__, #condition))

static inline uint64_t chance(uint64_t *random) {
  *random ^= *random << 13;
  *random ^= *random >> 7;
  *random ^= *random << 17;
  return *random * UINT64_C(0x2545F4914F6CDD1D) >> 16;
}

static inline const char *setting(int argc, char **argv, int place, const char *name) {
  return argc > place ? argv[place] : getenv(name);
}

/* Steps of a test: its first argument, FREEHOLD_STEPS, or what it takes for a second or two. */
static inline long steps_of(int argc, char **argv, long usual) {
  const char *text = setting(argc, argv, 1, "FREEHOLD_STEPS");
  return text == NULL ? usual : atol(text);
}

/* PROGRAM [STEPS [SEED [PLAN]]], or FREEHOLD_STEPS, FREEHOLD_SEED and FREEHOLD_PLAN. Said at once, for a run that ends
 * with a signal. */
static inline void start_run(int argc, char **argv, long usual) {
  const char *seed = setting(argc, argv, 2, "FREEHOLD_SEED"), *plan = setting(argc, argv, 3, "FREEHOLD_PLAN");
  this_run = (model_run){.program = argv[0],
                         .steps = steps_of(argc, argv, usual),
                         .seed = seed == NULL ? 1 : strtoull(seed, NULL, 10),
                         .plan = -1,
                         .only = plan == NULL ? -1 : atol(plan)};
  printf("seed %llu, %ld steps\n", (unsigned long long)this_run.seed, this_run.steps);
  fflush(stdout);
}

/* Goes on to the next plan. False: it is not to run. `random` is what it draws from. */
static inline int start_plan(uint64_t *random) {
  this_run.plan++;
  *random = (this_run.seed + 1) * UINT64_C(0x9E3779B97F4A7C15) ^ (uint64_t)(this_run.plan + 1) << 32;
  *random += *random == 0;
  chance(random);
  return this_run.only < 0 || this_run.only == this_run.plan;
}

#endif
