/* flow.h - a stage's flow in a file: what 'record' writes and 'replay' reads. conveyor(1) describes the format. */
#ifndef CONVEYOR_CLI_FLOW_H
#define CONVEYOR_CLI_FLOW_H

#include <conveyor/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct cli_flow_writer {
    struct cvb_handle *handle; /* where the names are */
    int fd;
    bool is_file;               /* can be cut back to what is whole */
    uint64_t bytes;             /* written, of whole records */
    uint64_t first_ns, last_ns; /* when records were put; first_ns 0: none yet */
};

/* Makes the file, which must not be there ("-" is standard output), and writes its first line. 0 or an errno. */
int cli_flow_create(struct cli_flow_writer *w, struct cvb_handle *handle, const char *path, const char *stage);

/* Writes all of the records; on an error none of the last ones is left half. 0 or an errno; `writer` is a
 * cli_flow_writer. */
int cli_flow_write(void *writer, const struct cvb_lease *leases, size_t count);

/* 0 or an errno: what the system has kept back so far may fail now. */
int cli_flow_close(struct cli_flow_writer *w);

struct cli_flow_reader {
    FILE *file;
    uint64_t number; /* of the record at hand, from 1 on */
    char stage[CVB_NAME_MAX + 1];
};

struct cli_flow_record {
    uint64_t time_us; /* since the first was put */
    uint32_t length;
    char source[CVB_NAME_MAX + 1], pipeline[CVB_NAME_MAX + 1];
};

/* OK; END; CUT: it ends inside of a record; WRONG: 'record' has not written this; FAILED: errno says why. */
enum cli_flow { CLI_FLOW_OK, CLI_FLOW_END, CLI_FLOW_CUT, CLI_FLOW_WRONG, CLI_FLOW_FAILED };

enum cli_flow cli_flow_open(struct cli_flow_reader *r, const char *path);
/* The next record, whose payload must be read then. */
enum cli_flow cli_flow_next(struct cli_flow_reader *r, struct cli_flow_record *record);
enum cli_flow cli_flow_payload(struct cli_flow_reader *r, char *payload, uint32_t length);
void cli_flow_close_reader(struct cli_flow_reader *r);

#endif
