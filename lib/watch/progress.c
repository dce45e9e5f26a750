/* progress.c - how far a source has come. */
#include <conveyor/progress.h>

#include "flow/flow.h"
#include "sized.h"

static int check_source(struct cvb_handle *h, uint32_t source)
{
    int error = cvb_reader_check(h);
    return !error && !cvb_source_known(h, source) ? CVB_EUNKNOWN : error;
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
    const uint32_t place = cvb_place_of(source);
    struct cvb_progress p = {.settled = cvb_load64_acq(&h->stands[place].settled)};
    p.accepted = cvb_accepted(h, place, &p.live);
    const uint64_t base = cvb_position_base(h, place);
    if (!cvb_source_known(h, source))
        return CVB_EUNKNOWN; /* retired meanwhile: the base may be the next name's */
    p.settled = cvb_position_above(p.settled, base);
    p.accepted = cvb_position_above(p.accepted, base);
    cvb_sized_give(progress, size, &p, sizeof p);
    return 0;
}

int cvb_progress_all_sized(struct cvb_handle *h, struct cvb_progress *progress, size_t size)
{
    CVB_ONE_USER(h);
    int error = cvb_reader_check(h);
    if (error || !progress || !size)
        return error ? error : CVB_EINVAL;
    error = h->observer ? 0 : cvb_survey(h);
    if (error < 0)
        return error;
    const uint32_t sources = cvb_named_sources(h);
    char *element = (char *)progress; /* of the size that the caller knows */
    cvb_sized_clear(progress, size, h->segment.settings.max_sources);
    for (uint32_t i = 0; i < sources; i++)
        h->found[i].settled = cvb_load64_acq(&h->stands[i].settled);
    cvb_accepted_all(h, sources);
    for (uint32_t i = 0; i < sources; i++) {
        const struct cvb_found *f = &h->found[i];
        const uint64_t base = cvb_position_base(h, i);
        const struct cvb_progress p = {.settled = cvb_position_above(f->settled, base),
                                       .accepted = cvb_position_above(f->highest, base),
                                       .live = f->live};
        cvb_sized_give(element + i * size, size, &p, sizeof p);
    }
    return 0;
}
