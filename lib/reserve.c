/* reserve.c - room in the segment that the caller writes into itself: reserved with its credits, then published or
 * given up. A reservation is a RES unit; it needs no journal, and any number may be open. */
#include <conveyor/flow.h>

#include "internal.h"

static int hand_out_slots(struct cvb_handle *h, uint32_t u, struct cvb_pair w, uint32_t length, struct cvb_slot *out)
{
    int n = 0;
    for (uint32_t mask = cvb_hi_mask(w.hi); mask; mask &= mask - 1, n++) {
        unsigned i = (unsigned)__builtin_ctz(mask);
        uint32_t cell = cvb_load32_rlx(&cvb_member_at(h, u, i)->cell);
        out[n] = (struct cvb_slot){
            cvb_payload(h, cell, length), length, {w.lo, u, h->serial, (uint16_t)i, (uint16_t)cvb_hi_stage(w.hi)}};
        if (!out[n].payload)
            return CVB_ECORRUPT;
    }
    return n;
}

/* Reserves up to n records as one unit; returns how many. */
static int reserve_run(struct cvb_handle *h, uint32_t stage, const struct cvb_record *shape, unsigned n,
                       struct cvb_slot *slots)
{
    uint32_t u;
    struct cvb_pair w;
    int error = cvb_obtain(h, stage, shape, n, &u, &w);
    return error ? error : hand_out_slots(h, u, w, shape->length, slots);
}

int cvb_reserve(struct cvb_handle *h, uint32_t stage, const struct cvb_record *shape, struct cvb_slot *slots,
                size_t count, int *why)
{
    int error = cvb_handle_check(h);
    size_t done = 0;
    if (error || !shape || (count && !slots) || count > INT32_MAX)
        return error ? error : CVB_EINVAL;
    struct cvb_record r = {"", shape->length, shape->source, shape->pipeline};
    error = cvb_record_check(h, &r);
    if (stage >= h->segment.settings.max_stages || stage == CVB_STAGE_DEAD_LETTER)
        error = CVB_EUNKNOWN;
    while (!error && done < count) {
        size_t n = count - done < CVB_UNIT_MEMBERS ? count - done : CVB_UNIT_MEMBERS;
        int got = reserve_run(h, stage, &r, (unsigned)n, &slots[done]);
        error = got < 0 ? got : 0;
        done += got < 0 ? 0 : (unsigned)got;
    }
    if (cvb_is_refusal(error))
        cvb_tally_refusal(h, stage, r.source, error);
    if (why)
        *why = error;
    h->refused_class = error == CVB_EMEMORY_FULL ? cvb_class_for(h, r.length) : CVB_NO_CLASS;
    return error == CVB_ECORRUPT || error == CVB_EUNKNOWN || error == CVB_ETOOLONG ? error : (int)done;
}

static struct cvb_places places_of_slots(const struct cvb_slot *slots, size_t count)
{
    return (struct cvb_places){slots ? &slots->place : NULL, sizeof *slots, count, CVB_RES};
}

static int publish_word(struct cvb_handle *h, uint32_t u, struct cvb_pair w)
{
    struct cvb_unit *unit = cvb_unit_at(h, u);
    uint32_t source = cvb_load16_rlx(&unit->source), stage = cvb_hi_stage(w.hi);
    if (source >= h->segment.settings.max_sources || stage >= h->segment.settings.max_stages)
        return CVB_ECORRUPT;
    cvb_store64_rlx(&unit->buffered_at_ns, cvb_now_ns());
    int error = cvb_enqueue(h, u, w, stage, 0);
    if (!error)
        cvb_tally(h, stage, source, CVB_N_ACCEPTED, cvb_mask_count(cvb_hi_mask(w.hi)));
    return error ? CVB_ECORRUPT : 0;
}

static int publish_unit(struct cvb_handle *h, uint32_t u, uint32_t unused)
{
    (void)unused;
    return publish_word(h, u, cvb_load_pair(&cvb_unit_at(h, u)->word));
}

static int cancel_unit(struct cvb_handle *h, uint32_t u, uint32_t unused)
{
    (void)unused;
    return cvb_give(h, u);
}

/* The lengths that the caller has set fit into their cells. */
static int lengths_check(struct cvb_handle *h, const struct cvb_slot *slots, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct cvb_place *p = &slots[i].place;
        uint32_t cell = cvb_load32_rlx(&cvb_member_at(h, p->unit, p->member)->cell);
        if (slots[i].length > h->segment.settings.payload_size || !cvb_payload(h, cell, slots[i].length))
            return CVB_ETOOLONG;
    }
    return 0;
}

static void store_lengths(struct cvb_handle *h, const struct cvb_slot *slots, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct cvb_member *m = cvb_member_at(h, slots[i].place.unit, slots[i].place.member);
        if (cvb_load32_rlx(&m->length) != slots[i].length)
            cvb_store32_rlx(&m->length, slots[i].length);
    }
}

int cvb_publish(struct cvb_handle *h, const struct cvb_slot *slots, size_t count)
{
    size_t done = 0;
    struct cvb_places p = places_of_slots(slots, count);
    struct cvb_pair w;
    bool whole = cvb_places_whole(h, &p, &w);
    int error = whole ? 0 : cvb_places_check(h, &p);
    if (!error)
        error = lengths_check(h, slots, count);
    if (error)
        return error;
    store_lengths(h, slots, count);
    return whole ? publish_word(h, p.first->unit, w) : cvb_settle(h, &p, publish_unit, NULL, &done);
}

int cvb_cancel(struct cvb_handle *h, const struct cvb_slot *slots, size_t count)
{
    size_t done = 0;
    struct cvb_places p = places_of_slots(slots, count);
    return cvb_settle(h, &p, cancel_unit, NULL, &done);
}
