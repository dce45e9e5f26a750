/* bridge.h - what all bridges have in common: what they are told, and the segment that they stand at. */
#ifndef CONVEYOR_BRIDGE_H
#define CONVEYOR_BRIDGE_H

#include <conveyor/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "options.h"
#include "progress.h"
#include "url.h"

enum { BRIDGE_STOPPED = -1000 }; /* among errors: a complaint was made */

struct bridge {
    /* as told */
    const char *segment, *from, *to, *stage_name, *source_name, *pipeline_name, *ack, *on_refused;
    const char *credentials, *tls_ca, *tls_cert, *tls_key, *metrics, *key, *option_file;
    struct cli_list headers, options;
    bool shared, create, check, each_second, buffered, stop_on_refused;
    uint32_t batch, window, count;
    double idle_seconds, drain_seconds, wait_seconds;

    /* as found */
    struct bridge_url url;
    struct cvb_handle *handle;
    struct cvb_settings settings;
    uint32_t stage, source, pipeline;
    uint32_t refused_stage; /* in, not stop_on_refused: where records become dead letters at once */
    uint8_t id[16];         /* of the segment */
    struct cli_progress progress;
    int64_t metrics_due_ns;
    bool metrics_failed;
};

/* Parses the command line of conveyor-bridge-SCHEME: CLI_GO, or the exit status. */
int bridge_parse(struct bridge *bridge, const char *scheme, const char *details, int argc, char **argv);

/* Attaches, and finds the stage (in: makes it, the source and the pipeline): 0 or the exit status. `handle` is NULL
 * after 0 if a signal ended the wait of --wait: that is its clean end. */
int bridge_attach(struct bridge *bridge);

/* Says why something about the segment failed; the exit status. */
int bridge_segment_failed(struct bridge *bridge, int error);

/* For --check, in: what becomes of what a message has besides its body. */
void bridge_say_headers(const struct bridge *bridge);

/* Says that it ends because it was idle, and that it was never connected; the exit status. */
int bridge_never_connected(struct bridge *bridge);

/* How the bridge ended: the last line, with `more` behind it, or what went wrong; the exit status. */
int bridge_report(struct bridge *bridge, int error, bool removed, const char *more);

#endif
