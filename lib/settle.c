/* settle.c - leases are handed out and acked. */
#include <conveyor/flow.h>

#include "internal.h"

/* One lease for each member of a unit that this seat has leased. */
static int hand_out(struct cvb_handle *h, uint32_t u, struct cvb_lease *out)
{
    struct cvb_unit *unit = cvb_unit_at(h, u);
    struct cvb_pair w = cvb_load_pair(&unit->word);
    int n = 0;
    for (uint32_t mask = cvb_hi_mask(w.hi); mask; mask &= mask - 1, n++) {
        unsigned i = (unsigned)__builtin_ctz(mask);
        if (i >= cvb_unit_room(h, u))
            return CVB_ECORRUPT;
        struct cvb_member *m = cvb_member_at(h, u, i);
        uint32_t length = cvb_load32_rlx(&m->length);
        out[n] = (struct cvb_lease){.payload = cvb_payload(h, cvb_load32_rlx(&m->cell), length),
                                    .length = length,
                                    .buffered_at_ns = cvb_load64_rlx(&unit->buffered_at_ns),
                                    .source = cvb_load16_rlx(&unit->source),
                                    .pipeline = cvb_load16_rlx(&unit->pipeline),
                                    .stage = cvb_hi_stage(w.hi),
                                    .retry_count = cvb_hi_retry(w.hi),
                                    .unit = u,
                                    .number = w.lo,
                                    .member = i,
                                    .handle = h->serial};
        if (!out[n].payload)
            return CVB_ECORRUPT;
    }
    return n;
}

int cvb_get_batch(struct cvb_handle *h, uint32_t stage, struct cvb_lease *leases, size_t count)
{
    int error = cvb_handle_check(h);
    if (error || (count && !leases) || count > INT32_MAX)
        return error ? error : CVB_EINVAL;
    if (stage >= h->segment.settings.max_stages)
        return CVB_EUNKNOWN;
    size_t done = 0;
    while (done < count) {
        uint32_t u;
        int got = cvb_lease_next(h, stage, (unsigned)(count - done < 64 ? count - done : 64), &u);
        if (got > 0)
            got = hand_out(h, u, &leases[done]);
        if (got < 0 && !done)
            return got;
        if (got <= 0)
            break;
        done += (unsigned)got;
    }
    return (int)done;
}

static int check_lease(struct cvb_handle *h, const struct cvb_lease *l)
{
    if (l->handle != h->serial)
        return CVB_EFOREIGN;
    if (l->unit >= h->segment.geometry.unit_count || l->member >= CVB_UNIT_MEMBERS)
        return CVB_EINVAL;
    struct cvb_pair w = cvb_load_pair(&cvb_unit_at(h, l->unit)->word);
    bool held = w.lo == l->number && cvb_lo_state(w.lo) == CVB_LEASED && cvb_hi_seat(w.hi) == h->seat;
    return held && (cvb_hi_mask(w.hi) >> l->member & 1) ? 0 : CVB_ESETTLED;
}

/* The members of leases[0]'s unit that follow one another in the array, each once; *n is how many leases that is. */
static uint32_t gather(const struct cvb_lease *leases, size_t count, size_t *n)
{
    uint32_t members = 0;
    for (*n = 0; *n < count; ++*n) {
        const struct cvb_lease *l = &leases[*n];
        if (l->unit != leases->unit || l->number != leases->number || (members >> l->member & 1))
            break;
        members |= 1u << l->member;
    }
    return members;
}

static int return_unit(struct cvb_handle *h, uint32_t u, uint32_t unused)
{
    (void)unused;
    struct cvb_pair w = cvb_load_pair(&cvb_unit_at(h, u)->word);
    unsigned stage = cvb_hi_stage(w.hi), retry = cvb_hi_retry(w.hi);
    if (retry >= h->segment.settings.max_retries && stage != CVB_STAGE_DEAD_LETTER)
        return cvb_restage(h, u, CVB_STAGE_DEAD_LETTER);
    return cvb_enqueue(h, u, w, stage, retry < 255 ? retry + 1 : retry);
}

static int ack_unit(struct cvb_handle *h, uint32_t u, uint32_t unused)
{
    (void)unused;
    return cvb_give(h, u);
}

/* Settles leases, unit by unit; *done counts those that went through before an error. */
static int settle(struct cvb_handle *h, const struct cvb_lease *leases, size_t count,
                  int (*how)(struct cvb_handle *, uint32_t, uint32_t), uint32_t stage, size_t *done)
{
    int error = cvb_handle_check(h);
    if (!error && ((count && !leases) || count > INT32_MAX))
        error = CVB_EINVAL;
    for (size_t i = 0; !error && i < count; i++)
        error = check_lease(h, &leases[i]);
    for (size_t i = 0, n; !error && i < count; i += n) {
        uint32_t left = gather(&leases[i], count - i, &n);
        error = check_lease(h, &leases[i]);
        while (!error && left) {
            uint32_t unit = leases[i].unit, members = left;
            error = cvb_carve(h, &unit, &members);
            if (!error)
                error = how(h, unit, stage);
            left &= ~members;
            *done += error ? 0 : cvb_mask_count(members);
        }
    }
    return error;
}

int cvb_ack(struct cvb_handle *h, const struct cvb_lease *leases, size_t count)
{
    size_t done = 0;
    return settle(h, leases, count, ack_unit, 0, &done);
}

int cvb_return_to_buffer(struct cvb_handle *h, const struct cvb_lease *leases, size_t count)
{
    size_t done = 0;
    return settle(h, leases, count, return_unit, 0, &done);
}

int cvb_forward(struct cvb_handle *h, uint32_t stage, const struct cvb_lease *leases, size_t count, int *why)
{
    size_t done = 0;
    int error = cvb_handle_check(h);
    if (!error && (stage >= h->segment.settings.max_stages || stage == CVB_STAGE_DEAD_LETTER))
        error = CVB_EUNKNOWN;
    if (!error)
        error = settle(h, leases, count, cvb_restage, stage, &done);
    if (why)
        *why = error;
    return error && error != CVB_ESTAGE_FULL ? error : (int)done;
}
