/* reserve.c - room in the segment that the caller writes into itself: reserved with its credits, then published or
 * given up. A reservation is a RES unit; it needs no journal, and any number may be open. */
#include <conveyor/flow.h>

#include "flow/flow.h"
#include "flow/header.h"

/* The room for a header, of which at most `length` bytes may be published. */
static void *room_for_header(struct cvb_handle *h, const char *payload, uint32_t length)
{
    struct cvb_cell_header *header = cvb_cell_header_of(h, payload);
    cvb_store32_rlx(&header->length, length);
    return header + 1;
}

/* One slot for each member of unit u, whose word is w. Returns how many, or an error. */
static int hand_out_slots(struct cvb_handle *h, uint32_t u, struct cvb_pair w, const struct cvb_record *shape,
                          struct cvb_slot *out)
{
    const uint32_t length = shape->length;
    uint32_t mask = cvb_hi_mask(w.hi);
    struct cvb_member *members = cvb_members_of(h, u);
    struct cvb_ahead ahead = cvb_train_ahead(h, cvb_idle_next(h), cvb_mask_count(mask), &h->cells);
    struct cvb_slot slot = {.length = length,
                            .header_length = shape->header_length,
                            .place = {w.lo, u, h->serial, 0, (uint16_t)cvb_hi_stage(w.hi)}};
    int n = 0;
    if (!cvb_has_room(h, u, mask))
        return CVB_ECORRUPT;
    for (; mask; mask &= mask - 1, n++) {
        uint32_t i = (uint32_t)__builtin_ctz(mask);
        slot.payload = cvb_payload(h, cvb_load32_rlx(&members[i].cell), length);
        slot.place.member = (uint16_t)i;
        if (!slot.payload)
            return CVB_ECORRUPT;
        if (cvb_load32_rlx(&members[i].extent) != length)
            cvb_store32_rlx(&members[i].extent, length); /* no more than this may be published */
        if (h->cells.header_room)
            slot.header = room_for_header(h, slot.payload, slot.header_length);
        cvb_prefetch_write(ahead.at);
        ahead.at += ahead.stride;
        out[n] = slot;
    }
    return n;
}

/* Reserves room for up to n records as one unit. Returns for how many, or an error. */
static int reserve_run(struct cvb_handle *h, uint32_t stage, const struct cvb_record *shape, unsigned n,
                       struct cvb_slot *slots)
{
    uint32_t u;
    struct cvb_pair w;
    int error = cvb_obtain(h, stage, shape, n, &u, &w);
    if (error)
        return error;
    cvb_fence_seq();
    cvb_level_after_put(h, h->last_cache, stage, cvb_place_of(shape->source), cvb_mask_count(cvb_hi_mask(w.hi)));
    return hand_out_slots(h, u, w, shape, slots);
}

int cvb_reserve(struct cvb_handle *h, uint32_t stage, const struct cvb_record *shape, struct cvb_slot *slots,
                size_t count, int *why)
{
    CVB_ONE_USER(h);
    int error = cvb_handle_check(h);
    size_t done = 0;
    if (error || !shape || (count && !slots) || count > INT32_MAX)
        return error ? error : CVB_EINVAL;
    struct cvb_record r = *shape;
    r.payload = r.header = "";
    error = r.position ? CVB_EINVAL : cvb_record_check(h, &r); /* positions are given with the slots, when published */
    if (!error)
        error = cvb_stage_check(h, stage);
    if (!error)
        cvb_recover_at_times(h, true);
    for (bool looked = false; !error && done < count;) {
        size_t n = count - done < CVB_UNIT_MEMBERS ? count - done : CVB_UNIT_MEMBERS;
        int got = reserve_run(h, stage, &r, (unsigned)n, &slots[done]);
        error = got < 0 ? got : 0;
        done += got < 0 ? 0 : (unsigned)got;
        if (cvb_refused_by_dead(h, error, &looked))
            error = 0;
    }
    return cvb_call_ends(h, stage, &r, error, done, why);
}

static struct cvb_places places_of_slots(const struct cvb_slot *slots, size_t count)
{
    return (struct cvb_places){slots ? &slots->place : NULL, sizeof *slots, count, CVB_RES};
}

static struct cvb_member *member_of(struct cvb_handle *h, const struct cvb_slot *s)
{
    return cvb_member_at(h, s->place.unit, s->place.member);
}

/* The header of a slot; NULL in a segment without headers, or with a member that is out of its bounds. */
static struct cvb_cell_header *header_of_slot(struct cvb_handle *h, const struct cvb_slot *s)
{
    const char *payload = h->cells.header_room ? cvb_payload(h, cvb_load32_rlx(&member_of(h, s)->cell), 0) : NULL;
    return payload ? cvb_cell_header_of(h, payload) : NULL;
}

/* 0 if the slot asks for nothing that is not known, and is no longer than what was reserved, nor is its header. */
static int check_slot(struct cvb_handle *h, const struct cvb_slot *s)
{
    uint32_t most = 0;
    if (s->reserved[0])
        return CVB_EINVAL;
    if (s->length > cvb_extent_length(cvb_load32_rlx(&member_of(h, s)->extent)))
        return CVB_ETOOLONG;
    const struct cvb_cell_header *header = header_of_slot(h, s);
    if (header && !cvb_header_length(h, header, &most))
        return CVB_ECORRUPT;
    return s->header_length > most ? CVB_ETOOLONG : 0;
}

static int check_slots(struct cvb_handle *h, const struct cvb_slot *slots, size_t count)
{
    int error = 0;
    for (size_t i = 0; !error && i < count; i++)
        error = check_slot(h, &slots[i]);
    return error;
}

/* Stores the lengths that the caller has set: those of units that are not published yet may change. Backwards: if a
 * slot stands twice in the array, the first one counts. */
static void store_lengths(struct cvb_handle *h, const struct cvb_slot *slots, size_t count)
{
    for (size_t i = count; i-- > 0;) {
        if (cvb_load32_rlx(&member_of(h, &slots[i])->extent) != slots[i].length)
            cvb_store32_rlx(&member_of(h, &slots[i])->extent, slots[i].length);
        struct cvb_cell_header *header = header_of_slot(h, &slots[i]);
        if (header)
            cvb_store32_rlx(&header->length, slots[i].header_length);
    }
}

static uint32_t source_of(struct cvb_handle *h, const struct cvb_slot *s)
{
    return cvb_load16_rlx(&cvb_unit_at(h, s->place.unit)->source);
}

/* The position that slot i's must be above: that of the last slot before it that has one and is of the same source; 0
 * if there is none. */
static uint64_t position_before(struct cvb_handle *h, const struct cvb_slot *slots, size_t i)
{
    const uint32_t source = source_of(h, &slots[i]);
    while (i-- > 0)
        if (slots[i].position && source_of(h, &slots[i]) == source)
            return slots[i].position;
    return 0;
}

/* 0 if the positions grow within each source, in the order of the array, and are above all that were accepted. */
static int check_positions(struct cvb_handle *h, const struct cvb_slot *slots, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!slots[i].position)
            continue;
        if (source_of(h, &slots[i]) >= h->segment.settings.max_sources)
            return CVB_ECORRUPT;
        int error = cvb_position_check(h, cvb_id_of_place(h, source_of(h, &slots[i])), slots[i].position);
        if (error)
            return error;
        if (slots[i].position <= position_before(h, slots, i))
            return CVB_EPOSITION;
    }
    return 0;
}

/* How many of n slots may be one unit by their positions. */
static size_t slots_together(const struct cvb_slot *slots, size_t n)
{
    return cvb_positions_together(&slots->position, sizeof *slots, n);
}

/* Stores the positions of a unit's members while nobody reads them: the unit is RES. */
static void store_positions(struct cvb_handle *h, uint32_t u, uint32_t mask, const struct cvb_slot *slots)
{
    const uint64_t first = slots->position;
    cvb_store64_rlx(&cvb_unit_at(h, u)->first,
                    cvb_position_within(h, cvb_load16_rlx(&cvb_unit_at(h, u)->source), first));
    for (; first && mask; mask &= mask - 1, slots++)
        cvb_store32_rlx(&cvb_member_at(h, u, (unsigned)__builtin_ctz(mask))->extent,
                        cvb_extent(slots->length, slots->position - first));
}

/* Publishes unit u, whose word is w and whose members are these slots, in their order. */
static int publish_unit(struct cvb_handle *h, uint32_t u, struct cvb_pair w, const struct cvb_slot *slots)
{
    struct cvb_unit *unit = cvb_unit_at(h, u);
    const uint32_t source = cvb_load16_rlx(&unit->source), stage = cvb_hi_stage(w.hi),
                   n = cvb_mask_count(cvb_hi_mask(w.hi));
    if (source >= h->segment.settings.max_sources || stage >= h->segment.settings.max_stages)
        return CVB_ECORRUPT;
    store_positions(h, u, cvb_hi_mask(w.hi), slots);
    cvb_store64_rlx(&unit->buffered_at_ns, cvb_now_ns());
    int error = cvb_enqueue_own(h, u, w, stage);
    if (error)
        return CVB_ECORRUPT;
    if (slots->position)
        h->next_position[source] = slots[n - 1].position + 1;
    cvb_tally(h, stage, source, CVB_N_ACCEPTED, n);
    return 0;
}

static int cancel_unit(struct cvb_handle *h, uint32_t u, uint32_t unused)
{
    (void)unused;
    return cvb_give(h, u);
}

/* Publishes the slots from i on that are members of one unit, in its order, and whose positions may be together. *n:
 * how many that was. */
static int publish_next(struct cvb_handle *h, const struct cvb_places *p, const struct cvb_slot *slots, size_t i,
                        size_t *n)
{
    uint32_t members, unit = slots[i].place.unit;
    int error = cvb_places_run(h, p, i, &members, n);
    if (error)
        return error;
    members = cvb_lowest(members, (unsigned)slots_together(&slots[i], *n));
    error = cvb_carve(h, &unit, &members);
    if (error)
        return error;
    *n = cvb_mask_count(members);
    return publish_unit(h, unit, cvb_load_pair(&cvb_unit_at(h, unit)->word), &slots[i]);
}

CVB_RARE static int publish_parts(struct cvb_handle *h, const struct cvb_places *p, const struct cvb_slot *slots)
{
    int error = 0;
    cvb_recover_at_times(h, true);
    for (size_t i = 0, n = 0; !error && i < p->count; i += n)
        error = publish_next(h, p, slots, i, &n);
    return error;
}

int cvb_publish(struct cvb_handle *h, const struct cvb_slot *slots, size_t count)
{
    CVB_ONE_USER(h);
    struct cvb_places p = places_of_slots(slots, count);
    struct cvb_pair w;
    bool whole = cvb_places_whole(h, &p, &w);
    int error = whole ? 0 : cvb_places_check(h, &p);
    if (!error)
        error = check_positions(h, slots, count);
    if (!error)
        error = check_slots(h, slots, count);
    if (error)
        return error;
    store_lengths(h, slots, count);
    whole = whole && slots_together(slots, count) == count;
    return whole ? publish_unit(h, p.first->unit, w, slots) : publish_parts(h, &p, slots);
}

int cvb_cancel(struct cvb_handle *h, const struct cvb_slot *slots, size_t count)
{
    CVB_ONE_USER(h);
    size_t done = 0;
    struct cvb_places p = places_of_slots(slots, count);
    return cvb_settle(h, &p, cancel_unit, NULL, &done);
}
