# Templates that make the compiler work, and a program that lives on operator new.
cat >t.cc <<'END'
#include <algorithm>
#include <iostream>
#include <map>
#include <memory>
#include <new>
#include <regex>
#include <string>
#include <thread>
#include <vector>
template <int N> struct fib { static constexpr long value = fib<N - 1>::value + fib<N - 2>::value; };
template <> struct fib<1> { static constexpr long value = 1; };
template <> struct fib<0> { static constexpr long value = 0; };
template <class... T> struct wide { std::tuple<T...> all; };
struct alignas(128) aligned { char bytes[128]; };
int main() {
  std::map<std::string, std::vector<std::shared_ptr<int>>> all;
  for (int i = 0; i < 200000; i++) all["key" + std::to_string(i % 5000)].push_back(std::make_shared<int>(i));
  long sum = 0;
  for (auto &[key, values] : all) for (auto &v : values) sum += *v;
  std::vector<std::thread> threads;
  std::vector<std::vector<std::unique_ptr<aligned>>> per(4);
  for (auto &mine : per) threads.emplace_back([&mine] { for (int i = 0; i < 5000; i++) mine.emplace_back(new aligned); });
  for (auto &t : threads) t.join();
  for (auto &mine : per) for (auto &a : mine) if (reinterpret_cast<uintptr_t>(a.get()) % 128) return 3;
  per.clear();
  try { std::vector<char> v(static_cast<std::size_t>(-1) / 4); std::cout << v.size(); } catch (const std::bad_alloc &) { std::cout << "bad_alloc\n"; }
  int calls = 0;
  static int *counter = &calls;
  std::set_new_handler([] { if (++*counter == 3) std::set_new_handler(nullptr); });
  try { operator delete(operator new(static_cast<std::size_t>(-1) / 4)); } catch (const std::bad_alloc &) { std::cout << calls << " calls\n"; }
  std::cout << fib<80>::value << ' ' << sum << ' ' << std::regex_replace("a1b22", std::regex("[0-9]+"), "#") << '\n';
}
END
g++ -std=c++17 -O1 -pthread t.cc -o t && cp t out/ && ./t
