/* Its control block stands beside the memory; here it comes out of it, like everybody's. */
#include "plugin.h"
#include "tlsf.h"

static void *make(void *memory, size_t bytes) {
  size_t own = (sizeof(tlsf_t) + 63) & ~(size_t)63;
  return tlsf_pool_init(memory, (char *)memory + own, bytes - own) != 0 ? memory : NULL;
}
static void *take(void *heap, size_t size) { return tlsf_malloc(heap, size); }
static void give(void *heap, void *pointer) { tlsf_free(heap, pointer); }

const region_plugin the_plugin = {"tlsf-bsd", sizeof(void *), make, take, give};
