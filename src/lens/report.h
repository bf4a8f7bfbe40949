/* The report that FREEHOLD_STATS asks for, and its JSON. Neither allocates. */
#ifndef FH_LENS_REPORT_H
#define FH_LENS_REPORT_H

#include "base/compiler.h"

void fh_report_text(int fd);

/* Whoever needs this symbol gets the report at exit out of the static library too: nothing calls it. */
extern char fh_exit_report;

#endif
