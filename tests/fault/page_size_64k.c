/* A kernel with pages of 64 KiB: commits and purges are multiples of it, and clean memory still reads as zero. */
#include "model/oracle.h"
#include "os/os.h"

static oracle model = {.random = 99991};

int main(void) {
  fh_os_faults_now.page_size = 64 << 10;
  for (long i = 0; i < 300000; i++) {
    oracle_step(&model);
  }
  oracle_apart(&model);
  oracle_end(&model);
  REQUIRE(model.refused == 0);
  puts("64 KiB pages");
  return 0;
}
