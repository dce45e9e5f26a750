/* output.h - bytes on a descriptor, and how many of them its reader has taken. */
#ifndef CONVEYOR_CLI_OUTPUT_H
#define CONVEYOR_CLI_OUTPUT_H

#include <conveyor/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "format.h"

struct iovec;

struct cli_output {
    int fd;
    bool regular;         /* a file */
    unsigned long unread; /* the ioctl that counts bytes which nobody has read yet: a pipe, a socket; else 0 */
    size_t most;          /* bytes of several lines in one write; one line may be longer */
    uint64_t written;     /* bytes so far */
    uint64_t taken;       /* of them, those that the reader has taken for certain */
};

/* Sees what fd is. 0 or an errno. */
int cli_output_open(struct cli_output *o, int fd);

/* If the output is a file whose last line was cut off (by a pull that was killed), begins a new line. 0 or an errno. */
int cli_output_begin_line(struct cli_output *o);

/* Writes the bytes of v, which is used up, however many writes that takes. 0 or an errno. EINTR: a signal asked to end,
 * and nothing of v was written, or the rest found no room within a moment. */
int cli_output_write(struct cli_output *o, struct iovec *v, int count);

/* Writes each record as the format says. ends[i] becomes what `written` is when record i is written whole; of those
 * behind an error it stays as it is. Errors as above. */
int cli_output_records(struct cli_output *o, const struct cli_format *f, const struct cvb_lease *leases, size_t count,
                       uint64_t *ends);

/* How many of the written bytes are out of our hands: read by the reader of a pipe or socket, or in a file or on a
 * terminal. Others that write to the same pipe can only make it fewer. */
uint64_t cli_output_taken(struct cli_output *o);

/* True if nobody can read what is written any more. */
bool cli_output_gone(const struct cli_output *o);

#endif
