#include "heap/sparse.h"

#include "heap/parts.h"
#include "pages/meta.h"

enum {
  USED_MOST = 14,
  LINE = 64,           /* bytes of a line of the processor's cache */
  KEPT_OF_EACH = 4096, /* bytes of parts without a used slot in a slab that is not watched, about */
  WATCH_MOST = 16,     /* slabs that one call begins to watch */
  SHRINK_SLABS = 128,  /* the same when the heap shrinks: somebody waits for it */
  SHRINK_CALLS = 2,    /* of the kernel then */
  NOTES_FEW = 64,      /* that many are moved to the first block of notes, so that the others can go */
  NOTES_MANY = 512     /* once there have been more */
};

/* What is known of a watched slab, in place of its list. */
typedef struct watched {
  fh_hole due; /* in heap->sparse.due when parts could be purged */
  fh_span *slab;
  uint8_t count, purged;    /* used slots; set of parts */
  uint16_t used[USED_MOST]; /* where they begin, in units of FH_ALIGNMENT, in no order */
} watched;

static watched *note_of(const fh_span *slab) { return slab->free; }

static watched *due_note(fh_hole *link) { return (watched *)(void *)link; }

unsigned fh_sparse_most(unsigned class) { return (unsigned)fh_min(fh_classes[class].slots / 2, USED_MOST); }

static unsigned unit_at(size_t offset) { return (unsigned)(offset / FH_ALIGNMENT); }

static size_t offset_of(const void *slot) { return (uintptr_t)slot & (FH_PAGE_SIZE - 1); }

/* Notes for slabs, in blocks each of which is twice as long as the one before. Where one is does not matter to anybody
 * but its slab: when few are left they are moved together, and the memory of the other blocks goes back. */

enum { FIRST_NOTES = FH_META_PAGE / sizeof(watched) };

_Static_assert((int)NOTES_FEW <= (int)FIRST_NOTES && FIRST_NOTES <= 128, "they fit, and two words have a bit for each");

static watched *carve_note(fh_sparse *sparse) {
  unsigned block = fh_highest_bit(sparse->carved / FIRST_NOTES + 1);
  if (block == FH_NOTE_BLOCKS) {
    return NULL;
  }
  if (sparse->notes[block] == NULL) {
    sparse->notes[block] = fh_meta_take((size_t)FH_META_PAGE << block);
    if (sparse->notes[block] == NULL) {
      return NULL;
    }
  }
  return (watched *)sparse->notes[block] + (sparse->carved++ - FIRST_NOTES * ((1u << block) - 1));
}

static watched *take_note(fh_sparse *sparse) {
  fh_hole *link = sparse->spare.next;
  if (link == NULL) {
    return carve_note(sparse);
  }
  fh_hole_leave(link);
  return due_note(link);
}

/* Parts. */

/* Those without a used slot that were not purged yet. */
static unsigned due_parts(const watched *note) {
  unsigned busy = note->purged;
  for (unsigned i = 0; i < note->count; i++) {
    busy |= fh_parts_of_slot(note->slab->class, note->used[i] * (size_t)FH_ALIGNMENT);
  }
  return ((1u << FH_PAGE_SIZE / fh_part_bytes()) - 1) & ~busy;
}

static void leave_due(fh_sparse *sparse, watched *note, unsigned due) {
  if (due != 0) {
    fh_hole_leave(&note->due);
    sparse->due_bytes -= fh_part_set_bytes(due);
  }
}

static void enter_due(fh_sparse *sparse, watched *note, unsigned due) {
  if (due != 0) {
    fh_hole_push(&sparse->due, &note->due);
    sparse->due_bytes += fh_part_set_bytes(due);
  }
}

/* Moving notes. */

typedef void each_watched(fh_sparse *, fh_span *, uint64_t in_first[2]);

static void visit_watched(fh_heap *heap, each_watched *visit, uint64_t in_first[2]) {
  for (unsigned class = 1; class < FH_CLASSES; class ++) {
    fh_hole *list = &heap->slabs[class].partial[FH_SLAB_WATCHED];
    for (fh_hole *link = list->next; link != NULL && link != list; link = link->next) {
      visit(&heap->sparse, fh_span_of(link), in_first);
    }
  }
}

static size_t place_of(const fh_sparse *sparse, const watched *note) {
  return ((uintptr_t)note - (uintptr_t)sparse->notes[0]) / sizeof(watched);
}

static void mark_place(fh_sparse *sparse, fh_span *slab, uint64_t in_first[2]) {
  size_t place = place_of(sparse, note_of(slab));
  if (place < FIRST_NOTES) {
    in_first[place / 64] |= UINT64_C(1) << place % 64;
  }
}

static void move_note(fh_sparse *sparse, fh_span *slab, uint64_t in_first[2]) {
  watched *note = note_of(slab);
  if (place_of(sparse, note) < FIRST_NOTES) {
    return;
  }
  unsigned place = in_first[0] != UINT64_MAX ? fh_lowest_bit(~in_first[0]) : 64 + fh_lowest_bit(~in_first[1]);
  in_first[place / 64] |= UINT64_C(1) << place % 64;
  watched *to = (watched *)sparse->notes[0] + place;
  unsigned due = due_parts(note);
  leave_due(sparse, note, due);
  *to = *note;
  enter_due(sparse, to, due);
  slab->free = to;
}

/* Not while a slab is being unwatched: it is listed as one that has a note. */
static void gather_notes_when_few(fh_heap *heap) {
  fh_sparse *sparse = &heap->sparse;
  if (sparse->watched > NOTES_FEW || sparse->carved <= NOTES_MANY) {
    return;
  }
  fh_os_part parts[FH_NOTE_BLOCKS];
  unsigned count = 0;
  uint64_t in_first[2] = {0, 0};
  visit_watched(heap, mark_place, in_first);
  visit_watched(heap, move_note, in_first);
  sparse->spare.next = NULL;
  sparse->carved = FIRST_NOTES;
  for (unsigned place = 0; place < FIRST_NOTES; place++) {
    if ((in_first[place / 64] >> place % 64 & 1) == 0) {
      fh_hole_push(&sparse->spare, &((watched *)sparse->notes[0])[place].due);
    }
  }
  for (unsigned block = 1; block < FH_NOTE_BLOCKS && sparse->notes[block] != NULL; block++) {
    char *at = sparse->notes[block];
    parts[count] = fh_os_pages_within(at, at + ((size_t)FH_META_PAGE << block));
    count += parts[count].bytes != 0;
  }
  fh_os_purge_parts(parts, count); /* what the kernel refuses stays */
}

/* As many slabs as one call of the kernel takes. What that refuses stays, and is not asked for again. */
static size_t purge_some(fh_sparse *sparse) {
  fh_os_part rows[FH_OS_PARTS];
  unsigned count = 0;
  while (sparse->due.next != NULL && count + FH_PART_ROWS <= FH_OS_PARTS) {
    watched *note = due_note(sparse->due.next);
    unsigned due = due_parts(note);
    leave_due(sparse, note, due);
    note->purged |= (uint8_t)due;
    count += fh_part_rows(note->slab->start, due, rows + count);
  }
  size_t bytes = fh_part_purge(rows, count);
  fh_budget_purged(&sparse->budget, bytes);
  return bytes;
}

/* Watching. */

static fh_cold _Noreturn void list_is_damaged(const void *slot) {
  fh_fatal("free", slot, "on the list of free slots, but not from this slab: something wrote to freed memory");
}

/* The list leads to and fro through a slab that nobody has looked at for long: asked for at once, its lines come side
 * by side instead of one after the other. */
static void fetch_slots(const fh_span *slab) {
  size_t step = fh_max(fh_class_bytes(slab->class), LINE);
  for (const char *at = slab->start, *end = at + fh_slab_carved(slab); at < end; at += step) {
    __builtin_prefetch(at);
  }
}

/* Which slots are free is known from the list alone. */
static void mark_free(const fh_span *slab, uint64_t is_free[FH_SLOT_WORDS]) {
  unsigned left = slab->u.slab.carved - (unsigned)fh_slab_live(slab);
  for (void **slot = slab->free; left != 0; left--, slot = *slot) {
    size_t offset = (size_t)((char *)slot - slab->start);
    if (fh_unlikely(offset >= fh_slab_carved(slab) || !fh_slot_starts(slab, slot))) {
      list_is_damaged(slot);
    }
    uint64_t *word = &is_free[unit_at(offset) / 64], bit = UINT64_C(1) << unit_at(offset) % 64;
    if (fh_unlikely((*word & bit) != 0)) {
      fh_freed_twice(slot);
    }
    *word |= bit;
  }
}

static void note_used(const fh_span *slab, watched *note) {
  uint64_t is_free[FH_SLOT_WORDS] = {0};
  fetch_slots(slab);
  mark_free(slab, is_free);
  for (size_t offset = 0; offset < fh_slab_carved(slab); offset += fh_class_bytes(slab->class)) {
    unsigned unit = unit_at(offset);
    if ((is_free[unit / 64] >> unit % 64 & 1) == 0) {
      note->used[note->count++] = (uint16_t)unit;
    }
  }
}

/* False: there is no memory for a note. */
static bool watch(fh_heap *heap, fh_span *slab) {
  watched *note = take_note(&heap->sparse);
  if (note == NULL) {
    return false;
  }
  *note = (watched){.slab = slab};
  note_used(slab, note);
  fh_slab_watch(heap, slab);
  slab->free = note;
  heap->sparse.watched++;
  enter_due(&heap->sparse, note, due_parts(note));
  return true;
}

static bool strike_used(watched *note, unsigned unit) {
  for (unsigned i = 0; i < note->count; i++) {
    if (note->used[i] == unit) {
      note->used[i] = note->used[--note->count];
      return true;
    }
  }
  return false;
}

void fh_sparse_came_back(fh_heap *heap, fh_span *slab, unsigned count) {
  void **first = slab->free, **slot = first;
  for (unsigned i = 0; i < count && slot != NULL; i++) {
    slot = *slot;
  }
  watched *note = (watched *)(void *)slot;
  if (fh_unlikely(note == NULL || note->slab != slab)) {
    fh_freed_twice(first); /* one of them is in the list for the second time, so that it is shorter */
  }
  leave_due(&heap->sparse, note, due_parts(note));
  for (slot = first; count != 0; count--, slot = *slot) {
    if (fh_unlikely(!strike_used(note, unit_at(offset_of(slot))))) {
      fh_freed_twice(slot);
    }
  }
  slab->free = note;
  enter_due(&heap->sparse, note, due_parts(note));
}

static void drop_note(fh_sparse *sparse, fh_span *slab) {
  watched *note = note_of(slab);
  leave_due(sparse, note, due_parts(note));
  fh_hole_push(&sparse->spare, &note->due);
  sparse->watched--;
  slab->free = NULL;
}

void fh_sparse_forget(fh_heap *heap, fh_span *slab) {
  drop_note(&heap->sparse, slab);
  gather_notes_when_few(heap);
}

/* In order of addresses, as they are carved. */
void fh_sparse_unwatch(fh_heap *heap, fh_span *slab) {
  const watched note = *note_of(slab);
  void *first = NULL, **to = &first;
  for (size_t offset = 0; offset < fh_slab_carved(slab); offset += fh_class_bytes(slab->class)) {
    if (!fh_sparse_is_used(slab, offset)) {
      *to = slab->start + offset;
      to = *to;
    }
  }
  *to = NULL;
  drop_note(&heap->sparse, slab);
  slab->free = first;
  heap->sparse.budget.reused += fh_part_set_bytes(note.purged);
}

bool fh_sparse_is_used(const fh_span *slab, size_t offset) {
  const watched *note = note_of(slab);
  unsigned i = 0;
  while (i < note->count && note->used[i] != unit_at(offset)) {
    i++;
  }
  return i < note->count;
}

bool fh_sparse_is_purged(const fh_span *slab, size_t offset) {
  return (note_of(slab)->purged >> offset / fh_part_bytes() & 1) != 0;
}

/* The budget. */

/* The slab that was listed first of the next class that has some. False: there is none, or no memory to watch it. */
static bool watch_oldest(fh_heap *heap) {
  for (unsigned i = 0; i < FH_CLASSES; i++) {
    heap->sparse.class = (heap->sparse.class + 1) % FH_CLASSES;
    fh_span *slab = fh_slab_first(heap, heap->sparse.class, FH_SLAB_SPARSE);
    if (slab != NULL) {
      return watch(heap, slab);
    }
  }
  return false;
}

/* A page of the kernel's as long as a slab goes with the slab. */
static bool can_purge(void) { return fh_part_bytes() < FH_PAGE_SIZE; }

uint64_t fh_sparse_kept(const fh_heap *heap) {
  return can_purge() ? heap->sparse.count * KEPT_OF_EACH + heap->sparse.due_bytes : 0;
}

/* What may stay in any case: as much of its slabs as of page runs. */
static uint64_t base(const fh_heap *heap) {
  return FH_SPARSE_RETAIN + heap->slab_count * (FH_PAGE_SIZE * fh_pages_retain() / 100);
}

uint64_t fh_sparse_budget(const fh_heap *heap) { return base(heap) + fh_budget_beside(&heap->sparse.budget); }

/* Half of what may stay is what was not watched, about. Much is purged in one call, or nothing. */
static void purge_surplus(fh_heap *heap) {
  fh_sparse *sparse = &heap->sparse;
  uint64_t most = fh_sparse_budget(heap);
  for (unsigned i = 0; i < WATCH_MOST && sparse->count * KEPT_OF_EACH > most / 2 && watch_oldest(heap); i++) {
  }
  if (sparse->due.next != NULL && fh_sparse_kept(heap) > most) {
    purge_some(sparse);
  }
}

static bool keeps(fh_heap *heap, uint64_t most) {
  fh_budget *budget = &heap->sparse.budget;
  uint64_t kept = fh_sparse_kept(heap);
  return kept <= most + fh_budget_beside(budget) || fh_budget_widen(budget, kept, most, FH_SPARSE_WIDEN);
}

void fh_sparse_keep_budget(fh_heap *heap) {
  if (!keeps(heap, base(heap))) {
    purge_surplus(heap);
  }
}

/* Down to `most`, but no more than so many slabs and calls. Bytes that went back. */
static size_t purge_to(fh_heap *heap, uint64_t most, size_t slabs, size_t calls) {
  size_t bytes = 0;
  for (; slabs != 0 && heap->sparse.count * KEPT_OF_EACH > most && watch_oldest(heap); slabs--) {
  }
  for (; calls != 0 && heap->sparse.due.next != NULL && fh_sparse_kept(heap) > most; calls--) {
    bytes += purge_some(&heap->sparse);
  }
  return bytes;
}

void fh_sparse_shrink(fh_heap *heap) {
  if (!keeps(heap, 0)) {
    purge_to(heap, fh_budget_beside(&heap->sparse.budget), SHRINK_SLABS, SHRINK_CALLS);
  }
}

size_t fh_sparse_trim(fh_heap *heap) {
  size_t bytes = can_purge() ? purge_to(heap, 0, SIZE_MAX, SIZE_MAX) : 0;
  gather_notes_when_few(heap);
  return bytes;
}
