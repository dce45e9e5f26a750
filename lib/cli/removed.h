/* removed.h - who still uses a segment whose name was removed. */
#ifndef CONVEYOR_CLI_REMOVED_H
#define CONVEYOR_CLI_REMOVED_H

#include <stddef.h>

/* The pids of processes that still map a removed segment of that name, as text: "12, 345 and 3 more"; "" if there are
 * none that this user may see. */
const char *cli_removed_users(const char *segment, char *text, size_t size);

#endif
