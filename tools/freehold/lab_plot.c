/* The plot of lab --compare: external fragmentation over time, a panel for each policy with a line for each order. */
#include <errno.h>
#include <string.h>

#include "lab_compare.h"

enum { LEFT = 70, TOP = 40, WIDE = 380, HIGH = 190, PANEL_WIDE = 700, PANEL_HIGH = 280, POINTS = 120, ORDERS = 5 };

static const char *const strokes[ORDERS] = {"#3566c0", "#e07b28", "#3d9a46", "#c83a3a", "#8a5bb5"};

typedef struct panel {
  FILE *svg;
  unsigned x, y; /* its corner */
  size_t operations;
} panel;

static void text(const panel *p, unsigned x, unsigned y, const char *anchor, const char *color, const char *what) {
  fprintf(p->svg, "<text x=\"%u\" y=\"%u\" text-anchor=\"%s\" fill=\"%s\">%s</text>\n", p->x + x, p->y + y, anchor,
          color, what);
}

static void axes(const panel *p, const char *name) {
  char label[32];
  fprintf(p->svg, "<text x=\"%u\" y=\"%u\" font-size=\"15\" font-weight=\"bold\">%s</text>\n", p->x + LEFT,
          p->y + TOP - 12, name);
  for (unsigned i = 0; i <= 4; i++) {
    unsigned y = TOP + HIGH - HIGH * i / 4, x = LEFT + WIDE * i / 4;
    fprintf(p->svg, "<line x1=\"%u\" y1=\"%u\" x2=\"%u\" y2=\"%u\" stroke=\"#ddd\"/>\n", p->x + LEFT, p->y + y,
            p->x + LEFT + WIDE, p->y + y);
    snprintf(label, sizeof label, "%.2f", (double)i / 4);
    text(p, LEFT - 8, y + 4, "end", "#555", label);
    snprintf(label, sizeof label, "%zu", p->operations * i / 4);
    text(p, x, TOP + HIGH + 18, "middle", "#555", label);
  }
}

/* The mean of as many operations as a point stands for, or each. */
static void line(const panel *p, const lab_outcome *one, const char *stroke) {
  size_t points = p->operations < POINTS ? p->operations : POINTS;
  fprintf(p->svg, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"1.5\" points=\"", stroke);
  for (size_t i = 0; i < points; i++) {
    size_t from = p->operations * i / points, to = p->operations * (i + 1) / points;
    double sum = 0;
    for (size_t k = from; k < to; k++) {
      sum += one->fragmentation[k];
    }
    fprintf(p->svg, "%.1f,%.1f ", p->x + LEFT + WIDE * (double)to / (double)p->operations,
            p->y + TOP + HIGH - HIGH * sum / (double)(to - from));
  }
  fputs("\"/>\n", p->svg);
}

static void legend(const panel *p, const lab_outcome *one, unsigned row, const char *color) {
  char words[96];
  int used =
      snprintf(words, sizeof words, "%s%s%zu failed", lab_has_list(one->plan) ? lab_order_names[one->plan.order] : "",
               lab_has_list(one->plan) ? ": " : "", one->failures);
  if (lab_has_list(one->plan)) {
    snprintf(words + used, sizeof words - (size_t)used, ", %.1f searched", lab_searched(one));
  }
  text(p, LEFT + WIDE + 12, TOP + 12 + 18 * row, "start", color, words);
}

static void draw_all(FILE *svg, const lab_outcome *all, size_t operations) {
  panel p = {.svg = svg, .operations = operations};
  unsigned panels = 0, row = 0;
  for (unsigned i = 0; i < LAB_PLANS; i++) {
    bool list = lab_has_list(all[i].plan);
    if (i == 0 || all[i].plan.fit != all[i - 1].plan.fit) {
      p.x = panels % 2 * PANEL_WIDE;
      p.y = 40 + panels / 2 * PANEL_HIGH;
      panels++;
      row = 0;
      axes(&p, lab_fit_names[all[i].plan.fit]);
    }
    const char *color = list ? strokes[all[i].plan.order] : "#000";
    line(&p, &all[i], color);
    legend(&p, &all[i], row++, color);
  }
}

int lab_plot(const char *path, const lab_outcome *all, size_t operations) {
  FILE *svg = fopen(path, "w");
  if (svg == NULL) {
    return lab_refuse("%s: %s", path, strerror(errno));
  }
  fprintf(svg,
          "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" font-family=\"sans-serif\" "
          "font-size=\"12\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
          2 * PANEL_WIDE, 40 + 3 * PANEL_HIGH);
  fprintf(svg,
          "<text x=\"%d\" y=\"28\" font-size=\"17\">External fragmentation over %zu operations "
          "(1 - largest request / free bytes), by policy and order of the list</text>\n",
          LEFT, operations);
  draw_all(svg, all, operations);
  fputs("</svg>\n", svg);
  bool written = !ferror(svg);
  written = fclose(svg) == 0 && written;
  return written ? 0 : (lab_refuse("%s: cannot be written", path), 1);
}
