root=$(dirname "$(dirname "$(dirname "$0")")")
for file in "$root"/src/{base,pages,heap}/*.c; do
  clang -std=c11 -D_GNU_SOURCE -O2 -I"$root/src" -I"$root/include" -c "$file" -o "out/$(basename "$file").o" || exit 1
done
