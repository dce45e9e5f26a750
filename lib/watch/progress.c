/* progress.c - how far a source has come. */
#include <conveyor/progress.h>

#include "flow/flow.h"
#include "sized.h"

static int check_source(struct cvb_handle *h, uint32_t source)
{
    int error = cvb_reader_check(h);
    return !error && !cvb_id_known(h, CVB_KIND_SOURCE, source) ? CVB_EUNKNOWN : error;
}

/* Settled is read first: what was settled then was accepted before. */
int cvb_source_progress_sized(struct cvb_handle *h, uint32_t source, struct cvb_progress *progress, size_t size)
{
    CVB_ONE_USER(h);
    int error = check_source(h, source);
    if (error || !progress)
        return error ? error : CVB_EINVAL;
    error = h->observer ? 0 : cvb_survey(h); /* an observer tells what the last survey found */
    if (error < 0)
        return error;
    struct cvb_progress p = {.settled = cvb_load64_acq(&h->stands[source].settled)};
    p.accepted = cvb_accepted(h, source, &p.live);
    cvb_sized_give(progress, size, &p, sizeof p);
    return 0;
}
