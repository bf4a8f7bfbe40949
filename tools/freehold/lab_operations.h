#ifndef FH_TOOLS_LAB_OPERATIONS_H
#define FH_TOOLS_LAB_OPERATIONS_H

#include "lab.h"

typedef struct lab_operation {
  bool alloc;
  uint64_t value; /* its size, or the number of the allocation that is given back */
} lab_operation;

typedef struct lab_operations {
  lab_operation *at;
  size_t count, room, allocations;
} lab_operations;

typedef struct lab_plan {
  fh_fit fit;
  fh_order order; /* of a list, if the policy has one */
} lab_plan;

/* A range that plays them. */
typedef struct lab_player {
  fh_range *range;
  uint64_t *address; /* of each allocation */
  unsigned char *state;
  size_t next, room;
  bool pass; /* along the list after each free, as the simulator coalesces */
} lab_player;

bool lab_player_start(lab_player *, const lab_options *, lab_plan);
fh_status lab_player_step(lab_player *, lab_operation); /* FH_NOT_OWNED: to free what was never had */
void lab_player_end(lab_player *);

/* False after one line on standard error. The caller frees `at`. Of random ones an allocation that `plan` cannot serve
 * is not given back later; without a plan each is taken for one that succeeds. */
bool lab_operations_make(lab_operations *, const lab_options *, const lab_plan *plan);

#endif
