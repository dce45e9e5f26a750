/* refuse.c - messages that cannot be a record. */
#include "refuse.h"

#include <conveyor/flow.h>
#include <conveyor/state.h>

#include "feed.h"
#include "text.h"

int bridge_bury(const struct bridge *b)
{
    struct cvb_lease lease;
    int n = 1;
    for (int64_t left = cvb_stage_size(b->handle, b->refused_stage); n > 0 && left > 0; left--) {
        n = cvb_get_batch(b->handle, b->refused_stage, &lease, 1);
        int error = n > 0 ? cvb_return_to_buffer(b->handle, &lease, 1) : 0;
        n = error ? error : n;
    }
    return n < 0 ? n : 0;
}

static int put_cut_off(struct bridge_intake *in, const char *what, size_t length)
{
    const struct bridge *b = in->bridge;
    struct cvb_record *r = &in->records[in->put];
    r->length = b->settings.payload_size;
    int error = cvb_buffer_for_stage(b->handle, b->refused_stage, r);
    if (cli_is_refusal(error))
        return 0;
    if (!error)
        error = bridge_bury(b);
    if (error)
        return error;
    cli_progress_break(&in->bridge->progress);
    cli_complain("%s has %zu bytes, and a record of segment '%s' has at most %u: these are a dead letter now", what,
                 length, b->segment, r->length);
    bridge_intake_note(in, 1);
    return 1;
}

int bridge_refuse(struct bridge_intake *in, int why, const char *what, size_t length)
{
    const struct bridge *b = in->bridge;
    if (why != CVB_ETOOLONG)
        return why;
    if (!b->stop_on_refused)
        return put_cut_off(in, what, length);
    cli_progress_break(&in->bridge->progress);
    cli_complain("%s has %zu bytes, and a record of segment '%s' has at most %u: make the segment anew with a larger "
                 "--payload-size, or see --on-refused; all messages before it are in",
                 what, length, b->segment, b->settings.payload_size);
    return BRIDGE_STOPPED;
}
