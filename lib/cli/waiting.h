/* waiting.h - a table of the records that wait in a stage, which stay where they are. */
#ifndef CONVEYOR_CLI_WAITING_H
#define CONVEYOR_CLI_WAITING_H

#include <stdint.h>

#include "sift.h"

struct cvb_handle;

/* Writes those that the filter means on standard output: the beginning of each payload, what is not printable as a dot.
 * *found is how many there are, also beyond the filter's count. 0 or an error. */
int cli_waiting_print(struct cvb_handle *handle, uint32_t stage, const struct cli_filter *f, uint64_t *found);

/* The same as one JSON object, in which what is not printable is a question mark. */
int cli_waiting_json(struct cvb_handle *handle, const char *segment, uint32_t stage, const struct cli_filter *f);

#endif
