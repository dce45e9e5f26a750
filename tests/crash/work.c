/* work.c - the operations of the victim. `prepare` runs at full speed, `run` one instruction at a time. */
#include <string.h>
#include <unistd.h>

#include "crash.h"

static struct {
    struct cvb_handle *h, *other;
    struct cvb_lease lease[16];
    unsigned leases;
    struct cvb_slot slot[BATCH];
    unsigned slots;
    struct cvb_record record[BATCH];
    unsigned records;
    char bytes[BATCH][RECORD_BYTES];
    char room[BATCH * PAYLOAD];
} v;

static void join(struct world *w)
{
    if (cvb_attach(w->segment, &v.h))
        _exit(2);
    for (uint32_t s = 0; s < SEATS; s++) {
        struct cvb_peer p;
        if (!cvb_peer(v.h, s, &p) && p.pid == getpid())
            w->seat = s;
    }
    w->number = bytes_number(w->segment, w->seat);
    make_dead_peers(w, w->dead < SEATS ? w->dead : SEATS - 2);
}

/* A record that is about to be put. */
static void mean_record(struct world *w, unsigned source)
{
    uint64_t id = w->next_id++;
    v.record[v.records] = record_of(v.bytes[v.records], id, source);
    v.records++;
}

static void mean(struct world *w, enum intent_kind kind, uint64_t id, uint64_t result, unsigned source)
{
    w->intent[w->intent_count++] = (struct intent){kind, id, result, (uint8_t)source};
}

static void mean_put(struct world *w, unsigned source)
{
    mean_record(w, source);
    mean(w, PUT, w->next_id - 1, 0, source);
}

static void with_one(struct world *w)
{
    join(w);
    mean_put(w, 0);
}

static void with_batch(struct world *w)
{
    join(w);
    for (unsigned i = 0; i < 6; i++)
        mean_put(w, i / 3);
}

static void with_train(struct world *w)
{
    join(w);
    for (unsigned i = 0; i < TRAIN; i++)
        mean_put(w, 0);
}

static void with_positions(struct world *w)
{
    join(w);
    for (unsigned i = 0; i < TRAIN; i++)
        mean_put(w, POSITIONED);
}

/* How many of n records fit into STAGE_A beside what dead peers left: a refusal would recover them before the operation
 * begins. */
static unsigned beside_the_dead(const struct world *w, unsigned n) { return w->dead && n > 3 ? 3 : n; }

/* Leases of STAGE_A; if there is nothing to lease, records of its own. */
static void with_leases(struct world *w, unsigned n)
{
    join(w);
    int got = lease_some(w, v.h, STAGE_A, n, OF_VICTIM, v.lease);
    if (got < (int)n && put_some(w, v.h, STAGE_A, 0, beside_the_dead(w, TRAIN)) > 0) {
        int more = lease_some(w, v.h, STAGE_A, n - (unsigned)got, OF_VICTIM, v.lease + got);
        got += more > 0 ? more : 0;
    }
    v.leases = got > 0 ? (unsigned)got : 0;
}

static void mean_result(struct world *w, unsigned source)
{
    mean_record(w, source);
    if (header_is_kept(w->next_id - 1)) {
        v.record[v.records - 1].header = NULL;
        v.record[v.records - 1].header_length = 0;
    }
}

/* What will be done with leases from..to of those. */
static void mean_leases(struct world *w, enum intent_kind kind, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to && i < v.leases; i++) {
        if (kind == REPLACE)
            mean_result(w, v.lease[i].source);
        mean(w, kind, id_of(&v.lease[i]), w->next_id - 1, v.lease[i].source);
    }
    if (from < v.leases) {
        v.leases = v.leases < to ? v.leases - from : to - from;
        memmove(v.lease, v.lease + from, v.leases * sizeof *v.lease);
    } else {
        v.leases = 0;
    }
}

static void to_ack(struct world *w) { with_leases(w, 6), mean_leases(w, ACK, 0, 6); }
static void to_ack_part(struct world *w) { with_leases(w, 4), mean_leases(w, ACK, 1, 3); }
static void to_return(struct world *w) { with_leases(w, 6), mean_leases(w, RETURN, 0, 6); }
static void to_return_part(struct world *w) { with_leases(w, 4), mean_leases(w, RETURN, 1, 3); }
static void to_release(struct world *w) { with_leases(w, 6), mean_leases(w, RELEASE, 0, 6); }
static void to_forward(struct world *w) { with_leases(w, 6), mean_leases(w, FORWARD, 0, 6); }
static void to_forward_part(struct world *w) { with_leases(w, 4), mean_leases(w, FORWARD, 1, 3); }
static void to_replace(struct world *w) { with_leases(w, 6), mean_leases(w, REPLACE, 0, 6); }
static void to_replace_part(struct world *w) { with_leases(w, 4), mean_leases(w, REPLACE, 1, 3); }

/* All that is in STAGE_A goes round until the first leases have used up their tries. */
static void to_return_for_good(struct world *w)
{
    with_leases(w, 2);
    for (unsigned round = 0; round < 40 && v.leases && v.lease[0].retry_count < RETRIES; round++) {
        for (unsigned i = 0; i < v.leases; i++) {
            struct known *k = ledger_find(w, id_of(&v.lease[i]));
            k->owner = QUEUED;
            k->retry++;
        }
        cvb_return_to_buffer(v.h, v.lease, v.leases);
        int got = lease_some(w, v.h, STAGE_A, 2, OF_VICTIM, v.lease);
        v.leases = got > 0 ? (unsigned)got : 0;
    }
    mean_leases(w, RETURN, 0, 2);
}

static void to_get(struct world *w)
{
    join(w);
    w->takes = true;
}

static void to_take(struct world *w)
{
    to_get(w);
    w->acks = true;
}

static void reserve(unsigned stage, unsigned source, unsigned n)
{
    const struct cvb_record shape = {.length = 64, .source = source, .header_length = header_size};
    int got = cvb_reserve(v.h, stage, &shape, v.slot, n, NULL);
    v.slots = got > 0 ? (unsigned)got : 0;
}

static void write_slot(struct cvb_slot *s, uint64_t id, unsigned source)
{
    fill_payload(s->payload, id);
    s->length = length_of(id);
    s->header_length = header_length_of(id);
    if (header_size)
        fill_header(s->header, id);
    s->position = source == POSITIONED ? id : 0;
}

static void to_publish_of(struct world *w, unsigned source)
{
    join(w);
    reserve(STAGE_A, source, beside_the_dead(w, 6));
    for (unsigned i = 0; i < v.slots; i++) {
        write_slot(&v.slot[i], w->next_id, source);
        mean(w, PUT, w->next_id++, 0, source);
    }
}

static void to_publish(struct world *w) { to_publish_of(w, 0); }

/* The middle of the first unit. */
static void to_publish_part(struct world *w)
{
    to_publish_of(w, POSITIONED);
    if (v.slots < 3)
        return;
    v.slots = w->intent_count = 2;
    memmove(w->intent, w->intent + 1, sizeof w->intent - sizeof *w->intent);
    memmove(v.slot, v.slot + 1, sizeof v.slot - sizeof *v.slot);
}

static void to_cancel(struct world *w)
{
    join(w);
    reserve(STAGE_A, 0, beside_the_dead(w, 6));
}

static void to_cancel_part(struct world *w)
{
    to_cancel(w);
    if (v.slots < 3)
        return;
    v.slots = 2;
    memmove(v.slot, v.slot + 1, sizeof v.slot - sizeof *v.slot);
}

static void to_detach(struct world *w)
{
    with_leases(w, 3);
    reserve(STAGE_C, 0, 2);
    mean_leases(w, RELEASE, 0, 3);
}

static void to_attach(struct world *w)
{
    w->seat = 1;
    make_dead_peers(w, w->dead < SEATS ? w->dead : SEATS - 1);
    w->number = bytes_number(w->segment, SEATS);
}

/* The process has a handle on the segment already, so it is mapped. */
static void to_attach_again(struct world *w)
{
    if (cvb_attach(w->segment, &v.other))
        _exit(2);
    w->seat = 2;
    make_dead_peers(w, w->dead < SEATS ? w->dead : SEATS - 2);
    w->number = bytes_number(w->segment, SEATS);
}

static void to_detach_one(struct world *w)
{
    to_detach(w);
    if (cvb_attach(w->segment, &v.other))
        _exit(2);
}

static void to_intern(struct world *w)
{
    join(w);
    w->interns = true;
}

/* SPARE has had a record with a position, if there was room for it. */
static void use_spare(void)
{
    struct cvb_record r = {.payload = "0123456789abcdef", .length = 16, .position = 9};
    struct cvb_lease l;
    if (cvb_source(v.h, SPARE_NAME, &r.source) || r.source != SPARE || cvb_source_open(v.h, SPARE, NULL))
        _exit(2);
    if (!cvb_buffer_for_stage(v.h, STAGE_C, &r) && (cvb_get_batch(v.h, STAGE_C, &l, 1) != 1 || cvb_ack(v.h, &l, 1)))
        _exit(2);
    if (cvb_source_close(v.h, SPARE))
        _exit(2);
}

static void to_retire(struct world *w)
{
    join(w);
    use_spare();
    w->retires = true;
}

static void to_name_anew(struct world *w)
{
    join(w);
    use_spare();
    if (cvb_source_retire(v.h, SPARE))
        _exit(2);
    w->anew = true;
}

static int attach(struct world *w) { return cvb_attach(w->segment, &v.h); }

static int attach_again(struct world *w) { return cvb_attach(w->segment, &v.h); }

static int detach(struct world *w)
{
    w->done = w->intent_count;
    return cvb_detach(v.h);
}

static int put_one(struct world *w)
{
    int error = cvb_buffer_for_stage(v.h, STAGE_A, v.record);
    w->done = !error;
    return error;
}

static int put_batch(struct world *w)
{
    int why, n = cvb_buffer_batch_for_stage(v.h, STAGE_A, v.record, v.records, &why);
    w->done = n > 0 ? (unsigned)n : 0;
    return n < 0 ? n : 0;
}

static int reserve_now(struct world *w)
{
    (void)w;
    const struct cvb_record shape = {.length = 64, .header_length = header_size};
    int n = cvb_reserve(v.h, STAGE_A, &shape, v.slot, 6, NULL);
    return n < 0 ? n : 0;
}

static int all_done(struct world *w, int error)
{
    w->done = error ? 0 : w->intent_count;
    return error;
}

static int publish(struct world *w) { return all_done(w, cvb_publish(v.h, v.slot, v.slots)); }
static int cancel(struct world *w) { return all_done(w, cvb_cancel(v.h, v.slot, v.slots)); }
static int ack(struct world *w) { return all_done(w, cvb_ack(v.h, v.lease, v.leases)); }
static int release(struct world *w) { return all_done(w, cvb_release(v.h, v.lease, v.leases)); }
static int give_back(struct world *w) { return all_done(w, cvb_return_to_buffer(v.h, v.lease, v.leases)); }

static int return_after(struct world *w) { return all_done(w, cvb_return_after(v.h, v.lease, v.leases, SOON_MS)); }

static int forward(struct world *w)
{
    int why, n = cvb_forward(v.h, STAGE_B, v.lease, v.leases, &why);
    w->done = n > 0 ? (unsigned)n : 0;
    return n < 0 ? n : 0;
}

static int replace(struct world *w)
{
    int why, n = cvb_forward_records(v.h, STAGE_B, v.lease, v.record, v.leases, &why);
    w->done = n > 0 ? (unsigned)n : 0;
    return n < 0 ? n : 0;
}

static int get(struct world *w, unsigned n)
{
    int got = cvb_get_batch(v.h, STAGE_A, v.lease, n);
    for (int i = 0; i < got; i++)
        w->taken[i] = id_of(&v.lease[i]);
    w->taken_count = got > 0 ? (unsigned)got : 0;
    return got < 0 ? got : 0;
}

static int get_one(struct world *w) { return get(w, 1); }
static int get_train(struct world *w) { return get(w, TRAIN); }
static int get_many(struct world *w) { return get(w, 7); }

static int take(struct world *w)
{
    struct cvb_record r[3];
    int got = cvb_take_batch(v.h, STAGE_A, r, 3, v.room, sizeof v.room);
    for (int i = 0; i < got; i++)
        memcpy(&w->taken[i], r[i].payload, sizeof w->taken[i]);
    w->taken_count = got > 0 ? (unsigned)got : 0;
    return got < 0 ? got : 0;
}

static const uint32_t stages[] = {STAGE_C, STAGE_B, STAGE_A};
enum { SHORT_NS = 200000 };
static int timed_out(int result) { return result > 0 || result == CVB_ETIMEDOUT ? 0 : result; }
static int wait_credits(struct world *w)
{
    (void)w;
    return timed_out(cvb_wait_credits(v.h, STAGE_A, 0, 0));
}
static int wait_credits_short(struct world *w)
{
    (void)w;
    return timed_out(cvb_wait_credits(v.h, STAGE_A, 0, SHORT_NS));
}
static int wait_records(struct world *w)
{
    (void)w;
    return timed_out(cvb_wait_records(v.h, stages, 3, 0));
}
static int wait_records_short(struct world *w)
{
    (void)w;
    return timed_out(cvb_wait_records(v.h, stages, 1, SHORT_NS));
}
static int wait_any_short(struct world *w)
{
    (void)w;
    return timed_out(cvb_wait_records(v.h, stages, 2, SHORT_NS));
}

static int wait_room_short(struct world *w)
{
    (void)w;
    return timed_out(cvb_wait_room(v.h, STAGE_A, 0, SHORT_NS));
}
static int wait_settled_short(struct world *w)
{
    (void)w;
    return timed_out(cvb_wait_settled(v.h, POSITIONED, INT64_MAX, SHORT_NS));
}

static int open_source(struct world *w)
{
    (void)w;
    uint64_t accepted;
    return cvb_source_open(v.h, POSITIONED, &accepted);
}

static void to_close_source(struct world *w)
{
    join(w);
    open_source(w);
}

static int close_source(struct world *w)
{
    (void)w;
    return cvb_source_close(v.h, POSITIONED);
}

static int progress(struct world *w)
{
    (void)w;
    struct cvb_progress p;
    int error = cvb_source_progress(v.h, POSITIONED, &p);
    return error ? error : p.settled > p.accepted ? CVB_ECORRUPT : 0;
}

static int recover(struct world *w)
{
    (void)w;
    int n = cvb_recover(v.h);
    return n < 0 ? n : 0;
}

/* Of STAGE_A, lower than what some starts have there. */
static int set_limit(struct world *w)
{
    (void)w;
    return cvb_set_limit(v.h, STAGE_A, CVB_NO_SOURCE, LOWERED);
}

/* The reason of STAGE_C's hold, which nobody takes from. */
static int hold(struct world *w)
{
    (void)w;
    return cvb_hold_stage(v.h, STAGE_C, 1, REASON);
}

/* Advice: nobody is kept from anything. */
static int give_signal(struct world *w)
{
    (void)w;
    return cvb_signal(v.h, STAGE_A, CVB_NO_SOURCE, CVB_SIGNAL_SLOW_DOWN, 10, REASON);
}

static int events(struct world *w)
{
    (void)w;
    uint64_t cursor = 0;
    struct cvb_event e;
    int there;
    while ((there = cvb_event_next(v.h, &cursor, &e, NULL)) > 0)
        ;
    return there;
}

static int intern(struct world *w)
{
    (void)w;
    uint32_t id;
    int error = cvb_stage(v.h, NEW_NAME, &id);
    error = error ? error : cvb_source(v.h, NEW_NAME, &id);
    return error ? error : cvb_pipeline(v.h, NEW_NAME, &id);
}

static int retire(struct world *w)
{
    (void)w;
    return cvb_source_retire(v.h, SPARE);
}

static int name_anew(struct world *w)
{
    (void)w;
    uint32_t id;
    return cvb_source(v.h, NEW_NAME, &id);
}

static int audit(struct world *w)
{
    (void)w;
    struct cvb_audit a;
    int error = cvb_audit(v.h, &a);
    return error ? error : a.problems ? CVB_ECORRUPT : 0;
}

static int stat(struct world *w)
{
    (void)w;
    uint32_t ids[STAGES];
    struct cvb_counts counts;
    struct cvb_census all, by_stage[STAGES], by_source[PLACES], by_seat[SEATS];
    struct cvb_peer peer;
    char name[CVB_NAME_MAX + 1];
    int bad = cvb_stage_size(v.h, STAGE_A) < 0 || cvb_stage_size(v.h, DEAD_LETTERS) < 0 || cvb_total_buffered(v.h) < 0;
    bad |= cvb_stage_utilization(v.h, STAGE_A) < 0 || cvb_global_utilization(v.h) < 0;
    bad |= cvb_stages_with_data(v.h, ids, STAGES) < 0 || cvb_stage_counts(v.h, STAGE_A, &counts) < 0;
    bad |= cvb_source_counts(v.h, 0, &counts) < 0 || cvb_census(v.h, &all, by_stage, by_source, by_seat) < 0;
    bad |= cvb_stage_name(v.h, STAGE_A, name) < 0 || cvb_peer(v.h, 0, &peer) < 0 || cvb_peer(v.h, w->seat, &peer) < 0;
    return bad ? CVB_ECORRUPT : 0;
}

static int signals(struct world *w)
{
    (void)w;
    struct cvb_backpressure b;
    int error = cvb_backpressure(v.h, STAGE_A, 0, &b), should = cvb_should_backpressure(v.h, 0);
    int64_t left = cvb_available_credits(v.h, 0);
    return error ? error : should < 0 ? should : left < 0 ? (int)left : 0;
}

const struct operation operations[] = {
    {"attach", to_attach, attach, BY_STEPS | LONG_WAY | APART},
    {"attach again", to_attach_again, attach_again, APART},
    {"detach", to_detach, detach, LONG_WAY | SWEEPS},
    {"detach one", to_detach_one, detach, 0},
    {"put one", with_one, put_one, CELLS | SWEEPS},
    {"put train", with_train, put_batch, CELLS},
    {"put positions", with_positions, put_batch, CELLS},
    {"put batch", with_batch, put_batch, CELLS},
    {"reserve", join, reserve_now, CELLS},
    {"publish", to_publish, publish, CELLS},
    {"publish part", to_publish_part, publish, CELLS},
    {"cancel", to_cancel, cancel, 0},
    {"cancel part", to_cancel_part, cancel, 0},
    {"get one", to_get, get_one, CELLS | SWEEPS},
    {"get train", to_get, get_train, CELLS | SWEEPS},
    {"get many", to_get, get_many, CELLS | SWEEPS},
    {"take batch", to_take, take, CELLS | SWEEPS},
    {"ack", to_ack, ack, SWEEPS},
    {"ack part", to_ack_part, ack, 0},
    {"return", to_return, give_back, 0},
    {"return after", to_return, return_after, SWEEPS},
    {"release", to_release, release, 0},
    {"return part", to_return_part, give_back, 0},
    {"return last", to_return_for_good, give_back, SWEEPS},
    {"forward", to_forward, forward, SWEEPS},
    {"forward part", to_forward_part, forward, 0},
    {"forward new", to_replace, replace, CELLS},
    {"forward new part", to_replace_part, replace, CELLS},
    {"wait credits 0", join, wait_credits, 0},
    {"wait credits", join, wait_credits_short, BY_STEPS},
    {"wait records 0", join, wait_records, 0},
    {"wait records", join, wait_records_short, BY_STEPS | SWEEPS},
    {"wait any", join, wait_any_short, BY_STEPS | SWEEPS},
    {"wait room", join, wait_room_short, BY_STEPS},
    {"wait settled", join, wait_settled_short, BY_STEPS},
    {"open source", join, open_source, 0},
    {"close source", to_close_source, close_source, 0},
    {"progress", join, progress, SWEEPS},
    {"recover", join, recover, SWEEPS},
    {"set limit", join, set_limit, 0},
    {"signal", join, give_signal, LONG_WAY | APART},
    {"hold", join, hold, LONG_WAY | APART},
    {"events", join, events, LONG_WAY | APART},
    {"names", to_intern, intern, APART},
    {"retire", to_retire, retire, 0},
    {"name anew", to_name_anew, name_anew, APART},
    {"audit", join, audit, SWEEPS},
    {"state", join, stat, SWEEPS},
    {"signals", join, signals, 0},
};
const unsigned operation_count = sizeof operations / sizeof *operations;
