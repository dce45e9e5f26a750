/* check.c - what a call asks before it begins: whether the handle may be used, and whether somebody has named an id. */
#include "place/place.h"

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
    return id < h->segment.geometry.name_limit[kind] && cvb_load32_acq(&cvb_references_at(h, kind)[id]);
}

/* What the handle knows of ids that others have named since; false if nobody has. */
CVB_RARE bool cvb_learn_id(struct cvb_handle *h, enum cvb_kind kind, uint32_t id)
{
    if (!cvb_id_named(h, kind, id))
        return false;
    h->known[kind] = id + 1;
    return true;
}
