/* live.c - joining and leaving, recovering, auditing, names, state, and waiting. */
#include <conveyor/notify.h>
#include <string.h>

#include "watch/watch.h"
#include "work.h"

bool work_join(int me)
{
    struct process *p = &process[me];
    p->held = p->slots = 0;
    p->has_old = p->has_old_slot = false;
    p->joining = true;
    work_begin(me);
    watch_call(me, HISTORY_ATTACH, 0, 0);
    SIM_LOG("p%d attaches", me);
    int error = cvb_attach("explored", &p->handle);
    p->joining = false;
    SIM_LOG("p%d has attached: %s", me, cvb_error_text(error));
    work_end(me, error, 0);
    SIM_CHECK(!error || error == CVB_EHANDLES, "attach failed: %s", cvb_error_text(error));
    return !error;
}

/* Leases that are still held are released, reservations given up. */
void work_leave(int me)
{
    struct process *p = &process[me];
    work_begin(me);
    watch_call(me, HISTORY_LEAVE, 0, 0);
    SIM_LOG("p%d detaches", me);
    ghost_settle(me, p->lease, p->id, p->held, GHOST_RELEASE, 0);
    p->slots = 0; /* they are given up in any order, and so is what it has opened */
    memset(p->opened, 0, sizeof p->opened);
    cvb_detach(p->handle);
    p->held = 0;
    p->has_old = p->has_old_slot = false;
    work_unclaim(me);
    work_end(me, 0, 0);
}

bool work_recover(int me)
{
    work_begin(me);
    if (me < SIM_FIBERS && !sim_below(4)) /* recoverers are killed and stopped too */
        sim_plan(me, sim.hurt && sim_below(2), sim_below(2) ? 16 : 400);
    watch_call(me, HISTORY_RECOVER, 0, 0);
    SIM_LOG("p%d recovers", me);
    int freed = cvb_recover(process[me].handle);
    SIM_LOG("p%d has freed %d seats", me, freed);
    SIM_CHECK(freed >= 0, "recovery failed: %s", cvb_error_text(freed));
    work_end(me, freed, 0);
    return freed > 0;
}

bool work_audit(int me)
{
    struct cvb_audit audit;
    work_begin(me);
    sim.bound[me] = 60000;
    int error = cvb_audit(process[me].handle, &audit);
    SIM_CHECK(!error, "the audit failed: %s", cvb_error_text(error));
    work_end(me, 0, 0);
    return audit.exact;
}

static uint32_t name_ids[3];

void work_forget_names(void) { memset(name_ids, 0, sizeof name_ids); }

bool work_name(int me)
{
    static const char *const names[] = {"filter", "enrich", "sink"};
    uint32_t i = sim_below(3), id = 99;
    work_begin(me);
    int error = cvb_stage(process[me].handle, names[i], &id);
    SIM_LOG("p%d interned %s: %u, %s", me, names[i], id, cvb_error_text(error));
    work_end(me, 0, 0);
    if (error == CVB_ENAMES)
        return false;
    SIM_CHECK(!error, "a name failed: %s", cvb_error_text(error));
    SIM_CHECK(id && id < world.settings.max_stages, "a name has the id %u", id);
    SIM_CHECK(!name_ids[i] || name_ids[i] == id, "name %s has the ids %u and %u", names[i], name_ids[i], id);
    name_ids[i] = id;
    for (uint32_t k = 0; k < 3; k++)
        SIM_CHECK(k == i || name_ids[k] != id, "names %s and %s have the id %u", names[i], names[k], id);
    return true;
}

bool work_state(int me)
{
    struct cvb_handle *h = process[me].handle;
    const struct cvb_settings *s = &world.settings;
    struct cvb_backpressure b;
    uint32_t source = sim_below(s->max_sources), stage = 1 + sim_below(s->max_stages - 1), stages[16];
    work_begin(me);
    watch_call(me, HISTORY_LOOK, 0, 0);
    int64_t size = cvb_stage_size(h, stage), all = cvb_total_buffered(h), credits = cvb_available_credits(h, source);
    SIM_CHECK(size >= 0 && size <= s->max_per_stage, "a stage's size is %lld", (long long)size);
    SIM_CHECK(all >= 0 && all <= s->max_total_records, "the total is %lld", (long long)all);
    SIM_CHECK(credits >= 0 && credits <= s->max_per_source, "a source has %lld credits", (long long)credits);
    watch_size(me, MODEL_SIZE, stage, size);
    watch_size(me, MODEL_SIZE_ALL, 0, all);
    watch_size(me, MODEL_CREDITS, source, credits);
    int n = cvb_stages_with_data(h, stages, 16);
    SIM_CHECK(n >= 0 && n <= (int)s->max_stages, "%d stages have data", n);
    int error = cvb_backpressure(h, stage, source, &b);
    SIM_CHECK(!error && b.signal <= CVB_SIGNAL_PAUSE, "backpressure failed: %s", cvb_error_text(error));
    work_end(me, 0, 0);
    return b.signal != CVB_SIGNAL_NONE;
}

/* Of the total, the stage, or the source: anything up to what it was made for. */
bool work_limit(int me, uint32_t stage, uint32_t source)
{
    const unsigned which = sim_below(3);
    const uint32_t counter = which == MODEL_TOTAL    ? CVB_COUNTER_TOTAL
                             : which == MODEL_SOURCE ? 1 + world.settings.max_stages + source
                                                     : cvb_counter_of_stage(stage);
    const uint32_t limit = 1 + sim_below((unsigned)world.made[counter]);
    work_begin(me);
    watch_call(me, HISTORY_LIMIT, 0, 1);
    watch_set(me, (enum model_limit)which, stage, source, limit);
    SIM_LOG("p%d sets the limit of counter %u to %u", me, counter, limit);
    world_sets(me, counter);
    int error = cvb_set_limit(process[me].handle, which == MODEL_STAGE ? stage : CVB_NO_STAGE,
                              which == MODEL_SOURCE ? source : CVB_NO_SOURCE, limit);
    world_has_set(me);
    SIM_LOG("p%d has set it: %s", me, cvb_error_text(error));
    SIM_CHECK(!error, "setting a limit failed: %s", cvb_error_text(error));
    work_end(me, 1, 0);
    return true;
}

static const int64_t patience_ns[] = {0, 6000000, 2400000000};

bool work_wait_records(int me, uint32_t stage)
{
    struct process *p = &process[me];
    uint32_t other = sim_below(2) ? CVB_STAGE_DEAD_LETTER : stage % (world.settings.max_stages - 1) + 1;
    const uint32_t stages[] = {stage, other};
    work_begin(me);
    p->waits = FOR_RECORDS;
    p->wait_stage = stage;
    SIM_LOG("p%d waits for records of stage %u", me, stage);
    unsigned n = 1 + (other != stage && sim_below(2));
    p->wait_other = stages[n - 1];
    long began = sim.total;
    watch_call(me, HISTORY_WAIT, 0, (int)n);
    for (unsigned i = 0; i < n; i++)
        watch_argument(me, stages[i], 0, NULL);
    int there = cvb_wait_records(p->handle, stages, n, patience_ns[sim_below(3)]);
    p->waits = AWAKE;
    if (there >= 0 && there < (int)n)
        p->called_to |= 1u << stages[there];
    SIM_LOG("p%d has waited: %s", me, cvb_error_text(there < 0 ? there : 0));
    SIM_CHECK(there == 0 || there == 1 || there == CVB_ETIMEDOUT, "waiting for records gave %d", there);
    if (there < 0 && (work_was_held(stage, began) || work_was_held(p->wait_other, began)))
        watch_call(me, HISTORY_OTHER, 0, 0); /* it says nothing of what there was */
    work_end(me, there, 0);
    return there >= 0;
}

/* As a notifier waits: for records of the stage, credits of the source and room. Its loop is told of all that is there.
 */
static int wait_for_any(struct process *p, int64_t timeout_ns)
{
    struct cvb_awaited any[3];
    for (uint32_t i = 0; i < 3; i++)
        any[i] = (struct cvb_awaited){
            .what = CVB_WATCH_RECORDS + i, .stage = p->wait_stage, .source = p->wait_source, .class = CVB_NO_CLASS};
    int found = cvb_wait_any(p->handle, any, 3, timeout_ns);
    if (found > 0 && any[0].there)
        p->called_to |= 1u << p->wait_stage;
    return found > 0 ? 0 : found;
}

bool work_wait_credits(int me, uint32_t stage, uint32_t source)
{
    struct process *p = &process[me];
    work_begin(me);
    p->waits = FOR_CREDITS + sim_below(3);
    p->wait_stage = p->waits == FOR_ANY || sim_below(4) ? stage : CVB_NO_STAGE;
    p->wait_other = stage;
    p->wait_source = source;
    SIM_LOG("p%d waits for credits (%d) of stage %u, source %u", me, p->waits, p->wait_stage, source);
    int64_t patience = patience_ns[sim_below(3)];
    int error = p->waits == FOR_CREDITS ? cvb_wait_credits(p->handle, p->wait_stage, source, patience)
                : p->waits == FOR_ROOM  ? cvb_wait_room(p->handle, p->wait_stage, source, patience)
                                        : wait_for_any(p, patience);
    p->waits = AWAKE;
    SIM_LOG("p%d has waited: %s", me, cvb_error_text(error));
    SIM_CHECK(!error || error == CVB_ETIMEDOUT, "waiting for credits gave %d", error);
    work_end(me, 0, 0);
    return !error;
}

static bool stays_low(uint32_t counter)
{
    return world.used[counter] - world.idle[counter] <= (int64_t)((double)world.limit[counter] * 0.5);
}

static bool has_room(uint32_t counter) { return world.used[counter] - world.idle[counter] < world.limit[counter]; }

/* Does the stage have records that nobody was called to? Who was told of them, and has not looked there since, had the
 * wake-up. */
static bool calls(uint32_t stage)
{
    bool left = false;
    for (int i = 0; i < sim.count; i++)
        left |= process[i].called_to >> stage & 1;
    return ghost_queued(stage) && !left && !work_stops(cvb_flag_of_data(stage));
}

/* Does a sleeper's condition hold? */
static bool could_go_on(const struct process *p)
{
    const uint32_t of_source = 1 + world.settings.max_stages + p->wait_source;
    const bool no_stage = p->wait_stage == CVB_NO_STAGE;
    bool records = p->waits == FOR_RECORDS || p->waits == FOR_ANY, room = p->waits == FOR_ROOM || p->waits == FOR_ANY;
    if (records && (calls(p->wait_stage) || calls(p->wait_other)))
        return true;
    if (room && has_room(0) && has_room(of_source) && (no_stage || has_room(1 + p->wait_stage)))
        return true;
    if (p->waits == FOR_RECORDS || p->waits == FOR_ROOM || work_stops(CVB_FLAG_TOTAL) ||
        work_stops(cvb_flag_of_source(p->handle, p->wait_source)) ||
        (!no_stage && work_stops(cvb_flag_of_room(p->handle, p->wait_stage))))
        return false;
    return stays_low(0) && stays_low(of_source) && (no_stage || stays_low(1 + p->wait_stage));
}

void work_only_sleepers(void)
{
    for (int i = 0; i < sim.count; i++)
        if (sim.fiber[i].killed)
            return; /* a waker that died is not waited for: the sleep is short */
    for (int i = 0; i < sim.count; i++)
        SIM_CHECK(!sim.fiber[i].sleeping || process[i].waits == AWAKE || !could_go_on(&process[i]),
                  "a wake-up was lost: p%d sleeps though what it waits for is there", i);
}
