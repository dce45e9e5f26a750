/* output.h - leased records as lines on a descriptor, straight from the segment. */
#ifndef CONVEYOR_CLI_OUTPUT_H
#define CONVEYOR_CLI_OUTPUT_H

#include <conveyor/types.h>
#include <stdbool.h>
#include <stddef.h>

struct iovec;

struct cli_output {
    int fd;
    size_t most; /* bytes of several lines in one write; one line may be longer */
};

/* Sees what fd is. If it is a file whose last line was cut off (by a pull that was killed), a new line is begun.
 * 0 or an errno. */
int cli_output_begin(struct cli_output *o, int fd);

/* Writes all, however many writes that takes. 0 or an errno; EINTR: a second signal asked to give up. */
int cli_output_lines(const struct cli_output *o, const struct cvb_lease *leases, size_t count);

/* The bytes of v, which is used up, however many writes that takes. 0 or an errno; EINTR as above. */
int cli_write_all(int fd, struct iovec *v, int count);

#endif
