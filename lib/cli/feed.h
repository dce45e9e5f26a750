/* feed.h - puts records into a stage, and does what the signals say. */
#ifndef CONVEYOR_CLI_FEED_H
#define CONVEYOR_CLI_FEED_H

#include <conveyor/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "progress.h"

struct cli_feed {
    struct cvb_handle *handle;
    uint32_t stage;
    bool slow_down; /* heed that signal too, not only the pause */
    struct cli_progress *progress;
    bool removed; /* the segment's name was removed; looked for while waiting, and by the command */
    int64_t next_look_ns;
};

/* Puts all records, or fewer if a signal to this process came or the segment was removed: 0 or an error. Counts them
 * and the time stalled: waits for room, and what SLOW_DOWN asks for. */
int cli_feed_put(struct cli_feed *f, const struct cvb_record *records, size_t count);

/* True if a put was refused for lack of room, so that waiting helps. */
bool cli_is_refusal(int error);

#endif
