/* removed.h - a segment whose name was removed, and who still uses it. */
#ifndef CONVEYOR_CLI_REMOVED_H
#define CONVEYOR_CLI_REMOVED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cvb_handle;

/* True if the segment's name was removed. Looks only when *next_look_ns has come, twice a second, and sets it. */
bool cli_is_removed(struct cvb_handle *handle, int64_t *next_look_ns);

/* Says that the command ends because of that. */
void cli_complain_removed(const char *segment);

/* The pids of processes that still map a removed segment of that name, as text: "12, 345 and 3 more"; "" if there are
 * none that this user may see. */
const char *cli_removed_users(const char *segment, char *text, size_t size);

#endif
