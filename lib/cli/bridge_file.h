/* bridge_file.h - the figures of bridges, from the files that they write (conveyor bridge --metrics). */
#ifndef CONVEYOR_CLI_BRIDGE_FILE_H
#define CONVEYOR_CLI_BRIDGE_FILE_H

#include <conveyor/types.h>
#include <stdbool.h>
#include <time.h>

#include "options.h"

struct cli_bridge_figures { /* NAN: the bridge does not say */
    double connected, blocked, on_their_way, lag, waiting, unsettled, unsettled_seconds, ack_wait_seconds,
        max_ack_pending;
};

struct cli_bridge {
    const char *path;
    char segment[256], stage[CVB_NAME_MAX + 1], direction[8];
    struct timespec written;            /* when the bridge wrote the file last */
    double age_seconds;                 /* since then */
    double apart_seconds;               /* between the two; 0 if it was not written anew */
    struct cli_bridge_figures was, now; /* at the first look and at the second one */
};

struct cli_bridges {
    size_t count;
    struct cli_bridge bridge[CLI_LIST_MAX];
};

/* Reads the files, which must be of bridges of that segment: 0, or the exit status after a complaint. */
int cli_bridges_read(struct cli_bridges *bridges, const struct cli_list *paths, const char *segment);

/* Reads each again when it was written anew; waits a bounded time for that. */
void cli_bridges_read_again(struct cli_bridges *bridges);

/* True if the bridge writes its file no more. */
bool cli_bridge_is_silent(const struct cli_bridge *bridge);

#endif
