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
  char line[128];
  FILE *file = fopen(path, "r");
  if (file == NULL) {
    lab_refuse("%s: %s", path, strerror(errno));
    return false;
  }
  bool good = true;
  while (good && fgets(line, sizeof line, file) != NULL) {
    line[strcspn(line, "\r\n")] = '\0';
    good = line[0] == '\0' || line[0] == '#' || add_text(all, line);
  }
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

/* Every allocation is taken for one that succeeds: the same operations serve all policies. */
static bool from_chance(lab_operations *all, const lab_options *o) {
  uint64_t *live = malloc(((size_t)o->operations + 1) * sizeof *live);
  size_t count = 0;
  bool good = live != NULL;
  lab_seed(o->seed);
  for (lab_int done = 0; good && done < o->operations;) {
    if (lab_random() < (double)o->percent / 100) {
      live[count++] = all->allocations++;
      good = add(all, (lab_operation){true, (uint64_t)(lab_random() * (double)o->range) + 1});
    } else if (count != 0) {
      size_t which = (size_t)(lab_random() * (double)count);
      good = add(all, (lab_operation){false, live[which]});
      live[which] = live[--count];
    } else {
      continue;
    }
    done++;
  }
  free(live);
  return good;
}

bool lab_operations_make(lab_operations *all, const lab_options *o) {
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
                              : from_chance(all, o);
}

bool lab_player_start(lab_player *p, const lab_options *o, const lab_operations *all, fh_fit fit, fh_order order) {
  bool list = fit != FH_FIT_GOOD && fit != FH_FIT_BUDDY;
  fh_range_options want = {.fit = fit,
                           .order = list ? order : FH_ORDER_ADDRESS,
                           .no_coalesce = list && !o->coalesce,
                           .granule = o->alignment > 0 ? (uint64_t)o->alignment : 0,
                           .header = (uint64_t)o->header};
  *p = (lab_player){.range = fh_range_create((uint64_t)o->base, (uint64_t)o->size, &want),
                    .address = malloc((all->allocations + 1) * sizeof *p->address),
                    .live = calloc(all->allocations + 1, sizeof *p->live)};
  return p->range != NULL && p->address != NULL && p->live != NULL;
}

fh_status lab_player_step(lab_player *p, lab_operation op) {
  if (op.alloc) {
    fh_status status = fh_range_alloc(p->range, op.value, 0, &p->address[p->next]);
    p->live[p->next++] = status == FH_OK;
    return status;
  }
  if (!p->live[op.value]) {
    return FH_NOT_OWNED;
  }
  p->live[op.value] = false;
  return fh_range_free(p->range, p->address[op.value]);
}

void lab_player_end(lab_player *p) {
  fh_range_destroy(p->range);
  free(p->address);
  free(p->live);
}
