/* waiting.h - a table of the records that wait in a stage, which stay where they are. */
#ifndef CONVEYOR_CLI_WAITING_H
#define CONVEYOR_CLI_WAITING_H

#include <stdint.h>

struct cvb_handle;

/* Writes the first `most` of them (0: all) on standard output: the beginning of each payload, what is not printable as
 * a dot. *found is how many there are in all. 0 or an error. */
int cli_waiting_print(struct cvb_handle *handle, uint32_t stage, uint32_t most, uint64_t *found);

#endif
