/* Applies the environment to the heap; once, before the program's first thread is let in. */
#ifndef FH_HEAP_SETTINGS_H
#define FH_HEAP_SETTINGS_H

void fh_settings_apply(void);

#endif
