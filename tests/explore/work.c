/* work.c - the operations of a simulated process, each told to the ghost before and after. */
#include "work.h"

#include <stdio.h>
#include <string.h>

const char *const work_names[OPS] = {"put",     "put batch", "get one", "get many", "ack",   "return",
                                     "forward", "recover",   "audit",   "name",     "rejoin"};
long work_done[OPS], work_useful[OPS];
struct process process[SIM_FIBERS + 1];
static const struct scenario *now;

const struct scenario scenarios[] = {
    {"single", 6, 3, 4, 3, 2, 8, 2, 4, 2, 7, {[PUT] = 4, [GET_ONE] = 3, [ACK] = 3, [RETURN] = 1, [RECOVER] = 1}},
    {"batch", 8, 4, 5, 2, 2, 16, 2, 3, 2, 7, {[PUT_BATCH] = 4, [GET_MANY] = 3, [ACK] = 3, [RETURN] = 1, [RECOVER] = 1}},
    {"split",
     8,
     6,
     6,
     2,
     2,
     8,
     2,
     4,
     2,
     7,
     {[PUT_BATCH] = 3, [GET_ONE] = 3, [GET_MANY] = 1, [ACK] = 3, [RETURN] = 1, [RECOVER] = 1}},
    {"retry", 5, 3, 4, 2, 1, 8, 0, 3, 2, 8, {[PUT] = 2, [GET_ONE] = 4, [RETURN] = 4, [ACK] = 1, [RECOVER] = 1}},
    {"forward",
     6,
     3,
     4,
     3,
     2,
     8,
     1,
     4,
     2,
     7,
     {[PUT] = 2, [PUT_BATCH] = 1, [GET_MANY] = 3, [FORWARD] = 3, [ACK] = 1, [RECOVER] = 1}},
    {"forward1", 6, 3, 4, 3, 2, 8, 1, 4, 2, 7, {[PUT] = 3, [GET_ONE] = 4, [FORWARD] = 4, [ACK] = 1, [RECOVER] = 1}},
    {"mixed1",
     7,
     4,
     5,
     3,
     2,
     16,
     1,
     4,
     3,
     8,
     {[PUT] = 3,
      [PUT_BATCH] = 2,
      [GET_ONE] = 4,
      [ACK] = 3,
      [RETURN] = 2,
      [FORWARD] = 2,
      [RECOVER] = 1,
      [AUDIT] = 1,
      [NAME] = 1,
      [REJOIN] = 1}},
    {"mixed",
     7,
     4,
     5,
     3,
     2,
     16,
     1,
     4,
     3,
     8,
     {[PUT] = 3,
      [PUT_BATCH] = 2,
      [GET_ONE] = 2,
      [GET_MANY] = 2,
      [ACK] = 3,
      [RETURN] = 2,
      [FORWARD] = 2,
      [RECOVER] = 1,
      [AUDIT] = 1,
      [NAME] = 1,
      [REJOIN] = 1}},
    {"recover", 4, 2, 3, 2, 1, 8, 1, 5, 2, 5, {[PUT] = 2, [PUT_BATCH] = 1, [GET_ONE] = 2, [ACK] = 2, [RECOVER] = 4}},
    {"names", 4, 2, 3, 3, 2, 8, 1, 4, 3, 5, {[NAME] = 6, [PUT] = 1, [RECOVER] = 1, [REJOIN] = 1}},
};
const int scenario_count = sizeof scenarios / sizeof scenarios[0];

static void begin(int me)
{
    if (me < SIM_FIBERS)
        sim.fiber[me].alone = 0;
    else
        sim.alone_after = 0;
    sim.bound[me] = 4000;
    world_begin(me);
}

/* A refusal is true if the limit was reached at some instant of the operation. */
static void check_refusal(int me, int why, uint32_t stage, uint32_t source)
{
    uint32_t i = why == CVB_ESTAGE_FULL    ? cvb_counter_of_stage(stage)
                 : why == CVB_ESOURCE_FULL ? 1 + world.settings.max_stages + source
                                           : CVB_COUNTER_TOTAL;
    SIM_CHECK(why <= CVB_ESTAGE_FULL && why >= CVB_ETOTAL_FULL, "refused with error %d: %s", why, cvb_error_text(why));
    SIM_CHECK(world.most[me][i] >= world.limit[i], "refused (%s) though there was room all the time",
              cvb_error_text(why));
}

int work_put(int me, uint32_t stage, const uint32_t *sources, int n, int *why)
{
    struct cvb_record record[GHOST_BATCH];
    char payload[GHOST_BATCH][64];
    int id[GHOST_BATCH];
    *why = 0;
    begin(me);
    for (int i = 0; i < n; i++)
        id[i] = ghost_new(me, stage, sources[i], i ? id[0] : -1, &record[i], payload[i]);
    SIM_LOG("p%d puts records %d to %d into stage %u, the first of source %u", me, id[0], id[n - 1], stage, sources[0]);
    int done;
    if (n == 1) {
        *why = cvb_buffer_for_stage(process[me].handle, stage, record);
        done = !*why;
    } else {
        done = cvb_buffer_batch_for_stage(process[me].handle, stage, record, (size_t)n, why);
    }
    SIM_LOG("p%d has put %d of %d, %s", me, done, n, cvb_error_text(*why));
    SIM_CHECK(done >= 0, "a put failed: %s", cvb_error_text(done));
    SIM_CHECK((done < n) == (*why != 0), "a put of %d did %d and says %d", n, done, *why);
    if (done < n)
        check_refusal(me, *why, stage, sources[done]);
    ghost_put_ended(id, n, done);
    sim_progress();
    return done;
}

int work_get(int me, uint32_t stage, int n)
{
    struct process *p = &process[me];
    int room = GHOST_BATCH - p->held;
    n = n < room ? n : room;
    if (!n)
        return 0;
    begin(me);
    long began = sim.total;
    SIM_LOG("p%d gets %d from stage %u", me, n, stage);
    struct cvb_lease *lease = &p->lease[p->held];
    int got = cvb_get_batch(p->handle, stage, lease, (size_t)n), *id = &p->id[p->held];
    SIM_CHECK(got >= 0, "a get failed: %s", cvb_error_text(got));
    for (int i = 0; i < got; i++) {
        id[i] = ghost_delivered(me, &lease[i], began);
        SIM_LOG("p%d was given record %d, unit %u member %u, retry %u", me, id[i], lease[i].place.unit,
                lease[i].place.member, lease[i].retry_count);
    }
    ghost_get_ended(me, stage, id, got, !got, began);
    SIM_LOG("p%d got %d of %d", me, got, n);
    p->held += got;
    sim_progress();
    return got;
}

static void drop(struct process *p, const int *which, int n)
{
    bool gone[GHOST_BATCH] = {false};
    int kept = 0;
    for (int i = 0; i < n; i++)
        gone[which[i]] = true;
    for (int i = 0; i < p->held; i++)
        if (!gone[i]) {
            p->lease[kept] = p->lease[i];
            p->id[kept++] = p->id[i];
        }
    p->held = kept;
}

static int settle_call(struct process *p, enum ghost_fate fate, const struct cvb_lease *lease, int n, uint32_t stage,
                       int *why)
{
    *why = 0;
    if (fate == GHOST_FORWARD)
        return cvb_forward(p->handle, stage, lease, (size_t)n, why);
    int error =
        fate == GHOST_ACK ? cvb_ack(p->handle, lease, (size_t)n) : cvb_return_to_buffer(p->handle, lease, (size_t)n);
    return error ? error : n;
}

/* Settles the leases at the places which[0..n), in that order. */
void work_settle(int me, enum ghost_fate fate, const int *which, int n, uint32_t stage)
{
    struct process *p = &process[me];
    struct cvb_lease lease[GHOST_BATCH];
    int id[GHOST_BATCH], why;
    begin(me);
    for (int i = 0; i < n; i++) {
        lease[i] = p->lease[which[i]];
        id[i] = p->id[which[i]];
        SIM_LOG("p%d %s record %d, unit %u member %u", me,
                fate == GHOST_ACK      ? "acks"
                : fate == GHOST_RETURN ? "returns"
                                       : "forwards",
                id[i], lease[i].place.unit, lease[i].place.member);
    }
    ghost_settle(me, lease, id, n, fate, stage);
    int done = settle_call(p, fate, lease, n, stage, &why);
    SIM_LOG("p%d has settled %d of %d, %s", me, done, n, cvb_error_text(why));
    SIM_CHECK(done >= 0, "settling failed: %s", cvb_error_text(done));
    if (done < n)
        check_refusal(me, why, stage, lease[done].source);
    ghost_settled(me, id, n, done, fate);
    drop(p, which, done);
    sim_progress();
}

static bool work_on_held(int me, enum ghost_fate fate, uint32_t stage)
{
    struct process *p = &process[me];
    int which[GHOST_BATCH], n = 0;
    if (!p->held)
        return false;
    unsigned part = sim_below(3); /* all, some, one */
    for (int i = 0; i < p->held; i++)
        if (part == 0 || (part == 1 && sim_below(2)))
            which[n++] = i;
    if (!n)
        which[n++] = (int)sim_below((unsigned)p->held);
    if (fate == GHOST_FORWARD) {
        int kept = 0;
        for (int i = 0; i < n; i++)
            if (p->lease[which[i]].stage != stage)
                which[kept++] = which[i];
        n = kept;
    }
    for (int i = n - 1; i > 0 && !sim_below(3); i--) { /* sometimes in another order */
        int k = (int)sim_below((unsigned)i + 1), x = which[i];
        which[i] = which[k];
        which[k] = x;
    }
    if (n)
        work_settle(me, fate, which, n, stage);
    return n;
}

static bool work_recover(int me)
{
    begin(me);
    if (me < SIM_FIBERS && !sim_below(4)) /* recoverers are killed and stopped too */
        *(sim_below(2) ? &sim.fiber[me].kill_at : &sim.fiber[me].stop_at) = sim.fiber[me].steps + (long)sim_below(400);
    SIM_LOG("p%d recovers", me);
    int freed = cvb_recover(process[me].handle);
    SIM_LOG("p%d has freed %d seats", me, freed);
    SIM_CHECK(freed >= 0, "recovery failed: %s", cvb_error_text(freed));
    sim_progress();
    return freed > 0;
}

static bool work_audit(int me)
{
    struct cvb_audit audit;
    begin(me);
    sim.bound[me] = 60000;
    int error = cvb_audit(process[me].handle, &audit);
    SIM_CHECK(!error, "the audit failed: %s", cvb_error_text(error));
    sim_progress();
    return audit.exact;
}

static uint32_t name_ids[4];

static bool work_name(int me)
{
    static const char *const names[] = {"filter", "enrich", "sink", "x"};
    uint32_t i = sim_below(3), id = 99;
    begin(me);
    int error = cvb_stage(process[me].handle, names[i], &id);
    SIM_LOG("p%d interned %s: %u, %s", me, names[i], id, cvb_error_text(error));
    sim_progress();
    if (error == CVB_ENAMES)
        return false;
    SIM_CHECK(!error, "a name failed: %s", cvb_error_text(error));
    SIM_CHECK(id && id < world.settings.max_stages, "a name has the id %u", id);
    for (uint32_t k = 0; k < 4; k++)
        SIM_CHECK((k == i) == (name_ids[k] == id) || (k == i && !name_ids[k]), "name %s has id %u, and %s has %u",
                  names[i], id, names[k], name_ids[k]);
    name_ids[i] = id;
    return true;
}

/* Never the last seat: that is for the process after all. */
static bool seat_is_free(void)
{
    uint32_t active = 0;
    for (uint32_t s = 0; s < world.settings.max_handles; s++)
        active += (world_seat(s)->state & 1) || world.seat_owner[s];
    for (int i = 0; i < sim.count; i++)
        active += process[i].joining && !sim.fiber[i].killed;
    return active + 1 < world.settings.max_handles;
}

static bool join(int me)
{
    struct process *p = &process[me];
    p->held = 0;
    p->joining = true;
    begin(me);
    SIM_LOG("p%d attaches", me);
    int error = cvb_attach("explored", &p->handle);
    p->joining = false;
    SIM_LOG("p%d has attached: %s", me, cvb_error_text(error));
    sim_progress();
    SIM_CHECK(!error || error == CVB_EHANDLES, "attach failed: %s", cvb_error_text(error));
    return !error;
}

/* Leases that are still held are returned. */
static void leave(int me)
{
    struct process *p = &process[me];
    begin(me);
    SIM_LOG("p%d detaches", me);
    ghost_settle(me, p->lease, p->id, p->held, GHOST_RETURN, 0);
    cvb_detach(p->handle);
    p->held = 0;
    sim_progress();
}

static bool rejoin(int me)
{
    leave(me);
    if (!seat_is_free())
        return false;
    return join(me);
}

/* False: this process has no handle any more. */
static bool operate(int me, enum op op, bool *useful)
{
    uint32_t stage = 1 + sim_below(world.settings.max_stages - 1), sources[GHOST_BATCH];
    int why, n = op == PUT ? 1 : 2 + (int)sim_below(4);
    unsigned mix = sim_below(3);
    for (int i = 0; i < n; i++)
        sources[i] = i && mix ? sources[i - 1] : sim_below(world.settings.max_sources);
    uint32_t from = sim_below(6) ? stage : 0;
    switch (op) {
    case PUT:
    case PUT_BATCH:
        *useful = work_put(me, stage, sources, n, &why) == n;
        return true;
    case GET_ONE:
        *useful = work_get(me, from, 1);
        return true;
    case GET_MANY:
        *useful = work_get(me, from, n) > 1;
        return true;
    case ACK:
    case RETURN:
    case FORWARD:
        *useful = work_on_held(me, op == ACK ? GHOST_ACK : op == RETURN ? GHOST_RETURN : GHOST_FORWARD, stage);
        return true;
    case RECOVER:
        *useful = work_recover(me);
        return true;
    case AUDIT:
        *useful = work_audit(me);
        return true;
    case NAME:
        *useful = work_name(me);
        return true;
    default:
        return *useful = rejoin(me);
    }
}

static void run(int me)
{
    unsigned all = 0;
    for (int o = 0; o < OPS; o++)
        all += now->weight[o];
    for (int i = 0; i < now->operations; i++) {
        unsigned x = sim_below(all), o = 0;
        for (; x >= now->weight[o]; o++)
            x -= now->weight[o];
        bool useful = false, goes_on = operate(me, (enum op)o, &useful);
        work_done[o]++;
        work_useful[o] += useful;
        if (!goes_on)
            return;
    }
    if (sim_below(2)) {
        leave(me);
    } else {
        SIM_LOG("p%d exits", me);
        sim.killed(me);
    }
}

static void start(int me)
{
    if (join(me))
        run(me);
}

/* Comes when a seat is free, perhaps one of the dead. */
static void come_late(int me)
{
    for (int i = 0; i < 20; i++) {
        sim_pause_until(me, sim_clock() + (long)sim_below(i ? 200 : 1000), false);
        sim_point("wait", NULL, __builtin_return_address(0));
        if (!seat_is_free())
            continue;
        if (join(me))
            run(me);
        return;
    }
}

void work_only_sleepers(void) {}

void work_schedule(const struct scenario *scenario, uint64_t seed)
{
    now = scenario;
    sim.scenario = scenario->name;
    sim_reset(seed);
    world_reset();
    ghost_reset();
    memset(name_ids, 0, sizeof name_ids);
    memset(process, 0, sizeof process);
    for (int i = 0; i < scenario->starters; i++)
        process[sim_spawn(start)].joining = true;
    for (int i = 0; i < scenario->late; i++)
        sim_spawn(come_late);
    unsigned far = sim_below(2) ? 300 : 1000;
    for (unsigned i = sim_below(4); i > 0; i--)
        sim.fiber[sim_below((unsigned)sim.count)].kill_at = (long)sim_below(far);
    for (unsigned i = sim_below(4); i > 0; i--)
        sim.fiber[sim_below((unsigned)sim.count)].stop_at = (long)sim_below(far);
    sim_run();
    after_all(scenario);
}
