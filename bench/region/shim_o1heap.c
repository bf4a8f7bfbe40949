#include "o1heap.h"
#include "plugin.h"

static void *make(void *memory, size_t bytes) { return o1heapInit(memory, bytes); }
static void *take(void *heap, size_t size) { return o1heapAllocate(heap, size); }
static void give(void *heap, void *pointer) { o1heapFree(heap, pointer); }

const region_plugin the_plugin = {"o1heap", O1HEAP_ALIGNMENT, make, take, give};
