/* lab --compare: every policy and order on the same operations. */
#include "lab_compare.h"

#include <inttypes.h>
#include <stdlib.h>

const char *const lab_fit_names[] = {"good", "first", "next", "best", "worst", "buddy"};
const char *const lab_order_names[] = {"address", "size up", "size down", "front", "back"};

bool lab_has_list(lab_plan plan) { return plan.fit != FH_FIT_GOOD && plan.fit != FH_FIT_BUDDY; }

double lab_searched(const lab_outcome *one) {
  return one->looked == 0 ? 0 : (double)one->searched / (double)one->looked;
}

static bool play(lab_outcome *out, const lab_options *o, const lab_operations *all, lab_plan plan) {
  lab_player player;
  *out = (lab_outcome){.plan = plan, .fragmentation = calloc(all->count + 1, sizeof *out->fragmentation)};
  bool good = lab_player_start(&player, o, plan) && out->fragmentation != NULL;
  for (size_t i = 0; good && i < all->count; i++) {
    fh_space space;
    fh_status status = lab_player_step(&player, all->at[i]);
    if (all->at[i].alloc) {
      out->failures += status != FH_OK;
      out->searched += lab_has_list(plan) ? fh_range_searched(player.range) : 0;
      out->looked++;
    }
    fh_range_space(player.range, &space);
    double now = out->fragmentation[i] = fh_space_fragmentation(&space);
    out->mean += now / (double)all->count;
    out->most = now > out->most ? now : out->most;
    out->peak = space.peak_used;
  }
  lab_player_end(&player);
  return good;
}

static void print_line(const lab_outcome *one, size_t operations) {
  bool list = lab_has_list(one->plan);
  printf("%-6s %-10s %8zu ", lab_fit_names[one->plan.fit], list ? lab_order_names[one->plan.order] : "", one->failures);
  if (list) {
    printf("%9.1f", lab_searched(one));
  } else {
    printf("%9s", "-");
  }
  printf("   %7.3f %7.3f  ", one->mean, one->most);
  for (size_t quarter = 1; quarter <= 4; quarter++) {
    size_t after = operations * quarter / 4;
    printf(" %6.3f", after == 0 ? 0 : one->fragmentation[after - 1]);
  }
  printf(" %9" PRIu64 "\n", one->peak);
}

static void print_table(const lab_outcome *all, size_t operations) {
  printf("%zu operations\n%-17s %8s %9s   %-45s %9s\n", operations, "policy and order", "failures", "searched",
         "external fragmentation: mean, most, and after", "peak");
  printf("%-17s %8s %9s   %7s %7s   %6s %6s %6s %6s %9s\n", "of the list", "", "on avg.", "", "", "1/4", "1/2", "3/4",
         "all", "used");
  for (unsigned i = 0; i < LAB_PLANS; i++) {
    print_line(&all[i], operations);
  }
}

static bool play_all(lab_outcome *all, const lab_options *o, const lab_operations *operations) {
  unsigned count = 0;
  bool good = true;
  for (unsigned fit = FH_FIT_GOOD; fit <= FH_FIT_BUDDY; fit++) {
    unsigned orders = lab_has_list((lab_plan){.fit = (fh_fit)fit}) ? FH_ORDER_BACK + 1 : 1;
    for (unsigned order = 0; good && order < orders; order++) {
      good = play(&all[count++], o, operations, (lab_plan){(fh_fit)fit, (fh_order)order});
    }
  }
  return good;
}

int lab_compare(const lab_options *given) {
  static lab_outcome all[LAB_PLANS];
  lab_options o = *given;
  lab_operations operations;
  int status = 2;
  o.coalesce = o.at_once = true;
  if (lab_operations_make(&operations, &o, NULL)) {
    if (!play_all(all, &o, &operations)) {
      lab_refuse("a heap of %s bytes at %s cannot be made", lab_shown(o.size).text, lab_shown(o.base).text);
    } else {
      print_table(all, operations.count);
      status = o.svg != NULL ? lab_plot(o.svg, all, operations.count) : 0;
    }
  }
  for (unsigned i = 0; i < LAB_PLANS; i++) {
    free(all[i].fragmentation);
  }
  free(operations.at);
  return status;
}
