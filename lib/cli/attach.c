/* attach.c - attaching to a segment that may not be there yet, nor its stages. */
#include "attach.h"

#include <conveyor/segment.h>
#include <conveyor/state.h>

#include "names.h"
#include "signals.h"
#include "text.h"

#define SLICE INT64_C(50000000) /* nanoseconds from one look to the next */

/* True also of a name that can be none, and of a segment that cannot be read: waiting does not help those. */
static bool is_there(struct cvb_handle *handle, const char *stage)
{
    uint32_t id;
    return !stage || !cli_is_name(stage) || cli_look_up_stage(handle, stage, &id);
}

/* Leaves a segment that was removed: one that is made anew may have the stages. */
static void leave_removed(struct cvb_handle **handle)
{
    if (*handle && !cvb_is_linked(*handle)) {
        cvb_detach(*handle);
        *handle = NULL;
    }
}

int cli_attach_until(const char *segment, const char *stage, const char *other, int64_t until_ns,
                     struct cvb_handle **handle)
{
    *handle = NULL;
    for (;; cli_sleep(SLICE)) {
        int error = *handle ? 0 : cvb_attach(segment, handle);
        if (!error && is_there(*handle, stage) && is_there(*handle, other))
            return 0;
        if ((error && error != CVB_ENOENT) || cli_now_ns() >= until_ns)
            return error ? cli_segment_failed(segment, error) : 0;
        if (cli_signals()) {
            if (*handle)
                cvb_detach(*handle);
            *handle = NULL;
            return 0;
        }
        leave_removed(handle);
    }
}
