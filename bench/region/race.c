/* The race of regions, side by side in one program: race [--quick] [--only MEASURE] [NAME=PLUGIN.so ...]. Freehold runs
 * as released, plain, packed and bounded. bench/region.py makes tables of what this prints. */
#include "race.h"

#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <freehold/region.h>

region_plugin field[MOST];
unsigned field_count;

static void *make(void *memory, size_t bytes) { return fh_region_create(memory, bytes, NULL); }
static void *make_packed(void *memory, size_t bytes) {
  return fh_region_create(memory, bytes, &(fh_region_options){.flags = FH_REGION_PACKED});
}
static void *make_bounded(void *memory, size_t bytes) {
  return fh_region_create(memory, bytes, &(fh_region_options){.flags = FH_REGION_BOUNDED});
}
static void *take(void *heap, size_t size) { return fh_region_alloc(heap, size); }
static void give(void *heap, void *pointer) { fh_region_free(heap, pointer); }

static void load(const char *argument) {
  const char *equals = strchr(argument, '='), *path = equals != NULL ? equals + 1 : argument;
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  const region_plugin *found = library == NULL ? NULL : dlsym(library, "the_plugin");
  if (found == NULL || field_count == MOST) {
    fprintf(stderr, "bench region: %s: %s\n", path, library == NULL ? dlerror() : "no plug-in, or too many");
    exit(1);
  }
  field[field_count] = *found;
  if (equals != NULL) {
    field[field_count].name = memory_or_die(strndup(argument, (size_t)(equals - argument)));
  }
  field_count++;
}

uint64_t next_random(uint64_t *random) {
  *random ^= *random << 13;
  *random ^= *random >> 7;
  *random ^= *random << 17;
  return *random * UINT64_C(0x2545F4914F6CDD1D);
}

double unit_random(uint64_t *random) { return (double)(next_random(random) >> 11) * 0x1p-53; }

size_t size_random(uint64_t *random) {
  double u = unit_random(random);
  return (size_t)(16 * exp2(8 * u * u));
}

void *memory_or_die(void *allocated) {
  if (allocated == NULL || allocated == MAP_FAILED) {
    perror("bench region");
    exit(1);
  }
  return allocated;
}

void *memory_of(size_t bytes) {
  void *memory = memory_or_die(mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  madvise(memory, bytes, MADV_NOHUGEPAGE);
  memset(memory, 0, bytes);
  return memory;
}

live live_for(size_t bytes) {
  size_t most = bytes / 32;
  return (live){memory_or_die(calloc(most, sizeof(void *))), memory_or_die(calloc(most, sizeof(uint32_t))), 0, 0};
}

void live_end(live *l) {
  free(l->at);
  free(l->size);
}

void live_add(live *l, void *taken, size_t size) {
  l->at[l->count] = taken;
  l->size[l->count++] = (uint32_t)size;
  l->bytes += size;
}

void live_remove(live *l, size_t victim) {
  l->bytes -= l->size[victim];
  l->at[victim] = l->at[--l->count];
  l->size[victim] = l->size[l->count];
}

bool live_take(const region_plugin *p, void *heap, live *l, size_t size) {
  void *taken = p->take(heap, size);
  if (taken != NULL) {
    live_add(l, taken, size);
  }
  return taken != NULL;
}

void live_give(const region_plugin *p, void *heap, live *l, size_t victim) {
  p->give(heap, l->at[victim]);
  live_remove(l, victim);
}

typedef struct setting {
  bool quick;
  const char *only;
} setting;

static bool wants(const setting *s, const char *measure) { return s->only == NULL || strcmp(s->only, measure) == 0; }

static void race(const setting *s) {
  if (wants(s, "fill")) {
    race_failure(MIB, s->quick ? 5 : 40);
    race_failure(64 * MIB, s->quick ? 1 : 3);
    race_largest(MIB);
    for (unsigned i = 0; i < 3; i++) {
      race_equal(MIB, (const size_t[]){16, 64, 129}[i]);
    }
  }
  for (unsigned i = 0; i < 4 && wants(s, "latency"); i++) {
    race_latency(i % 2 == 0 ? MIB : 64 * MIB, i < 2 ? 50 : 90, s->quick ? 8 : 60);
  }
  for (unsigned i = 0; i < 2 && wants(s, "steps"); i++) {
    race_steps(i == 0 ? MIB / 16 : 64 * MIB, s->quick ? 1 : 4);
  }
}

int main(int argc, char **argv) {
  setting s = {false, NULL};
  field[field_count++] = (region_plugin){"freehold", 16, make, take, give};
  field[field_count++] = (region_plugin){"packed", 8, make_packed, take, give};
  field[field_count++] = (region_plugin){"bounded", 16, make_bounded, take, give};
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--quick") == 0) {
      s.quick = true;
    } else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
      s.only = argv[++i];
    } else {
      load(argv[i]);
    }
  }
  race(&s);
  return 0;
}
