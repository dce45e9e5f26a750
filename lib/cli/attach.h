/* attach.h - attaching to a segment that may not be there yet, nor its stages. */
#ifndef CONVEYOR_CLI_ATTACH_H
#define CONVEYOR_CLI_ATTACH_H

#include <stdint.h>

struct cvb_handle;

/* Attaches, and waits for the segment and two stages in it (NULL: for none) until that time of cli_now_ns. 0, or the
 * exit status after a complaint. A stage may be missing still: who looks it up complains. *handle is NULL after 0 if a
 * signal ended the wait. */
int cli_attach_until(const char *segment, const char *stage, const char *other, int64_t until_ns,
                     struct cvb_handle **handle);

#endif
