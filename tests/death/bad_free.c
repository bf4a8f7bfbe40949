/* What is wrong is said in one line with the call and the pointer, and the program stops. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "freehold/freehold.h"
#include "unit/child_locks.h"
#include "unit/thread.h"

static char foreign[64];
static void *volatile pointer;

static void free_foreign(void) { fh_free(pointer = foreign); }

static void free_inside_large(void) { fh_free(pointer = (char *)fh_malloc(1 << 20) + 64); }

static void free_inside_chunk(void) { fh_free(pointer = (char *)fh_malloc(3000) + 32); }

/* The first few of a size are chunks. */
static void free_slot_twice(void) {
  for (unsigned i = 0; i < 100; i++) {
    pointer = fh_malloc(32);
  }
  fh_free(pointer);
  fh_free(pointer);
}

static char *many[3000];

/* Many slabs of one class. */
static void take_many(void) {
  for (unsigned i = 0; i < 3000; i++) {
    many[i] = fh_malloc(32);
  }
}

/* Both go round in the thread's cache from then on; seen when it gives slots back to their slabs. */
static void free_slot_twice_with_one_between(void) {
  take_many();
  fh_free(pointer = many[100]);
  fh_free(many[2000]); /* of another slab */
  fh_free(pointer);
  fh_trim(0);
}

/* All of one slab, and with another on top: the list leads back to what is not its first. */
static void free_slot_twice_below_another(void) {
  take_many();
  fh_trim(0);
  pointer = many[1000];
  for (unsigned i = 0; i < 13; i++) {
    fh_free(many[1000 + i]);
  }
  fh_free(pointer);
  fh_free(many[1013]);
  fh_trim(0);
}

/* With one of another slab between, and one of its own on top. */
static void free_slot_twice_among_others(void) {
  take_many();
  fh_trim(0);
  fh_free(pointer = many[1000]);
  fh_free(many[2000]);
  fh_free(pointer);
  fh_free(many[1001]);
  fh_trim(0);
}

/* A slot that its slab got long ago. */
static void free_slot_twice_much_later(void) {
  take_many();
  for (unsigned i = 0; i < 2000; i += 2) {
    fh_free(many[i]);
  }
  fh_trim(0);
  fh_free(pointer = many[1000]);
  fh_trim(0);
}

/* It has no address that was ever given to the program. */
static void free_what_was_never_taken(void) {
  char *slot = NULL;
  for (unsigned i = 0; i < 3; i++) { /* the chunk heap serves the first of a class */
    slot = fh_malloc(960);
  }
  fh_free(pointer = (char *)((uintptr_t)slot & ~(uintptr_t)16383) + 16 * 960);
  fh_trim(0);
}

/* The END of a stretch has a head, and what would be its memory is the first byte of the next stretch. */
static void free_end_of_stretch(void) {
  enum { BYTES = 3000 };
  char *last = fh_malloc(BYTES), *next = fh_malloc(BYTES);
  for (ptrdiff_t step = next - last; next - last == step;) {
    last = next;
    next = fh_malloc(BYTES);
  }
  fh_free(pointer = next - 16);
}

static void free_twice(size_t bytes) {
  pointer = fh_malloc(bytes);
  fh_free(pointer);
  fh_free(pointer);
}

static void free_chunk_twice(void) { free_twice(1500); }

/* Too long for a quick list, so it is part of a hole at once. */
static void free_merged_chunk_twice(void) { free_twice(40000); }

static void free_large_twice(void) { free_twice(1 << 20); }

/* Addresses inside slots. */

enum { SLOTS = 100, SLOT = 64 };

static char *slots[SLOTS];

/* Of a slab: the first few of a size are chunks. */
static void take_slots(void) {
  for (unsigned i = 0; i < SLOTS; i++) {
    slots[i] = fh_malloc(SLOT);
  }
}

/* Stops at once: nothing that comes afterwards could notice it. */
static void *free_pointer(void *unused) {
  fh_free(pointer);
  _exit(0);
  return unused;
}

static void *free_pointer_with_heap(void *unused) {
  fh_free(fh_malloc(SLOT));
  return free_pointer(unused);
}

static void free_inside_anothers_slot(void) {
  take_slots();
  pointer = slots[SLOTS - 1] + 16;
  in_a_thread(free_pointer_with_heap);
}

static unsigned from, to;

static void *free_some(void *unused) {
  for (unsigned i = from; i < to; i++) {
    fh_free(slots[i]);
  }
  return unused;
}

/* Its neighbours are in use, and were freed with it in one run. */
static void free_in_a_run_of_anothers_twice(void) {
  take_slots();
  from = 20;
  to = 41;
  in_a_thread(free_some);
  fh_trim(0);
  pointer = slots[40];
  from = 38;
  to = 45;
  in_a_thread(free_some);
  fh_trim(0);
}

static char *apart;

static void *free_with_one_between(void *unused) {
  fh_free(pointer);
  fh_free(apart);
  fh_free(pointer);
  return unused;
}

/* The first of a message holds the others, and one of another slab is between. */
static void free_anothers_slot_twice_in_a_message(void) {
  take_slots();
  pointer = slots[SLOTS - 1];
  for (unsigned i = 0; i < 1000; i++) {
    apart = fh_malloc(SLOT);
  }
  in_a_thread(free_with_one_between);
  fh_trim(0);
}

/* By the first call of a thread. */
static void free_first_inside_anothers_slot(void) {
  take_slots();
  pointer = slots[SLOTS - 1] + 16;
  in_a_thread(free_pointer);
}

static void measure_inside_slot(void) {
  take_slots();
  (void)fh_usable_size(pointer = slots[SLOTS - 1] + 16);
}

static void realloc_inside_slot(void) {
  take_slots();
  pointer = fh_realloc(pointer = slots[SLOTS - 1] + 8, 2 * SLOT);
}

/* The fast path does not look; noticed when the cache gives it back. */
static void free_inside_slot(void) {
  take_slots();
  fh_free(pointer = slots[SLOTS - 1] + 16);
  fh_trim(0);
}

static void free_inside_slot_and_neighbour(void) {
  take_slots();
  fh_free(pointer = slots[SLOTS - 1] + 16);
  fh_free(slots[SLOTS - 2]);
  fh_trim(0);
}

static void write_past(size_t bytes) {
  pointer = fh_malloc(bytes);
  void *behind = fh_malloc(bytes);
  memset((char *)pointer + fh_usable_size(pointer), 0x5a, 8);
  fh_free(pointer);
  fh_free(behind);
}

static void write_past_end(void) { write_past(5000); }

static void write_past_long_end(void) { write_past(40000); }

/* A short chunk goes to its quick list without a look at the one behind it: that one finds the damage. */
static void write_past_short_end(void) { write_past(1500); }

/* The one behind waits in a quick list: its head is read again when it is coalesced. */
static void write_past_end_before_quick(void) {
  char *before = fh_malloc(3000), *behind = fh_malloc(3000);
  void *after = fh_malloc(3000);
  fh_free(pointer = behind);
  memset(before + fh_usable_size(before), 0x5a, 8);
  fh_trim(0);
  fh_free(after);
}

static void realloc_foreign(void) { pointer = fh_realloc(pointer = foreign, 10); }

/* Runs `act` in a child and compares its one line, whose pointer it learns through the pipe. */
static void dies(void (*act)(void), const char *call, const char *what) {
  int err[2];
  char got[256], want[256];
  size_t length = 0;
  ssize_t n;
  assert_int_equal(pipe(err), 0);
  fflush(stdout);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    signal(SIGABRT, SIG_DFL);
    dup2(err[1], 2);
    act();
    _exit(0);
  }
  close(err[1]);
  while ((n = read(err[0], got + length, sizeof got - 1 - length)) > 0) {
    length += (size_t)n;
  }
  close(err[0]);
  got[length] = '\0';
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFSIGNALED(status));
  assert_int_equal(WTERMSIG(status), SIGABRT);
  unsigned long address = 0;
  char format[64];
  snprintf(format, sizeof format, "freehold: %s(0x%%lx)", call);
  assert_int_equal(sscanf(got, format, &address), 1);
  assert_true(address != 0);
  snprintf(want, sizeof want, "freehold: %s(0x%lx): %s\n", call, address, what);
  assert_string_equal(got, want);
}

#define DEATH(name, call, what)           \
  static void test_##name(void **state) { \
    (void)state;                          \
    dies(name, call, what);               \
  }

DEATH(free_foreign, "free", "not from this heap: another allocator's, or never allocated")
DEATH(free_inside_large, "free", "not the start of an allocation")
DEATH(free_inside_chunk, "free", "not the start of an allocation, or its header was overwritten")
DEATH(free_slot_twice, "free", "freed already (double free)")
DEATH(free_slot_twice_with_one_between, "free", "freed already (double free)")
DEATH(free_slot_twice_below_another, "free", "freed already (double free)")
DEATH(free_slot_twice_among_others, "free", "freed already (double free)")
DEATH(free_slot_twice_much_later, "free", "freed already (double free)")
DEATH(free_what_was_never_taken, "free", "not the start of an allocation")
DEATH(free_end_of_stretch, "free", "not the start of an allocation, or its header was overwritten")
DEATH(free_chunk_twice, "free", "freed already (double free)")
DEATH(free_merged_chunk_twice, "free", "freed already (double free)")
DEATH(free_large_twice, "free", "freed already (double free), or never allocated")
DEATH(write_past_end, "free", "the header behind this allocation is damaged: something wrote past its end")
DEATH(write_past_long_end, "free", "the header behind this allocation is damaged: something wrote past its end")
DEATH(write_past_short_end, "free", "not the start of an allocation, or its header was overwritten")
DEATH(write_past_end_before_quick, "free", "its header was overwritten after it was freed")
DEATH(free_inside_anothers_slot, "free", "not the start of an allocation")
DEATH(free_first_inside_anothers_slot, "free", "not the start of an allocation")
DEATH(free_in_a_run_of_anothers_twice, "free", "freed already (double free)")
DEATH(free_anothers_slot_twice_in_a_message, "free", "freed already (double free)")
DEATH(measure_inside_slot, "malloc_usable_size", "not the start of an allocation")
DEATH(realloc_inside_slot, "realloc", "not the start of an allocation")
DEATH(free_inside_slot, "free", "not the start of an allocation")
DEATH(free_inside_slot_and_neighbour, "free", "not the start of an allocation")
DEATH(realloc_foreign, "realloc", "not from this heap: another allocator's, or never allocated")

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_free_foreign),
      cmocka_unit_test(test_free_inside_large),
      cmocka_unit_test(test_free_inside_chunk),
      cmocka_unit_test(test_free_slot_twice),
      cmocka_unit_test(test_free_chunk_twice),
      cmocka_unit_test(test_free_merged_chunk_twice),
      cmocka_unit_test(test_free_large_twice),
      cmocka_unit_test(test_write_past_end),
      cmocka_unit_test(test_write_past_long_end),
      cmocka_unit_test(test_write_past_short_end),
      cmocka_unit_test(test_realloc_foreign),
      cmocka_unit_test(test_free_slot_twice_with_one_between),
      cmocka_unit_test(test_free_slot_twice_below_another),
      cmocka_unit_test(test_free_slot_twice_among_others),
      cmocka_unit_test(test_free_slot_twice_much_later),
      cmocka_unit_test(test_free_what_was_never_taken),
      cmocka_unit_test(test_free_end_of_stretch),
      cmocka_unit_test(test_write_past_end_before_quick),
      cmocka_unit_test(test_free_inside_anothers_slot),
      cmocka_unit_test(test_free_first_inside_anothers_slot),
      cmocka_unit_test(test_free_in_a_run_of_anothers_twice),
      cmocka_unit_test(test_free_anothers_slot_twice_in_a_message),
      cmocka_unit_test(test_measure_inside_slot),
      cmocka_unit_test(test_realloc_inside_slot),
      cmocka_unit_test(test_free_inside_slot),
      cmocka_unit_test(test_free_inside_slot_and_neighbour),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
