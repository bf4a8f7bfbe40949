#include "plugin.h"

void *create_mspace_with_base(void *base, size_t capacity, int locked);
void *mspace_malloc(void *space, size_t bytes);
void mspace_free(void *space, void *pointer);

static void *make(void *memory, size_t bytes) { return create_mspace_with_base(memory, bytes, 0); }
static void *take(void *heap, size_t size) { return mspace_malloc(heap, size); }
static void give(void *heap, void *pointer) { mspace_free(heap, pointer); }

const region_plugin the_plugin = {"dlmalloc", 16, make, take, give};
