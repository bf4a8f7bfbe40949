#!/usr/bin/env bash
# Installs the release build to a folder of its own and builds a program against it in each way a user may.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cmake --install "$root/build/release" --prefix "$dir/prefix" >/dev/null
cat >"$dir/main.c" <<'END'
#include <freehold/freehold.h>
#include <stdio.h>
#include <stdlib.h>
/* Freehold stops on a pointer that is not its own: an answer about malloc's memory proves whose malloc it is. */
int main(void) {
  void *p = malloc(100);
  printf("%s\n", fh_usable_size(p) >= 100 ? "ours" : "too small");
  free(p);
  return 0;
}
END
cat >"$dir/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.20)
project(user C)
find_package(freehold REQUIRED)
add_executable(with_shared main.c)
target_link_libraries(with_shared freehold::shared)
add_executable(with_static main.c)
target_link_libraries(with_static freehold::static)
END
# The examples are what a user begins with: a folder copied from here, against what is installed.
cp -r "$root/examples" "$dir/examples"
cmake -S "$dir/examples" -B "$dir/examples/build" -DCMAKE_PREFIX_PATH="$dir/prefix" >/dev/null
cmake --build "$dir/examples/build" >/dev/null
"$dir/examples/build/buffer_pool" >/dev/null
cmake -S "$dir" -B "$dir/build" -DCMAKE_PREFIX_PATH="$dir/prefix" >/dev/null
cmake --build "$dir/build" >/dev/null
export PKG_CONFIG_PATH=$(dirname "$(find "$dir/prefix" -name freehold.pc)")
lib=$(dirname "$PKG_CONFIG_PATH")
cc "$dir/main.c" -o "$dir/build/with_pkg" -I"$dir/prefix/include" -L"$lib" $(pkg-config --libs-only-l freehold) -Wl,-rpath,"$lib"
cc "$dir/examples/ports.c" -o "$dir/build/ports" $(pkg-config --define-prefix --cflags --libs freehold-core)
[ "$(echo 'lease a 2' | "$dir/build/ports" 5000-5009)" = '5000-5001 leased to a for 3600 s' ] ||
  { echo 'ports, built with pkg-config, does not answer' >&2; exit 1; }
for program in with_shared with_static with_pkg; do
  got=$("$dir/build/$program")
  [ "$got" = ours ] || { echo "$program printed '$got'" >&2; exit 1; }
done
"$dir/prefix/bin/freehold" run -- true 2>&1 | grep -q 'freehold: resident'
if readelf -d "$lib/libfreehold.so" | grep NEEDED | grep -v 'libc\.so'; then
  echo 'libfreehold.so needs more than libc' >&2
  exit 1
fi
