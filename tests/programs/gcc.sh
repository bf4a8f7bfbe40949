# This project's own sources: the object code must be the same to the byte.
root=$(dirname "$(dirname "$(dirname "$0")")")
for file in "$root"/src/{base,pages,heap}/*.c; do
  gcc -std=c11 -D_GNU_SOURCE -O2 -I"$root/src" -I"$root/include" -c "$file" -o "out/$(basename "$file").o" || exit 1
done
