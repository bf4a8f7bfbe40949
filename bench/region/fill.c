/* How much of a region can be used. */
#include "race.h"

#include <stdio.h>
#include <sys/mman.h>

/* Random calls, three takes to two gives, until the first that fails: the share of the bytes that is live then. */
static double first_failure(const region_plugin *p, void *memory, size_t bytes, uint64_t seed) {
  void *heap = p->make(memory, bytes);
  live l = live_for(bytes);
  uint64_t random = seed * 7919 + 1;
  for (bool room = heap != NULL; room;) {
    if (unit_random(&random) < 0.6 || l.count == 0) {
      room = live_take(p, heap, &l, size_random(&random));
    } else {
      live_give(p, heap, &l, next_random(&random) % l.count);
    }
  }
  live_end(&l);
  return (double)l.bytes / (double)bytes;
}

void race_failure(size_t bytes, unsigned seeds) {
  void *memory = memory_of(bytes);
  for (unsigned i = 0; i < field_count; i++) {
    double sum = 0, least = 1;
    for (unsigned seed = 1; seed <= seeds; seed++) {
      double share = first_failure(&field[i], memory, bytes, seed);
      sum += share;
      least = share < least ? share : least;
    }
    printf("failure_%zu %s %.4f %.4f\n", bytes / MIB, field[i].name, sum / seeds, least);
    fflush(stdout);
  }
  munmap(memory, bytes);
}

static bool serves(const region_plugin *p, void *memory, size_t bytes, size_t size) {
  void *heap = p->make(memory, bytes);
  return heap != NULL && p->take(heap, size) != NULL;
}

void race_largest(size_t bytes) {
  void *memory = memory_of(bytes);
  for (unsigned i = 0; i < field_count; i++) {
    size_t low = 0, high = bytes;
    while (high - low > 1) {
      size_t middle = (low + high) / 2;
      *(serves(&field[i], memory, bytes, middle) ? &low : &high) = middle;
    }
    printf("largest %s %.4f\n", field[i].name, (double)low / (double)bytes);
  }
  munmap(memory, bytes);
}

void race_equal(size_t bytes, size_t size) {
  void *memory = memory_of(bytes);
  for (unsigned i = 0; i < field_count; i++) {
    void *heap = field[i].make(memory, bytes);
    size_t blocks = 0;
    while (heap != NULL && field[i].take(heap, size) != NULL) {
      blocks++;
    }
    printf("equal_%zu %s %.4f\n", size, field[i].name, (double)(blocks * size) / (double)bytes);
  }
  munmap(memory, bytes);
}
