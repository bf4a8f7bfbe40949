/* One space of a region: what stands at its start, and the words of its chunks.
 *
 *   +-----------+-----------------+------+----------+------+-------------------------+------+---
 *   | fh_region | bits and heads  | head | user ... | head | next prev ..... length | head |  closing head
 *   |           | of the index    |      |          |      | children               |      |
 *   +-----------+-----------------+------+----------+------+-------------------------+------+---
 *   ^ aligned to a unit                  ^ used chunk      ^ hole                  ^ in its last 4 bytes: its cells
 *
 * Lengths are counted in cells, words of 8 (4) bytes. A chunk is named by the cell at which its user bytes begin,
 * counted from the space, so a name is the same wherever the space is mapped. Its head is the word before. From bit 0
 * of a head on:
 *
 *   64 bits:   USED  BEFORE_FREE  ALIGNED | slack 6 | tag 23 | cells 32
 *   32 bits:   USED  BEFORE_FREE  ALIGNED | slack 5 | cells, as many bits as the space needs | tag
 *
 *   slack   user bytes that were not asked for
 *   cells   the whole chunk, head and all; 0: the closing head
 *   tag     depends on the chunk's name, and in a checked region on the other bits of the head too: nothing but a head
 *           that was written here has it
 *
 * A unit is what pointers are aligned to: two cells, or one in a packed region. The last user byte of an ALIGNED chunk
 * holds the logarithm of its alignment.
 */
#ifndef FH_REGION_SPACE_H
#define FH_REGION_SPACE_H

#define FH_FIT_WORD uint32_t
#include "fit/buddy.h"
#include "fit/good.h"
#include "fit/list.h"
#include "freehold/region.h"

typedef size_t fh_head;

enum { WORD_BITS = sizeof(fh_head) * 8, CELL_SHIFT = sizeof(fh_head) == 8 ? 3 : 2 };

#define HEAD_BYTES sizeof(fh_head)

enum {
  HEAD_USED = 1,
  HEAD_BEFORE_FREE = 2,
  HEAD_ALIGNED = 4,
  HEAD_SLACK_SHIFT = 3,
  HEAD_SLACK_BITS = WORD_BITS == 64 ? 6 : 5,
  HEAD_CELLS_SHIFT = WORD_BITS == 64 ? 32 : HEAD_SLACK_SHIFT + HEAD_SLACK_BITS,
  HEAD_CELLS_BITS = WORD_BITS == 64 ? 32 : 22 /* some tag is always left */
};

enum { FH_SPACE_ALIGN = WORD_BITS == 64 ? 16 : 8, FH_BUDDY_ALIGN = 64 };

#define MOST_CELLS (UINT32_MAX >> (32 - HEAD_CELLS_BITS))

#define FH_REGION_MAGIC (UINT32_C(0x46480300) + WORD_BITS)

struct fh_region {
  uint32_t magic;
  uint16_t fit, flags;
  uint16_t why;        /* fh_status of the last call that failed; of the first space only */
  uint16_t lead;       /* bytes of the caller's in front of this, lost to alignment */
  uint16_t fold;       /* log2 of the cells in a unit, in which the index measures */
  uint16_t least;      /* cells of the smallest chunk */
  uint32_t shaped;     /* cells that the index was made for */
  uint32_t first, end; /* names: of the first chunk, of the closing head */
  uint32_t used, peak; /* cells in chunks; the rest is in holes */
  uint32_t chunks, holes;
  size_t size;       /* bytes that were handed to this space */
  size_t requested;  /* bytes that callers asked for */
  uint32_t heads_at; /* bytes from here to the heads of the index */
  uint32_t tag_mask; /* of 32-bit targets */
  uint32_t mix;      /* odd; another one each time a region is made here, so that heads of an earlier one are none */
  ptrdiff_t next;    /* bytes from here to the next space; 0: none */
  fh_grow *grow;     /* of the first space only, with its argument */
  void *grow_arg;
  fh_good good;
  fh_list list;
  size_t plain_mask; /* GOOD and not checked, so that the short ways through alloc and free serve: a unit's bits */
  size_t plain_most; /* and more than any request; if not: all bits, and 0 */
  uint32_t scrap[2]; /* of a checked region, for words of holes that are not to be used */
  size_t words[];    /* of the index; its heads behind them */
};

/* A firmware may leave out what it does not use: the other policies, and the checked and bounded kinds of this one. */
#ifdef FREEHOLD_REGION_ONLY_GOOD
#define fit_of(r) ((void)(r), FH_FIT_GOOD)
#define LAST_FIT FH_FIT_GOOD
#define KNOWN_FLAGS FH_REGION_PACKED
#else
#define fit_of(r) ((r)->fit)
#define LAST_FIT FH_FIT_BUDDY
#define KNOWN_FLAGS (FH_REGION_CHECKED | FH_REGION_BOUNDED | FH_REGION_PACKED)
#endif

fh_inline bool has_flag(const fh_region *r, unsigned flag) { return (r->flags & flag & KNOWN_FLAGS) != 0; }

fh_inline char *space_user(const fh_region *r, uint32_t id) {
  return (char *)(uintptr_t)r + ((size_t)id << CELL_SHIFT);
}

fh_inline fh_head *head_of(const fh_region *r, uint32_t id) { return (fh_head *)(void *)space_user(r, id) - 1; }

fh_inline bool is_checked(const fh_region *r) { return has_flag(r, FH_REGION_CHECKED); }

/* Heads. */

/* On 64 bits what lies between slack and cells; on 32 bits what a space's cells leave of the word. */
fh_inline uint32_t tags(const fh_region *r) {
  return WORD_BITS == 64 ? ~UINT32_C(0) << (HEAD_SLACK_SHIFT + HEAD_SLACK_BITS) : r->tag_mask;
}

/* A head that is not USED has another tag: what is left of one within an allocation is not revived by a byte that its
 * owner writes there. */
fh_inline fh_head plain_tag(const fh_region *r, uint32_t id, fh_head low) {
  return (id * r->mix ^ (uint32_t)(~low & HEAD_USED) << 31) & tags(r);
}

/* In a checked region every bit of the head counts for its tag. */
fh_inline fh_head head_tag(const fh_region *r, uint32_t id, fh_head low) {
  fh_head mixed = is_checked(r) ? low * (fh_head)UINT64_C(0xD6E8FEB86659FD93) >> (WORD_BITS - 32) & tags(r) : 0;
  return plain_tag(r, id, low) ^ mixed;
}

fh_inline fh_head head_low(const fh_region *r, uint32_t id) { return *head_of(r, id) & ~(fh_head)tags(r); }

fh_inline bool head_holds(const fh_region *r, uint32_t id) {
  fh_head head = *head_of(r, id), low = head & ~(fh_head)tags(r);
  return head == (low | head_tag(r, id, low));
}

fh_inline void head_set(const fh_region *r, uint32_t id, fh_head low) { *head_of(r, id) = low | head_tag(r, id, low); }

/* Once for all files where size counts. */
#if FH_SMALL
void fh_head_write(const fh_region *r, uint32_t id, fh_head low);
bool fh_head_is_ours(const fh_region *r, uint32_t id);
#define head_write fh_head_write
#define head_is_ours fh_head_is_ours
#else
#define head_write head_set
#define head_is_ours head_holds
#endif

/* For a region that is known not to be checked. */
fh_inline void head_write_plain(const fh_region *r, uint32_t id, fh_head low) {
  *head_of(r, id) = low | plain_tag(r, id, low);
}

/* Used or not. */
fh_inline bool head_is_ours_plain(const fh_region *r, uint32_t id) {
  return (((uint32_t)*head_of(r, id) ^ id * r->mix) & tags(r) & ~UINT32_C(0) >> 1) == 0;
}

fh_inline bool head_is_used_plain(const fh_region *r, uint32_t id) {
  uint32_t want = (id * r->mix & tags(r)) | HEAD_USED;
  return (((uint32_t)*head_of(r, id) ^ want) & (tags(r) | HEAD_USED)) == 0;
}

fh_inline fh_head low_of(uint32_t cells, uint32_t slack, fh_head flags) {
  return (fh_head)cells << HEAD_CELLS_SHIFT | (fh_head)slack << HEAD_SLACK_SHIFT | flags;
}

fh_inline uint32_t low_cells(fh_head low) { return (uint32_t)(low >> HEAD_CELLS_SHIFT); }

fh_inline uint32_t low_slack(fh_head low) {
  return (uint32_t)(low >> HEAD_SLACK_SHIFT) & ((1u << HEAD_SLACK_BITS) - 1);
}

fh_inline uint32_t cells_of(const fh_region *r, uint32_t id) { return low_cells(head_low(r, id)); }

fh_inline bool is_used(const fh_region *r, uint32_t id) { return (*head_of(r, id) & HEAD_USED) != 0; }

/* Sets or clears one flag of a head. */
fh_inline void head_flag(const fh_region *r, uint32_t id, fh_head flag, bool set) {
  fh_head low = head_low(r, id);
  head_write(r, id, set ? low | flag : low & ~flag);
}

/* The last four bytes of the stretch of cells that ends where `id` has its head. */
fh_inline uint32_t *foot_before(const fh_region *r, uint32_t id) { return (uint32_t *)(void *)head_of(r, id) - 1; }

/* Bytes the caller may use of a chunk of that many cells, and what of them an allocation of ours needs for itself. */
fh_inline size_t user_bytes(const fh_region *r, uint32_t cells) {
  (void)r;
  return ((size_t)cells << CELL_SHIFT) - HEAD_BYTES;
}

fh_inline uint32_t free_cells(const fh_region *r) { return r->end - r->first - r->used; }

/* Further spaces. */

fh_inline fh_region *space_next(const fh_region *r) {
  return r->next == 0 ? NULL : (fh_region *)(void *)((char *)(uintptr_t)r + r->next);
}

/* What one call begins in one space another may end in the next. */
fh_inline bool same_kind(const fh_region *a, const fh_region *b) { return a->fit == b->fit && a->flags == b->flags; }

fh_inline char *space_start(const fh_region *r) { return (char *)(uintptr_t)r - r->lead; }

fh_inline char *space_end(const fh_region *r) { return space_start(r) + r->size; }

/* The space that holds the address behind its first head; NULL: none. */
fh_inline fh_region *space_with(const fh_region *r, const void *pointer) {
  for (; r != NULL; r = space_next(r)) {
    if ((uintptr_t)pointer - (uintptr_t)r < r->size) {
      return (fh_region *)(uintptr_t)r;
    }
  }
  return NULL;
}

/* Answers a failure with NULL or with its status. */
fh_inline fh_status fail(fh_region *r, fh_status why) {
  r->why = (uint16_t)why;
  return why;
}

/* space.c */
fh_region *fh_space_make(void *memory, size_t bytes, fh_fit fit, unsigned flags); /* one hole; NULL: too small */
void fh_space_shape(fh_region *r, uint32_t cells);         /* what follows from fit, flags and cells */
void fh_space_plain(fh_region *r);                         /* whether the short ways serve */
uint32_t fh_space_first(const fh_region *r);               /* the lowest name that a chunk may have */
uint32_t fh_space_cells(const fh_region *r, size_t bytes); /* name of the closing head in so many bytes */
uint32_t fh_space_close(const fh_region *r, uint32_t end); /* the same, where the policy wants it */
void fh_space_free_all(fh_region *r, uint32_t from);

#endif
