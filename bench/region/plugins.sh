#!/usr/bin/env bash
# Builds plug-ins of the rivals from copies of their sources: plugins.sh OUT [o1heap=DIR] [tlsf=DIR] [tlsf_bsd=DIR]
# [dlmalloc=DIR], each the folder of its .c file; then: script/bench region OUT/*.so
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=$1
shift
mkdir -p "$out"
flags=(-O2 -g -fPIC -shared -DNDEBUG -w)
for rival in "$@"; do
  name=${rival%%=*}
  dir=${rival#*=}
  case $name in
    o1heap) sources=("$dir/o1heap.c"); more=('-DO1HEAP_ASSERT(x)=(void)0') ;;
    tlsf) sources=("$dir/tlsf.c"); more=() ;;
    tlsf_bsd) sources=("$dir/tlsf.c"); more=("-I$dir/../include" -std=gnu11) ;;
    dlmalloc) sources=("$dir/malloc.c")
              more=(-DONLY_MSPACES=1 -DMSPACES=1 -DUSE_LOCKS=0 -DHAVE_MMAP=0 -DHAVE_MORECORE=0 -DMALLOC_ALIGNMENT=16) ;;
    *) echo "plugins.sh: $name is not one of o1heap tlsf tlsf_bsd dlmalloc" >&2; exit 2 ;;
  esac
  cc "${flags[@]}" "-I$here" "-I$dir" "${more[@]}" "$here/shim_$name.c" "${sources[@]}" -o "$out/$name.so"
done
