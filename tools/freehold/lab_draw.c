/* lab --draw: the operations one by one, each with a picture. */
#include <inttypes.h>
#include <stdlib.h>

#include "lab_operations.h"

static void describe(char *text, size_t room, const lab_player *p, lab_operation op, size_t number, fh_status status) {
  if (op.alloc && status == FH_OK) {
    snprintf(text, room, "ptr[%zu] = alloc(%" PRIu64 ") = %" PRIu64, number, op.value, p->address[number]);
  } else if (op.alloc) {
    fh_space space;
    fh_range_space(p->range, &space);
    snprintf(text, room,
             "ptr[%zu] = alloc(%" PRIu64 "): %s. Free in total: %" PRIu64 ". Largest request that would fit: %" PRIu64,
             number, op.value, fh_status_name(status), space.free, space.largest);
  } else {
    snprintf(text, room, "free(ptr[%" PRIu64 "])%s%s", op.value, status == FH_OK ? "" : ": ",
             status == FH_OK ? "" : fh_status_name(status));
  }
}

static void play(lab_player *p, const lab_operations *all, lab_picture *picture, uint64_t header) {
  lab_picture_show(picture, p->range, header, "at first");
  for (size_t i = 0; i < all->count; i++) {
    char text[192];
    size_t number = p->next;
    fh_status status = lab_player_step(p, all->at[i]);
    describe(text, sizeof text, p, all->at[i], number, status);
    lab_picture_show(picture, p->range, header, text);
  }
}

int lab_draw(const lab_options *o) {
  lab_plan plan;
  lab_operations all;
  lab_player player = {0};
  lab_picture picture;
  if (!lab_policy(o, &plan.fit) || !lab_order(o, &plan.order)) {
    return lab_refuse("%s %s: a policy is FIRST, NEXT, BEST, WORST, GOOD or BUDDY, an order one of -l", o->policy,
                      o->order);
  }
  int status = 2;
  if (lab_operations_make(&all, o, &plan)) {
    if (!lab_player_start(&player, o, plan)) {
      lab_refuse("a heap of %s bytes at %s cannot be made", lab_shown(o->size).text, lab_shown(o->base).text);
    } else if (lab_picture_open(&picture, o, (uint64_t)o->size)) {
      play(&player, &all, &picture, (uint64_t)o->header);
      status = lab_picture_close(&picture);
    }
  }
  lab_player_end(&player);
  free(all.at);
  return status;
}
