/* What the race of regions asks of an allocator in bytes of its own. A plug-in is a shared object that exports
 * `the_plugin`; the shims here show how small one is. Hide everything else in it (-fvisibility=hidden), or its calls
 * into the allocator take a detour that the allocator is not to blame for. */
#ifndef BENCH_REGION_PLUGIN_H
#define BENCH_REGION_PLUGIN_H

#include <stddef.h>

typedef struct region_plugin {
  const char *name;
  size_t alignment;                          /* of what take returns */
  void *(*make)(void *memory, size_t bytes); /* memory is aligned to 4096; NULL: too small or too large */
  void *(*take)(void *heap, size_t size);    /* NULL: no room */
  void (*give)(void *heap, void *pointer);
} region_plugin;

__attribute__((visibility("default"))) extern const region_plugin the_plugin;

#endif
