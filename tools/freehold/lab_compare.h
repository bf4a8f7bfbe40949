#ifndef FH_TOOLS_LAB_COMPARE_H
#define FH_TOOLS_LAB_COMPARE_H

#include "lab_operations.h"

/* What the operations did under one plan. */
typedef struct lab_outcome {
  lab_plan plan;
  size_t failures, looked;
  uint64_t searched, peak;
  double mean, most;
  double *fragmentation; /* after each operation */
} lab_outcome;

enum { LAB_PLANS = 22 };

extern const char *const lab_fit_names[];
extern const char *const lab_order_names[];
bool lab_has_list(lab_plan);
double lab_searched(const lab_outcome *); /* on average */

/* lab_plot.c: the exit status; one line on standard error when it is not 0. */
int lab_plot(const char *path, const lab_outcome *all, size_t operations);

#endif
