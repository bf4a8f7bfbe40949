#include "heap/sizes.h"

#include "pages/span.h"

#define CLASS(size) \
  { .inverse = (uint32_t)((UINT64_C(1) << 32) / (size)) + 1, .bytes = (size), .slots = FH_PAGE_SIZE / (size) }

const fh_class fh_classes[FH_CLASSES] = {
    {0},        CLASS(16),  CLASS(32),  CLASS(48),  CLASS(64),  CLASS(80),   CLASS(96),  CLASS(112), CLASS(128),
    CLASS(144), CLASS(160), CLASS(176), CLASS(192), CLASS(208), CLASS(224),  CLASS(240), CLASS(256), CLASS(288),
    CLASS(320), CLASS(352), CLASS(384), CLASS(416), CLASS(448), CLASS(480),  CLASS(512), CLASS(576), CLASS(640),
    CLASS(704), CLASS(768), CLASS(832), CLASS(896), CLASS(960), CLASS(1024),
};
