#include "heap/sleeper.h"

#include "base/bits.h"
#include "base/lock.h"
#include "heap/chunk_ops.h"
#include "heap/parts.h"
#include "heap/remote.h"

enum {
  SORT_MOST =
      8 * FH_REMOTE_MOST, /* blocks that one post sorts: many more than it brought, so that nothing is left over */
  HELP_HEAPS = 16,        /* heaps that one call looks at */
  PURGE_MOST = 32,        /* slabs of which one post purges pages */
  BACK_SLABS = 8,         /* slabs whose slots come back in one call, at most */
  BACK_SLOTS = 64,        /* none is begun after so many slots */
  BACK_BLOCKS = 32        /* the same of blocks that come back one by one */
};

static fh_lock sleepers = FH_LOCK(FH_RANK_SLEEPERS);

void fh_sleepers_lock(void) { fh_lock_take(&sleepers); }

void fh_sleepers_unlock(void) { fh_lock_drop(&sleepers); }

void fh_sleepers_reset_lock(void) { fh_lock_reset(&sleepers); }

/* The slots of one slab that were sent. In a table beside the pagemap, which is touched only where there is something
 * to note: so nothing is written into the slots, and a page of the kernel's whose slots were all sent can be purged. */
typedef struct sent_slots {
  fh_hole link; /* in heap->sorted.slabs */
  fh_hole due;  /* in heap->sorted.due, when a part is complete and not purged */
  fh_span *slab;
  uint16_t count;
  uint16_t missing[FH_PARTS]; /* of the slots that reach into each part */
  uint8_t complete, purged;   /* sets of parts */
  uint64_t slots[FH_SLOT_WORDS];
} sent_slots;

static fh_zeros("apart") struct {
  char *at; /* NULL: not reserved yet */
  size_t committed;
} tables[FH_ARENAS_MAX];

static bool no_table; /* there was no memory for one: this call does not ask again */

/* The table of an arena up to its frontier. False: no memory. */
static bool open_table(size_t number) {
  const fh_arena *arena = &fh_arenas[number];
  size_t whole = fh_round_up((arena->reserved >> FH_PAGE_SHIFT) * sizeof(sent_slots), 4 * FH_PAGE_SIZE);
  size_t pages = __atomic_load_n(&arena->limit, __ATOMIC_ACQUIRE) >> FH_PAGE_SHIFT;
  size_t need = fh_min(fh_round_up(pages * sizeof(sent_slots), 4 * FH_PAGE_SIZE), whole);
  if (tables[number].at == NULL) {
    tables[number].at = fh_os_reserve(whole, 4 * FH_PAGE_SIZE);
  }
  size_t before = tables[number].committed;
  if (tables[number].at == NULL || !fh_os_commit(tables[number].at + before, need - before)) {
    return false;
  }
  __atomic_store_n(&tables[number].committed, need, __ATOMIC_RELAXED); /* statistics read it */
  return true;
}

size_t fh_sleeper_table_bytes(void) {
  size_t total = 0;
  for (size_t i = 0; i < FH_ARENAS_MAX; i++) {
    total += __atomic_load_n(&tables[i].committed, __ATOMIC_RELAXED);
  }
  return total;
}

static sent_slots *entry_of(const fh_span *slab) {
  size_t number = 0;
  while ((size_t)((uintptr_t)slab->start - (uintptr_t)fh_arenas[number].base) >= fh_arenas[number].reserved) {
    number++;
  }
  size_t at = (size_t)(slab - fh_arenas[number].spans) * sizeof(sent_slots);
  bool there = at + sizeof(sent_slots) <= tables[number].committed || (!no_table && open_table(number));
  no_table = !there;
  return there ? (sent_slots *)(void *)(tables[number].at + at) : NULL;
}

/* The parts that could be purged. */
static unsigned due_parts(const sent_slots *sent) { return sent->complete & ~(unsigned)sent->purged; }

static void leave_due(fh_heap *to, sent_slots *sent) {
  fh_hole_leave(&sent->due);
  to->sorted.dirty -= fh_part_set_bytes(due_parts(sent));
}

static void open_entry(fh_heap *to, fh_span *slab, sent_slots *sent) {
  *sent = (sent_slots){.slab = slab};
  for (size_t part = 0; part < FH_PAGE_SIZE / fh_part_bytes(); part++) {
    sent->missing[part] = (uint16_t)fh_part_slots(slab->class, part);
  }
  fh_hole_push(&to->sorted.slabs, &sent->link);
}

/* Takes what is noted of a slab off all lists. */
static void close_entry(fh_heap *to, sent_slots *sent) {
  if (due_parts(sent) != 0) {
    leave_due(to, sent);
  }
  fh_hole_leave(&sent->link);
  sent->count = 0;
}

static void complete_part(fh_heap *to, sent_slots *sent, size_t part) {
  if (due_parts(sent) == 0) {
    fh_hole_push(&to->sorted.due, &sent->due);
  }
  sent->complete |= (uint8_t)(1u << part);
  to->sorted.dirty += fh_part_bytes();
}

/* Notes a slot. All slots of a slab: no thread holds any, in a cache or in use, and its own list is empty, so that its
 * heap has it on no list. NULL: it is not the last one. */
static fh_span *sort_slot(fh_heap *to, fh_span *slab, sent_slots *sent, void *slot) {
  size_t size = fh_class_bytes(slab->class), offset = (uintptr_t)slot & (FH_PAGE_SIZE - 1), index = offset / size;
  if (fh_unlikely(offset >= fh_slab_carved(slab))) {
    fh_fatal("free", slot, "not the start of an allocation");
  }
  if (sent->count == 0) {
    open_entry(to, slab, sent);
  }
  if (fh_unlikely((sent->slots[index / 64] >> index % 64 & 1) != 0)) {
    fh_freed_twice(slot);
  }
  sent->slots[index / 64] |= UINT64_C(1) << index % 64;
  if (++sent->count == fh_classes[slab->class].slots) {
    close_entry(to, sent);
    to->sorted.gone[slab->class]++;
    fh_slotmap_push(&to->sorted.maps, slab->map);
    return slab;
  }
  for (unsigned parts = fh_parts_of_slot(slab->class, offset); parts != 0; parts &= parts - 1) {
    if (--sent->missing[fh_lowest_bit(parts)] == 0) {
      complete_part(to, sent, fh_lowest_bit(parts));
    }
  }
  return NULL;
}

/* What could be purged counts as purged: how many rows it is. */
static unsigned gather_parts(fh_heap *to, sent_slots *sent, fh_os_part *rows) {
  unsigned due = due_parts(sent);
  leave_due(to, sent);
  sent->purged = sent->complete;
  return fh_part_rows(sent->slab->start, due, rows);
}

/* What was sent in full pages of the kernel's, under a budget as the holes of the chunk heap are: in one call. Bytes.
 */
static size_t purge_to(fh_heap *to, uint64_t retain) {
  fh_os_part rows[PURGE_MOST * FH_PART_ROWS];
  unsigned count = 0;
  for (unsigned i = 0; i < PURGE_MOST && to->sorted.dirty > retain && to->sorted.due.next != NULL; i++) {
    fh_hole *due = to->sorted.due.next;
    count += gather_parts(to, (sent_slots *)(void *)((char *)due - offsetof(sent_slots, due)), rows + count);
  }
  return fh_part_purge(rows, count);
}

typedef struct loose_block {
  struct loose_block *next;
  uintptr_t mark;
} loose_block;

void fh_sleeper_set_mark(const fh_heap *heap, const void *block, uintptr_t *mark) {
  if (fh_unlikely(*mark == fh_sleeper_mark(heap, block))) {
    fh_freed_twice(block);
  }
  *mark = fh_sleeper_mark(heap, block);
}

static void sort_loose(fh_heap *to, loose_block *block) {
  fh_sleeper_set_mark(to, block, &block->mark);
  block->next = to->sorted.loose;
  to->sorted.loose = block;
}

/* A slab that is whole now, or NULL. */
static fh_span *sort_block(fh_heap *to, void *block) {
  fh_span *span = fh_arena_find(block);
  if (fh_unlikely(span == NULL || fh_span_heap(span) != to)) {
    fh_remote_damaged(block);
  }
  bool is_slot = fh_span_kind_of(span) == FH_SPAN_SLAB;
  sent_slots *sent = is_slot ? entry_of(span) : NULL;
  if (fh_likely(sent != NULL)) {
    return sort_slot(to, span, sent, block);
  }
  if (is_slot || fh_chunk_usable(block) < sizeof(fh_sent_chunk)) {
    sort_loose(to, block);
  } else {
    fh_sleeper_chunk(to, block);
  }
  return NULL;
}

/* The blocks of one node; slabs that are whole now are linked to `whole`. */
static unsigned sort_node(fh_heap *to, fh_hole *whole) {
  void *blocks[FH_NODE_BLOCKS];
  unsigned count;
  to->sorted.nodes = fh_remote_read(to->sorted.nodes, blocks, &count);
  for (unsigned i = 0; i < count; i++) {
    fh_span *slab = sort_block(to, blocks[i]);
    if (slab != NULL) {
      fh_hole_push(whole, &slab->link);
    }
  }
  return count;
}

static void give_slabs(fh_hole *whole) {
  for (fh_hole *link = whole->next, *next; link != NULL; link = next) {
    next = link->next;
    fh_pages_give(fh_span_of(link));
  }
}

size_t fh_sleepers_waiting; /* atomic: heaps of which `waits` is set */

void fh_sleeper_set_waits(fh_heap *heap, int waits) {
  if (__atomic_load_n(&heap->waits, __ATOMIC_RELAXED) != waits &&
      __atomic_exchange_n(&heap->waits, waits, __ATOMIC_RELAXED) != waits) {
    __atomic_add_fetch(&fh_sleepers_waiting, waits ? (size_t)1 : SIZE_MAX, __ATOMIC_RELAXED);
  }
}

uint64_t fh_sleep_time = FH_SLEEP_TIME;
size_t fh_sleep_bytes = FH_SLEEP_BYTES;

/* Much was sent. A thread that only lost its processor for a while takes it in itself, and faster. */
static bool is_silent(fh_heap *to) {
  uint64_t now = fh_os_milliseconds(), since = __atomic_load_n(&to->silent, __ATOMIC_RELAXED);
  if (since == 0) {
    since = now;
    __atomic_store_n(&to->silent, now, __ATOMIC_RELAXED);
  }
  return now >= since && now - since >= fh_sleep_time; /* another thread may have read a later time */
}

/* False: nothing is left to sort. */
static bool sort_some(fh_heap *to, fh_hole *whole) {
  for (unsigned done = 0; done < SORT_MOST; done += sort_node(to, whole)) {
    if (to->sorted.nodes == NULL) {
      to->sorted.nodes = __atomic_exchange_n(&to->inbox, NULL, __ATOMIC_SEQ_CST);
    }
    if (to->sorted.nodes == NULL) {
      return false;
    }
  }
  return true;
}

/* With the lock, which it gives up. False: nothing is left to do. */
static bool sort_locked(fh_heap *to, uint64_t retain, size_t *purged) {
  fh_hole whole = {0};
  __atomic_store_n(&to->sleeps, 1, __ATOMIC_SEQ_CST);
  no_table = false;
  bool more = sort_some(to, &whole);
  *purged += purge_to(to, retain);
  more = more || (to->sorted.dirty > retain && to->sorted.due.next != NULL);
  if (!more) {
    fh_sleeper_set_waits(to, 0);
  }
  fh_lock_drop(&sleepers);
  give_slabs(&whole);
  return more;
}

/* Whoever finds the lock taken goes on: the next one sorts more. */
void fh_sleeper_sort(fh_heap *to, size_t sent) {
  fh_sleeper_set_waits(to, 1);
  bool due = sent >= FH_SLEEP_MOST || fh_sleeper_any(to) || is_silent(to);
  if (due && fh_lock_try(&sleepers)) {
    size_t purged = 0;
    sort_locked(to, FH_SLEEP_RETAIN, &purged);
  }
}

static size_t sort_and_purge(fh_heap *to) {
  size_t purged = 0;
  do {
    fh_lock_take(&sleepers);
  } while (sort_locked(to, 0, &purged));
  fh_lock_take(&sleepers);
  purged += fh_sleeper_purge_chunks(to);
  fh_lock_drop(&sleepers);
  fh_remote_reap(to);
  return purged;
}

size_t fh_sleeper_sort_all(const fh_heap *mine) {
  size_t purged = 0;
  for (fh_heap *heap = fh_heap_all(); heap != NULL; heap = heap->next) {
    bool orphan = __atomic_load_n(&heap->state, __ATOMIC_SEQ_CST) == FH_HEAP_ORPHAN;
    bool sent = __atomic_load_n(&heap->inbox, __ATOMIC_SEQ_CST) != NULL || fh_sleeper_any(heap);
    if (heap != mine && !orphan && sent) {
      purged += sort_and_purge(heap);
    }
  }
  return purged;
}

/* A few heaps at a time, in turn. The caller may hold the orphan lock: then no heap becomes an orphan meanwhile. */
void fh_sleeper_help_some(void) {
  static fh_heap *next; /* atomic: they are never given back */
  fh_heap *heap = __atomic_load_n(&next, __ATOMIC_RELAXED);
  for (unsigned i = 0; i < HELP_HEAPS; i++, heap = heap->next) {
    heap = heap == NULL ? fh_heap_all() : heap;
    if (heap == NULL) {
      return;
    }
    bool waits = __atomic_load_n(&heap->waits, __ATOMIC_RELAXED) != 0;
    if (waits && __atomic_load_n(&heap->state, __ATOMIC_SEQ_CST) != FH_HEAP_ORPHAN) {
      fh_sleeper_sort(heap, __atomic_load_n(&heap->sent, __ATOMIC_RELAXED));
      fh_remote_reap(heap);
      heap = heap->next;
      break;
    }
  }
  __atomic_store_n(&next, heap, __ATOMIC_RELAXED);
}

/* Taking back. */

typedef struct returning {
  sent_slots slabs[BACK_SLABS];
  unsigned count, blocks;
  fh_hole chunks; /* head of a list */
  loose_block *loose;
  fh_slotmap *maps; /* of slabs that are gone */
} returning;

static void strike_gone(fh_heap *heap) {
  for (unsigned class = 1; class < FH_CLASSES; class ++) {
    unsigned gone = heap->sorted.gone[class];
    if (gone != 0) {
      fh_slab_gone(heap, class, gone);
      heap->sorted.gone[class] = 0;
    }
  }
}

static void pick_slabs(fh_heap *heap, returning *back) {
  while (back->count < BACK_SLABS && back->blocks < BACK_SLOTS && heap->sorted.slabs.next != NULL) {
    sent_slots *sent = (sent_slots *)(void *)heap->sorted.slabs.next;
    back->slabs[back->count++] = *sent;
    back->blocks += sent->count;
    close_entry(heap, sent);
  }
}

/* Neighbours that come are not to take them for sorted: their marks go before the lock. */
static void pick_chunks(fh_heap *heap, returning *back) {
  for (unsigned i = 0; i < BACK_BLOCKS && heap->sorted.chunks.next != NULL; i++, back->blocks++) {
    fh_sent_chunk *chunk = (fh_sent_chunk *)(void *)heap->sorted.chunks.next;
    chunk->mark = 0;
    heap->sorted.dirty -= fh_sent_dirty(chunk);
    fh_hole_leave(&chunk->link);
    fh_hole_push(&back->chunks, &chunk->link);
  }
}

static void pick_loose(fh_heap *heap, returning *back) {
  for (unsigned i = 0; i < BACK_BLOCKS && heap->sorted.loose != NULL; i++, back->blocks++) {
    loose_block *block = heap->sorted.loose;
    heap->sorted.loose = block->next;
    *block = (loose_block){.next = back->loose};
    back->loose = block;
  }
}

static bool nothing_sorted(const fh_heap *heap) {
  return heap->sorted.slabs.next == NULL && heap->sorted.chunks.next == NULL && heap->sorted.loose == NULL &&
         heap->sorted.nodes == NULL;
}

static void give_back_slots(fh_heap *heap, const sent_slots *sent) {
  fh_slotmap *map = sent->slab->map;
  for (unsigned word = 0; word < 1u << map->order; word++) {
    uint64_t twice = map->free[word] & sent->slots[word];
    if (fh_unlikely(twice != 0)) {
      fh_freed_twice(sent->slab->start + (word * 64 + fh_lowest_bit(twice)) * fh_class_bytes(sent->slab->class));
    }
    map->free[word] |= sent->slots[word];
  }
  heap->slabs[sent->slab->class].out -= sent->count;
  fh_slab_came_back(heap, sent->slab, sent->count);
}

static void give_back_loose(fh_heap *heap, void *block) {
  fh_span *span = fh_arena_find(block);
  if (fh_span_kind_of(span) == FH_SPAN_SLAB) {
    fh_slot_note(span->map->free, fh_classes[span->class].inverse, span, (size_t)((char *)block - span->start));
    heap->slabs[span->class].out--;
    fh_slab_came_back(heap, span, 1);
  } else {
    fh_chunk_give(&heap->chunks, "free", block);
  }
}

/* What was picked is in nobody's reach any more. */
static void give_back(fh_heap *heap, returning *back) {
  while (back->maps != NULL) {
    fh_slotmap_give(&heap->maps, fh_slotmap_pop(&back->maps));
  }
  for (unsigned i = 0; i < back->count; i++) {
    give_back_slots(heap, &back->slabs[i]);
  }
  for (fh_hole *link = back->chunks.next, *next; link != NULL; link = next) {
    next = link->next;
    fh_chunk_give(&heap->chunks, "free", link);
  }
  for (loose_block *block = back->loose, *next; block != NULL; block = next) {
    next = block->next;
    give_back_loose(heap, block);
  }
}

unsigned fh_sleeper_some(fh_heap *heap) {
  returning back;
  back.count = back.blocks = 0;
  back.chunks.next = NULL;
  back.loose = NULL;
  fh_lock_take(&sleepers);
  fh_sleeper_looks(heap);
  strike_gone(heap);
  back.maps = heap->sorted.maps;
  heap->sorted.maps = NULL;
  pick_slabs(heap, &back);
  pick_chunks(heap, &back);
  pick_loose(heap, &back);
  if (heap->taken_in == NULL) {
    heap->taken_in = heap->sorted.nodes;
    heap->sorted.nodes = NULL;
  }
  if (nothing_sorted(heap)) {
    __atomic_store_n(&heap->sleeps, 0, __ATOMIC_RELAXED);
  }
  fh_lock_drop(&sleepers);
  give_back(heap, &back);
  return back.blocks;
}

/* Looking. */

void fh_sleeper_visit(const fh_heap *heap, void (*visit)(void *arg, const void *block), void *arg) {
  void *blocks[FH_NODE_BLOCKS];
  for (void **node = heap->sorted.nodes; node != NULL;) {
    unsigned count;
    node = fh_remote_read(node, blocks, &count);
    for (unsigned i = 0; i < count; i++) {
      visit(arg, blocks[i]);
    }
  }
  for (const fh_hole *link = heap->sorted.slabs.next; link != NULL; link = link->next) {
    const sent_slots *sent = (const sent_slots *)(const void *)link;
    for (unsigned i = 0; i < fh_classes[sent->slab->class].slots; i++) {
      if ((sent->slots[i / 64] >> i % 64 & 1) != 0) {
        visit(arg, sent->slab->start + i * fh_class_bytes(sent->slab->class));
      }
    }
  }
  for (const fh_hole *link = heap->sorted.chunks.next; link != NULL; link = link->next) {
    visit(arg, link);
  }
  for (const loose_block *block = heap->sorted.loose; block != NULL; block = block->next) {
    visit(arg, block);
  }
}
