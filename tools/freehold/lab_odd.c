/* A range hands out lengths above 0 of spaces above 0, of 64 bits. The simulator can be asked for others, and answers:
 * with stretches of no length, or of less. This list does what it does then, and nothing else uses it. Spaces and
 * requests that make sense run on the range. */
#include <stdlib.h>
#include <string.h>

#include "lab.h"

typedef struct entry {
  lab_int address, size;
} entry;

typedef struct entries {
  entry *at;
  size_t count, room;
} entries;

struct lab_odd {
  const lab_options *o;
  entries list, used;
};

void lab_odd_end(lab_odd *odd) {
  if (odd != NULL) {
    free(odd->list.at);
    free(odd->used.at);
    free(odd);
  }
}

static void insert(entries *e, size_t place, entry value) {
  if (e->count == e->room) {
    e->room = e->room * 2 + 16;
    e->at = realloc(e->at, e->room * sizeof *e->at);
    if (e->at == NULL) {
      abort();
    }
  }
  memmove(e->at + place + 1, e->at + place, (e->count - place) * sizeof *e->at);
  e->at[place] = value;
  e->count++;
}

static void drop(entries *e, size_t place) {
  e->count--;
  memmove(e->at + place, e->at + place + 1, (e->count - place) * sizeof *e->at);
}

lab_odd *lab_odd_make(const lab_options *o) {
  lab_odd *odd = calloc(1, sizeof *odd);
  if (odd == NULL) {
    abort();
  }
  odd->o = o;
  insert(&odd->list, 0, (entry){o->base, o->size});
  return odd;
}

static size_t find_used(const lab_odd *odd, lab_int address) {
  size_t i = 0;
  while (i < odd->used.count && odd->used.at[i].address != address) {
    i++;
  }
  return i;
}

static bool better(const lab_odd *odd, lab_int size, lab_int best) {
  switch (odd->o->policy[0]) {
    case 'B': return size < best;
    case 'W': return size > best;
    default: return true;
  }
}

/* `length` with all that is charged. */
bool lab_odd_alloc(lab_odd *odd, lab_int length, lab_int *address, uint64_t *searched) {
  size_t place = SIZE_MAX;
  lab_int best = odd->o->policy[0] == 'B' ? odd->o->size + 1 : -1;
  *searched = 0;
  *address = -1;
  for (size_t i = 0; i < odd->list.count; i++) {
    ++*searched;
    if (odd->list.at[i].size >= length && better(odd, odd->list.at[i].size, best)) {
      best = odd->list.at[i].size;
      place = i;
      if (odd->o->policy[0] == 'F') {
        break;
      }
    }
  }
  if (place == SIZE_MAX) {
    return true;
  }
  entry *found = &odd->list.at[place];
  *address = found->address;
  bool taken_before = find_used(odd, *address) != odd->used.count;
  if (best > length) {
    *found = (entry){found->address + length, found->size - length};
  } else {
    drop(&odd->list, place);
  }
  insert(&odd->used, odd->used.count, (entry){*address, length});
  return !taken_before;
}

/* Where a stable sort of the list with the newcomer at its end would put each. */
static void sort(entries *list, int by_address, int down) {
  for (size_t i = 1; i < list->count; i++) {
    entry value = list->at[i];
    size_t k = i;
    for (; k != 0; k--) {
      lab_int a = by_address ? list->at[k - 1].address : list->at[k - 1].size,
              b = by_address ? value.address : value.size;
      if (down ? a >= b : a <= b) {
        break;
      }
      list->at[k] = list->at[k - 1];
    }
    list->at[k] = value;
  }
}

static void coalesce(entries *list) {
  for (size_t i = 0; i + 1 < list->count;) {
    if (list->at[i + 1].address == list->at[i].address + list->at[i].size) {
      list->at[i].size += list->at[i + 1].size;
      drop(list, i + 1);
    } else {
      i++;
    }
  }
}

int lab_odd_free(lab_odd *odd, lab_int address) {
  size_t place = find_used(odd, address);
  if (place == odd->used.count) {
    return -1;
  }
  fh_order order = FH_ORDER_ADDRESS;
  lab_order(odd->o, &order);
  insert(&odd->list, order == FH_ORDER_FRONT ? 0 : odd->list.count, odd->used.at[place]);
  if (order <= FH_ORDER_SIZE_DOWN) {
    sort(&odd->list, order == FH_ORDER_ADDRESS, order == FH_ORDER_SIZE_DOWN);
  }
  if (odd->o->coalesce) {
    coalesce(&odd->list);
  }
  drop(&odd->used, place);
  return 0;
}

void lab_odd_dump(const lab_odd *odd) {
  printf("Free List [ Size %zu ]: ", odd->list.count);
  for (size_t i = 0; i < odd->list.count; i++) {
    printf("[ addr:%s sz:%s ]", lab_shown(odd->list.at[i].address).text, lab_shown(odd->list.at[i].size).text);
  }
  puts("");
}
