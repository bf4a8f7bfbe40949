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
  int64_t *address;
  bool *live;
  size_t count, room;
  size_t got; /* that did not fail, given back or not */
} pointers;

static int64_t modulo(int64_t value, int64_t by) {
  int64_t rest = value % by;
  return rest < 0 ? rest + by : rest;
}

/* As the simulator rounds: without the header. */
static int64_t rounded(const lab_options *o, int64_t size) {
  int64_t left = o->alignment == -1 ? 0 : modulo(size, o->alignment);
  return left == 0 ? size : size + o->alignment - left;
}

/* Whether every request that these options can make is one for a range. */
static bool makes_sense(const lab_options *o) {
  if (o->size <= 0 || o->header < 0 || (o->list[0] == '\0' && o->range < 0)) {
    return false;
  }
  char *copy = strdup(o->list), *rest = NULL;
  bool sense = true;
  for (char *op = strtok_r(copy, ",", &rest); op != NULL; op = strtok_r(NULL, ",", &rest)) {
    int64_t size;
    sense = sense && (op[0] != '+' || !lab_parse_int(op + 1, 10, &size) || rounded(o, size) > 0);
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
static bool take(textbook *t, int64_t size, int64_t *address, uint64_t *searched) {
  if (t->odd != NULL) {
    return lab_odd_alloc(t->odd, rounded(t->o, size) + t->o->header, address, searched);
  }
  uint64_t found;
  bool fits = fh_range_alloc(t->range, (uint64_t)size, 0, &found) == FH_OK;
  *address = fits ? (int64_t)found - t->o->header + t->o->base : -1;
  *searched = fh_range_searched(t->range);
  return true;
}

static int give(textbook *t, int64_t address) {
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
  printf("[ addr:%lld sz:%llu ]", (long long)((int64_t)address + *(const int64_t *)arg), (unsigned long long)length);
  return 0;
}

static void dump(const textbook *t) {
  if (t->odd != NULL) {
    lab_odd_dump(t->odd);
    return;
  }
  size_t count = 0;
  int64_t base = t->o->base;
  fh_range_walk_list(t->range, count_entry, &count);
  printf("Free List [ Size %zu ]: ", count);
  fh_range_walk_list(t->range, print_entry, &base);
  puts("");
}

static void keep(pointers *p, int64_t address) {
  if (p->count == p->room) {
    p->room = p->room * 2 + 64;
    p->address = realloc(p->address, p->room * sizeof *p->address);
    p->live = realloc(p->live, p->room * sizeof *p->live);
    if (p->address == NULL || p->live == NULL) {
      abort();
    }
  }
  p->address[p->count] = address;
  p->live[p->count++] = address != -1;
  p->got += address != -1;
}

static void print_options(const lab_options *o) {
  printf("seed %lld\nsize %lld\nbaseAddr %lld\nheaderSize %lld\nalignment %lld\n", (long long)o->seed,
         (long long)o->size, (long long)o->base, (long long)o->header, (long long)o->alignment);
  printf(
      "policy %s\nlistOrder %s\ncoalesce %s\nnumOps %lld\nrange %lld\npercentAlloc %lld\nallocList %s\ncompute %s\n\n",
      o->policy, o->order, o->coalesce ? "True" : "False", (long long)o->operations, (long long)o->range,
      (long long)o->percent, o->list, o->compute ? "True" : "False");
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
static bool do_alloc(textbook *t, pointers *p, int64_t size, int64_t shown) {
  int64_t address;
  uint64_t searched;
  if (!take(t, size, &address, &searched)) {
    return false;
  }
  printf("ptr[%zu] = Alloc(%lld)", p->count, (long long)size);
  keep(p, address);
  if (t->o->compute) {
    printf(" returned %lld (searched %llu elements)\n", (long long)(address + shown), (unsigned long long)searched);
  } else {
    puts(" returned ?");
  }
  return true;
}

static void do_free(textbook *t, int64_t address) {
  int status = give(t, address);
  if (t->o->compute) {
    printf("returned %d\n", status);
  } else {
    puts("returned ?");
  }
}

/* The number of the live allocation that stands in place `which`. */
static size_t live_number(const pointers *p, size_t which) {
  size_t i = 0;
  while (!p->live[i] || which-- != 0) {
    i++;
  }
  return i;
}

static int run_random(textbook *t, pointers *p) {
  const lab_options *o = t->o;
  double percent = (double)o->percent / 100.0;
  size_t live = 0;
  for (int64_t done = 0; done < o->operations;) {
    if (lab_random() < percent) {
      int64_t size = (int64_t)(lab_random() * (double)o->range) + 1;
      if (!do_alloc(t, p, size, o->header)) {
        return lab_refuse("two allocations at one address");
      }
      live += p->live[p->count - 1];
    } else if (live != 0) {
      size_t number = live_number(p, (size_t)(lab_random() * (double)live));
      printf("Free(ptr[%zu])\n", number);
      do_free(t, p->address[number]);
      p->live[number] = false;
      live--;
    } else {
      continue;
    }
    done++;
    print_rest(t, "List? ");
  }
  return 0;
}

/* The number behind the sign, up to the next of the same sign. */
static bool operand(const char *op, int64_t *out) {
  char text[64];
  size_t length = strcspn(op + 1, op[0] == '+' ? "+" : "-");
  if (length >= sizeof text) {
    return false;
  }
  memcpy(text, op + 1, length);
  text[length] = '\0';
  return lab_parse_int(text, 10, out);
}

static int run_operation(textbook *t, pointers *p, const char *op) {
  int64_t value;
  if (op[0] != '+' && op[0] != '-') {
    return lab_refuse("'%s' in the list of operations: must be +SIZE or -INDEX", op);
  }
  if (!operand(op, &value)) {
    return lab_refuse("'%s' in the list of operations is no number", op);
  }
  if (op[0] == '+') {
    if (!do_alloc(t, p, value, 0)) {
      return lab_refuse("two allocations at one address");
    }
  } else {
    if (value >= (int64_t)p->got) {
      puts("Invalid Free: Skipping");
      return 0;
    }
    printf("Free(ptr[%lld])\n", (long long)value);
    if (value < 0 || p->address[value] == -1) {
      return lab_refuse("ptr[%lld] was never allocated", (long long)value);
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
    return lab_refuse("alignment %lld is neither -1 nor above 0", (long long)o->alignment);
  }
  if (!start(&t, o)) {
    return lab_refuse("no memory for a heap of %lld bytes", (long long)o->size);
  }
  print_options(o);
  lab_seed(o->seed);
  int status = o->percent <= 0      ? lab_refuse("percentAlloc %lld is not above 0", (long long)o->percent)
               : o->list[0] == '\0' ? run_random(&t, &p)
                                    : run_list(&t, &p);
  fh_range_destroy(t.range);
  lab_odd_end(t.odd);
  free(p.address);
  free(p.live);
  return status;
}
