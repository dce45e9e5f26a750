/* rm.c - unlinks a segment. */
#include <conveyor/segment.h>

#include "options.h"
#include "text.h"

static int run(const struct cli_command *self, int argc, char **argv)
{
    const char *segment;
    int status = cli_parse(self, argc, argv, NULL, 0, &segment, 1);
    if (status != CLI_GO)
        return status;
    int error = cvb_unlink(segment);
    return error ? cli_segment_failed(segment, error) : CLI_DONE;
}

const struct cli_command cli_rm = {"rm", "SEG", "remove a segment",
                                   "Its name is gone at once; processes that use it go on with it, and its memory is "
                                   "free when the last has left.",
                                   run};
