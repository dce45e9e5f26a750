/* position.h - the positions that push gives to records, so that it can be killed and started again. */
#ifndef CONVEYOR_CLI_POSITION_H
#define CONVEYOR_CLI_POSITION_H

#include <stdbool.h>
#include <stdint.h>

struct cvb_handle;
struct cli_lines;

/* A record's position: none; the number of its line; the offset of the byte behind it and its end. */
enum cli_position_kind { CLI_NO_POSITION, CLI_POSITION_LINES, CLI_POSITION_BYTES };

struct cli_position {
    enum cli_position_kind kind;
    const char *segment, *source_name; /* for messages */
    uint64_t accepted;                 /* the segment has all records up to this one; 0: none yet */
    bool file;                         /* the input is a file, whose beginning is in already: it is passed over */
};

/* The kind by its name, "lines" or "bytes"; NULL is none. False if there is no such kind. */
bool cli_position_parse(const char *name, enum cli_position_kind *kind);

/* Opens the source, and puts the input behind what was accepted: in a file it goes on there, and of anything else what
 * comes counts on. Before the first line is read. 0, or the exit status after a complaint. */
int cli_position_open(struct cli_position *p, struct cvb_handle *handle, uint32_t source, struct cli_lines *lines);

/* The position of the line that cli_lines_next has given; 0 for none. */
uint64_t cli_position_of(const struct cli_position *p, const struct cli_lines *lines);

/* True if the line at this position is in the segment already. */
bool cli_position_is_in(const struct cli_position *p, uint64_t position);

/* At the end of the input: 0, or the exit status after a complaint that it has fewer lines than were accepted. */
int cli_position_end(const struct cli_position *p, const struct cli_lines *lines);

#endif
