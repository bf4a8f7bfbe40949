/* The subcommands: each gets its own name as argv[0] and returns the exit status. */
#ifndef FH_TOOLS_COMMAND_H
#define FH_TOOLS_COMMAND_H

int command_run(int argc, char **argv);
int command_options(int argc, char **argv);
int command_lab(int argc, char **argv);

#endif
