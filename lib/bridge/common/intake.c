/* intake.c - records on their way into a stage, and when a bridge that brings them in ends. */
#include "intake.h"

#include <conveyor/flow.h>
#include <conveyor/wait.h>
#include <stdlib.h>

#include "feed.h"
#include "refuse.h"
#include "removed.h"
#include "signals.h"
#include "text.h"

bool bridge_intake_begin(struct bridge_intake *in, struct bridge *b)
{
    *in = (struct bridge_intake){.bridge = b, .last_record_ns = cli_now_ns()};
    in->records = calloc(b->batch, sizeof *in->records);
    if (b->settings.header_size)
        in->headers = malloc((size_t)b->batch * b->settings.header_size);
    return in->records && (in->headers || !b->settings.header_size) && (b->stop_on_refused || !bridge_bury(b));
}

void bridge_intake_end(struct bridge_intake *in)
{
    free(in->records);
    free(in->headers);
}

size_t bridge_intake_most(const struct bridge_intake *in, size_t count)
{
    const struct bridge *b = in->bridge;
    size_t most = count < b->batch ? count : b->batch;
    uint64_t left = b->count ? b->count - in->done : most;
    return left < most ? (size_t)left : most;
}

void bridge_intake_fill(struct bridge_intake *in, size_t i, uint32_t source, uint64_t position, const void *payload,
                        size_t length)
{
    in->records[i] = (struct cvb_record){.payload = payload,
                                         .length = length < UINT32_MAX ? (uint32_t)length : UINT32_MAX,
                                         .source = source,
                                         .pipeline = in->bridge->pipeline,
                                         .position = position};
}

struct bridge_envelope *bridge_intake_envelope(struct bridge_intake *in)
{
    struct bridge_envelope *e = &in->envelope;
    if (!in->headers)
        return NULL;
    e->origin[0] = e->id[0] = 0;
    e->place = e->where = NULL;
    e->partition = -1;
    e->timestamp_ns = 0;
    e->key = (struct bridge_text){0};
    e->header_count = 0;
    e->cut = false;
    return e;
}

void bridge_intake_seal(struct bridge_intake *in, size_t i)
{
    const uint32_t size = in->bridge->settings.header_size;
    uint8_t *place = in->headers + i * size;
    in->records[i].header_length = (uint32_t)bridge_envelope_pack(&in->envelope, place, size);
    in->records[i].header = in->records[i].header_length ? place : NULL;
    if (!in->envelope.cut)
        return;
    if (!in->cut++) {
        cli_progress_break(&in->bridge->progress);
        cli_complain("the headers of a message do not fit into the %u bytes that a record's header may have, and are "
                     "left out; create the segment with a larger --header-size to keep them",
                     size);
    }
}

void bridge_intake_note(struct bridge_intake *in, size_t count)
{
    in->done += count;
    in->bridge->progress.records = in->done;
    if (count)
        in->last_record_ns = cli_now_ns();
}

int bridge_intake_opens(const struct bridge_intake *in, uint32_t source)
{
    const struct bridge *b = in->bridge;
    struct cvb_backpressure pressure;
    int error = cvb_backpressure(b->handle, b->stage, source, &pressure);
    return error ? error : pressure.signal != CVB_SIGNAL_PAUSE;
}

int bridge_intake_put(struct bridge_intake *in, size_t count, int *why)
{
    struct bridge *b = in->bridge;
    in->put = 0;
    if (!count)
        return 0;
    int n = cvb_buffer_batch_for_stage(b->handle, b->stage, in->records, count, why);
    if (n == CVB_ETOOLONG) { /* the first one */
        *why = n;
        n = 0;
    }
    if (n < 0)
        return n;
    if ((size_t)n == count || cli_is_refusal(*why))
        *why = 0;
    in->put = (size_t)n;
    bridge_intake_note(in, in->put);
    return n;
}

bool bridge_intake_is_over(struct bridge_intake *in, bool waiting, int64_t now)
{
    const struct bridge *b = in->bridge;
    in->removed |= cli_is_removed(b->handle, &in->next_look_ns);
    return cli_signals() || in->removed || (b->count && in->done >= b->count) ||
           (b->idle_seconds >= 0 && !waiting && now - in->last_record_ns > (int64_t)(b->idle_seconds * 1e9));
}
