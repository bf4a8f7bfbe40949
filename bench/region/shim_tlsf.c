#include "plugin.h"
#include "tlsf.h"

static void *make(void *memory, size_t bytes) { return tlsf_create_with_pool(memory, bytes); }
static void *take(void *heap, size_t size) { return tlsf_malloc(heap, size); }
static void give(void *heap, void *pointer) { tlsf_free(heap, pointer); }

const region_plugin the_plugin = {"tlsf", sizeof(void *), make, take, give};
