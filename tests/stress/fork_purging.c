/* A process forks while two of its threads purge, pages or what the pagemap says of them: in the child each page is in
 * use or on a list. The threads that would list their runs again are not there. */
#include <pthread.h>
#include <semaphore.h>
#include <sys/wait.h>
#include <unistd.h>

#include "freehold/freehold.h"
#include "model/require.h"
#include "os/os.h"
#include "pages/pages.h"

enum { FORKS = 8, FORKS_MOST = 2000, THREADS = 2 };
#define RUN ((size_t)4 << 20)

static _Thread_local int purges;
static int stop;
static int of_pages, of_map; /* threads that wait in a purge of each kind */
static int seen_pages, seen_map;
static sem_t inside, go;

static void wait_for(sem_t *sem) {
  while (sem_wait(sem) != 0) {
  }
}

unsigned __real_fh_os_purge_parts(const fh_os_part *parts, unsigned count);
unsigned __wrap_fh_os_purge_parts(const fh_os_part *parts, unsigned count);

/* The linker calls this in place of it: each purge waits until the process has forked. */
unsigned __wrap_fh_os_purge_parts(const fh_os_part *parts, unsigned count) {
  if (purges && !__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
    int *kind = fh_arena_find(parts[0].at) != NULL ? &of_pages : &of_map;
    __atomic_add_fetch(kind, 1, __ATOMIC_RELAXED);
    sem_post(&inside);
    wait_for(&go);
    __atomic_sub_fetch(kind, 1, __ATOMIC_RELAXED);
  }
  return __real_fh_os_purge_parts(parts, count);
}

static void *purge(void *unused) {
  purges = 1;
  while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
    char *run = fh_malloc(RUN);
    REQUIRE(run != NULL);
    memset(run, 1, RUN);
    fh_free(run);
    fh_trim(0);
  }
  return unused;
}

static size_t pages_missing(void) {
  fh_pages_counts now;
  fh_pages_read(&now);
  return (fh_arena_committed() >> FH_PAGE_SHIFT) - now.used - now.dirty - now.clean;
}

/* Pages that were being purged when it was copied count as dirty, and go as such. */
static void child(void) {
  fh_pages_counts now;
  fh_pages_read(&now);
  REQUIRE(pages_missing() == 0 && (of_pages == 0 || now.dirty != 0));
  fh_trim(0);
  fh_pages_read(&now);
  REQUIRE(pages_missing() == 0 && now.dirty == 0);
  _exit(0);
}

static void let_go(void) {
  for (int i = 0; i < THREADS; i++) {
    sem_post(&go);
  }
}

static void fork_once(void) {
  int status = 1;
  for (int i = 0; i < THREADS; i++) {
    wait_for(&inside);
  }
  REQUIRE(pages_missing() != 0);
  seen_pages += of_pages;
  seen_map += of_map;
  pid_t pid = fork();
  REQUIRE(pid >= 0);
  if (pid == 0) {
    child();
  }
  REQUIRE(waitpid(pid, &status, 0) == pid && status == 0);
}

/* Which kind a thread is in when the process forks is chance: one in fifty programs met none of the second kind in
 * eight forks, on a busy machine one in six. The descriptors of a run fill no longer page. */
static bool seen_all(void) { return seen_pages != 0 && (seen_map != 0 || fh_os_page_size() > 4096); }

int main(void) {
  pthread_t threads[THREADS];
  REQUIRE(sem_init(&inside, 0, 0) == 0 && sem_init(&go, 0, 0) == 0);
  for (int i = 0; i < THREADS; i++) {
    REQUIRE(pthread_create(&threads[i], NULL, purge, NULL) == 0);
  }
  fork_once();
  for (int i = 1; i < FORKS || (!seen_all() && i < FORKS_MOST); i++) {
    let_go();
    fork_once();
  }
  __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
  let_go();
  for (int i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
  }
  REQUIRE(pages_missing() == 0 && seen_all());
  return 0;
}
