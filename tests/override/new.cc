// operator new and delete of the library: what they do when there is no memory. Run over the shared library.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <new>

static int calls;
static const std::size_t impossible = PTRDIFF_MAX / 2;

static void expect(bool holds, const char *what) {
  if (!holds) {
    std::fprintf(stderr, "new: %s\n", what);
    std::exit(1);
  }
}

static void gives_up_later() {
  if (++calls == 3) {
    std::set_new_handler(nullptr);
  }
}

static void throws_number() {
  calls++;
  throw 42;
}

template <typename Make>
static bool throws_bad_alloc(Make make) {
  try {
    make();
  } catch (const std::bad_alloc &) {
    return true;
  }
  return false;
}

static void *volatile sink;

static void without_handler() {
  expect(throws_bad_alloc([] { sink = ::operator new(impossible); }), "new throws");
  expect(throws_bad_alloc([] { sink = ::operator new[](impossible); }), "new[] throws");
  expect(throws_bad_alloc([] { sink = ::operator new(impossible, std::align_val_t(64)); }), "aligned new throws");
  expect(::operator new(impossible, std::nothrow) == nullptr, "nothrow new is null");
  expect(::operator new[](impossible, std::align_val_t(64), std::nothrow) == nullptr, "aligned nothrow new[] is null");
}

static void with_handler() {
  calls = 0;
  std::set_new_handler(gives_up_later);
  expect(throws_bad_alloc([] { sink = ::operator new(impossible); }), "new throws when the handler is gone");
  expect(calls == 3, "the handler is called until it gives up");
  calls = 0;
  std::set_new_handler(gives_up_later);
  expect(::operator new(impossible, std::nothrow) == nullptr, "nothrow is null when the handler is gone");
  expect(calls == 3, "nothrow new calls the handler too");
}

static void with_throwing_handler() {
  calls = 0;
  std::set_new_handler(throws_number);
  bool caught = false;
  try {
    sink = ::operator new(impossible);
  } catch (int number) {
    caught = number == 42;
  }
  expect(caught, "what the handler throws passes through new");
  expect(::operator new(impossible, std::nothrow) == nullptr, "what it throws makes nothrow new null");
  expect(calls == 2, "called once by each");
  std::set_new_handler(nullptr);
}

static void memory_is_ours() {
  for (std::size_t align = 1; align <= 4096; align *= 2) {
    void *p = ::operator new(100, std::align_val_t(align));
    expect(reinterpret_cast<std::uintptr_t>(p) % align == 0, "aligned");
#if defined(__cpp_sized_deallocation)
    ::operator delete(p, 100, std::align_val_t(align));
#else
    ::operator delete(p, std::align_val_t(align));
#endif
  }
  void *first = ::operator new(0), *second = ::operator new(0, std::nothrow);
  expect(first != nullptr && second != nullptr && first != second, "new of nothing is something of its own");
  ::operator delete(first);
  ::operator delete(second, std::nothrow);
}

int main() {
  memory_is_ours();
  without_handler();
  with_handler();
  with_throwing_handler();
  return 0;
}
