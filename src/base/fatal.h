/* Asserts, and the one way in which Freehold stops a program: one line on standard error, then abort(). */
#ifndef FH_BASE_FATAL_H
#define FH_BASE_FATAL_H

#include "base/compiler.h"

/* Prints "freehold: CALL(0xADDRESS): WHAT" and aborts. */
_Noreturn void fh_fatal(const char *call, const void *pointer, const char *what);

/* Prints "freehold: TEXT" and goes on. */
void fh_warn(const char *text, const char *detail);

#if FREEHOLD_DEBUG
#define fh_assert(x) ((x) ? (void)0 : fh_fatal(__func__, NULL, "assertion failed: " #x))
#else
#define fh_assert(x) ((void)sizeof(x))
#endif

#endif
