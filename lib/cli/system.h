/* system.h - what this machine has for segments, and why it refuses one. */
#ifndef CONVEYOR_CLI_SYSTEM_H
#define CONVEYOR_CLI_SYSTEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of shared memory that are free on the machine; UINT64_MAX if there is no limit or it cannot be told. */
uint64_t cli_free_memory(void);

/* True if there is a file of the segment's name in shared memory, whatever it is. */
bool cli_is_file(const char *segment);

/* What keeps a segment of so many bytes (0: one that is there) from being made or used here, with the cure; NULL if
 * nothing is seen. `reason` is the errno of what failed, or 0. */
const char *cli_system_cause(int reason, uint64_t bytes, char *text, size_t size);

#endif
