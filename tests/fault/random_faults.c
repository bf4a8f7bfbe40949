/* Every kernel call may fail: the caller sees ENOMEM, nothing is lost, and later calls work. */
#include <errno.h>

#include "model/oracle.h"
#include "os/os.h"

static oracle model = {.random = 424242};

int main(void) {
  for (unsigned round = 0; round < 20; round++) {
    fh_os_faults_now.seed = 7919 * round + 1;
    fh_os_faults_now.percent = 10 + round * 4;
    for (long i = 0; i < 10000; i++) {
      oracle_step(&model);
      if (i % 100 == 0) {
        fh_trim(0); /* purges, so that there are calls that can fail */
      }
    }
    fh_os_faults_now.seed = 0;
    fh_os_faults_now.fail_after = round % 5; /* then the kernel has nothing left at all */
    for (long i = 0; i < 5000; i++) {
      oracle_step(&model);
    }
    fh_os_faults_now.fail_after = 0;
    errno = 0;
    void *huge = fh_malloc((size_t)1 << 33);
    REQUIRE(huge == NULL && errno == ENOMEM);
    fh_os_faults_now.fail_after = -1;
    oracle_apart(&model);
    oracle_end(&model);
    void *later = fh_malloc((size_t)1 << 20);
    REQUIRE(later != NULL);
    fh_free(later);
  }
  REQUIRE(fh_os_faults_now.failed > 100);
  REQUIRE(model.refused > 0);
  printf("%llu kernel calls failed, %llu requests were refused\n", (unsigned long long)fh_os_faults_now.failed,
         (unsigned long long)model.refused);
  return 0;
}
