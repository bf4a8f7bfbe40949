/* Hands out ports to clients for a time. Which ports are free is known by an fh_range over their numbers.
 *
 *   ports [-t] [FIRST-LAST [LEASE [REST]]]     seconds of a lease, 3600, and of the rest after it, 60; -t: the clock
 * stands still but for `wait`, as scripts want it and on standard input: lease CLIENT COUNT [ALIGN]    so many ports in
 * a row, the first a multiple of ALIGN: 2 for RTP and RTCP renew PORT                    the lease that begins there
 * lasts anew release PORT                  the lease or reservation that begins there ends reserve PORT [COUNT] exactly
 * these, until they are released show, wait SECONDS, quit
 *
 * A port is not leased again at once, for packets to its last client may still come: the search goes on where the last
 * ended (FH_FIT_NEXT), and since that alone is no promise - a hole that a released port joins begins with it - ports
 * rest before they go back to the range. Only when nothing else is left are resting ones taken, the oldest first. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <freehold/range.h>

enum { PORTS = 65536, CLIENT = 32, WORDS = 4 };

typedef enum port_state { NOBODYS = 0, LEASED, RESTING, RESERVED, HOLDINGS } port_state;

/* What begins with a port. */
typedef struct lease {
  port_state holding;
  uint64_t until;
  uint32_t before, after; /* of the same holding, which ends earlier or later; 0: none */
  char client[CLIENT];
} lease;

/* Port 0 can be no one's, so that it ends the queues. */
typedef struct ports {
  fh_range *range;
  uint64_t lasts, rests;
  bool stands;
  uint64_t moved; /* seconds of `wait` */
  struct timespec began;
  uint32_t first[HOLDINGS], last[HOLDINGS]; /* in the order in which they end */
  uint64_t resting;                         /* ports */
  lease at[PORTS];
} ports;

static uint64_t now(const ports *p) {
  struct timespec t = p->began;
  if (!p->stands) {
    clock_gettime(CLOCK_MONOTONIC, &t);
  }
  return p->moved + (uint64_t)(t.tv_sec - p->began.tv_sec) - (t.tv_nsec < p->began.tv_nsec);
}

static uint64_t length_of(const ports *p, uint32_t port) { return fh_range_length(p->range, port); }

static void print_ports(uint64_t first, uint64_t count) {
  printf("%" PRIu64, first);
  if (count > 1) {
    printf("-%" PRIu64, first + count - 1);
  }
}

/* --- who holds what --- */

static void leave_queue(ports *p, uint32_t port) {
  lease *l = &p->at[port];
  *(l->before == 0 ? &p->first[l->holding] : &p->at[l->before].after) = l->after;
  *(l->after == 0 ? &p->last[l->holding] : &p->at[l->after].before) = l->before;
  p->resting -= l->holding == RESTING ? length_of(p, port) : 0;
}

/* At the end: each holding lasts the same for all. */
static void join_queue(ports *p, uint32_t port, port_state holding, uint64_t until) {
  lease *l = &p->at[port];
  l->holding = holding;
  l->until = until;
  l->before = p->last[holding];
  l->after = 0;
  *(l->before == 0 ? &p->first[holding] : &p->at[l->before].after) = port;
  p->last[holding] = port;
  p->resting += holding == RESTING ? length_of(p, port) : 0;
}

static void hold(ports *p, uint32_t port, port_state holding, uint64_t until, const char *client) {
  snprintf(p->at[port].client, CLIENT, "%s", client);
  join_queue(p, port, holding, until);
}

/* Back to the range. */
static void give_back(ports *p, uint32_t port) {
  leave_queue(p, port);
  p->at[port].holding = NOBODYS;
  if (fh_range_free(p->range, port) != FH_OK) {
    fputs("ports: a port was given back that was not taken\n", stderr);
    exit(1);
  }
}

static void let_rest(ports *p, uint32_t port, uint64_t from) {
  leave_queue(p, port);
  join_queue(p, port, RESTING, from + p->rests);
}

/* What has ended since the last command. */
static void expire(ports *p) {
  uint64_t time = now(p);
  for (uint32_t port; (port = p->first[LEASED]) != 0 && p->at[port].until <= time;) {
    print_ports(port, length_of(p, port));
    printf(" of %s expired\n", p->at[port].client);
    let_rest(p, port, p->at[port].until);
  }
  for (uint32_t port; (port = p->first[RESTING]) != 0 && p->at[port].until <= time;) {
    give_back(p, port);
  }
}

/* --- commands --- */

/* Refusals are answers too: they go where the answers go. */
static void refuse(const ports *p, fh_status why) {
  fh_space space;
  fh_range_space(p->range, &space);
  switch (why) {
    case FH_EXHAUSTED: printf("refused: only %" PRIu64 " ports are free\n", space.free + p->resting); break;
    case FH_FRAGMENTED:
      printf("refused: %" PRIu64 " ports are free, but not so many in a row; the longest run is %" PRIu64 "\n",
             space.free, space.largest);
      break;
    case FH_NOT_OWNED: puts("refused: no lease begins there"); break;
    case FH_DOUBLE_FREE: puts("refused: nobody holds it"); break;
    default: puts("refused: a count is 1 or more, ALIGN a power of two"); break;
  }
}

static uint64_t free_ports(const ports *p) {
  fh_space space;
  fh_range_space(p->range, &space);
  return space.free;
}

/* Exhausted and fragmented, resting ports may help; they do not when there are too few in all. */
static fh_status find(ports *p, uint64_t count, uint64_t align, uint64_t *port) {
  fh_status status = fh_range_alloc(p->range, count, align, port);
  while ((status == FH_EXHAUSTED || status == FH_FRAGMENTED) && p->first[RESTING] != 0 &&
         count <= free_ports(p) + p->resting) {
    give_back(p, p->first[RESTING]);
    status = fh_range_alloc(p->range, count, align, port);
  }
  return status;
}

static void take(ports *p, const char *client, uint64_t count, uint64_t align) {
  uint64_t port = 0;
  fh_status status = find(p, count, align, &port);
  if (status != FH_OK) {
    refuse(p, status);
    return;
  }
  hold(p, (uint32_t)port, LEASED, now(p) + p->lasts, client);
  print_ports(port, count);
  printf(" leased to %s for %" PRIu64 " s\n", client, p->lasts);
}

static void reserve(ports *p, uint64_t port, uint64_t count) {
  fh_status status = fh_range_alloc_at(p->range, port, count);
  if (status == FH_OK) {
    hold(p, (uint32_t)port, RESERVED, 0, "");
    print_ports(port, count);
    puts(" reserved");
  } else if (status == FH_FRAGMENTED) {
    puts("refused: not all of them are free");
  } else if (status == FH_NOT_OWNED) {
    puts("refused: they are not all ours");
  } else {
    refuse(p, status);
  }
}

/* Whether something is held that begins with it. The range knows why not. */
static bool is_held(ports *p, uint64_t port) {
  port_state holding = port < PORTS ? p->at[port].holding : NOBODYS;
  if (holding == NOBODYS) {
    refuse(p, fh_range_free(p->range, port));
  } else if (holding == RESTING) {
    refuse(p, FH_DOUBLE_FREE);
  }
  return holding == LEASED || holding == RESERVED;
}

static void release(ports *p, uint64_t port) {
  if (!is_held(p, port)) {
    return;
  }
  print_ports(port, length_of(p, (uint32_t)port));
  puts(" released");
  if (p->at[port].holding == RESERVED) {
    give_back(p, (uint32_t)port);
  } else {
    let_rest(p, (uint32_t)port, now(p));
  }
}

static void renew(ports *p, uint64_t port) {
  if (!is_held(p, port)) {
    return;
  }
  if (p->at[port].holding == LEASED) {
    leave_queue(p, (uint32_t)port);
    join_queue(p, (uint32_t)port, LEASED, now(p) + p->lasts);
  }
  print_ports(port, length_of(p, (uint32_t)port));
  puts(" renewed");
}

static int show_one(uint64_t address, uint64_t length, bool used, void *arg) {
  const ports *p = arg;
  const lease *l = &p->at[address];
  if (!used) {
    return 0;
  }
  print_ports(address, length);
  if (l->holding == RESERVED) {
    puts(" reserved");
  } else if (l->holding == RESTING) {
    printf(" resting for %" PRIu64 " s\n", l->until - now(p));
  } else {
    printf(" %s for %" PRIu64 " s\n", l->client, l->until - now(p));
  }
  return 0;
}

static void show(ports *p) {
  fh_space space;
  fh_range_walk(p->range, show_one, p);
  fh_range_space(p->range, &space);
  printf("%" PRIu64 " of %" PRIu64 " ports taken, %" PRIu64 " free in %" PRIu64 " runs, the longest %" PRIu64
         ", fragmentation %.0f %%\n",
         space.used, space.size, space.free, space.holes, space.largest, 100 * fh_space_fragmentation(&space));
}

/* --- words --- */

static bool number_of(const char *text, uint64_t *value) {
  char *end = NULL;
  *value = strtoul(text, &end, 10);
  return text[0] >= '0' && text[0] <= '9' && *end == '\0' && strlen(text) <= 9;
}

typedef struct words {
  char *at[WORDS];
  size_t count; /* WORDS + 1: there are more */
  uint64_t number[WORDS];
  bool is_number[WORDS];
} words;

static words split(char *line) {
  words w = {.count = 0};
  char *rest = NULL;
  for (char *word = strtok_r(line, " \t\r\n", &rest); word != NULL && w.count <= WORDS;
       word = strtok_r(NULL, " \t\r\n", &rest)) {
    if (w.count < WORDS) {
      w.at[w.count] = word;
      w.is_number[w.count] = number_of(word, &w.number[w.count]);
    }
    w.count++;
  }
  return w;
}

/* Whether it is that command, with so many words, of which those from `numbers` on are numbers. */
static bool is(const words *w, const char *command, size_t least, size_t most, size_t numbers) {
  if (strcmp(w->at[0], command) != 0 || w->count < least || w->count > most) {
    return false;
  }
  for (size_t i = numbers; i < w->count; i++) {
    if (!w->is_number[i]) {
      return false;
    }
  }
  return true;
}

static void obey(ports *p, const words *w) {
  if (is(w, "lease", 3, 4, 2) && strlen(w->at[1]) < CLIENT) {
    take(p, w->at[1], w->number[2], w->count == 4 ? w->number[3] : 1);
  } else if (is(w, "reserve", 2, 3, 1)) {
    reserve(p, w->number[1], w->count == 3 ? w->number[2] : 1);
  } else if (is(w, "release", 2, 2, 1)) {
    release(p, w->number[1]);
  } else if (is(w, "renew", 2, 2, 1)) {
    renew(p, w->number[1]);
  } else if (is(w, "wait", 2, 2, 1)) {
    p->moved += w->number[1];
    expire(p);
  } else if (is(w, "show", 1, 1, 1)) {
    show(p);
  } else {
    printf("not understood: %s\n", w->at[0]);
  }
}

static bool serve(ports *p) {
  char *line = NULL;
  size_t room = 0;
  while (getline(&line, &room, stdin) >= 0) {
    words w = split(line);
    if (w.count != 0) {
      expire(p);
      if (is(&w, "quit", 1, 1, 1)) {
        break;
      }
      obey(p, &w);
      fflush(stdout);
    }
  }
  free(line);
  return !ferror(stdin) && !ferror(stdout) && fflush(stdout) == 0;
}

/* "FIRST-LAST". */
static bool parse_ports(char *text, uint64_t *first, uint64_t *last) {
  char *dash = strchr(text, '-');
  if (dash == NULL) {
    return false;
  }
  *dash = '\0';
  return number_of(text, first) && number_of(dash + 1, last) && *first != 0 && *first <= *last && *last < PORTS;
}

int main(int argc, char **argv) {
  static ports p = {.lasts = 3600, .rests = 60};
  uint64_t first = 1024, last = PORTS - 1;
  p.stands = argc > 1 && strcmp(argv[1], "-t") == 0;
  argc -= p.stands;
  argv += p.stands;
  if (argc > 4 || (argc > 1 && !parse_ports(argv[1], &first, &last)) || (argc > 2 && !number_of(argv[2], &p.lasts)) ||
      (argc > 3 && !number_of(argv[3], &p.rests)) || p.lasts == 0) {
    fputs("usage: ports [-t] [FIRST-LAST [LEASE [REST]]] < COMMANDS\n", stderr);
    return 2;
  }
  p.range = fh_range_create(first, last - first + 1, &(fh_range_options){.fit = FH_FIT_NEXT});
  if (p.range == NULL) {
    fputs("ports: no memory\n", stderr);
    return 1;
  }
  clock_gettime(CLOCK_MONOTONIC, &p.began);
  bool good = serve(&p);
  fh_range_destroy(p.range);
  return good ? 0 : 1;
}
