/* header.c - headers are kept by results that are given none. For segments whose records have headers only.
 *
 * A header is the cell's as the payload is: it is written while the unit is HELD or reserved, before the word that
 * makes the unit QUEUED (P1, P2), and goes with the cell through returns, forwards, redelivery and MOVE. So no step of
 * the protocol knows of it, and none can tear it. */
#include "flow/header.h"
#include "flow/flow.h"

static void set_header(struct cvb_cell_header *to, const void *bytes, uint32_t length)
{
    cvb_store32_rlx(&to->length, length);
    if (length)
        memcpy(to + 1, bytes, length);
}

static struct cvb_cell_header *header_of_member(struct cvb_handle *h, uint32_t u, uint32_t mask)
{
    const struct cvb_member *m = cvb_member_at(h, u, (unsigned)__builtin_ctz(mask));
    const char *payload = cvb_payload(h, cvb_load32_rlx(&m->cell), 0);
    return payload ? cvb_cell_header_of(h, payload) : NULL;
}

/* HELD unit b has results for these members of the leased unit a, in their order; those that are given no header keep
 * that of the member. */
CVB_RARE int cvb_keep_headers(struct cvb_handle *h, uint32_t a, uint32_t members, uint32_t b,
                              const struct cvb_record *results)
{
    uint32_t mask = cvb_hi_mask(cvb_load64_acq(&cvb_unit_at(h, b)->word.hi)), length;
    for (; members && mask; members &= members - 1, mask &= mask - 1, results++) {
        const struct cvb_cell_header *from = header_of_member(h, a, members);
        struct cvb_cell_header *to = header_of_member(h, b, mask);
        if (!from || !to || !cvb_header_length(h, from, &length))
            return CVB_ECORRUPT;
        if (!results->header)
            set_header(to, from + 1, length);
    }
    return 0;
}
