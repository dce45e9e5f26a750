/* take.c - leases are handed out. */
#include <assert.h>
#include <conveyor/flow.h>
#include <string.h>

#include "flow/flow.h"
#include "flow/header.h"
#include "place/stay.h"

#define OWNED_BYTES 2048u /* of a payload: a train of longer ones would not stay near until it is read */

/* The first 64 bytes of a lease as registers hold them, so that each copy of them is nothing but stores. */
struct pieces {
    cvb_piece a, b, c, d;
};
static_assert(offsetof(struct cvb_lease, position) == sizeof(struct pieces), "four pieces");

/* No header, until one is lent; and what is reserved is 0. */
static inline void clear_rest(struct cvb_lease *to)
{
    to->header = NULL;
    to->header_length = to->reserved_word = 0;
    memset(to->reserved, 0, sizeof to->reserved);
}

static_assert(sizeof(struct cvb_lease) == 6 * sizeof(cvb_piece), "what follows the pieces is two more");
static inline void copy_pieces(struct cvb_lease *to, cvb_piece a, cvb_piece b, cvb_piece c, cvb_piece d)
{
    char *at = (char *)to;
    memcpy(at, &a, sizeof a);
    memcpy(at + 16, &b, sizeof b);
    memcpy(at + 32, &c, sizeof c);
    memcpy(at + 48, &d, sizeof d);
    memset(at + 64, 0, 2 * sizeof d);
}

/* A lease like `as`, of another record of the unit. Field by field: a copy in larger pieces than it was written in
 * would wait until all stores before it are done. */
static inline void write_lease(struct cvb_lease *out, const struct cvb_lease *as, char *payload, uint32_t extent,
                               unsigned member)
{
    out->payload = payload;
    out->buffered_at_ns = as->buffered_at_ns;
    out->length = cvb_extent_length(extent);
    out->position = as->position + cvb_extent_behind(extent);
    out->source = as->source;
    out->pipeline = as->pipeline;
    out->stage = as->stage;
    out->retry_count = as->retry_count;
    out->origin = as->origin;
    out->place.number = as->place.number;
    out->place.unit = as->place.unit;
    out->place.handle = as->place.handle;
    out->place.member = (uint16_t)member;
    out->place.stage = as->place.stage;
    clear_rest(out);
}

/* The lines of a payload, from offset `from` on, become this core's: then it costs the producer little to write them
 * again, who would have to wait for each of them otherwise. It costs the consumer time, so it is done only while the
 * consumer has time to spare. */
static inline void own_lines(const struct cvb_ring_view *e, char *payload, uint32_t from, uint32_t length)
{
    if (length > OWNED_BYTES || !e->spare_lines)
        return;
    for (; from < length; from += CVB_LINE)
        cvb_own_line(payload + from);
}

/* The lines of a payload that is handed out; the first line always. */
static inline void own_payload(const struct cvb_ring_view *e, char *payload, uint32_t length)
{
    cvb_own_line(payload);
    if (length > CVB_LINE)
        own_lines(e, payload, CVB_LINE, length);
}

/* Leases of the members that the mask names. Returns how many, or an error. */
CVB_RARE static int hand_out_any(struct cvb_handle *h, const struct cvb_member *m, uint32_t mask,
                                 const struct cvb_lease *as, struct cvb_lease *out)
{
    int n = 0;
    for (; mask; mask &= mask - 1, n++) {
        unsigned i = (unsigned)__builtin_ctz(mask);
        const uint32_t extent = cvb_load32_rlx(&m[i].extent), length = cvb_extent_length(extent);
        char *payload = cvb_payload(h, cvb_load32_rlx(&m[i].cell), length);
        if (!payload)
            return CVB_ECORRUPT;
        own_payload(&h->rings[as->stage], payload, length);
        write_lease(&out[n], as, payload, extent, i);
        if (h->cells.header_room && !cvb_lend_header(&h->cells, h->segment.settings.header_size, payload, &out[n]))
            return CVB_ECORRUPT;
    }
    return n;
}

/* Leases of the first n members of a unit that was never taken apart: all its cells are of the class that was found
 * last. Returns how many, up to the first member that is not so. Meanwhile the payloads of the train `next`, if not
 * NULL, come near. `plain`: the records have neither positions nor headers. */
static inline unsigned hand_out_first(struct cvb_handle *h, const struct cvb_member *m, unsigned n,
                                      const struct cvb_lease *as, struct cvb_ahead *next, struct cvb_lease *out,
                                      const bool plain)
{
    const struct cvb_cells cells = h->cells;
    const struct cvb_ring_view *e = &h->rings[as->stage];
    const bool fetch = cells.stride <= CVB_LONG_CELL;
    const uint32_t header_most = h->segment.settings.header_size;
    const uint64_t first = as->position;
    struct pieces all;
    memcpy(&all, as, sizeof all);
    const cvb_piece a = all.a, b = all.b, c = all.c, d = all.d;
    for (unsigned i = 0; i < n; i++) {
        const uint32_t extent = cvb_load32_rlx(&m[i].extent), length = plain ? extent : cvb_extent_length(extent);
        char *payload = cvb_payload_in(&cells, cvb_load32_rlx(&m[i].cell), length);
        if (!payload)
            return i;
        if (fetch)
            own_payload(e, payload, length);
        else
            own_lines(e, payload, 0, length);
        if (next) {
            __builtin_prefetch(next->at);
            next->at += next->stride;
        }
        copy_pieces(&out[i], a, b, c, d);
        out[i].payload = payload;
        out[i].length = length;
        out[i].place.member = (uint16_t)i;
        if (plain)
            continue;
        out[i].position = first + cvb_extent_behind(extent);
        if (cells.header_room && !cvb_lend_header(&cells, header_most, payload, &out[i]))
            return i;
    }
    return n;
}

/* What the leases of unit u, whose word has this lo, have in common; the position is that of the member with this
 * extent. Field by field: a compiler builds a literal of the whole struct twice. False if the segment is corrupt. */
static inline bool lease_of(struct cvb_handle *h, uint32_t u, uint64_t lo, uint32_t stage, unsigned retry,
                            uint32_t extent, struct cvb_lease *out)
{
    struct cvb_unit *unit = cvb_unit_at(h, u);
    const uint64_t time = cvb_load64_rlx(&unit->buffered_at_ns);
    if (time != h->taken_seen)
        cvb_took(h, time, stage);
    out->buffered_at_ns = h->taken_ns;
    const uint32_t source = cvb_load16_rlx(&unit->source);
    if (source >= h->segment.settings.max_sources)
        return false;
    out->source = cvb_id_of_place(h, source);
    out->pipeline = cvb_load16_rlx(&unit->pipeline);
    out->stage = stage;
    out->retry_count = retry;
    out->origin = stage ? stage : cvb_load16_rlx(&unit->origin);
    out->place = (struct cvb_place){lo, u, h->serial, 0, (uint16_t)stage};
    const uint64_t first = cvb_load64_rlx(&unit->first);
    out->position = first ? cvb_position_told(h, source, first) + cvb_extent_behind(extent) : 0;
    cvb_store64_rlx(&unit->buffered_at_ns, h->taken_stamp);
    return true;
}

/* The payloads of the train that follows the train of n records whose word is w. */
static inline struct cvb_ahead train_after(struct cvb_handle *h, uint32_t stage, struct cvb_pair w, unsigned n)
{
    const bool placed = !(w.lo & CVB_KIND_GENERATION); /* not a part of a train, which has no position */
    const bool fetch = n > CVB_SHORT_TRAIN && placed && h->cells.stride <= CVB_LONG_CELL;
    return cvb_train_ahead(h, fetch ? cvb_unit_ahead(h, stage, cvb_lo_number(w.lo) + 1) : CVB_NO_UNIT, n, &h->cells);
}

/* Leases of all members of a unit that was never taken apart. Returns how many, as hand_out_first. */
CVB_RARE CVB_FLAT static unsigned hand_out_whole(struct cvb_handle *h, uint32_t u, struct cvb_pair w,
                                                 const struct cvb_lease *as, struct cvb_lease *out)
{
    const unsigned n = cvb_mask_count(cvb_hi_mask(w.hi));
    const struct cvb_member *m = cvb_members_of(h, u);
    const bool plain = !as->position && !h->cells.header_room;
    if (n <= CVB_SHORT_TRAIN && plain)
        return hand_out_first(h, m, n, as, NULL, out, true);
    struct cvb_ahead next = train_after(h, as->stage, w, n);
    return plain ? hand_out_first(h, m, n, as, &next, out, true) : hand_out_first(h, m, n, as, &next, out, false);
}

/* One lease for each member of unit u, which this seat has leased, and whose word is w. Returns how many, or an error.
 */
CVB_RARE CVB_FLAT static int hand_out_all(struct cvb_handle *h, uint32_t u, struct cvb_pair w, uint32_t stage,
                                          struct cvb_lease *out)
{
    uint32_t mask = cvb_hi_mask(w.hi);
    struct cvb_lease lease;
    unsigned done = 0;
    lease.payload = NULL;
    lease.length = 0;
    if (!cvb_has_room(h, u, mask) || !lease_of(h, u, w.lo, stage, cvb_hi_retry(w.hi), 0, &lease))
        return CVB_ECORRUPT;
    if (cvb_is_whole(mask)) {
        done = hand_out_whole(h, u, w, &lease, out);
        mask = cvb_mask_after(mask, done);
    }
    int few = mask ? hand_out_any(h, cvb_members_of(h, u), mask, &lease, out + done) : 0;
    if (few < 0)
        return few;
    cvb_tally(h, lease.stage, cvb_place_of(lease.source), CVB_N_DELIVERED, done + (unsigned)few);
    return (int)done + few;
}

/* The lease of a unit of one record, which was tried `retry` times before, without a loop. 1, an error, or 0 if the
 * unit needs hand_out_all. */
static inline int hand_out_single(struct cvb_handle *h, uint32_t u, uint64_t lo, uint32_t stage, unsigned retry,
                                  struct cvb_lease *out)
{
    const struct cvb_member *m = cvb_members_of(h, u);
    const uint32_t extent = cvb_load32_rlx(&m->extent), length = cvb_extent_length(extent);
    char *payload = cvb_payload_in(&h->cells, cvb_load32_rlx(&m->cell), length);
    if (!payload || !lease_of(h, u, lo, stage, retry, extent, out))
        return 0;
    out->payload = payload;
    out->length = length;
    clear_rest(out);
    own_payload(&h->rings[stage], payload, length);
    if (__builtin_expect(h->cells.header_room, 0) &&
        !cvb_lend_header(&h->cells, h->segment.settings.header_size, payload, out))
        return CVB_ECORRUPT;
    cvb_tally(h, stage, cvb_place_of(out->source), CVB_N_DELIVERED, 1);
    return 1;
}

/* True if the unit may be delivered. If not, it has failed too often: its holder, which has leased it in its order,
 * moves it to the stage of dead letters. */
static inline bool deliverable(struct cvb_handle *h, uint32_t stage, struct cvb_pair w)
{
    const uint32_t failures = cvb_hi_failures(w.hi);
    return !failures || stage == CVB_STAGE_DEAD_LETTER || failures <= cvb_retries_of(h, stage);
}

/* Leases of the next unit that may be delivered. Returns how many, 0 if there is none, or an error. */
static inline int get_unit(struct cvb_handle *h, uint32_t stage, size_t want, bool split, struct cvb_lease *out)
{
    for (;;) {
        uint32_t u = CVB_NO_UNIT;
        struct cvb_pair w = {0, 0};
        int got = cvb_lease_next(h, stage, want, split, &u, &w);
        if (got <= 0)
            return got;
        h->alone = w.hi & CVB_HI_SUSPECT;
        if (deliverable(h, stage, w)) {
            got = cvb_hi_mask(w.hi) == 1 ? hand_out_single(h, u, w.lo, stage, cvb_hi_retry(w.hi), out) : 0;
            return got ? got : hand_out_all(h, u, w, stage, out);
        }
        int error = cvb_restage(h, u, CVB_STAGE_DEAD_LETTER);
        if (error < 0)
            return error;
        cvb_own_add64(&cvb_stay_at(h, h->seat, stage)->died, cvb_mask_count(cvb_hi_mask(w.hi)));
    }
}

/* Leases of the units behind the first one, as long as they are not suspect and have no more records than are asked
 * for.
 */
CVB_RARE CVB_FLAT static int get_more(struct cvb_handle *h, uint32_t stage, struct cvb_lease *leases, size_t count)
{
    size_t done = 0;
    for (int got = 1; done < count; done += (unsigned)got) {
        got = get_unit(h, stage, count - done, false, &leases[done]);
        if (got <= 0)
            break;
    }
    return (int)done;
}

/* Leases of as many units as it takes, the last one in part. */
CVB_RARE CVB_FLAT static int get_any(struct cvb_handle *h, uint32_t stage, struct cvb_lease *leases, size_t count)
{
    h->company = count > 1 ? CVB_HI_COMPANY : 0;
    int got = get_unit(h, stage, count, true, leases);
    if (!got && (cvb_recover_at_times(h, false) || cvb_delay_used(h)))
        got = get_unit(h, stage, count, true, leases); /* what the dead had leased is back; what was due has entered */
    if (got <= 0 || (unsigned)got == count || h->alone)
        return got;
    return got + get_more(h, stage, leases + got, count - (unsigned)got);
}

/* A get of one record at the beginning of a line of the ring. */
CVB_RARE CVB_FLAT static int get_at_line(struct cvb_handle *h, uint32_t stage, struct cvb_lease *lease)
{
    uint32_t u;
    struct cvb_pair w;
    if (!cvb_lease_single(h, stage, true, &u, &w))
        return get_any(h, stage, lease, 1);
    int got = hand_out_single(h, u, w.lo, stage, 0, lease);
    return got ? got : hand_out_all(h, u, w, stage, lease);
}

/* A get by a handle that was checked. Returns how many leases, 0 if there is none or the stage is held, or an error. */
static inline int get_leases(struct cvb_handle *h, uint32_t stage, struct cvb_lease *leases, size_t count)
{
    uint32_t u;
    struct cvb_pair w;
    if (!cvb_id_known(h, CVB_KIND_STAGE, stage))
        return CVB_EUNKNOWN;
    if (!leases || count - 1 >= INT32_MAX)
        return count ? CVB_EINVAL : 0;
    cvb_recover_if_due(h);
    if (__builtin_expect(cvb_given_pauses(cvb_load64_acq(&h->rings[stage].data->given)), false))
        return 0; /* held */
    if (count == 1 && cvb_line_begins(h, stage))
        return get_at_line(h, stage, leases);
    if (count != 1 || !cvb_lease_single(h, stage, false, &u, &w))
        return get_any(h, stage, leases, count);
    int got = hand_out_single(h, u, w.lo, stage, 0, leases);
    return got ? got : hand_out_all(h, u, w, stage, leases);
}

CVB_FLAT int cvb_get_batch(struct cvb_handle *h, uint32_t stage, struct cvb_lease *leases, size_t count)
{
    CVB_ONE_USER(h);
    int error = cvb_handle_check(h);
    return error ? error : get_leases(h, stage, leases, count);
}

/* Copies n leased records into the buffer, one after the other, each header behind its payload. Returns where the next
 * record goes. */
static char *copy_out(const struct cvb_lease *l, int n, struct cvb_record *taken, char *buffer)
{
    for (int i = 0; i < n; i++) {
        memcpy(buffer, l[i].payload, l[i].length);
        taken[i] = (struct cvb_record){.payload = buffer,
                                       .length = l[i].length,
                                       .source = l[i].source,
                                       .pipeline = l[i].pipeline,
                                       .position = l[i].position};
        buffer += l[i].length;
        if (!l[i].header)
            continue;
        taken[i].header = buffer;
        taken[i].header_length = l[i].header_length;
        memcpy(buffer, l[i].header, l[i].header_length);
        buffer += l[i].header_length;
    }
    return buffer;
}

int cvb_take_batch(struct cvb_handle *h, uint32_t stage, struct cvb_record *taken, size_t count, void *buffer,
                   size_t size)
{
    CVB_ONE_USER(h);
    int error = cvb_handle_check(h);
    if (error || (count && (!taken || !buffer)) || count > INT32_MAX)
        return error ? error : CVB_EINVAL;
    const struct cvb_settings *s = &h->segment.settings;
    const size_t longest = s->payload_size || s->header_size ? (size_t)s->payload_size + s->header_size : 1;
    if (count && size < longest)
        return CVB_EINVAL;
    char *at = buffer;
    size_t done = 0;
    if (count > size / longest)
        count = size / longest;
    while (!error && done < count) {
        struct cvb_lease l[CVB_UNIT_MEMBERS];
        size_t want = count - done < CVB_UNIT_MEMBERS ? count - done : CVB_UNIT_MEMBERS;
        int got = get_leases(h, stage, l, want);
        if (got <= 0) {
            error = got;
            break;
        }
        at = copy_out(l, got, &taken[done], at);
        error = cvb_ack(h, l, (size_t)got);
        done += error ? 0 : (unsigned)got;
    }
    return error && !done ? error : (int)done;
}
