/* snapshot.h - what a segment holds, read once, for all commands that show it. */
#ifndef CONVEYOR_CLI_SNAPSHOT_H
#define CONVEYOR_CLI_SNAPSHOT_H

#include <conveyor/progress.h>
#include <conveyor/state.h>
#include <conveyor/wait.h>
#include <stdbool.h>
#include <stddef.h>

struct cli_stage {
    char name[CVB_NAME_MAX + 1];
    uint32_t id, limit, max_retries;
    struct cvb_census holds;
    struct cvb_counts counts;
    double utilization;
    enum cvb_signal signal;
    struct cvb_given given, held; /* by hand */
    struct cvb_age age;
    struct cvb_waits waits;
};

struct cli_source {
    char name[CVB_NAME_MAX + 1];
    uint32_t id;
    uint32_t buffered, limit;
    int64_t credits;
    struct cvb_counts counts;
    struct cvb_backpressure backpressure;
    struct cvb_given given;
    struct cvb_age age;
    struct cvb_progress progress; /* cli_snapshot_progress; else 0 */
};

struct cli_peer {
    uint32_t seat;
    struct cvb_peer peer;
    struct cvb_census holds;
    struct cvb_counts counts; /* of all that ever had the seat */
    struct cvb_age age;
    char command[32]; /* cli_snapshot_commands; empty if the process is not seen from here */
};

struct cli_snapshot {
    struct cvb_settings settings; /* as the segment was made */
    uint32_t limit;               /* of all records, and these: as they are now */
    double backpressure_threshold, resume_threshold;
    uint32_t retry_delay_ms, retry_delay_cap_ms;
    struct cvb_census total;
    uint32_t buffered; /* queued, leased and reserved */
    double utilization;
    struct cvb_given given; /* to all sources */
    struct cvb_age age;
    struct cvb_totals totals;
    size_t stage_count, source_count, pipeline_count, peer_count;
    size_t own_seats; /* of this process */
    struct cli_stage *stages;
    struct cli_source *sources;
    struct cli_peer *peers; /* without this process */
};

/* 0 or an error, and then there is nothing to free. */
int cli_snapshot_take(struct cvb_handle *handle, struct cli_snapshot *s);
/* Adds how far each source has come. Reads all units once more, so only what shows it asks for it. 0 or an error, and
 * then nothing is left to free. */
int cli_snapshot_progress(struct cvb_handle *handle, struct cli_snapshot *s);

/* Also reads the names of the processes: not of one that has its number in another pid namespace, and is another one
 * here. */
void cli_snapshot_commands(struct cli_snapshot *s, const char *segment);

/* All three. 0 or an error, and then there is nothing to free. */
int cli_snapshot_whole(struct cvb_handle *handle, const char *segment, struct cli_snapshot *s);
void cli_snapshot_free(struct cli_snapshot *s);

/* The source with the id, or NULL if it was not there. */
const struct cli_source *cli_source_of(const struct cli_snapshot *s, uint32_t id);

/* How long the oldest record of a source is here, in nanoseconds; 0 if none has a position. Of dead letters only the
 * age of the oldest is known, whosever it is. After cli_snapshot_progress. */
uint64_t cli_unsettled_ns(const struct cli_snapshot *s, const struct cli_source *o);
/* True if dead letters are among them. */
bool cli_has_dead_letters(const struct cli_snapshot *s, const struct cli_source *o);

/* True if it lives, holds leases, and has made no call for so many seconds: it hangs, or a record takes it long. */
bool cli_hangs(const struct cli_peer *p, double seconds);

/* "none", "slow_down", "pause"; "alive", "stopped", "dead" */
const char *cli_signal_name(enum cvb_signal signal);
const char *cli_state_name(enum cvb_peer_state state);

/* Records of all three states. */
uint32_t cli_holds(const struct cvb_census *c);

#endif
