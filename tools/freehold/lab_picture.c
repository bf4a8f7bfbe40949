/* A range drawn to scale, and its list as the textbook writes it. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "lab.h"

enum { CELLS = 64, ROW = 92, COLORS = 6, WIDTH = 900 };

typedef struct canvas {
  const fh_range *range;
  uint64_t header, start, size, cells;
  char cell[CELLS];
  unsigned char color[CELLS];
  unsigned chunks;
  FILE *svg;
  unsigned top;
} canvas;

static const char *const fills[COLORS] = {"#4878d0", "#ee854a", "#6acc64", "#d65f5f", "#956cb4", "#8c613c"};

static const char signs[COLORS + 1] = "#%@&*+";

/* One colour and sign an allocation: by where it begins, so that it keeps its colour from step to step. */
static unsigned color_of(uint64_t address) {
  return (unsigned)((address * UINT64_C(0x9E3779B97F4A7C15)) >> 32) % COLORS;
}

bool lab_picture_open(lab_picture *p, const lab_options *o) {
  *p = (lab_picture){.color = o->color || (!o->plain && isatty(STDOUT_FILENO))};
  if (o->svg != NULL) {
    p->svg = fopen(o->svg, "w+");
    if (p->svg == NULL) {
      fprintf(stderr, "freehold lab: %s: %s\n", o->svg, strerror(errno));
      return false;
    }
    /* The height is written over at the end. */
    fprintf(p->svg,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%8d\" font-family=\"sans-serif\">\n",
            WIDTH + 40, 0);
    fputs("<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n", p->svg);
  }
  return true;
}

static void paint(canvas *c, uint64_t from, uint64_t to, char sign, unsigned color) {
  uint64_t first = (from - c->start) * c->cells / c->size, last = (to - c->start) * c->cells / c->size;
  for (uint64_t i = first; i < last || i == first; i++) {
    if (i < CELLS) {
      c->cell[i] = sign;
      c->color[i] = (unsigned char)color;
    }
  }
}

static void paint_svg(canvas *c, uint64_t from, uint64_t to, const char *fill, const char *more) {
  double scale = (double)WIDTH / (double)c->size;
  fprintf(c->svg, "<rect x=\"%.1f\" y=\"%u\" width=\"%.1f\" height=\"26\" fill=\"%s\" stroke=\"#333\"%s/>\n",
          20 + (double)(from - c->start) * scale, c->top + 24, (double)(to - from) * scale, fill, more);
}

static int measure(uint64_t address, uint64_t length, bool used, void *arg) {
  canvas *c = arg;
  (void)used;
  c->start = c->size == 0 ? address : c->start;
  c->size += length;
  return 0;
}

static int draw(uint64_t address, uint64_t length, bool used, void *arg) {
  canvas *c = arg;
  unsigned color = color_of(address);
  if (!used) {
    paint(c, address, address + length, '.', COLORS);
  } else {
    paint(c, address, address + length, signs[color], color);
    if (c->header != 0) {
      paint(c, address, address + c->header, '=', color);
    }
  }
  if (c->svg != NULL) {
    paint_svg(c, address, address + length, used ? fills[color] : "#f4f4f4", "");
    if (used && c->header != 0) {
      paint_svg(c, address, address + c->header, "#333", " fill-opacity=\"0.55\"");
    }
  }
  return 0;
}

static void print_cells(const canvas *c, bool color) {
  putchar('|');
  for (uint64_t i = 0; i < c->cells; i++) {
    if (color && c->cell[i] != '.') {
      printf("\033[%um%c\033[0m", 41 + (unsigned)c->color[i], c->cell[i]);
    } else {
      putchar(c->cell[i]);
    }
  }
  puts("|");
}

static int write_entry(uint64_t address, uint64_t length, bool used, void *arg) {
  (void)used;
  fprintf(arg, "{address: %" PRIu64 ", length: %" PRIu64 "} -> ", address, length);
  return 0;
}

static int count_entry(uint64_t address, uint64_t length, bool used, void *arg) {
  (void)address;
  (void)length;
  (void)used;
  ++*(unsigned *)arg;
  return 0;
}

static void write_list(FILE *out, const fh_range *range) {
  fputs("head -> ", out);
  fh_range_walk_list(range, write_entry, out);
  fputs("NULL", out);
}

static void write_text(FILE *out, const char *text) {
  for (; *text != '\0'; text++) {
    if (*text == '<') {
      fputs("&lt;", out);
    } else if (*text == '&') {
      fputs("&amp;", out);
    } else {
      fputc(*text, out);
    }
  }
}

static void write_svg_text(const canvas *c, const char *title) {
  unsigned entries = 0;
  fprintf(c->svg, "<text x=\"20\" y=\"%u\" font-size=\"15\">", c->top + 17);
  write_text(c->svg, title);
  fh_range_walk_list(c->range, count_entry, &entries);
  fprintf(c->svg, "</text>\n<text x=\"20\" y=\"%u\" font-size=\"%d\" font-family=\"monospace\">", c->top + 66,
          entries > 4 ? 8 : 12);
  fputs("head -&gt; ", c->svg);
  char list[4096];
  FILE *memory = fmemopen(list, sizeof list, "w");
  if (memory != NULL) {
    write_list(memory, c->range);
    fclose(memory);
    list[sizeof list - 1] = '\0';
    for (const char *at = list + strlen("head -> "); *at != '\0'; at++) {
      fputs(*at == '>' ? "&gt;" : (char[]){*at, '\0'}, c->svg);
    }
  }
  fputs("</text>\n", c->svg);
}

void lab_picture_show(lab_picture *p, const fh_range *range, uint64_t header, const char *title) {
  canvas c = {.range = range, .header = header, .svg = p->svg, .top = p->steps * ROW + 10};
  fh_range_walk(range, measure, &c);
  c.cells = c.size < CELLS ? c.size * (CELLS / (c.size == 0 ? 1 : c.size)) : CELLS;
  memset(c.cell, '.', sizeof c.cell);
  fh_range_walk(range, draw, &c);
  puts(title);
  print_cells(&c, p->color);
  write_list(stdout, range);
  puts("\n");
  if (p->svg != NULL) {
    write_svg_text(&c, title);
  }
  p->steps++;
}

int lab_picture_close(lab_picture *p) {
  if (p->svg == NULL) {
    return 0;
  }
  fputs("</svg>\n", p->svg);
  rewind(p->svg);
  fprintf(p->svg, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%8u\"", WIDTH + 40,
          p->steps * ROW + 20);
  bool written = fflush(p->svg) == 0 && !ferror(p->svg);
  written = fclose(p->svg) == 0 && written;
  return written ? 0 : (fputs("freehold lab: the SVG cannot be written\n", stderr), 1);
}
