#include "heap/slotmap.h"

#include "base/bits.h"
#include "heap/sizes.h"
#include "pages/arena.h"
#include "pages/pages.h"

static unsigned order_of(unsigned class) {
  unsigned words = (fh_classes[class].slots + 63u) / 64;
  return words == 1 ? 0 : fh_highest_bit(words - 1) + 1;
}

static size_t words_of(unsigned order) { return sizeof(fh_slotmap) / sizeof(uint64_t) + ((size_t)1 << order); }

static unsigned maps_in_page(unsigned order) { return (unsigned)(FH_PAGE_SIZE / sizeof(uint64_t) / words_of(order)); }

static bool has_room(const fh_span *page) {
  return page->map != NULL || page->u.maps.carved != maps_in_page(page->class);
}

static fh_span *page_make(fh_slotmaps *maps, unsigned order) {
  fh_span *page = fh_pages_take(1, 1, FH_SPAN_MAPS);
  if (page != NULL) {
    page->class = (uint8_t)order;
    page->map = NULL;
    page->u.maps.carved = page->u.maps.live = 0;
    fh_hole_push(&maps->pages[order], &page->link);
  }
  return page;
}

static fh_slotmap *take_of_page(fh_span *page, unsigned order) {
  fh_slotmap *map = page->map != NULL
                        ? fh_slotmap_pop(&page->map)
                        : (fh_slotmap *)(void *)(page->start + page->u.maps.carved++ * 8 * words_of(order));
  page->u.maps.live++;
  if (!has_room(page)) {
    fh_hole_leave(&page->link);
  }
  return map;
}

static fh_slotmap *take_of_pages(fh_slotmaps *maps, unsigned order) {
  fh_hole *link = maps->pages[order].next;
  fh_span *page = link != NULL ? fh_span_of(link) : page_make(maps, order);
  return page == NULL ? NULL : take_of_page(page, order);
}

static fh_slotmap *take(fh_slotmaps *maps, unsigned order) {
  if (maps->spare[order] != NULL) {
    return fh_slotmap_pop(&maps->spare[order]);
  }
  if (FH_SLOTMAP_FIRST - maps->used < words_of(order)) {
    return take_of_pages(maps, order);
  }
  maps->used += words_of(order);
  return (fh_slotmap *)(maps->first + maps->used - words_of(order));
}

fh_slotmap *fh_slotmap_take(fh_slotmaps *maps, unsigned class) {
  unsigned order = order_of(class);
  fh_slotmap *map = take(maps, order);
  if (map != NULL) {
    map->order = (uint8_t)order;
    map->purged = map->due = 0;
    for (unsigned i = 0; i < 1u << order; i++) {
      map->free[i] = ~UINT64_C(0);
    }
  }
  return map;
}

static void give_to_page(fh_slotmaps *maps, fh_slotmap *map) {
  fh_span *page = fh_arena_find(map);
  bool had_room = has_room(page);
  fh_slotmap_push(&page->map, map);
  page->u.maps.live--;
  if (page->u.maps.live == 0) {
    if (had_room) {
      fh_hole_leave(&page->link);
    }
    fh_pages_give(page);
  } else if (!had_room) {
    fh_hole_push(&maps->pages[page->class], &page->link);
  }
}

void fh_slotmap_give(fh_slotmaps *maps, fh_slotmap *map) {
  if ((uintptr_t)map - (uintptr_t)maps->first < sizeof maps->first) {
    fh_slotmap_push(&maps->spare[map->order], map);
  } else {
    give_to_page(maps, map);
  }
}
