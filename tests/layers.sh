#!/usr/bin/env bash
# A tree whose os layer includes the heap must be refused.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/os"
echo '#include "heap/heap.h"' >"$dir/os/wrong.c"
! "$root/script/check-layers" "$dir" 2>/dev/null
