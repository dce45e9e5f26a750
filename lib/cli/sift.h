/* sift.h - takes records that match a filter out of a stage, for good or to another stage, and leaves the others. */
#ifndef CONVEYOR_CLI_SIFT_H
#define CONVEYOR_CLI_SIFT_H

#include <conveyor/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "options.h"

/* What of a stage is meant; begins as {0}: all of it. */
struct cli_filter {
    const char *source_name, *pipeline_name; /* or NULL */
    double older_than;                       /* seconds since the put */
    uint32_t count;                          /* so many at most; 0: all */
    uint32_t source, pipeline;               /* found by cli_sift_open */
};

/* The options --source, --pipeline, --older-than and --count, as four entries of a table. */
#define CLI_FILTER_OPTIONS(f)                                                                                          \
    {"source", CLI_TEXT, "NAME", "only those of that source", &(f)->source_name, 0, 0},                                \
        {"pipeline", CLI_TEXT, "NAME", "only those of that pipeline", &(f)->pipeline_name, 0, 0},                      \
        {"older-than", CLI_REAL, "SECONDS", "only those that were put so long ago", &(f)->older_than, 0, 1e12},        \
    {                                                                                                                  \
        "count", CLI_WHOLE, "N", "only the first N", &(f)->count, 1, UINT32_MAX                                        \
    }

enum cli_fate { CLI_DROP, CLI_MOVE, CLI_TO_ORIGIN };

struct cli_sift {
    /* given by the command */
    const char *segment, *stage_name, *to_name; /* to_name: of CLI_MOVE */
    struct cli_filter filter;
    enum cli_fate fate;
    const char *verb, *noun, *done; /* "drop", "record", "dropped": for sentences */
    bool dry_run, force, json;
    bool observe; /* only look: nothing is taken out */
    /* its own */
    struct cvb_handle *handle;
    uint32_t stage, to;
    uint64_t taken; /* records that were sifted out */
    bool released;  /* some went back to the end of their stage: the others follow, so that the order stays */
};

/* Attaches and finds the names, which must be there; the exit status after a complaint. */
int cli_sift_open(struct cli_sift *s);
void cli_sift_close(struct cli_sift *s);

/* CLI_GO if the records may be taken out: --force or --dry-run is given, or somebody at a terminal can be asked. */
int cli_sift_may(const struct cli_sift *s);

/* Counts, asks if `ask` is set and --force is not, takes them out, and says so; the exit status. */
int cli_sift_run(struct cli_sift *s, bool ask);

/* All of it for a command that only sifts: may it, attach, ask, sift, leave; the exit status. */
int cli_sift_all(struct cli_sift *s);

/* True if the record is meant, as seen at that time of the wall clock. */
bool cli_filter_matches(const struct cli_filter *f, const struct cvb_lease *record, uint64_t now_ns);

/* The wall clock. */
uint64_t cli_wall_ns(void);

#endif
