/* The forms of operator new and delete that programs call most, with the fast path inside: in C under the names that
 * the C++ ABI gives them, because heap/fast.h is C. All other forms are in new.cc. */
#include "heap/fast.h"

#if __SIZEOF_SIZE_T__ == 8
#define SIZED(before) before##m
#else
#define SIZED(before) before##j
#endif

void *fh_new_slow(size_t bytes); /* calls the handler, or throws, when there is no memory */

fh_public void *SIZED(_Znw)(size_t bytes);
fh_public void *SIZED(_Zna)(size_t bytes);
fh_public void _ZdlPv(void *pointer);
fh_public void _ZdaPv(void *pointer);
fh_public void SIZED(_ZdlPv)(void *pointer, size_t bytes);
fh_public void SIZED(_ZdaPv)(void *pointer, size_t bytes);

void *SIZED(_Znw)(size_t bytes) {
  void *taken = fh_fast_malloc(bytes);
  return fh_likely(taken != NULL) ? taken : fh_new_slow(bytes);
}

void *SIZED(_Zna)(size_t bytes) {
  void *taken = fh_fast_malloc(bytes);
  return fh_likely(taken != NULL) ? taken : fh_new_slow(bytes);
}

void _ZdlPv(void *pointer) { fh_fast_free(pointer); }

void _ZdaPv(void *pointer) { fh_fast_free(pointer); }

void SIZED(_ZdlPv)(void *pointer, size_t bytes) {
  (void)bytes;
  fh_fast_free(pointer);
}

void SIZED(_ZdaPv)(void *pointer, size_t bytes) {
  (void)bytes;
  fh_fast_free(pointer);
}
