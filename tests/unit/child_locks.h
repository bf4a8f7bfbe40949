/* For programs that fork while locks are held: the locks of a child are new ones, and not held by who forked, which the
 * thread sanitizer does not know. In one file of a program. */
#ifndef TESTS_UNIT_CHILD_LOCKS_H
#define TESTS_UNIT_CHILD_LOCKS_H

#if defined(__SANITIZE_THREAD__)
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void) { return "mutex:fh_lock_take\nmutex:fh_lock_try\n"; }
#endif

#endif
