/* take.c - leases are handed out. */
#include <conveyor/flow.h>
#include <string.h>

#include "internal.h"

/* One lease for each member of a unit that this seat has leased, whose word is w. */
static int hand_out(struct cvb_handle *h, uint32_t u, struct cvb_pair w, struct cvb_lease *out)
{
    struct cvb_unit *unit = cvb_unit_at(h, u);
    struct cvb_lease lease = {.buffered_at_ns = cvb_load64_rlx(&unit->buffered_at_ns),
                              .source = cvb_load16_rlx(&unit->source),
                              .pipeline = cvb_load16_rlx(&unit->pipeline),
                              .stage = cvb_hi_stage(w.hi),
                              .retry_count = cvb_hi_retry(w.hi),
                              .origin = cvb_load16_rlx(&unit->origin),
                              .place = {w.lo, u, h->serial, 0, (uint16_t)cvb_hi_stage(w.hi)}};
    if (lease.source >= h->segment.settings.max_sources)
        return CVB_ECORRUPT;
    unsigned room = cvb_unit_room(h, u);
    int n = 0;
    for (uint32_t mask = cvb_hi_mask(w.hi); mask; mask &= mask - 1, n++) {
        unsigned i = (unsigned)__builtin_ctz(mask);
        if (i >= room)
            return CVB_ECORRUPT;
        struct cvb_member *m = cvb_member_at(h, u, i);
        lease.length = cvb_load32_rlx(&m->length);
        lease.payload = cvb_payload(h, cvb_load32_rlx(&m->cell), lease.length);
        lease.place.member = (uint16_t)i;
        if (!lease.payload || lease.length > h->segment.settings.payload_size)
            return CVB_ECORRUPT;
        __builtin_prefetch(lease.payload);
        out[n] = lease;
    }
    return n;
}

/* Leases the next unit that may be delivered: one past its retry limit goes to the dead-letter stage instead, which
 * only the seat that leased it in order may do. */
static int lease_deliverable(struct cvb_handle *h, uint32_t stage, size_t want, bool split, uint32_t *u,
                             struct cvb_pair *w)
{
    for (;;) {
        int got = cvb_lease_next(h, stage, (unsigned)(want < 64 ? want : 64), split, u, w);
        if (got <= 0)
            return got;
        if (cvb_hi_retry(w->hi) <= h->segment.settings.max_retries || stage == CVB_STAGE_DEAD_LETTER)
            return 1;
        int error = cvb_restage(h, *u, CVB_STAGE_DEAD_LETTER);
        if (error)
            return error;
    }
}

CVB_FLAT int cvb_get_batch(struct cvb_handle *h, uint32_t stage, struct cvb_lease *leases, size_t count)
{
    int error = cvb_handle_check(h);
    if (error || (count && !leases) || count > INT32_MAX)
        return error ? error : CVB_EINVAL;
    if (stage >= h->segment.settings.max_stages)
        return CVB_EUNKNOWN;
    size_t done = 0;
    while (done < count) {
        uint32_t u;
        struct cvb_pair w;
        int got = lease_deliverable(h, stage, count - done, !done, &u, &w);
        if (got > 0)
            got = hand_out(h, u, w, &leases[done]);
        if (got < 0 && !done)
            return got;
        if (got <= 0)
            break;
        cvb_tally(h, stage, leases[done].source, CVB_N_DELIVERED, (unsigned)got);
        done += (unsigned)got;
    }
    return (int)done;
}

int cvb_take_batch(struct cvb_handle *h, uint32_t stage, struct cvb_record *taken, size_t count, void *buffer,
                   size_t size)
{
    int error = cvb_handle_check(h);
    if (error || (count && (!taken || !buffer)))
        return error ? error : CVB_EINVAL;
    size_t longest = h->segment.settings.payload_size ? h->segment.settings.payload_size : 1, done = 0;
    if (count > size / longest)
        count = size / longest;
    while (done < count) {
        struct cvb_lease l[CVB_UNIT_MEMBERS];
        size_t want = count - done < CVB_UNIT_MEMBERS ? count - done : CVB_UNIT_MEMBERS;
        int got = cvb_get_batch(h, stage, l, want);
        for (int i = 0; i < got; i++) {
            memcpy(buffer, l[i].payload, l[i].length);
            taken[done++] = (struct cvb_record){buffer, l[i].length, l[i].source, l[i].pipeline};
            buffer = (char *)buffer + l[i].length;
        }
        error = got > 0 ? cvb_ack(h, l, (size_t)got) : got;
        if (error || (size_t)got < want)
            break;
    }
    return error && !done ? error : (int)done;
}
