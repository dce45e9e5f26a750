/* format.h - what is written of each record: pieces of text, and fields of it. */
#ifndef CONVEYOR_CLI_FORMAT_H
#define CONVEYOR_CLI_FORMAT_H

#include <conveyor/types.h>
#include <stdbool.h>
#include <stddef.h>

struct iovec;

enum cli_piece_kind {
    CLI_TEXT_PIECE,
    CLI_PAYLOAD,
    CLI_PREFIX, /* the payload's length: 4 bytes, the highest first */
    CLI_LENGTH, /* the same in digits */
    CLI_SOURCE,
    CLI_PIPELINE,
    CLI_STAGE,
    CLI_RETRIES,
    CLI_POSITION,
    CLI_TIME /* of the put, in seconds since 1970 */
};

enum { CLI_PIECES = 32, CLI_PIECE_BYTES = CVB_NAME_MAX + 1 };

struct cli_format {
    struct cvb_handle *handle; /* where the names are */
    bool lines;                /* each record ends with a newline */
    size_t count;
    struct {
        enum cli_piece_kind kind;
        const char *text; /* of a CLI_TEXT_PIECE */
        size_t length;
    } piece[CLI_PIECES];
    char *texts; /* what the pieces of text point into, or NULL */
};

/* The payload and a newline; a NUL byte after it; its length before it. */
void cli_format_lines(struct cli_format *f);
void cli_format_nul(struct cli_format *f);
void cli_format_prefixed(struct cli_format *f);

/* As the text says: {payload}, {length}, {source}, {pipeline}, {stage}, {retries}, {position}, {time}; \n, \t, \0,
 * \\ and \{. 0, or the exit status after a complaint. Free with cli_format_free. */
int cli_format_parse(struct cli_format *f, const char *text);
void cli_format_free(struct cli_format *f);

/* The pieces of one record, which stand in v, in the payload and in scratch, of count * CLI_PIECE_BYTES bytes; returns
 * their length. */
size_t cli_format_record(const struct cli_format *f, const struct cvb_lease *lease, struct iovec *v, char *scratch);

#endif
