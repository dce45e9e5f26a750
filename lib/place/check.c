/* check.c - what a call asks before it begins: whether the handle may be used, and whether somebody has named an id. */
#include "place/named.h"

CVB_RARE int cvb_why_not(const struct cvb_handle *h)
{
    int error = cvb_handle_reads(h);
    return error ? error : h->observer ? CVB_EREADONLY : h->poisoned ? CVB_ECORRUPT : CVB_ELOST;
}

/* No seat's word is 0 while a handle has the seat. */
void cvb_poison(struct cvb_handle *h)
{
    h->poisoned = true;
    h->entered = 0;
}

int cvb_mapping_check(struct cvb_handle *h)
{
    int error = cvb_handle_reads(h);
    if (!error && cvb_look_begin(h) == CVB_ETRUNCATED)
        return CVB_ETRUNCATED;
    return error ? error : cvb_reader_check(h);
}

bool cvb_id_named(struct cvb_handle *h, enum cvb_kind kind, uint32_t id)
{
    if (id >= h->segment.geometry.name_limit[kind])
        return false;
    return kind == CVB_KIND_SOURCE ? cvb_load64_acq(&cvb_named_at(h, id)->hi) != 0
                                   : cvb_load32_acq(&cvb_references_at(h, kind)[id]) != 0;
}

/* What the handle knows of ids that others have named since; false if nobody has. */
CVB_RARE bool cvb_learn_id(struct cvb_handle *h, enum cvb_kind kind, uint32_t id)
{
    if (!cvb_id_named(h, kind, id))
        return false;
    h->known[kind] = id + 1;
    return true;
}

/* A mark means that somebody wants to retire the name. The caller has what forbids it, so the mark goes. */
CVB_RARE bool cvb_source_stays(struct cvb_handle *h, uint32_t id)
{
    if (cvb_place_of(id) >= h->segment.settings.max_sources)
        return false;
    struct cvb_pair *named = cvb_named_at(h, cvb_place_of(id));
    for (;;) {
        const struct cvb_pair w = cvb_load_pair(named);
        if (w.lo != cvb_named_lo(CVB_NAMED_RETIRING, id))
            return w.lo == cvb_named_lo(CVB_NAMED_LIVE, id);
        cvb_cas_pair(named, w, (struct cvb_pair){cvb_named_lo(CVB_NAMED_LIVE, id), w.hi + CVB_NAMED_CHANGE});
    }
}
