/* freehold lab: the textbook's free list, step by step, on the production range. */
#ifndef FH_TOOLS_LAB_H
#define FH_TOOLS_LAB_H

#include <stdio.h>

#include "freehold/range.h"

/* Python's integers have no end. Here they have one at 2^100, so that sums of many need no second thought. */
__extension__ typedef __int128 lab_int;
#define LAB_MOST ((lab_int)1 << 100)
#define LAB_MODERATE ((lab_int)1 << 60) /* so large that a range can sum a few up */
enum { LAB_OPERATIONS = 10000000 };     /* of a picture or a comparison */
#define LAB_UNSET (LAB_MOST + 2)        /* not given: what is usual depends on what is wanted */

typedef struct lab_options {
  lab_int seed, size, base, header, alignment, operations, range, percent;
  const char *policy, *order, *list; /* list: of operations; "" for random ones */
  bool coalesce, compute;
  bool draw, story, compare, color, plain;
  bool at_once; /* coalescing joins neighbours whatever the order of the list, not as the simulator does */
  const char *svg, *ops_file;
} lab_options;

/* Answers 2 after one line on standard error. */
int lab_refuse(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* lab_options.c: as Python's optparse reads them. -1: go on; else the exit status. */
int lab_parse(int argc, char **argv, lab_options *out);
/* As Python's int() does; what is beyond LAB_MOST is LAB_MOST + 1, or less than none by so much. */
bool lab_parse_int(const char *text, int radix, lab_int *out);
bool lab_policy(const lab_options *, fh_fit *out);
bool lab_order(const lab_options *, fh_order *out);

typedef struct lab_digits {
  char text[48];
} lab_digits;
lab_digits lab_shown(lab_int); /* as printf's %d would */

/* lab_random.c: the generator of the textbook's simulator. */
void lab_seed(lab_int seed);
double lab_random(void);

/* lab_odd.c: a list for requests that no space can serve: of no length, less, or more than 64 bits. */
typedef struct lab_odd lab_odd;
lab_odd *lab_odd_make(const lab_options *);
bool lab_odd_alloc(lab_odd *, lab_int length, lab_int *address, uint64_t *searched); /* false: died */
int lab_odd_free(lab_odd *, lab_int address);
void lab_odd_dump(const lab_odd *);
void lab_odd_end(lab_odd *);

/* One after another: lab_textbook.c prints what the simulator prints, lab_draw.c pictures, and so on. */
int lab_textbook(const lab_options *);
int lab_draw(const lab_options *);
int lab_story(const lab_options *);
int lab_compare(const lab_options *);

/* lab_picture.c: pictures one after another. An allocation keeps its letter and colour in all of them. */
typedef struct lab_mark {
  uint64_t address, length;
  unsigned number;
} lab_mark;

typedef struct lab_marks {
  lab_mark *at;
  size_t count, room;
} lab_marks;

typedef struct lab_picture {
  FILE *svg; /* NULL: none */
  bool color;
  unsigned columns, top, next; /* of a line; where the next picture of the SVG goes; the next number */
  uint64_t room;               /* what a full line shows: all pictures have one scale */
  lab_marks marks, before;     /* of the last picture, and of the one before it */
} lab_picture;

/* For spaces of up to `room`. False after one line on standard error. */
bool lab_picture_open(lab_picture *, const lab_options *, uint64_t room);
void lab_picture_show(lab_picture *, const fh_range *, uint64_t header, const char *title);
int lab_picture_close(lab_picture *);

#endif
