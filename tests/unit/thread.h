/* A function in a thread that has ended when the call returns. */
#ifndef TESTS_UNIT_THREAD_H
#define TESTS_UNIT_THREAD_H

#include <pthread.h>
#include <stdlib.h>

static inline void in_a_thread(void *(*act)(void *)) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, act, NULL) != 0) {
    abort();
  }
  pthread_join(thread, NULL);
}

#endif
