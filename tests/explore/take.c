/* take.c - records come out and are settled. */
#include <string.h>

#include "work.h"

/* A get ends. That it got nothing says that the stage was empty, unless it was held at a moment. */
static void held_or_empty(int me, uint32_t stage, const int *id, int got, long began, uint64_t began_ns)
{
    const bool held = work_was_held(stage, began);
    SIM_CHECK_TOO(!got || !work_held_throughout(stage, began), "p%d got %d from stage %u, which is held", me, got,
                  stage);
    if (held)
        watch_held(me);
    ghost_get_ended(me, stage, id, got, !got && !held, began, began_ns);
}

int work_get(int me, uint32_t stage, int n)
{
    struct process *p = &process[me];
    int room = GHOST_BATCH - p->held;
    n = n < room ? n : room;
    if (!n)
        return 0;
    work_begin(me);
    long began = sim.total;
    const uint64_t began_ns = cvb_monotonic_ns();
    watch_call(me, HISTORY_GET, stage, n);
    SIM_LOG("p%d gets %d from stage %u", me, n, stage);
    struct cvb_lease *lease = &p->lease[p->held];
    int got = cvb_get_batch(p->handle, stage, lease, (size_t)n), *id = &p->id[p->held];
    SIM_CHECK(got >= 0, "a get failed: %s", cvb_error_text(got));
    for (int i = 0; i < got; i++) {
        watch_lease(me, &lease[i]);
        id[i] = ghost_delivered(me, &lease[i], began);
        SIM_LOG("p%d was given record %d, unit %u member %u, retry %u", me, id[i], lease[i].place.unit,
                lease[i].place.member, lease[i].retry_count);
    }
    held_or_empty(me, stage, id, got, began, began_ns);
    p->called_to &= ~(1u << stage);
    SIM_LOG("p%d got %d of %d", me, got, n);
    p->held += got;
    work_end(me, got, 0);
    return got;
}

int work_take(int me, uint32_t stage, int n)
{
    struct cvb_record taken[GHOST_BATCH];
    char buffer[GHOST_BATCH * GHOST_PAYLOAD];
    int id[GHOST_BATCH];
    work_begin(me);
    long began = sim.total;
    const uint64_t began_ns = cvb_monotonic_ns();
    watch_call(me, HISTORY_TAKE, stage, n);
    SIM_LOG("p%d takes %d from stage %u", me, n, stage);
    ghost_take(me, stage);
    int got = cvb_take_batch(process[me].handle, stage, taken, (size_t)n, buffer, sizeof buffer);
    SIM_CHECK(got >= 0, "a take failed: %s", cvb_error_text(got));
    for (int i = 0; i < got; i++) {
        watch_argument(me, stage, taken[i].source, taken[i].payload);
        id[i] = ghost_taken(me, &taken[i], stage, began);
        SIM_LOG("p%d took record %d", me, id[i]);
    }
    held_or_empty(me, stage, id, got, began, began_ns);
    ghost_take(me, UINT32_MAX);
    SIM_LOG("p%d has taken %d of %d", me, got, n);
    work_end(me, got, 0);
    return got;
}

static void drop(struct process *p, const int *which, int n)
{
    bool gone[GHOST_BATCH] = {false};
    int kept = 0;
    for (int i = 0; i < n; i++)
        gone[which[i]] = true;
    for (int i = 0; i < p->held; i++) {
        if (gone[i]) {
            p->old = p->lease[i];
            p->has_old = true;
            continue;
        }
        p->lease[kept] = p->lease[i];
        p->id[kept++] = p->id[i];
    }
    p->held = kept;
}

static int settle_call(int me, enum ghost_fate fate, const struct cvb_lease *lease, const int *id, int n,
                       uint32_t stage, int *why)
{
    struct cvb_handle *h = process[me].handle;
    struct cvb_record result[GHOST_BATCH];
    char payload[GHOST_BATCH][GHOST_PAYLOAD], header[GHOST_BATCH][GHOST_HEADER];
    *why = 0;
    if (fate == GHOST_FORWARD)
        return cvb_forward(h, stage, lease, (size_t)n, why);
    if (fate == GHOST_REPLACE) {
        for (int i = 0; i < n; i++) {
            result[i] = (struct cvb_record){.payload = payload[i], .length = ghost_rewrite(id[i], payload[i])};
            if (ghost_new_header(id[i], header[i], &result[i].header_length))
                result[i].header = header[i];
            else
                result[i].header_length = 0; /* it keeps what it has */
        }
        return cvb_forward_records(h, stage, lease, result, (size_t)n, why);
    }
    int error = fate == GHOST_ACK      ? cvb_ack(h, lease, (size_t)n)
                : fate == GHOST_RETURN ? cvb_return_to_buffer(h, lease, (size_t)n)
                : fate == GHOST_DELAY  ? cvb_return_after(h, lease, (size_t)n, stage)
                                       : cvb_release(h, lease, (size_t)n);
    return error ? error : n;
}

/* Settles the leases at the places which[0..n), in that order. */
void work_settle(int me, enum ghost_fate fate, const int *which, int n, uint32_t stage)
{
    static const char *const verbs[] = {"acks", "returns", "releases", "forwards", "replaces", "delays"};
    static const enum history_verb history_verbs[] = {HISTORY_ACK,     HISTORY_RETURN,  HISTORY_RELEASE,
                                                      HISTORY_FORWARD, HISTORY_FORWARD, HISTORY_DELAY};
    struct process *p = &process[me];
    struct cvb_lease lease[GHOST_BATCH];
    int id[GHOST_BATCH], why;
    work_begin(me);
    watch_call(me, history_verbs[fate], fate == GHOST_DELAY ? 0 : stage, n);
    if (fate == GHOST_DELAY)
        watch_delay(me, stage);
    for (int i = 0; i < n; i++) {
        lease[i] = p->lease[which[i]];
        id[i] = p->id[which[i]];
        SIM_LOG("p%d %s record %d, unit %u member %u", me, verbs[fate], id[i], lease[i].place.unit,
                lease[i].place.member);
    }
    ghost_settle(me, lease, id, n, fate, stage);
    for (int i = 0; i < n; i++) {
        char becomes[GHOST_PAYLOAD];
        if (fate == GHOST_REPLACE)
            ghost_rewrite(id[i], becomes);
        watch_settled(me, &lease[i], fate == GHOST_DELAY ? 0 : stage, fate == GHOST_REPLACE ? becomes : NULL);
    }
    int done = settle_call(me, fate, lease, id, n, stage, &why);
    SIM_LOG("p%d has settled %d of %d, %s", me, done, n, cvb_error_text(why));
    SIM_CHECK(done >= 0, "settling failed: %s", cvb_error_text(done));
    if (done < n)
        work_check_refusal(me, why, stage, lease[done].source, world.settings.payload_size);
    ghost_settled(me, id, n, done, fate);
    drop(p, which, done);
    work_end(me, done, why);
}

static void shuffle(int *which, int n)
{
    for (int i = n - 1; i > 0; i--) {
        int k = (int)sim_below((unsigned)i + 1), x = which[i];
        which[i] = which[k];
        which[k] = x;
    }
}

/* All, some or one of the leases, sometimes in another order. */
bool work_on_held(int me, enum ghost_fate fate, uint32_t stage)
{
    struct process *p = &process[me];
    int which[GHOST_BATCH], n = 0;
    unsigned part = sim_below(3), one = sim_below((unsigned)p->held + !p->held);
    bool moves = fate == GHOST_FORWARD || fate == GHOST_REPLACE;
    for (int i = 0; i < p->held; i++)
        if ((part == 0 || (part == 1 ? sim_below(2) : (unsigned)i == one)) && !(moves && p->lease[i].stage == stage))
            which[n++] = i;
    if (!n)
        return false;
    if (!sim_below(4))
        shuffle(which, n);
    work_settle(me, fate, which, n, stage);
    return true;
}

/* A lease that stands twice in one array is settled once, wherever its second place is; what comes behind it stays. */
bool work_twice(int me)
{
    struct process *p = &process[me];
    struct cvb_lease lease[GHOST_BATCH + 1];
    int which[GHOST_BATCH], id[GHOST_BATCH], n = 0;
    const bool ack = sim_below(2);
    for (int i = 0; i < p->held && n < GHOST_BATCH; i++)
        which[n++] = i;
    if (n < 2)
        return false;
    shuffle(which, n);
    const int before = 1 + (int)sim_below((unsigned)n);
    work_begin(me);
    watch_call(me, ack ? HISTORY_ACK : HISTORY_RELEASE, 0, before);
    for (int i = 0; i < n; i++) {
        lease[i + (i >= before)] = p->lease[which[i]];
        id[i] = p->id[which[i]];
    }
    lease[before] = lease[sim_below((unsigned)before)];
    ghost_settle(me, lease, id, before, ack ? GHOST_ACK : GHOST_RELEASE, 0);
    for (int i = 0; i < before; i++)
        watch_settled(me, &lease[i], 0, NULL);
    int error = ack ? cvb_ack(p->handle, lease, (size_t)n + 1) : cvb_release(p->handle, lease, (size_t)n + 1);
    SIM_CHECK(error == CVB_ESETTLED, "a lease that is twice in an array gives: %s", cvb_error_text(error));
    ghost_settled(me, id, before, before, ack ? GHOST_ACK : GHOST_RELEASE);
    drop(p, which, before);
    work_end(me, before, 0);
    return true;
}

/* A lease that was settled is refused, and takes no other with it. */
bool work_stale(int me)
{
    struct process *p = &process[me];
    struct cvb_lease two[2];
    int n = 0;
    if (sim_below(2) && work_twice(me))
        return true;
    if (!p->has_old)
        return false;
    if (p->held)
        two[n++] = p->lease[sim_below((unsigned)p->held)];
    two[n++] = p->old;
    work_begin(me);
    int error = sim_below(2) ? cvb_ack(p->handle, two, (size_t)n) : cvb_return_to_buffer(p->handle, two, (size_t)n);
    SIM_CHECK(error == CVB_ESETTLED || error == CVB_EFOREIGN, "a lease that was settled is settled again: %s",
              cvb_error_text(error));
    work_end(me, 0, 0);
    return true;
}
