// operator new and delete in every form of C++17; the most common ones are in new_delete.c. The library does not need
// the C++ runtime: what throws is looked up only when there is nothing left to give, and by then the program that
// called us has loaded it.
#include <dlfcn.h>

#include <cstddef>
#include <new>

#include "freehold/freehold.h"
extern "C" [[noreturn]] void fh_fatal(const char *call, const void *pointer, const char *what);

// What a catch needs of the C++ runtime: there when an exception is under way, and not asked for in a program without.
__asm__(".weak __gxx_personality_v0\n.weak __cxa_begin_catch\n.weak __cxa_end_catch\n");

#define EXPORT __attribute__((visibility("default")))

namespace {

using Handler = void (*)();
using GetHandler = Handler (*)();
using Throw = void (*)();

void *lookup(const char *symbol) {
  void *found = dlsym(RTLD_DEFAULT, symbol);
  static const char *const libraries[] = {"libstdc++.so.6", "libc++.so.1"};
  for (const char *library : libraries) {
    void *handle = found != nullptr ? nullptr : dlopen(library, RTLD_LAZY | RTLD_NOLOAD);
    if (handle != nullptr) {
      found = dlsym(handle, symbol);
    }
  }
  return found;
}

Handler new_handler() {
  void *get = lookup("_ZSt15get_new_handlerv");
  return get == nullptr ? nullptr : reinterpret_cast<GetHandler>(get)();
}

void throw_bad_alloc() {
  static const char *const throwers[] = {"_ZSt17__throw_bad_allocv", "_ZNSt3__117__throw_bad_allocEv"};
  for (const char *symbol : throwers) {
    if (void *thrower = lookup(symbol)) {
      reinterpret_cast<Throw>(thrower)();
    }
  }
  fh_fatal("operator new", nullptr, "no memory, and no C++ runtime to throw std::bad_alloc");
}

void *take(std::size_t bytes, std::size_t alignment) {
  return alignment <= 16 ? fh_malloc(bytes) : fh_aligned_alloc(alignment, bytes);
}

__attribute__((noinline, cold)) void *retry(std::size_t bytes, std::size_t alignment) {
  for (;;) {
    Handler handler = new_handler();
    if (handler == nullptr) {
      throw_bad_alloc();
    }
    handler();
    if (void *taken = take(bytes, alignment)) {
      return taken;
    }
  }
}

inline void *make(std::size_t bytes, std::size_t alignment = 1) {
  void *taken = take(bytes, alignment);
  return __builtin_expect(taken != nullptr, 1) ? taken : retry(bytes, alignment);
}

// The nothrow forms call the handler too; an exception it throws becomes a null pointer.
void *make_or_null(std::size_t bytes, std::size_t alignment = 1) noexcept {
  void *taken = take(bytes, alignment);
  while (taken == nullptr) {
    Handler handler = new_handler();
    if (handler == nullptr) {
      return nullptr;
    }
    try {
      handler();
    } catch (...) {
      return nullptr;
    }
    taken = take(bytes, alignment);
  }
  return taken;
}

inline std::size_t number(std::align_val_t alignment) { return static_cast<std::size_t>(alignment); }

}  // namespace

using std::align_val_t;
using std::nothrow_t;
using std::size_t;

extern "C" void *fh_new_slow(size_t n) { return make(n); }

EXPORT void *operator new(size_t n, const nothrow_t &) noexcept { return make_or_null(n); }
EXPORT void *operator new[](size_t n, const nothrow_t &) noexcept { return make_or_null(n); }
EXPORT void *operator new(size_t n, align_val_t a) { return make(n, number(a)); }
EXPORT void *operator new[](size_t n, align_val_t a) { return make(n, number(a)); }
EXPORT void *operator new(size_t n, align_val_t a, const nothrow_t &) noexcept { return make_or_null(n, number(a)); }
EXPORT void *operator new[](size_t n, align_val_t a, const nothrow_t &) noexcept { return make_or_null(n, number(a)); }

EXPORT void operator delete(void *p, const nothrow_t &) noexcept { fh_free(p); }
EXPORT void operator delete[](void *p, const nothrow_t &) noexcept { fh_free(p); }
EXPORT void operator delete(void *p, align_val_t) noexcept { fh_free(p); }
EXPORT void operator delete[](void *p, align_val_t) noexcept { fh_free(p); }
EXPORT void operator delete(void *p, align_val_t, const nothrow_t &) noexcept { fh_free(p); }
EXPORT void operator delete[](void *p, align_val_t, const nothrow_t &) noexcept { fh_free(p); }
EXPORT void operator delete(void *p, size_t, align_val_t) noexcept { fh_free(p); }
EXPORT void operator delete[](void *p, size_t, align_val_t) noexcept { fh_free(p); }
