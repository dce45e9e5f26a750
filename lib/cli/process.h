/* process.h - other processes of this machine: what they are, whose, and how to end one for certain. */
#ifndef CONVEYOR_CLI_PROCESS_H
#define CONVEYOR_CLI_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* The command's name, as ps shows it; empty if it cannot be told. */
const char *cli_process_command(pid_t pid, char *text, size_t size);

/* True if the line, which ends with a newline, is what is looked for. */
typedef bool cli_line_test(const char *line, size_t length, const void *data);

/* True if any line of the process's table of mappings is what is looked for. That of a main thread that has ended is
 * empty: then the tables of the others are read. */
bool cli_process_any_mapping(const char *pid, cli_line_test *is, const void *data);

/* True if the process has the segment mapped: one that got its number later, or that has it in another pid namespace,
 * has not. */
bool cli_process_maps(pid_t pid, const char *segment);

/* True unless it is seen that the process has the segment not mapped. What another user's has mapped is not. */
bool cli_process_may_map(pid_t pid, const char *segment);

/* True if this user may end it: it is theirs, or they are root. */
bool cli_process_own(pid_t pid);

/* A descriptor that means this process, whoever gets its number later; or -1 and errno. */
int cli_process_open(pid_t pid);

/* Ends it by SIGKILL and waits until it is gone: 0 or an errno; ETIMEDOUT if the system does not end it. */
int cli_process_kill(int pidfd);

#endif
