/* flow.h - a stage's flow in a file: what 'record' writes and 'replay' reads. conveyor(1) describes the format. */
#ifndef CONVEYOR_CLI_FLOW_H
#define CONVEYOR_CLI_FLOW_H

#include <conveyor/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "output.h"

/* When records were put, by a clock that is never set; see flow_clock.c. */
struct cli_flow_clock {
    int64_t oldest_ns;           /* of the monotonic clock: nothing was put before */
    bool begun;                  /* the rest is of the records before the one at hand */
    uint64_t last_ns, newest_ns; /* wall time of the last one, and the latest of all */
    int64_t since_ns;            /* of the monotonic clock: the last one was put then or later */
    uint64_t time_ns;            /* what the last one got, from 0 on */
};

/* `segment` is the one whose records come. */
void cli_flow_clock_begin(struct cli_flow_clock *c, const char *segment);

/* The time of the next record, from 0 on: now_ns is the monotonic clock's time, and wall_ns the wall clock's. */
uint64_t cli_flow_clock_next(struct cli_flow_clock *c, const struct cvb_lease *lease, int64_t now_ns, uint64_t wall_ns);

struct cli_flow_writer {
    struct cvb_handle *handle; /* where the names are */
    struct cli_output output;
    bool own; /* made by cli_flow_create: it can be cut back to whole records */
    struct cli_flow_clock clock;
};

/* Makes the file, which must not be there ("-" is standard output), and writes its first line; leaves none behind if
 * that fails. 0 or an errno. `segment` is the name of the one whose records are written. */
int cli_flow_create(struct cli_flow_writer *w, struct cvb_handle *handle, const char *path, const char *segment,
                    const char *stage);

/* Writes all of the records, and notes in ends[i] what output.written is when record i is whole; on an error no record
 * is left half in an own file. 0 or an errno; `writer` is a cli_flow_writer. */
int cli_flow_write(void *writer, const struct cvb_lease *leases, size_t count, uint64_t *ends);

/* 0 or an errno: what the system has kept back so far may fail now. */
int cli_flow_close(struct cli_flow_writer *w);

struct cli_flow_reader {
    FILE *file;
    uint64_t number; /* of the record at hand, from 1 on */
    char stage[CVB_NAME_MAX + 1];
};

struct cli_flow_record {
    uint64_t time_us; /* since the first was put */
    uint32_t length, header_length;
    uint64_t position; /* 0: it has none */
    char source[CVB_NAME_MAX + 1], pipeline[CVB_NAME_MAX + 1];
};

/* OK; END; CUT: it ends inside of a record; WRONG: 'record' has not written this; FAILED: errno says why. */
enum cli_flow { CLI_FLOW_OK, CLI_FLOW_END, CLI_FLOW_CUT, CLI_FLOW_WRONG, CLI_FLOW_FAILED };

enum cli_flow cli_flow_open(struct cli_flow_reader *r, const char *path);
/* The next record, whose bytes must be read then: the payload, and the header behind it. */
enum cli_flow cli_flow_next(struct cli_flow_reader *r, struct cli_flow_record *record);
enum cli_flow cli_flow_bytes(struct cli_flow_reader *r, char *bytes, size_t length);
void cli_flow_close_reader(struct cli_flow_reader *r);

#endif
