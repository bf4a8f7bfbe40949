#!/usr/bin/env bash
# Every allocator symbol of libc and libstdc++ must be replaced: symbols.sh LIBRARY
set -euo pipefail
library=$1
libc=$(ldd "$(command -v cat)" | awk '/libc\.so/ {print $3}')
libcxx=$(${CXX:-g++} -print-file-name=libstdc++.so.6)
# What a program can call to get, give back or measure memory; mtrace and mcheck only watch glibc's own.
pattern='^(malloc|calloc|realloc|free|cfree|reallocarray|memalign|aligned_alloc|posix_memalign|valloc|pvalloc|malloc_.*|mallinfo2?|mallopt|__libc_(malloc|calloc|realloc|free|memalign|valloc|pvalloc|reallocarray|mallopt|mallinfo)|_Zn[wa].*|_Zd[la]P.*)$'
names() { nm -D --defined-only "$1" | awk '{print $3}' | sed 's/@.*//' | sort -u; }
missing=$(comm -23 <({ names "$libc"; names "$libcxx"; } | grep -E "$pattern" | sort -u) <(names "$library"))
if [ -n "$missing" ]; then
  echo "not replaced:" $missing >&2
  exit 1
fi
# And the other way round: nothing but public names leaves the library.
extra=$(names "$library" | grep -vE "$pattern|^fh_[a-z_]+$|^free_(aligned_)?sized$|^__posix_memalign$|^__libc_(cfree|aligned_alloc)$|^FREEHOLD_1$" || true)
if [ -n "$extra" ]; then
  echo "exported without need:" $extra >&2
  exit 1
fi
# Calls within the library do not go through the dynamic linker, which would look each name up at start.
relocations=$(readelf -rW "$library")
through=$(awk '/JUMP_SLO/ && $5 ~ /^fh_/ {print $5}' <<<"$relocations")
if [ -n "$through" ]; then
  echo "called through the dynamic linker:" $through >&2
  exit 1
fi
