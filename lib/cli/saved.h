/* saved.h - all that a segment holds, in a file: what 'record --all' writes and 'replay --all' reads. conveyor(1)
 * describes the format. */
#ifndef CONVEYOR_CLI_SAVED_H
#define CONVEYOR_CLI_SAVED_H

#include <conveyor/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "snapshot.h"

#define CLI_SAVED_FIRST "conveyor-all 1"

/* The whole of `record --all` and of `replay --all`: the exit status. */
int cli_save(const char *segment, const char *path);
int cli_load(const char *segment, const char *path);

/* Frees what dead processes hold, then sees what there is and how far each source has come. 0 or an error, and then
 * there is nothing to free. */
int cli_saved_look(struct cvb_handle *handle, const char *segment, struct cli_snapshot *seen);

/* A record of the file. Ids are those of the segment that is loaded: names are looked up there, and made. */
struct cli_saved_record {
    uint64_t offset;                  /* where its payload begins in the file, and its header behind it */
    uint64_t position, hash;          /* 0: it has none; of payload and header */
    uint32_t stage, source, pipeline; /* stage: of a dead letter the one that it came from */
    uint32_t length, header_length, retries;
    uint32_t next; /* in the chain of those with a like hash: index + 1 */
    bool dead;     /* it is in the dead-letter stage */
    bool mark;     /* none of the file: it carries what its source had accepted, and is acked at the end */
    bool there;    /* it is in the segment */
    bool settled;  /* it is a dead letter there already */
};

struct cli_saved {
    const char *segment, *path;
    struct cvb_handle *handle;
    struct cvb_settings settings;
    FILE *file;
    struct cli_saved_record *record;
    size_t count, room;
    uint64_t *accepted; /* by the source's place: the highest position that the saved segment had accepted */
    char *bytes;        /* room for one record */
    uint32_t *chain;    /* by hash: index + 1 of the first, 0 for none */
    size_t chains;      /* a power of two */
};

/* Opens and reads all of the file, whose records must fit; the names are made in the segment. 0, or the exit status
 * after a complaint; cli_saved_close in both cases. */
int cli_saved_open(struct cli_saved *s);
void cli_saved_close(struct cli_saved *s);

/* A further record at the end: NULL without memory. */
struct cli_saved_record *cli_saved_add(struct cli_saved *s);

/* The payload and the header of a record into `bytes`. False on an error, which errno says. */
bool cli_saved_bytes(const struct cli_saved *s, const struct cli_saved_record *r, char *bytes);

/* So that cli_saved_find finds records: false without memory. */
bool cli_saved_index(struct cli_saved *s);

/* The first record that is as the lease (or what was peeked) and not `there`; NULL: none. */
struct cli_saved_record *cli_saved_find(const struct cli_saved *s, const struct cvb_lease *lease);

uint64_t cli_saved_hash(const void *payload, size_t length, const void *header, size_t header_length);

#endif
