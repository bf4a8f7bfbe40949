/* Random calls against the oracle, one thread; at the end nothing is live and almost nothing is kept. */
#include "model/oracle.h"

static oracle model = {.random = 88172645463325252u};

int main(int argc, char **argv) {
  long steps = argc > 1 ? atol(argv[1]) : 1000000L * ORACLE_TIMES;
  for (long i = 0; i < steps; i++) {
    oracle_step(&model);
    if (i % 50000 == 0) {
      oracle_apart(&model);
    }
  }
  REQUIRE(model.refused == 0);
  oracle_end(&model);
  fh_trim(0);
  fh_heap_stats now;
  fh_stats(&now);
  REQUIRE(now.kept_dirty == 0);
  REQUIRE(now.used_pages < (2u << 20)); /* a current slab a class and one stretch */
  printf("%ld steps\n", steps);
  return 0;
}
