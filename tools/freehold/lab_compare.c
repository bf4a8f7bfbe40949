/* lab --compare: every policy and order on the same operations. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lab_operations.h"

typedef struct outcome {
  char name[32];
  size_t failures, looked;
  uint64_t searched, peak;
  double mean, most, end;
  double *fragmentation; /* after each operation */
} outcome;

enum { PLANS = 22, LINES = 6, LEFT = 70, TOP = 30, PLOT = 700, HIGH = 320 };

static const char *const fits[] = {"good", "first", "next", "best", "worst", "buddy"};
static const char *const orders[] = {"address", "size up", "size down", "front", "back"};

static bool play(outcome *out, const lab_options *o, const lab_operations *all, fh_fit fit, fh_order order) {
  lab_player player;
  bool list = fit != FH_FIT_GOOD && fit != FH_FIT_BUDDY;
  snprintf(out->name, sizeof out->name, "%-6s %s", fits[fit], list ? orders[order] : "");
  out->fragmentation = calloc(all->count + 1, sizeof *out->fragmentation);
  bool good = lab_player_start(&player, o, all, fit, order) && out->fragmentation != NULL;
  for (size_t i = 0; good && i < all->count; i++) {
    fh_space space;
    fh_status status = lab_player_step(&player, all->at[i]);
    if (all->at[i].alloc) {
      out->failures += status != FH_OK;
      out->searched += list ? fh_range_searched(player.range) : 0;
      out->looked++;
    }
    fh_range_space(player.range, &space);
    out->end = out->fragmentation[i] = fh_space_fragmentation(&space);
    out->mean += out->end / (double)all->count;
    out->most = out->end > out->most ? out->end : out->most;
    out->peak = space.peak_used;
  }
  lab_player_end(&player);
  return good;
}

static void print_table(const outcome *all, size_t operations) {
  printf("%zu operations\n%-18s %8s %9s   %-27s %9s\n", operations, "", "", "searched", "external fragmentation",
         "peak");
  printf("%-18s %8s %9s   %8s %8s %8s %10s\n", "policy and order", "failures", "on average", "mean", "most", "at end",
         "used");
  for (unsigned i = 0; i < PLANS; i++) {
    char searched[24] = "-";
    if (i != 0 && i != PLANS - 1) {
      snprintf(searched, sizeof searched, "%.1f",
               all[i].looked == 0 ? 0 : (double)all[i].searched / (double)all[i].looked);
    }
    printf("%-18s %8zu %10s   %8.3f %8.3f %8.3f %10" PRIu64 "\n", all[i].name, all[i].failures, searched, all[i].mean,
           all[i].most, all[i].end, all[i].peak);
  }
}

static void plot_axes(FILE *svg, size_t operations) {
  fprintf(svg,
          "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" font-family=\"sans-serif\" "
          "font-size=\"12\">\n",
          LEFT + PLOT + 120, TOP + HIGH + 60);
  fputs("<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n", svg);
  for (unsigned i = 0; i <= 4; i++) {
    double y = TOP + HIGH - HIGH * (double)i / 4;
    fprintf(svg, "<line x1=\"%d\" y1=\"%.0f\" x2=\"%d\" y2=\"%.0f\" stroke=\"#ddd\"/>\n", LEFT, y, LEFT + PLOT, y);
    fprintf(svg, "<text x=\"%d\" y=\"%.0f\" text-anchor=\"end\">%.2f</text>\n", LEFT - 8, y + 4, (double)i / 4);
    fprintf(svg, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">%zu</text>\n", LEFT + PLOT * (int)i / 4,
            TOP + HIGH + 18, operations * i / 4);
  }
  fprintf(svg, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">operations</text>\n", LEFT + PLOT / 2, TOP + HIGH + 42);
  fprintf(
      svg,
      "<text x=\"18\" y=\"%d\" transform=\"rotate(-90 18 %d)\" text-anchor=\"middle\">external fragmentation</text>\n",
      TOP + HIGH / 2, TOP + HIGH / 2);
}

static void plot_line(FILE *svg, const outcome *one, size_t operations, unsigned line) {
  static const char *const stroke[LINES] = {"#000", "#4878d0", "#ee854a", "#6acc64", "#d65f5f", "#956cb4"};
  fprintf(svg, "<polyline fill=\"none\" stroke=\"%s\" points=\"", stroke[line]);
  for (size_t i = 0; i < operations; i++) {
    fprintf(svg, "%.1f,%.1f ", LEFT + PLOT * (double)(i + 1) / (double)operations,
            TOP + HIGH - HIGH * one->fragmentation[i]);
  }
  fprintf(svg, "\"/>\n<text x=\"%d\" y=\"%u\" fill=\"%s\">%.6s</text>\n", LEFT + PLOT + 12, TOP + 16 * line + 10,
          stroke[line], one->name);
}

/* The lists in order of address, and the two policies without a list. */
static int plot(const char *path, const outcome *all, size_t operations) {
  static const unsigned lines[LINES] = {0, 1, 6, 11, 16, PLANS - 1};
  FILE *svg = fopen(path, "w");
  if (svg == NULL) {
    return lab_refuse("%s: %s", path, strerror(errno));
  }
  plot_axes(svg, operations);
  for (unsigned i = 0; i < LINES; i++) {
    plot_line(svg, &all[lines[i]], operations, i);
  }
  fputs("</svg>\n", svg);
  bool written = !ferror(svg);
  written = fclose(svg) == 0 && written;
  return written ? 0 : (fprintf(stderr, "freehold lab: %s: cannot be written\n", path), 1);
}

static bool play_all(outcome *all, const lab_options *o, const lab_operations *operations) {
  unsigned plan = 0;
  bool good = play(&all[plan++], o, operations, FH_FIT_GOOD, FH_ORDER_ADDRESS);
  for (unsigned fit = FH_FIT_FIRST; fit <= FH_FIT_WORST; fit++) {
    for (unsigned order = 0; good && order <= FH_ORDER_BACK; order++) {
      good = play(&all[plan++], o, operations, (fh_fit)fit, (fh_order)order);
    }
  }
  return good && play(&all[plan], o, operations, FH_FIT_BUDDY, FH_ORDER_ADDRESS);
}

int lab_compare(const lab_options *given) {
  static outcome all[PLANS];
  lab_options o = *given;
  lab_operations operations;
  int status = 2;
  o.coalesce = true;
  if (lab_operations_make(&operations, &o)) {
    if (!play_all(all, &o, &operations)) {
      lab_refuse("a heap of %s bytes at %s cannot be made", lab_shown(o.size).text, lab_shown(o.base).text);
    } else {
      print_table(all, operations.count);
      status = o.svg != NULL ? plot(o.svg, all, operations.count) : 0;
    }
  }
  for (unsigned i = 0; i < PLANS; i++) {
    free(all[i].fragmentation);
  }
  free(operations.at);
  return status;
}
