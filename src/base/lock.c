#include "base/lock.h"

#include "base/fatal.h"

#if FREEHOLD_DEBUG
static fh_thread_local unsigned held; /* one bit a rank */

static void note_take(fh_lock *lock) {
  if ((held >> lock->rank) != 0) {
    fh_fatal(__func__, lock, "a lock is taken out of its rank");
  }
  held |= 1u << lock->rank;
}

static void note_drop(fh_lock *lock) { held &= ~(1u << lock->rank); }
#else
static void note_take(fh_lock *lock) { (void)lock; }
static void note_drop(fh_lock *lock) { (void)lock; }
#endif

void fh_lock_take(fh_lock *lock) {
  note_take(lock);
  pthread_mutex_lock(&lock->mutex);
}

bool fh_lock_try(fh_lock *lock) {
  bool taken = pthread_mutex_trylock(&lock->mutex) == 0;
  if (taken) {
    note_take(lock);
  }
  return taken;
}

void fh_lock_drop(fh_lock *lock) {
  note_drop(lock);
  pthread_mutex_unlock(&lock->mutex);
}

void fh_lock_reset(fh_lock *lock) {
  note_drop(lock);
  pthread_mutex_init(&lock->mutex, NULL);
}
