/* start.h - starts a program that belongs to the command and is a file of its own. */
#ifndef CONVEYOR_CLI_START_H
#define CONVEYOR_CLI_START_H

#include <stddef.h>

/* The path of a program: beside this one, in a folder of the build beside it, in the system's folder for programs that
 * others start, or in the PATH. NULL if it is nowhere. */
const char *cli_find_program(const char *name, const char *build_folder, char *path, size_t size);

/* Becomes that program, with argv after its name; returns the exit status only if it cannot. `cure` says what to do if
 * it is not there. */
int cli_start_program(const char *name, const char *build_folder, const char *cure, char **argv);

#endif
