/* A range drawn to scale, and its list as the textbook writes it: as text, and in an SVG one below the other. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lab.h"

enum { LETTERS = 52, COLORS = 12, MOST_COLUMNS = 200, WIDTH = 900, LINE = 132, MOST_LINES = 6 };

static const char letters[LETTERS + 1] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/* Of an allocation, and darker, of its header: of a terminal with 256 colours, and of the SVG. */
static const unsigned char backgrounds[COLORS] = {75, 215, 114, 210, 141, 180, 80, 218, 221, 108, 147, 250};
static const unsigned char dark[COLORS] = {25, 130, 28, 124, 55, 94, 30, 132, 136, 22, 61, 240};
static const char *const fills[COLORS] = {"#4878d0", "#ee854a", "#6acc64", "#d65f5f", "#956cb4", "#8c613c",
                                          "#3fa7b5", "#dc7ec0", "#c9a81f", "#5f9e7a", "#7d86d8", "#797979"};

typedef struct canvas {
  lab_picture *picture;
  uint64_t header, start, size, cells;
  size_t known; /* of the marks of the picture before: those that lie lower have been looked at */
  bool after_hole;
  char cell[MOST_COLUMNS];
  unsigned char color[MOST_COLUMNS]; /* COLORS: none; COLORS + 1 and on: of headers */
} canvas;

/* A terminal's own width, but for what the addresses at both ends take. */
static unsigned columns_of(const lab_options *o) {
  struct winsize window;
  if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) != 0 || window.ws_col == 0) {
    return 100;
  }
  unsigned ends = 2 * (unsigned)strlen(lab_shown(o->base + o->size).text) + 4;
  unsigned columns = window.ws_col > ends + 20 ? window.ws_col - ends : 20;
  return columns < MOST_COLUMNS ? columns : MOST_COLUMNS;
}

static bool wants_color(const lab_options *o) {
  const char *terminal = getenv("TERM"), *none = getenv("NO_COLOR");
  bool able = isatty(STDOUT_FILENO) && (terminal == NULL || strcmp(terminal, "dumb") != 0);
  return o->color || (!o->plain && able && (none == NULL || none[0] == '\0'));
}

bool lab_picture_open(lab_picture *p, const lab_options *o, uint64_t room) {
  *p = (lab_picture){.color = wants_color(o), .columns = columns_of(o), .room = room, .top = 10};
  if (o->svg != NULL) {
    p->svg = fopen(o->svg, "w+");
    if (p->svg == NULL) {
      lab_refuse("%s: %s", o->svg, strerror(errno));
      return false;
    }
    /* The height is written over at the end. */
    fprintf(p->svg,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%8d\" font-family=\"sans-serif\">\n",
            WIDTH + 40, 0);
    fputs("<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n", p->svg);
  }
  puts("= header  . free  : where a free entry begins behind another  A B C an allocation each\n");
  return true;
}

/* Marks. */

static bool add_mark(lab_marks *marks, lab_mark mark) {
  if (marks->count == marks->room) {
    size_t room = marks->room * 2 + 64;
    lab_mark *at = realloc(marks->at, room * sizeof *at);
    if (at == NULL) {
      return false;
    }
    marks->at = at;
    marks->room = room;
  }
  marks->at[marks->count++] = mark;
  return true;
}

/* Letters go round; one whose colour a neighbour has is passed over. */
static unsigned new_number(lab_picture *p, unsigned left, unsigned right) {
  unsigned number = p->next;
  for (unsigned tries = 0; tries < 3 && (number % COLORS == left || number % COLORS == right); tries++) {
    number = (number + 1) % LETTERS;
  }
  p->next = (number + 1) % LETTERS;
  return number;
}

/* Of an allocation: what it had in the picture before, or a new one. */
static unsigned number_of(canvas *c, uint64_t address, uint64_t length) {
  lab_picture *p = c->picture;
  const lab_marks *old = &p->before;
  while (c->known < old->count && old->at[c->known].address < address) {
    c->known++;
  }
  const lab_mark *next = c->known < old->count ? &old->at[c->known] : NULL;
  lab_mark mark = {address, length, 0};
  if (next != NULL && next->address == address && next->length == length) {
    mark.number = next->number;
  } else {
    unsigned left = p->marks.count != 0 ? p->marks.at[p->marks.count - 1].number % COLORS : COLORS;
    mark.number = new_number(p, left, next != NULL ? next->number % COLORS : COLORS);
  }
  return add_mark(&p->marks, mark) ? mark.number : 0;
}

/* Text. */

static uint64_t cell_of(const canvas *c, uint64_t address) {
  return (uint64_t)((lab_int)(address - c->start) * (lab_int)c->cells / (lab_int)c->size);
}

static void paint(canvas *c, uint64_t first, uint64_t last, char sign, unsigned color) {
  for (uint64_t i = first; i < last && i < c->cells; i++) {
    c->cell[i] = sign;
    c->color[i] = (unsigned char)color;
  }
}

/* An allocation has a cell at least, also where a longer one begins, and a header only what lies before that. */
static void paint_used(canvas *c, uint64_t address, uint64_t length, unsigned number) {
  uint64_t first = cell_of(c, address), last = cell_of(c, address + length), body = cell_of(c, address + c->header);
  last = last > first ? last : first + 1;
  first += last - first > 1 && c->color[first] != COLORS;
  paint(c, first, last, letters[number], number % COLORS);
  paint(c, first, body < last ? body : last - 1, '=', COLORS + 1 + number % COLORS);
}

static void change_color(unsigned color) {
  if (color == COLORS) {
    fputs("\033[0m", stdout);
  } else if (color < COLORS) {
    printf("\033[48;5;%um\033[38;5;16m", backgrounds[color]);
  } else {
    printf("\033[48;5;%um\033[38;5;231m", dark[color - COLORS - 1]);
  }
}

static void print_cells(const canvas *c) {
  unsigned now = COLORS;
  printf("%" PRIu64 " |", c->start);
  for (uint64_t i = 0; i < c->cells; i++) {
    unsigned color = c->picture->color ? c->color[i] : COLORS;
    if (color != now) {
      change_color(color);
      now = color;
    }
    putchar(c->cell[i]);
  }
  printf("%s| %" PRIu64 "\n", now == COLORS ? "" : "\033[0m", c->start + c->size);
}

static int print_entry(uint64_t address, uint64_t length, bool used, void *arg) {
  (void)used;
  (void)arg;
  printf("{address: %" PRIu64 ", length: %" PRIu64 "} -> ", address, length);
  return 0;
}

/* SVG. */

static double across(const canvas *c, uint64_t length) {
  uint64_t room = c->picture->room > c->size ? c->picture->room : c->size;
  return (double)length * WIDTH / (double)room;
}

/* The frame of a narrow one would hide its colour. */
static void bar(const canvas *c, uint64_t address, uint64_t length, const char *fill, const char *more) {
  double width = across(c, length);
  fprintf(
      c->picture->svg,
      "<rect x=\"%.1f\" y=\"%u\" width=\"%.1f\" height=\"26\" fill=\"%s\" stroke=\"#333\" stroke-width=\"%s\"%s/>\n",
      20 + across(c, address - c->start), c->picture->top + 24, width, fill, width < 5 ? "0.2" : "1", more);
}

static void bar_used(const canvas *c, uint64_t address, uint64_t length, unsigned number) {
  uint64_t header = c->header < length ? c->header : length;
  double width = across(c, length - header);
  bar(c, address, length, fills[number % COLORS], "");
  if (header != 0) {
    bar(c, address, header, "#222", " fill-opacity=\"0.55\"");
  }
  if (width >= 12) {
    fprintf(c->picture->svg,
            "<text x=\"%.1f\" y=\"%u\" font-size=\"14\" fill=\"white\" text-anchor=\"middle\">%c</text>\n",
            20 + across(c, address - c->start + header) + width / 2, c->picture->top + 42, letters[number]);
  }
}

static void write_text(FILE *out, const char *text) {
  for (; *text != '\0'; text++) {
    const char *name = *text == '<' ? "lt" : *text == '>' ? "gt" : *text == '&' ? "amp" : NULL;
    if (name != NULL) {
      fprintf(out, "&%s;", name);
    } else {
      fputc(*text, out);
    }
  }
}

typedef struct lines {
  FILE *svg;
  unsigned y, column, count;
  uint64_t left_out;
} lines;

/* On the line, or on a new one. */
static void write_word(lines *l, const char *word) {
  if (l->column != 0 && l->column + strlen(word) > LINE) {
    fputs("</text>\n", l->svg);
    l->column = 0;
  }
  if (l->column == 0) {
    l->y += 15;
    l->count++;
    fprintf(l->svg, "<text x=\"20\" y=\"%u\" font-size=\"11\" font-family=\"monospace\">", l->y);
  }
  write_text(l->svg, word);
  l->column += (unsigned)strlen(word);
}

static int write_entry(uint64_t address, uint64_t length, bool used, void *arg) {
  char word[96];
  lines *l = arg;
  (void)used;
  snprintf(word, sizeof word, "{address: %" PRIu64 ", length: %" PRIu64 "} -> ", address, length);
  if (l->left_out != 0 || (l->count == MOST_LINES && l->column + strlen(word) > LINE - 30)) {
    l->left_out++;
  } else {
    write_word(l, word);
  }
  return 0;
}

static void write_list(const canvas *c, const fh_range *range) {
  char more[48];
  lines l = {.svg = c->picture->svg, .y = c->picture->top + 52};
  write_word(&l, "head -> ");
  fh_range_walk_list(range, write_entry, &l);
  if (l.left_out != 0) {
    snprintf(more, sizeof more, "(%" PRIu64 " more) -> ", l.left_out);
    write_word(&l, more);
  }
  write_word(&l, "NULL");
  fputs("</text>\n", l.svg);
  c->picture->top = l.y + 24;
}

static void write_svg(const canvas *c, const fh_range *range, const char *title) {
  FILE *svg = c->picture->svg;
  fprintf(svg, "<text x=\"20\" y=\"%u\" font-size=\"15\">", c->picture->top + 17);
  write_text(svg, title);
  fprintf(svg,
          "</text>\n<text x=\"%d\" y=\"%u\" font-size=\"11\" fill=\"#777\" text-anchor=\"end\">%" PRIu64 " to %" PRIu64
          "</text>\n",
          20 + WIDTH, c->picture->top + 17, c->start, c->start + c->size);
  write_list(c, range);
}

/* All of it. */

static int measure(uint64_t address, uint64_t length, bool used, void *arg) {
  canvas *c = arg;
  (void)used;
  c->start = c->size == 0 ? address : c->start;
  c->size += length;
  return 0;
}

/* Whole cells for a byte if there is room for that. */
static void scale(canvas *c) {
  uint64_t room = c->picture->room > c->size ? c->picture->room : c->size, columns = c->picture->columns;
  c->cells = room <= columns ? c->size * (columns / room) : (uint64_t)((lab_int)c->size * columns / room);
  c->cells = c->cells == 0 ? 1 : c->cells;
  memset(c->cell, '.', sizeof c->cell);
  memset(c->color, COLORS, sizeof c->color);
}

static int draw(uint64_t address, uint64_t length, bool used, void *arg) {
  canvas *c = arg;
  if (used) {
    unsigned number = number_of(c, address, length);
    paint_used(c, address, length, number);
    if (c->picture->svg != NULL) {
      bar_used(c, address, length, number);
    }
  } else {
    if (c->after_hole && c->cells >= c->size) {
      c->cell[cell_of(c, address)] = ':';
    }
    if (c->picture->svg != NULL) {
      bar(c, address, length, "#f4f4f4", "");
    }
  }
  c->after_hole = !used;
  return 0;
}

void lab_picture_show(lab_picture *p, const fh_range *range, uint64_t header, const char *title) {
  canvas c = {.picture = p, .header = header};
  lab_marks spare = p->before;
  p->before = p->marks;
  p->marks = spare;
  p->marks.count = 0;
  fh_range_walk(range, measure, &c);
  scale(&c);
  fh_range_walk(range, draw, &c);
  puts(title);
  print_cells(&c);
  fputs("head -> ", stdout);
  fh_range_walk_list(range, print_entry, NULL);
  puts("NULL\n");
  if (p->svg != NULL) {
    write_svg(&c, range, title);
  }
}

int lab_picture_close(lab_picture *p) {
  free(p->marks.at);
  free(p->before.at);
  if (p->svg == NULL) {
    return 0;
  }
  fputs("</svg>\n", p->svg);
  rewind(p->svg);
  fprintf(p->svg, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%8u\"", WIDTH + 40, p->top);
  bool written = fflush(p->svg) == 0 && !ferror(p->svg);
  written = fclose(p->svg) == 0 && written;
  return written ? 0 : (lab_refuse("the SVG cannot be written"), 1);
}
