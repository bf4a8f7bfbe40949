/* A shared library needs a source of its own; everything in it comes from the static one. */
typedef int freehold_has_no_code_here;
