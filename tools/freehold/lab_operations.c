/* The operations that --draw and --compare play: of -A, of a file, or random ones as the simulator makes them. */
#include "lab_operations.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool add(lab_operations *all, lab_operation one) {
  if (all->count == all->room) {
    size_t room = all->room * 2 + 64;
    lab_operation *at = realloc(all->at, room * sizeof *at);
    if (at == NULL) {
      return false;
    }
    all->at = at;
    all->room = room;
  }
  all->at[all->count++] = one;
  return true;
}

static bool add_text(lab_operations *all, const char *text) {
  lab_int value;
  if ((text[0] != '+' && text[0] != '-') || !lab_parse_int(text + 1, 10, &value) || value < (text[0] == '+') ||
      value > LAB_MODERATE || (text[0] == '-' && value >= (lab_int)all->allocations)) {
    lab_refuse("'%s' is neither +SIZE nor -INDEX of an allocation before it", text);
    return false;
  }
  all->allocations += text[0] == '+';
  return add(all, (lab_operation){text[0] == '+', (uint64_t)value});
}

static bool from_file(lab_operations *all, const char *path) {
  char *line = NULL;
  size_t room = 0;
  FILE *file = fopen(path, "r");
  if (file == NULL) {
    lab_refuse("%s: %s", path, strerror(errno));
    return false;
  }
  bool good = true;
  while (good && getline(&line, &room, file) >= 0) {
    line[strcspn(line, "\r\n")] = '\0';
    good = line[0] == '\0' || line[0] == '#' || add_text(all, line);
  }
  if (ferror(file)) {
    good = false;
    lab_refuse("%s: %s", path, strerror(errno));
  }
  free(line);
  fclose(file);
  return good;
}

static bool from_list(lab_operations *all, const char *list) {
  char *copy = strdup(list), *rest = NULL;
  bool good = copy != NULL;
  for (char *op = good ? strtok_r(copy, ",", &rest) : NULL; good && op != NULL; op = strtok_r(NULL, ",", &rest)) {
    good = add_text(all, op);
  }
  free(copy);
  return good;
}

enum { NEVER, LIVE, GONE };

bool lab_player_start(lab_player *p, const lab_options *o, lab_plan plan) {
  bool list = plan.fit != FH_FIT_GOOD && plan.fit != FH_FIT_BUDDY;
  fh_range_options want = {.fit = plan.fit,
                           .order = list ? plan.order : FH_ORDER_ADDRESS,
                           .no_coalesce = list && !(o->coalesce && o->at_once),
                           .granule = o->alignment > 0 ? (uint64_t)o->alignment : 0,
                           .header = (uint64_t)o->header};
  *p = (lab_player){.range = fh_range_create((uint64_t)o->base, (uint64_t)o->size, &want),
                    .pass = o->coalesce && want.no_coalesce};
  return p->range != NULL;
}

static bool has_room(lab_player *p) {
  if (p->next == p->room) {
    p->room = p->room * 2 + 64;
    uint64_t *address = realloc(p->address, p->room * sizeof *address);
    p->address = address != NULL ? address : p->address;
    unsigned char *state = realloc(p->state, p->room);
    p->state = state != NULL ? state : p->state;
    return address != NULL && state != NULL;
  }
  return true;
}

fh_status lab_player_step(lab_player *p, lab_operation op) {
  if (op.alloc) {
    if (!has_room(p)) {
      abort();
    }
    fh_status status = fh_range_alloc(p->range, op.value, 0, &p->address[p->next]);
    p->state[p->next++] = status == FH_OK ? LIVE : NEVER;
    return status;
  }
  if (p->state[op.value] != LIVE) {
    return p->state[op.value] == GONE ? FH_DOUBLE_FREE : FH_NOT_OWNED;
  }
  p->state[op.value] = GONE;
  fh_status status = fh_range_free(p->range, p->address[op.value]);
  if (p->pass) {
    fh_range_coalesce(p->range);
  }
  return status;
}

void lab_player_end(lab_player *p) {
  fh_range_destroy(p->range);
  free(p->address);
  free(p->state);
}

/* One more, drawn from those that are live in the order they came, as the simulator does. False: it would free where
 * nothing is live. */
static bool draw(lab_operations *all, const lab_options *o, uint64_t *live, size_t *count, lab_operation *one) {
  one->alloc = lab_random() < (double)o->percent / 100;
  if (one->alloc) {
    one->value = (uint64_t)(lab_random() * (double)o->range) + 1;
    live[(*count)++] = all->allocations++;
  } else if (*count != 0) {
    size_t which = (size_t)(lab_random() * (double)*count);
    one->value = live[which];
    memmove(live + which, live + which + 1, (--*count - which) * sizeof *live);
  } else {
    return false;
  }
  return true;
}

static bool from_chance(lab_operations *all, const lab_options *o, const lab_plan *plan) {
  lab_player judge = {0};
  uint64_t *live = malloc(((size_t)o->operations + 1) * sizeof *live);
  size_t count = 0;
  bool good = live != NULL && (plan == NULL || lab_player_start(&judge, o, *plan));
  lab_seed(o->seed);
  while (good && all->count < (size_t)o->operations) {
    lab_operation one;
    if (draw(all, o, live, &count, &one)) {
      good = add(all, one);
      bool served = plan == NULL || lab_player_step(&judge, one) == FH_OK;
      count -= one.alloc && !served;
    }
  }
  lab_player_end(&judge);
  free(live);
  return good || lab_refuse("there is no memory for so many operations") == 0;
}

bool lab_operations_make(lab_operations *all, const lab_options *o, const lab_plan *plan) {
  *all = (lab_operations){0};
  if (o->size <= 0 || o->header < 0 || o->base < 0 || (o->alignment != -1 && o->alignment <= 0) || o->percent <= 0 ||
      o->range <= 0 || o->operations < 0) {
    lab_refuse(
        "size, range and percentAlloc must be above 0, header, base and numOps not below, alignment -1 or above 0");
    return false;
  }
  if (o->size > LAB_MODERATE || o->header > LAB_MODERATE || o->base > LAB_MODERATE || o->alignment > LAB_MODERATE ||
      o->range > LAB_MODERATE || o->operations > LAB_OPERATIONS) {
    lab_refuse("pictures and comparisons are for numbers up to 2^60, and up to %d operations", LAB_OPERATIONS);
    return false;
  }
  return o->ops_file != NULL  ? from_file(all, o->ops_file)
         : o->list[0] != '\0' ? from_list(all, o->list)
                              : from_chance(all, o, plan);
}
