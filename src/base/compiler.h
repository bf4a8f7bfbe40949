/* What the code asks of the compiler, in one place. */
#ifndef FH_BASE_COMPILER_H
#define FH_BASE_COMPILER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define fh_likely(x) __builtin_expect(!!(x), 1)
#define fh_unlikely(x) __builtin_expect(!!(x), 0)
#define fh_noinline __attribute__((noinline))
#define fh_cold __attribute__((noinline, cold))
/* At -Os the compiler decides, and ways that only save time are left out (FH_SMALL). Where branches are counted each
 * function stays one, so that a branch is one, and not as many as there are calls (tests/coverage.py). */
#ifdef __OPTIMIZE_SIZE__
#define FH_SMALL 1
#define fh_inline static inline
#elif defined(FREEHOLD_COVERAGE)
#define FH_SMALL 0
#define fh_inline static inline
#else
#define FH_SMALL 0
#define fh_inline static inline __attribute__((always_inline))
#endif
#define fh_public __attribute__((visibility("default")))

/* Thread-locals are reached with one load of a constant offset: the library is loaded at start, never later
 * than the program's own libraries, so the small static block is always available. */
#define fh_thread_local _Thread_local __attribute__((tls_model("initial-exec")))

#if defined(__SANITIZE_THREAD__)
#define FH_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define FH_TSAN 1
#endif
#endif
#ifndef FH_TSAN
#define FH_TSAN 0
#endif

#define fh_hidden __attribute__((visibility("hidden")))

/* Zeros of which most processes touch the beginning, or nothing: cmake/rare.ld lays them out by name. */
#define fh_zeros(name) __attribute__((section(".bss." name)))

/* A word that another thread may be writing: any value it had or has will do. A plain load lets the compiler fold it
 * into the instruction that uses it, which an atomic one does not; the thread sanitizer is told the truth. */
#if FH_TSAN
#define fh_racy_load(place) __atomic_load_n(&(place), __ATOMIC_RELAXED)
#else
#define fh_racy_load(place) (place)
#endif

#endif
