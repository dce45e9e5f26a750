/* state.c - reading what a segment was made with, and how full it is. Nothing here writes to the segment. */
#include <conveyor/segment.h>
#include <conveyor/state.h>
#include <string.h>

#include "flow/flow.h"
#include "sized.h"

int cvb_settings_of_sized(struct cvb_handle *h, struct cvb_settings *settings, size_t size)
{
    if (!settings)
        return CVB_EINVAL;
    int error = cvb_handle_reads(h);
    if (!error)
        cvb_sized_give(settings, size, &h->segment.settings, sizeof h->segment.settings);
    return error;
}

int cvb_segment_id(struct cvb_handle *h, uint8_t id[CVB_SEGMENT_ID_BYTES])
{
    if (!id)
        return CVB_EINVAL;
    int error = cvb_handle_reads(h);
    if (!error)
        memcpy(id, h->segment.id, CVB_SEGMENT_ID_BYTES);
    return error;
}

static int check_stage(struct cvb_handle *h, uint32_t stage)
{
    int error = cvb_reader_check(h);
    return !error && !cvb_id_known(h, CVB_KIND_STAGE, stage) ? CVB_EUNKNOWN : error;
}

int64_t cvb_stage_size(struct cvb_handle *h, uint32_t stage)
{
    int error = check_stage(h, stage);
    if (error)
        return error;
    if (stage != CVB_STAGE_DEAD_LETTER)
        return cvb_live(h, cvb_counter_of_stage(stage));
    int64_t others = 0, total = cvb_counter_used(h, CVB_COUNTER_TOTAL); /* no dead letter is ever idle */
    for (uint32_t s = 1; cvb_id_known(h, CVB_KIND_STAGE, s); s++)
        others += cvb_counter_used(h, cvb_counter_of_stage(s));
    return total > others ? total - others : 0;
}

int64_t cvb_total_buffered(struct cvb_handle *h)
{
    int error = cvb_reader_check(h);
    return error ? error : cvb_live(h, CVB_COUNTER_TOTAL);
}

double cvb_stage_utilization(struct cvb_handle *h, uint32_t stage)
{
    int64_t size = cvb_stage_size(h, stage);
    if (size < 0)
        return (double)size;
    return (double)size / cvb_marks_of(h, stage ? cvb_counter_of_stage(stage) : CVB_COUNTER_TOTAL)->limit;
}

double cvb_global_utilization(struct cvb_handle *h)
{
    int64_t size = cvb_total_buffered(h);
    return size < 0 ? (double)size : (double)size / cvb_marks_of(h, CVB_COUNTER_TOTAL)->limit;
}

int cvb_stages_with_data(struct cvb_handle *h, uint32_t *stages, size_t count)
{
    int error = cvb_reader_check(h), found = 0;
    if (error || (count && !stages))
        return error ? error : CVB_EINVAL;
    for (uint32_t s = 0; cvb_id_known(h, CVB_KIND_STAGE, s); s++)
        if (cvb_stage_size(h, s) > 0) {
            if ((size_t)found < count)
                stages[found] = s;
            found++;
        }
    return found;
}
