/* The options of the textbook's simulator, read as Python's optparse reads them, and those of the lab itself. */
#include <ctype.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "lab.h"

static const char usage[] =
    "usage: freehold lab [OPTIONS]\n"
    "The textbook's free list, step by step. Without further options only the questions are shown; -c answers them.\n"
    "  -s, --seed N           of the random operations (0)\n"
    "  -S, --size N           bytes of the heap (100)\n"
    "  -b, --baseAddr N       its first address (1000)\n"
    "  -H, --headerSize N     bytes in front of each allocation (0)\n"
    "  -a, --alignment N      lengths are rounded up to a multiple; -1: they are not (-1)\n"
    "  -p, --policy P         BEST, WORST or FIRST (BEST); with --draw also NEXT, GOOD and BUDDY\n"
    "  -l, --listOrder O      ADDRSORT, SIZESORT+, SIZESORT-, INSERT-FRONT or INSERT-BACK (ADDRSORT)\n"
    "  -C, --coalesce         join neighbours of the list after each free\n"
    "  -n, --numOps N         random operations (10)\n"
    "  -r, --range N          largest random allocation (10)\n"
    "  -P, --percentAlloc N   percent of the operations that allocate (50)\n"
    "  -A, --allocList LIST   these operations instead: +10,+20,-0 allocates 10 and 20 and frees the first\n"
    "  -c, --compute          show what happens\n"
    "  -h, --help             this\n"
    "The options above are those of the textbook's simulator, and may be shortened as there; the lab's own are:\n"
    "  --draw                 a picture of the heap and its list after each step\n"
    "  --svg FILE             with --draw or --story: the pictures; with --compare: a plot\n"
    "  --color, --no-color    of --draw and --story; on a terminal otherwise, unless NO_COLOR is set\n"
    "  --story                the chapter's example from beginning to end\n"
    "  --compare              all policies and orders on the same operations, if no others are given\n"
    "                         2000 random ones up to 40 in 1000 bytes\n"
    "  --ops FILE             for --compare and --draw: a line +SIZE or -INDEX for each operation\n";

int lab_refuse(const char *format, ...) {
  va_list list;
  char line[1024];
  va_start(list, format);
  vsnprintf(line, sizeof line, format, list);
  va_end(list);
  for (char *c = line; *c != '\0'; c++) {
    *c = iscntrl((unsigned char)*c) ? '?' : *c; /* what it quotes must not break it */
  }
  fprintf(stderr, "freehold lab: %s\n", line);
  return 2;
}

typedef enum kind { NUMBER, TEXT, FLAG, HELP } kind;

typedef struct option {
  char letter; /* 0: not of the simulator */
  const char *name;
  kind kind;
  size_t offset;
} option;

#define AT(member) offsetof(lab_options, member)
static const option options[] = {
    {'h', "help", HELP, 0},
    {'s', "seed", NUMBER, AT(seed)},
    {'S', "size", NUMBER, AT(size)},
    {'b', "baseAddr", NUMBER, AT(base)},
    {'H', "headerSize", NUMBER, AT(header)},
    {'a', "alignment", NUMBER, AT(alignment)},
    {'p', "policy", TEXT, AT(policy)},
    {'l', "listOrder", TEXT, AT(order)},
    {'C', "coalesce", FLAG, AT(coalesce)},
    {'n', "numOps", NUMBER, AT(operations)},
    {'r', "range", NUMBER, AT(range)},
    {'P', "percentAlloc", NUMBER, AT(percent)},
    {'A', "allocList", TEXT, AT(list)},
    {'c', "compute", FLAG, AT(compute)},
    {0, "draw", FLAG, AT(draw)},
    {0, "story", FLAG, AT(story)},
    {0, "compare", FLAG, AT(compare)},
    {0, "color", FLAG, AT(color)},
    {0, "no-color", FLAG, AT(plain)},
    {0, "svg", TEXT, AT(svg)},
    {0, "ops", TEXT, AT(ops_file)},
};
enum { OPTIONS = sizeof options / sizeof *options };

static int digit_of(char c) {
  return isdigit((unsigned char)c) ? c - '0' : isalpha((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : 99;
}

/* Digits with single underscores between them. */
static bool parse_digits(const char *text, const char *end, int radix, lab_int *out) {
  bool digit_before = false;
  *out = 0;
  for (; text != end; text++) {
    if (*text == '_' && digit_before && text + 1 != end) {
      digit_before = false;
      continue;
    }
    if (digit_of(*text) >= radix) {
      return false;
    }
    *out = *out * radix + digit_of(*text);
    *out = *out > LAB_MOST ? LAB_MOST + 1 : *out;
    digit_before = true;
  }
  return digit_before;
}

/* 0x, 0o or 0b, as the radix has it, and an underscore. */
static size_t prefix_of(const char *text, const char *end, int radix) {
  char letter = radix == 16 ? 'x' : radix == 8 ? 'o' : 'b';
  if (radix == 10 || end - text < 2 || text[0] != '0' || tolower((unsigned char)text[1]) != letter) {
    return 0;
  }
  return text + 2 != end && text[2] == '_' ? 3 : 2;
}

bool lab_parse_int(const char *text, int radix, lab_int *out) {
  const char *end = text + strlen(text);
  while (isspace((unsigned char)*text)) {
    text++;
  }
  while (end > text && isspace((unsigned char)end[-1])) {
    end--;
  }
  bool minus = text != end && *text == '-';
  text += text != end && (*text == '-' || *text == '+');
  text += prefix_of(text, end, radix);
  bool good = parse_digits(text, end, radix, out);
  *out = minus ? -*out : *out;
  return good;
}

/* As optparse does: 0x and 0b say the radix, and so does a leading 0; of 0b nothing is left for int() to see. */
static bool parse_number(const char *text, lab_int *out) {
  if (text[0] == '0' && tolower((unsigned char)text[1]) == 'x') {
    return lab_parse_int(text, 16, out);
  }
  if (text[0] == '0' && tolower((unsigned char)text[1]) == 'b') {
    return lab_parse_int(text[2] == '\0' ? "0" : text + 2, 2, out);
  }
  return lab_parse_int(text, text[0] == '0' ? 8 : 10, out);
}

lab_digits lab_shown(lab_int value) {
  lab_digits out;
  size_t at = sizeof out.text - 1;
  bool minus = value < 0;
  out.text[at] = '\0';
  do {
    int digit = (int)(value % 10);
    out.text[--at] = (char)('0' + (digit < 0 ? -digit : digit));
    value /= 10;
  } while (value != 0);
  if (minus) {
    out.text[--at] = '-';
  }
  memmove(out.text, out.text + at, sizeof out.text - at);
  return out;
}

static int store_number(const option *o, const char *name, const char *value, lab_options *out) {
  lab_int *number = (lab_int *)(void *)((char *)out + o->offset);
  if (!parse_number(value, number)) {
    return lab_refuse("option %s: invalid integer value: '%s'", name, value);
  }
  return *number > LAB_MOST || *number < -LAB_MOST ? lab_refuse("option %s: %s is beyond 2^100", name, value) : -1;
}

static int store(const option *o, const char *name, const char *value, lab_options *out) {
  char *place = (char *)out + o->offset;
  switch (o->kind) {
    case NUMBER: return store_number(o, name, value, out);
    case TEXT: *(const char **)(void *)place = value; return -1;
    case FLAG: *(bool *)(void *)place = true; return -1;
    default: fputs(usage, stdout); return 0;
  }
}

static bool takes_value(const option *o) { return o->kind == NUMBER || o->kind == TEXT; }

/* An unambiguous beginning of a name of the simulator's is enough; a whole name always is. */
static const option *find_long(const char *name, size_t length, bool *ambiguous) {
  const option *found = NULL;
  *ambiguous = false;
  for (size_t i = 0; i < OPTIONS; i++) {
    if (strncmp(options[i].name, name, length) == 0) {
      if (strlen(options[i].name) == length) {
        *ambiguous = false;
        return &options[i];
      }
      if (options[i].letter != 0) {
        *ambiguous = *ambiguous || found != NULL;
        found = &options[i];
      }
    }
  }
  return found;
}

static int parse_long(char **argv, int argc, int *i, lab_options *out) {
  const char *name = argv[*i] + 2, *equals = strchr(name, '=');
  size_t length = equals != NULL ? (size_t)(equals - name) : strlen(name);
  bool ambiguous;
  const option *o = find_long(name, length, &ambiguous);
  if (o == NULL || ambiguous) {
    return lab_refuse(ambiguous ? "ambiguous option: %s" : "no such option: %s", argv[*i]);
  }
  if (!takes_value(o)) {
    return equals != NULL ? lab_refuse("--%s option does not take a value", o->name) : store(o, argv[*i], NULL, out);
  }
  if (equals == NULL && *i + 1 == argc) {
    return lab_refuse("--%s option requires 1 argument", o->name);
  }
  char shown[40];
  snprintf(shown, sizeof shown, "--%s", o->name);
  return store(o, shown, equals != NULL ? equals + 1 : argv[++*i], out);
}

/* Flags may stand together, and a value may follow its letter. */
static int parse_short(char **argv, int argc, int *i, lab_options *out) {
  const char *text = argv[*i] + 1;
  int status = -1;
  for (; *text != '\0' && status < 0; text++) {
    const option *o = NULL;
    for (size_t k = 0; k < OPTIONS; k++) {
      o = options[k].letter == *text ? &options[k] : o;
    }
    if (o == NULL) {
      return lab_refuse("no such option: -%c", *text);
    }
    char shown[3] = {'-', *text, '\0'};
    if (takes_value(o)) {
      if (text[1] == '\0' && *i + 1 == argc) {
        return lab_refuse("-%c option requires 1 argument", *text);
      }
      return store(o, shown, text[1] != '\0' ? text + 1 : argv[++*i], out);
    }
    status = store(o, shown, NULL, out);
  }
  return status;
}

/* A comparison needs more than ten operations. */
static void set_usual(lab_options *o) {
  o->size = o->size != LAB_UNSET ? o->size : o->compare ? 1000 : 100;
  o->operations = o->operations != LAB_UNSET ? o->operations : o->compare ? 2000 : 10;
  o->range = o->range != LAB_UNSET ? o->range : o->compare ? 40 : 10;
}

int lab_parse(int argc, char **argv, lab_options *out) {
  *out = (lab_options){.size = LAB_UNSET,
                       .base = 1000,
                       .alignment = -1,
                       .operations = LAB_UNSET,
                       .range = LAB_UNSET,
                       .percent = 50,
                       .policy = "BEST",
                       .order = "ADDRSORT",
                       .list = ""};
  for (int i = 1; i < argc; i++) {
    int status = -1;
    if (strcmp(argv[i], "--") == 0) {
      break;
    }
    if (strncmp(argv[i], "--", 2) == 0) {
      status = parse_long(argv, argc, &i, out);
    } else if (argv[i][0] == '-' && argv[i][1] != '\0') {
      status = parse_short(argv, argc, &i, out);
    }
    if (status >= 0) {
      return status;
    }
  }
  set_usual(out);
  return -1;
}

static int name_in(const char *const *names, int count, const char *name) {
  for (int i = 0; i < count; i++) {
    if (strcmp(names[i], name) == 0) {
      return i;
    }
  }
  return -1;
}

bool lab_policy(const lab_options *o, fh_fit *out) {
  static const char *const names[] = {"GOOD", "FIRST", "NEXT", "BEST", "WORST", "BUDDY"};
  int i = name_in(names, 6, o->policy);
  *out = (fh_fit)i;
  return i >= 0;
}

bool lab_order(const lab_options *o, fh_order *out) {
  static const char *const names[] = {"ADDRSORT", "SIZESORT+", "SIZESORT-", "INSERT-FRONT", "INSERT-BACK"};
  int i = name_in(names, 5, o->order);
  *out = (fh_order)i;
  return i >= 0;
}
