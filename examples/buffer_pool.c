/* A sub-allocator for buffers in memory that the program can not touch, as a GPU's: the device hands out few and large
 * blocks, the program cuts them. What is free in a block is known by an fh_range beside it.
 *
 *   buffer_pool [FRAMES [SEED [POLICY]]]
 *
 * plays a game for so many frames, checks after each that no two buffers share a byte, and prints a line every 60
 * frames. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <freehold/range.h>

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define BLOCK_BYTES (256 * MIB)
#define LARGE (BLOCK_BYTES / 2) /* more than that has a block of its own */
#define BUDGET (1280 * MIB)

enum { BLOCKS = 32, FRAMES_IN_FLIGHT = 3, FIRST_NODES = 64, GRANULE = 256, REPORT = 60 };

typedef struct buffer {
  uint32_t block;
  uint64_t offset, bytes, alignment;
  unsigned frame; /* in which it was given back: the last that may draw it */
} buffer;

typedef struct buffers {
  buffer *at;
  size_t count, room;
} buffers;

/* Device memory. */
typedef struct block {
  uint64_t bytes;  /* 0: there is none under this number */
  fh_range *range; /* NULL: it is one buffer's own */
  void *nodes;     /* what the range lies in */
  size_t node_count;
} block;

typedef struct pool {
  fh_range_options options;
  block blocks[BLOCKS];
  uint64_t bytes, budget;
  unsigned frame;
  unsigned done;                     /* the device has finished the frames before this one */
  buffers waiting[FRAMES_IN_FLIGHT]; /* given back in a frame that the device may still be drawing */
  unsigned waits, refused, moved;    /* for a frame to end; requests; ranges to more nodes */
} pool;

static void *must(void *memory) {
  if (memory == NULL) {
    fputs("buffer_pool: no memory\n", stderr);
    exit(1);
  }
  return memory;
}

static void append(buffers *all, buffer one) {
  if (all->count == all->room) {
    all->room = all->room * 2 + 64;
    all->at = must(realloc(all->at, all->room * sizeof *all->at));
  }
  all->at[all->count++] = one;
}

/* --- blocks --- */

/* A range in memory of its own, for so many buffers and holes together. */
static fh_range *make_range(const pool *p, uint64_t bytes, size_t nodes, void **memory) {
  size_t size = fh_range_bytes_for(nodes, &p->options);
  *memory = must(malloc(size));
  return must(fh_range_create_in(*memory, size, 0, bytes, &p->options));
}

/* The number of a new block; BLOCKS: the budget or the numbers do not allow it. */
static uint32_t open_block(pool *p, uint64_t bytes, bool with_range) {
  uint32_t number = 0;
  while (number < BLOCKS && p->blocks[number].bytes != 0) {
    number++;
  }
  if (number == BLOCKS || bytes > p->budget - p->bytes) {
    return BLOCKS;
  }
  block *b = &p->blocks[number];
  *b = (block){.bytes = bytes, .node_count = FIRST_NODES};
  if (with_range) {
    b->range = make_range(p, bytes, FIRST_NODES, &b->nodes);
  }
  p->bytes += bytes;
  return number;
}

static void close_block(pool *p, block *b) {
  p->bytes -= b->bytes;
  fh_range_destroy(b->range); /* does nothing to memory that is ours, but says that we are done */
  free(b->nodes);
  *b = (block){.bytes = 0};
}

typedef struct copying {
  const fh_range *from;
  fh_range *to;
} copying;

static int copy_one(uint64_t address, uint64_t length, bool used, void *arg) {
  const copying *c = arg;
  (void)length;
  return used && fh_range_alloc_at(c->to, address, fh_range_length(c->from, address)) != FH_OK;
}

/* The nodes have run out, not the space: the same allocations at the same offsets, in a range with twice as many. */
static bool more_nodes(pool *p, block *b) {
  void *memory = NULL;
  copying c = {b->range, make_range(p, b->bytes, b->node_count * 2, &memory)};
  if (fh_range_walk(c.from, copy_one, &c) != 0) {
    free(memory);
    return false;
  }
  free(b->nodes);
  b->nodes = memory;
  b->range = c.to;
  b->node_count *= 2;
  p->moved++;
  return true;
}

static uint64_t charge_of(uint64_t bytes) { return (bytes + GRANULE - 1) / GRANULE * GRANULE; }

static fh_status take_in(pool *p, block *b, buffer *made) {
  fh_space space;
  fh_status status = fh_range_alloc(b->range, made->bytes, made->alignment, &made->offset);
  if (status == FH_EXHAUSTED) {
    fh_range_space(b->range, &space);
    if (space.free >= charge_of(made->bytes) && more_nodes(p, b)) {
      return fh_range_alloc(b->range, made->bytes, made->alignment, &made->offset);
    }
  }
  return status;
}

/* In the first block that has room. FH_FRAGMENTED: one has enough in total. */
static fh_status take(pool *p, buffer *made) {
  fh_status status = FH_EXHAUSTED;
  for (made->block = 0; made->block < BLOCKS; made->block++) {
    if (p->blocks[made->block].range != NULL) {
      fh_status here = take_in(p, &p->blocks[made->block], made);
      if (here == FH_OK) {
        return FH_OK;
      }
      status = here == FH_FRAGMENTED ? here : status;
    }
  }
  return status;
}

/* --- giving back --- */

/* A range that holds nothing: its block goes back to the device, but for one, which the next request may want. */
static void close_empty(pool *p) {
  unsigned empty = 0;
  for (block *b = p->blocks; b < p->blocks + BLOCKS; b++) {
    fh_space space;
    if (b->range != NULL) {
      fh_range_space(b->range, &space);
      if (space.chunks == 0 && ++empty > 1) {
        close_block(p, b);
      }
    }
  }
}

static void give(pool *p, const buffer *old) {
  block *b = &p->blocks[old->block];
  if (old->frame >= p->done) {
    fputs("buffer_pool: a buffer was given back that may still be drawn\n", stderr);
    exit(1);
  }
  if (b->range == NULL) {
    close_block(p, b);
  } else if (fh_range_free(b->range, old->offset) != FH_OK) {
    fputs("buffer_pool: a buffer was given back that was not there\n", stderr);
    exit(1);
  }
}

/* The device has finished all frames before `done`. What was given back in the last of them is free now. */
static void end_frame(pool *p, unsigned done) {
  buffers *list = &p->waiting[(done + FRAMES_IN_FLIGHT - 1) % FRAMES_IN_FLIGHT];
  p->done = done;
  for (size_t i = 0; i < list->count; i++) {
    give(p, &list->at[i]);
  }
  list->count = 0;
  close_empty(p);
}

/* No more frames are begun than the device may be behind. */
static void pool_next_frame(pool *p) {
  unsigned done = ++p->frame < FRAMES_IN_FLIGHT ? 0 : p->frame - FRAMES_IN_FLIGHT + 1;
  end_frame(p, done > p->done ? done : p->done);
}

/* Stops until the device has finished the oldest frame in which something was given back. False: nothing waits but what
 * was given back in the frame that is being made. */
static bool wait_for_device(pool *p) {
  while (p->done < p->frame) {
    if (p->waiting[p->done % FRAMES_IN_FLIGHT].count != 0) {
      end_frame(p, p->done + 1);
      p->waits++;
      return true;
    }
    p->done++;
  }
  return false;
}

static uint64_t bytes_waiting(const pool *p) {
  uint64_t bytes = 0;
  for (unsigned i = 0; i < FRAMES_IN_FLIGHT; i++) {
    for (size_t k = 0; k < p->waiting[i].count; k++) {
      bytes += p->waiting[i].at[k].bytes;
    }
  }
  return bytes;
}

static void pool_free(pool *p, buffer old) {
  old.frame = p->frame;
  append(&p->waiting[p->frame % FRAMES_IN_FLIGHT], old);
}

/* --- handing out --- */

/* What to do about a request that no block serves:
 *   FH_FRAGMENTED  the bytes are there, in pieces. What waits for the device joins them when it is as much again: wait
 * a frame rather than take 256 MiB more. Otherwise as below. FH_EXHAUSTED   the bytes are not there: another block.
 * When the budget allows no block, waiting is all that is left. */
static bool make_room(pool *p, const buffer *wanted, fh_status why) {
  if (why == FH_FRAGMENTED && bytes_waiting(p) >= wanted->bytes && wait_for_device(p)) {
    return true;
  }
  uint32_t number = open_block(p, BLOCK_BYTES, true);
  if (number == BLOCKS) {
    return wait_for_device(p);
  }
  printf("frame %u: block %" PRIu32 " for %" PRIu64 " KiB, %s\n", p->frame, number, wanted->bytes / KIB,
         why == FH_FRAGMENTED ? "which are free only in pieces" : "which no block has");
  return true;
}

/* A block of its own. */
static bool take_large(pool *p, buffer *made) {
  made->offset = 0;
  do {
    made->block = open_block(p, made->bytes, false);
  } while (made->block == BLOCKS && wait_for_device(p));
  return made->block != BLOCKS;
}

/* False: refused. */
static bool pool_alloc(pool *p, uint64_t bytes, uint64_t alignment, buffer *made) {
  fh_status status = FH_OK;
  *made = (buffer){.bytes = bytes, .alignment = alignment};
  bool good = bytes <= LARGE || take_large(p, made);
  while (bytes <= LARGE && good && (status = take(p, made)) != FH_OK) {
    good = make_room(p, made, status);
  }
  p->refused += !good;
  return good;
}

/* --- checks, by what the program knows itself --- */

static int by_place(const void *a, const void *b) {
  const buffer *x = a, *y = b;
  return x->block != y->block ? (x->block > y->block) - (x->block < y->block)
                              : (x->offset > y->offset) - (x->offset < y->offset);
}

static bool wrong(const char *what) {
  fprintf(stderr, "buffer_pool: %s\n", what);
  return false;
}

/* No two share a byte, each is where it may be. `charged` is what each block must say is used. */
static bool check_buffers(const pool *p, const buffers *all, uint64_t *charged) {
  for (size_t i = 0; i < all->count; i++) {
    const buffer *b = &all->at[i];
    const block *in = &p->blocks[b->block];
    if (b->offset % b->alignment != 0) {
      return wrong("a buffer is not aligned");
    }
    if (b->bytes > in->bytes || b->offset > in->bytes - b->bytes) {
      return wrong("a buffer is outside its block");
    }
    if (i + 1 < all->count && b[1].block == b->block && b[1].offset < b->offset + b->bytes) {
      return wrong("two buffers share bytes");
    }
    charged[b->block] += charge_of(b->bytes);
  }
  return true;
}

static bool check_blocks(const pool *p, const uint64_t *charged) {
  uint64_t bytes = 0;
  for (unsigned i = 0; i < BLOCKS; i++) {
    fh_space space;
    bytes += p->blocks[i].bytes;
    if (p->blocks[i].range != NULL) {
      fh_range_space(p->blocks[i].range, &space);
      bool powers = p->options.fit == FH_FIT_BUDDY;
      if (fh_range_check(p->blocks[i].range) != FH_OK ||
          (powers ? space.used < charged[i] : space.used != charged[i])) {
        return wrong("a range does not add up");
      }
    }
  }
  return (bytes == p->bytes && bytes <= p->budget) || wrong("the budget does not add up");
}

/* What is drawn and what waits. */
static bool check(const pool *p, const buffers *live) {
  uint64_t charged[BLOCKS] = {0};
  buffers all = {.count = 0};
  for (size_t i = 0; i < live->count; i++) {
    append(&all, live->at[i]);
  }
  for (unsigned i = 0; i < FRAMES_IN_FLIGHT; i++) {
    for (size_t k = 0; k < p->waiting[i].count; k++) {
      append(&all, p->waiting[i].at[k]);
    }
  }
  if (all.count != 0) {
    qsort(all.at, all.count, sizeof *all.at, by_place);
  }
  bool good = check_buffers(p, &all, charged) && check_blocks(p, charged);
  free(all.at);
  return good;
}

/* --- the game --- */

typedef struct kind {
  uint64_t alignment, least;
  unsigned doublings;             /* from the least to the largest */
  unsigned life_least, life_more; /* frames */
  unsigned count, every;          /* so many in each so many-th frame */
} kind;

static const kind kinds[] = {
    {256, 1 * KIB, 6, 1, 2, 24, 1},           /* uniforms: gone at once */
    {256, 16 * KIB, 6, 40, 300, 3, 1},        /* vertices */
    {64 * KIB, 64 * KIB, 8, 60, 260, 1, 1},   /* textures */
    {64 * KIB, 160 * MIB, 0, 50, 40, 1, 110}, /* what the screen is drawn to: more than LARGE */
};

typedef struct game {
  pool pool;
  uint64_t random;
  buffers live;
  unsigned *ends; /* the frame in which each of them is given back */
  size_t ends_room;
} game;

static unsigned chance(game *g, unsigned below) {
  g->random ^= g->random << 13;
  g->random ^= g->random >> 7;
  g->random ^= g->random << 17;
  return (unsigned)(g->random * UINT64_C(0x2545F4914F6CDD1D) >> 33) % below;
}

static void add(game *g, buffer one, unsigned end) {
  append(&g->live, one);
  if (g->ends_room < g->live.room) {
    g->ends_room = g->live.room;
    g->ends = must(realloc(g->ends, g->ends_room * sizeof *g->ends));
  }
  g->ends[g->live.count - 1] = end;
}

static void make_some(game *g, const kind *k) {
  for (unsigned i = 0; i < k->count; i++) {
    uint64_t bytes = k->least << chance(g, k->doublings + 1);
    unsigned life = k->life_least + chance(g, k->life_more);
    buffer made;
    bytes += chance(g, (unsigned)(bytes / 2));
    if (pool_alloc(&g->pool, bytes, k->alignment, &made)) {
      add(g, made, g->pool.frame + life);
    }
  }
}

/* Gives back what is over; `all`: everything, as between two levels. */
static void drop_some(game *g, bool all) {
  size_t kept = 0;
  for (size_t i = 0; i < g->live.count; i++) {
    if (all || g->ends[i] <= g->pool.frame) {
      pool_free(&g->pool, g->live.at[i]);
    } else {
      g->live.at[kept] = g->live.at[i];
      g->ends[kept++] = g->ends[i];
    }
  }
  g->live.count = kept;
}

static void report(const game *g) {
  uint64_t used = 0, largest = 0, free_bytes = 0;
  unsigned shared = 0, own = 0;
  for (const block *b = g->pool.blocks; b < g->pool.blocks + BLOCKS; b++) {
    fh_space space = {.used = b->bytes};
    own += b->bytes != 0 && b->range == NULL;
    if (b->range != NULL) {
      shared++;
      fh_range_space(b->range, &space);
    }
    used += space.used;
    free_bytes += space.free;
    largest = space.largest > largest ? space.largest : largest;
  }
  fh_space sum = {.free = free_bytes, .largest = largest};
  printf("frame %u: %u blocks and %u of one buffer, %" PRIu64 " of %" PRIu64 " MiB used, largest %" PRIu64
         " KiB, fragmentation %.1f %%, %zu buffers, %u waits, %u refused, %u moved\n",
         g->pool.frame, shared, own, used / MIB, g->pool.bytes / MIB, largest / KIB, 100 * fh_space_fragmentation(&sum),
         g->live.count, g->pool.waits, g->pool.refused, g->pool.moved);
}

static bool play_frame(game *g, unsigned frames) {
  pool_next_frame(&g->pool);
  drop_some(g, g->pool.frame == frames / 2);
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    if (g->pool.frame % kinds[i].every == 0) {
      make_some(g, &kinds[i]);
    }
  }
  if (g->pool.frame % REPORT == 0) {
    report(g);
  }
  return check(&g->pool, &g->live);
}

/* Everything is given back: one empty block remains. */
static bool end_game(game *g) {
  drop_some(g, true);
  for (unsigned i = 0; i < FRAMES_IN_FLIGHT; i++) {
    pool_next_frame(&g->pool);
  }
  report(g);
  bool good = check(&g->pool, &g->live) && (g->pool.bytes == BLOCK_BYTES || wrong("an empty block was kept"));
  for (unsigned i = 0; i < BLOCKS; i++) {
    if (g->pool.blocks[i].bytes != 0) {
      close_block(&g->pool, &g->pool.blocks[i]);
    }
  }
  for (unsigned i = 0; i < FRAMES_IN_FLIGHT; i++) {
    free(g->pool.waiting[i].at);
  }
  free(g->live.at);
  free(g->ends);
  return good;
}

/* A whole number from 1 on; 0: it is none. */
static unsigned number_of(const char *text) {
  char *end = NULL;
  unsigned long value = strtoul(text, &end, 10);
  return text[0] >= '0' && text[0] <= '9' && *end == '\0' && value <= 1000000 ? (unsigned)value : 0;
}

static bool policy_of(const char *text, fh_fit *fit) {
  static const char *const names[] = {"good", "first", "next", "best", "worst", "buddy"};
  for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
    if (strcmp(text, names[i]) == 0) {
      *fit = (fh_fit)i;
      return true;
    }
  }
  return false;
}

int main(int argc, char **argv) {
  game g = {.pool = {.options = {.granule = GRANULE}, .budget = BUDGET}};
  unsigned frames = argc > 1 ? number_of(argv[1]) : 600, seed = argc > 2 ? number_of(argv[2]) : 1;
  if (argc > 4 || frames == 0 || seed == 0 || (argc == 4 && !policy_of(argv[3], &g.pool.options.fit))) {
    fputs("usage: buffer_pool [FRAMES [SEED [good|first|next|best|worst|buddy]]]\n", stderr);
    return 2;
  }
  g.random = seed;
  bool good = true;
  for (unsigned i = 0; i < frames && good; i++) {
    good = play_frame(&g, frames);
  }
  good = good && end_game(&g);
  return good && fflush(stdout) == 0 ? 0 : 1;
}
