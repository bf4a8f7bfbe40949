/* What the simulator of the textbook prints, byte for byte, from a range. Where it dies, so does this: with what it had
 * printed, one line and status 2. */
#include <stdlib.h>
#include <string.h>

#include "lab.h"

/* Addresses of a range begin at 0 here: the simulator's may be negative. */
typedef struct textbook {
  const lab_options *o;
  fh_range *range; /* NULL: `odd` stands in */
  lab_odd *odd;
} textbook;

/* What was allocated, by number; -1: it failed. */
typedef struct pointers {
  lab_int *address;
  size_t *live; /* the numbers of those not given back, in the order they came */
  size_t count, room, lives;
  size_t got; /* that did not fail, given back or not */
} pointers;

/* As the simulator rounds: without the header. */
static lab_int rounded(const lab_options *o, lab_int size) {
  lab_int left = o->alignment == -1 ? 0 : size % o->alignment;
  left = left < 0 ? left + o->alignment : left;
  return left == 0 ? size : size + o->alignment - left;
}

/* The number behind the sign, up to the next of the same sign. */
static bool operand(const char *op, lab_int *out) {
  char *text = strndup(op + 1, strcspn(op + 1, op[0] == '+' ? "+" : "-"));
  bool good = text != NULL && lab_parse_int(text, 10, out);
  free(text);
  return good;
}

static bool is_moderate(lab_int number) { return number <= LAB_MODERATE; }

/* Whether every request that these options can make is one for a range. */
static bool makes_sense(const lab_options *o) {
  if (o->size <= 0 || o->header < 0 || (o->list[0] == '\0' && o->range < 0) || !is_moderate(o->size) ||
      !is_moderate(o->header) || !is_moderate(o->alignment) || !is_moderate(o->range)) {
    return false;
  }
  char *copy = strdup(o->list), *rest = NULL;
  bool sense = true;
  for (char *op = strtok_r(copy, ",", &rest); op != NULL; op = strtok_r(NULL, ",", &rest)) {
    lab_int size;
    sense = sense && (op[0] != '+' || !operand(op, &size) || (rounded(o, size) > 0 && is_moderate(size)));
  }
  free(copy);
  return sense;
}

static bool start(textbook *t, const lab_options *o) {
  fh_range_options want = {
      .no_coalesce = true, .header = (uint64_t)o->header, .granule = o->alignment > 0 ? (uint64_t)o->alignment : 0};
  *t = (textbook){.o = o};
  lab_policy(o, &want.fit);
  lab_order(o, &want.order);
  if (makes_sense(o)) {
    t->range = fh_range_create(0, (uint64_t)o->size, &want);
    return t->range != NULL;
  }
  t->odd = lab_odd_make(o);
  return true;
}

/* False: the simulator would have died. */
static bool take(textbook *t, lab_int size, lab_int *address, uint64_t *searched) {
  if (t->odd != NULL) {
    return lab_odd_alloc(t->odd, rounded(t->o, size) + t->o->header, address, searched);
  }
  uint64_t found;
  bool fits = fh_range_alloc(t->range, (uint64_t)size, 0, &found) == FH_OK;
  *address = fits ? found - t->o->header + t->o->base : -1;
  *searched = fh_range_searched(t->range);
  return true;
}

static int give(textbook *t, lab_int address) {
  if (t->odd != NULL) {
    return lab_odd_free(t->odd, address);
  }
  if (fh_range_free(t->range, (uint64_t)(address - t->o->base + t->o->header)) != FH_OK) {
    return -1;
  }
  if (t->o->coalesce) {
    fh_range_coalesce(t->range);
  }
  return 0;
}

static int count_entry(uint64_t address, uint64_t length, bool used, void *arg) {
  (void)address;
  (void)length;
  (void)used;
  ++*(size_t *)arg;
  return 0;
}

static int print_entry(uint64_t address, uint64_t length, bool used, void *arg) {
  (void)used;
  printf("[ addr:%s sz:%llu ]", lab_shown(address + *(const lab_int *)arg).text, (unsigned long long)length);
  return 0;
}

static void dump(const textbook *t) {
  if (t->odd != NULL) {
    lab_odd_dump(t->odd);
    return;
  }
  size_t count = 0;
  lab_int base = t->o->base;
  fh_range_walk_list(t->range, count_entry, &count);
  printf("Free List [ Size %zu ]: ", count);
  fh_range_walk_list(t->range, print_entry, &base);
  puts("");
}

static void keep(pointers *p, lab_int address) {
  if (p->count == p->room) {
    p->room = p->room * 2 + 64;
    p->address = realloc(p->address, p->room * sizeof *p->address);
    p->live = realloc(p->live, p->room * sizeof *p->live);
    if (p->address == NULL || p->live == NULL) {
      abort();
    }
  }
  if (address != -1) {
    p->live[p->lives++] = p->count;
    p->got++;
  }
  p->address[p->count++] = address;
}

static void print_number(const char *name, lab_int value) { printf("%s %s\n", name, lab_shown(value).text); }

static void print_options(const lab_options *o) {
  print_number("seed", o->seed);
  print_number("size", o->size);
  print_number("baseAddr", o->base);
  print_number("headerSize", o->header);
  print_number("alignment", o->alignment);
  printf("policy %s\nlistOrder %s\ncoalesce %s\n", o->policy, o->order, o->coalesce ? "True" : "False");
  print_number("numOps", o->operations);
  print_number("range", o->range);
  print_number("percentAlloc", o->percent);
  printf("allocList %s\ncompute %s\n\n", o->list, o->compute ? "True" : "False");
}

static void print_rest(const textbook *t, const char *question) {
  if (t->o->compute) {
    dump(t);
  } else {
    puts(question);
  }
  puts("");
}

/* `shown` is added to the address: in its random mode the simulator answers behind the header. */
static bool do_alloc(textbook *t, pointers *p, lab_int size, lab_int shown) {
  lab_int address;
  uint64_t searched;
  if (!take(t, size, &address, &searched)) {
    return false;
  }
  printf("ptr[%zu] = Alloc(%s)", p->count, lab_shown(size).text);
  keep(p, address);
  if (t->o->compute) {
    printf(" returned %s (searched %llu elements)\n", lab_shown(address + shown).text, (unsigned long long)searched);
  } else {
    puts(" returned ?");
  }
  return true;
}

static void do_free(textbook *t, lab_int address) {
  int status = give(t, address);
  if (t->o->compute) {
    printf("returned %d\n", status);
  } else {
    puts("returned ?");
  }
}

/* The number of the live allocation in place `which`, which no longer is one. */
static size_t take_live(pointers *p, size_t which) {
  size_t number = p->live[which];
  p->lives--;
  memmove(p->live + which, p->live + which + 1, (p->lives - which) * sizeof *p->live);
  return number;
}

static int run_random(textbook *t, pointers *p) {
  const lab_options *o = t->o;
  double percent = (double)o->percent / 100.0;
  for (lab_int done = 0; done < o->operations;) {
    if (lab_random() < percent) {
      lab_int size = (lab_int)(lab_random() * (double)o->range) + 1;
      if (!do_alloc(t, p, size, o->header)) {
        return lab_refuse("two allocations at one address");
      }
    } else if (p->lives != 0) {
      size_t number = take_live(p, (size_t)(lab_random() * (double)p->lives));
      printf("Free(ptr[%zu])\n", number);
      do_free(t, p->address[number]);
    } else {
      continue;
    }
    done++;
    print_rest(t, "List? ");
  }
  return 0;
}

static int run_operation(textbook *t, pointers *p, const char *op) {
  lab_int value;
  if (op[0] != '+' && op[0] != '-') {
    return lab_refuse("'%s' in the list of operations: must be +SIZE or -INDEX", op);
  }
  if (!operand(op, &value)) {
    return lab_refuse("'%s' in the list of operations is no number", op);
  }
  if (op[0] == '+') {
    if (value > LAB_MOST || value < -LAB_MOST) {
      return lab_refuse("'%s' in the list of operations is beyond 2^100", op);
    }
    if (!do_alloc(t, p, value, 0)) {
      return lab_refuse("two allocations at one address");
    }
  } else {
    if (value >= (lab_int)p->got) {
      puts("Invalid Free: Skipping");
      return 0;
    }
    printf("Free(ptr[%s])\n", lab_shown(value).text);
    if (value < 0 || p->address[value] == -1) {
      return lab_refuse("ptr[%s] was never allocated", lab_shown(value).text);
    }
    do_free(t, p->address[value]);
  }
  print_rest(t, "List?");
  return 0;
}

static int run_list(textbook *t, pointers *p) {
  char *copy = strdup(t->o->list), *op = copy;
  int status = 0;
  while (status == 0 && op != NULL) {
    char *comma = strchr(op, ',');
    if (comma != NULL) {
      *comma = '\0';
    }
    status = run_operation(t, p, op);
    op = comma != NULL ? comma + 1 : NULL;
  }
  free(copy);
  return status;
}

int lab_textbook(const lab_options *o) {
  fh_fit fit;
  fh_order order;
  textbook t;
  pointers p = {0};
  if (!lab_policy(o, &fit) || fit == FH_FIT_GOOD || fit == FH_FIT_NEXT || fit == FH_FIT_BUDDY) {
    return lab_refuse("policy %s is not one of FIRST, BEST and WORST", o->policy);
  }
  if (!lab_order(o, &order)) {
    return lab_refuse("list order %s is not one of ADDRSORT, SIZESORT+, SIZESORT-, INSERT-FRONT and INSERT-BACK",
                      o->order);
  }
  if (o->alignment != -1 && o->alignment <= 0) {
    return lab_refuse("alignment %s is neither -1 nor above 0", lab_shown(o->alignment).text);
  }
  if (!start(&t, o)) {
    return lab_refuse("no memory for a heap of %s bytes", lab_shown(o->size).text);
  }
  print_options(o);
  lab_seed(o->seed);
  int status = o->percent <= 0      ? lab_refuse("percentAlloc %s is not above 0", lab_shown(o->percent).text)
               : o->list[0] == '\0' ? run_random(&t, &p)
                                    : run_list(&t, &p);
  fh_range_destroy(t.range);
  lab_odd_end(t.odd);
  free(p.address);
  free(p.live);
  return status;
}
