/* work.c - a simulated process's life: it joins, does what the scenario says, and leaves, exits, or is killed. */
#include "work.h"

#include <string.h>

long work_done[OPS], work_useful[OPS];
struct process process[SIM_FIBERS + 1];
static const struct scenario *now;

/* Steps of an operation without anybody's success: it may go over all units for each seat that has died. */
static long bound_of_operation(void)
{
    return 4000 + 12 * (long)world.geometry.unit_count * world.settings.max_handles;
}

void work_begin(int me)
{
    if (me < SIM_FIBERS)
        sim.fiber[me].alone = sim.fiber[me].began = 0;
    else
        sim.alone_after = 0;
    sim.bound[me] = bound_of_operation();
    world_begin(me);
    watch_call(me, HISTORY_OTHER, 0, 0);
}

void work_end(int me, int done, int why)
{
    watch_ended(me, done, why);
    sim_progress();
}

void work_death(int me)
{
    ghost_death(me);
    process[me].slots = 0;
    watch_death(me);
    work_unclaim(me);
}

void work_check_refusal(int me, int why, uint32_t stage, uint32_t source, uint32_t length)
{
    uint32_t i = why == CVB_ESTAGE_FULL    ? cvb_counter_of_stage(stage)
                 : why == CVB_ESOURCE_FULL ? 1 + world.settings.max_stages + (uint16_t)source
                                           : CVB_COUNTER_TOTAL;
    bool tight = world.settings.class_count > 1 && length > world.settings.classes[0].bytes;
    if (why == CVB_EMEMORY_FULL && tight) {
        SIM_CHECK_TOO(me != SIM_AFTER || !world_free_cells(length),
                      "refused for want of memory, though %u cells are free", world_free_cells(length));
        return;
    }
    SIM_CHECK_TOO(why <= CVB_ESTAGE_FULL && why >= CVB_ETOTAL_FULL, "refused with error %d: %s", why,
                  cvb_error_text(why));
    if (!process[me].handle->refusal.looks)
        return; /* others were quicker as often as an operation looks */
    int64_t most = now->rounds && !now->late_at ? world.strict[me][i] : world.most[me][i];
    SIM_CHECK_TOO(most >= world.least[me][i], "refused (%s) though there was room all the time", cvb_error_text(why));
}

/* Never the last seat: that is for the process after all. */
static bool seat_is_free(void)
{
    uint32_t active = 0;
    for (uint32_t s = 0; s < world.settings.max_handles; s++)
        active += world_seat(s)->state & 1;
    for (int i = 0; i < sim.count; i++)
        active += process[i].joining && !sim.fiber[i].killed;
    return active + 1 < world.settings.max_handles;
}

static bool rejoin(int me)
{
    work_leave(me);
    return (now->tight || seat_is_free()) && work_join(me);
}

/* The id that record i of a put gets: of a place that no record before it is of under another id. */
static bool one_of_names(int me, uint32_t *sources, int i)
{
    if (!names_choose(me, &sources[i]))
        return false;
    for (int k = 0; k < i; k++)
        if ((uint16_t)sources[k] == (uint16_t)sources[i])
            sources[i] = sources[k];
    return true;
}

static bool put_some(int me, uint32_t stage, int n)
{
    uint32_t sources[GHOST_BATCH];
    int why;
    unsigned mix = sim_below(3);
    for (uint32_t s; world.positions && world.retires && sim_below(2) && names_choose(me, &s);)
        if (!process[me].opened[(uint16_t)s])
            work_open(me, s);
    for (uint32_t s = 0; world.positions && !world.retires && s < world.settings.max_sources; s++)
        if (!process[me].opened[s] && sim_below(2))
            work_open(me, s);
    for (int i = 0; i < n; i++) {
        sources[i] = i && mix ? sources[i - 1] : sim_below(world.settings.max_sources);
        if (world.retires && !(i && mix) && !one_of_names(me, sources, i))
            return false;
    }
    return work_put(me, stage, sources, n, &why) == n;
}

static bool operate(int me, enum op op)
{
    uint32_t stage = 1 + sim_below(world.settings.max_stages - 1), source = sim_below(world.settings.max_sources);
    uint32_t from = sim_below(now->dead ? 2 : 6) ? stage : CVB_STAGE_DEAD_LETTER;
    int n = 2 + (int)sim_below(4);
    switch (op) {
    case PUT:
        return put_some(me, stage, 1);
    case PUT_BATCH:
        return put_some(me, stage, n);
    case RESERVE:
        return (!world.retires || names_choose(me, &source)) && work_reserve(me, stage, source, n - 1);
    case PUBLISH:
        return work_publish(me);
    case CANCEL:
        return work_cancel(me);
    case GET_ONE:
        return work_get(me, from, 1);
    case GET_MANY:
        return work_get(me, from, n) > 1;
    case TAKE:
        return work_take(me, from, n);
    case ACK:
        return work_on_held(me, GHOST_ACK, 0);
    case RETURN:
        return work_on_held(me, GHOST_RETURN, 0);
    case DELAY:
        return work_on_held(me, GHOST_DELAY, sim_below(2) ? 1 : 1 + sim_below(12));
    case RELEASE:
        return work_on_held(me, GHOST_RELEASE, 0);
    case FORWARD:
        return work_on_held(me, GHOST_FORWARD, stage);
    case REPLACE:
        return work_on_held(me, GHOST_REPLACE, stage);
    case STALE:
        return process[me].has_old && (!process[me].has_old_slot || sim_below(2)) ? work_stale(me)
                                                                                  : work_stale_slot(me);
    case RECOVER:
        return work_recover(me);
    case AUDIT:
        return work_audit(me);
    case NAME:
        return work_name(me);
    case STATE:
        return work_state(me);
    case LIMIT:
        return work_limit(me, stage, source);
    case WAIT_RECORDS:
        return work_wait_records(me, stage);
    case WAIT_CREDITS:
        return work_wait_credits(me, stage, source);
    case OPEN:
        if (process[me].opened[source] && sim_below(2)) {
            work_close(me, source);
            if (world.retires)
                return true;
        }
        return (!world.retires || names_choose(me, &source)) && work_open(me, source);
    case PROGRESS:
        return (!world.retires || names_choose(me, &source)) && work_progress(me, source);
    case SIGNAL:
        return work_signal(me, stage, source);
    case HOLD:
        return work_hold(me, from);
    case GIVEN:
        return work_given(me, stage, source);
    case EVENTS:
        return work_events(me);
    case NAMED:
        return work_named(me);
    case RETIRE:
        return work_retire(me);
    default:
        return rejoin(me);
    }
}

static unsigned weight_of(int me, unsigned op)
{
    const unsigned part = me < PARTS ? now->part[me] : 0;
    return !part || (part >> op & 1) ? now->weight[op] : 0;
}

static enum op draw(int me)
{
    unsigned all = 0, o = 0;
    for (unsigned i = 0; i < OPS; i++)
        all += weight_of(me, i);
    unsigned x = sim_below(all);
    for (; x >= weight_of(me, o); o++)
        x -= weight_of(me, o);
    return (enum op)o;
}

/* Puts one, gets one, acks it, again and again, with as much room as there are processes. */
static void go_round(int me)
{
    for (int i = 0; i < now->operations; i++) {
        if (!operate(me, PUT))
            continue;
        for (int tries = 0; !process[me].held && tries < 20; tries++)
            work_get(me, 1 + (uint32_t)tries % (world.settings.max_stages - 1), 1);
        const int first = 0;
        if (process[me].held)
            work_settle(me, GHOST_ACK, &first, 1, 0);
        work_done[PUT]++;
        work_useful[PUT]++;
    }
}

/* False: the process has no handle any more. */
static bool wander(int me)
{
    for (int i = 0; i < now->operations; i++) {
        enum op op = draw(me);
        bool useful = operate(me, op);
        work_done[op]++;
        work_useful[op] += useful;
        if (op == REJOIN && !useful)
            return false;
    }
    return true;
}

static void run(int me)
{
    if (now->rounds && !(me < PARTS && now->part[me]))
        go_round(me);
    else if (!wander(me))
        return;
    if (sim_below(2)) {
        work_leave(me);
    } else {
        SIM_LOG("p%d exits", me);
        sim.killed(me);
    }
}

static void start(int me)
{
    if (work_join(me))
        run(me);
}

/* Comes when a seat is free, perhaps one of the dead. */
static void come_late(int me)
{
    for (int i = 0; i < 20; i++) {
        sim_pause_until(me, sim_clock() + (long)sim_below(i ? 200 : 1000), false);
        sim_point("wait", NULL, __builtin_return_address(0));
        if (!now->tight && !seat_is_free())
            continue;
        if (work_join(me)) {
            run(me);
            return;
        }
    }
}

static void plan_blows(void)
{
    unsigned far = sim_below(2) ? 300 : 1000, all = (unsigned)sim.count;
    for (unsigned i = sim.hurt ? sim_below(4) : 0; i > 0; i--)
        sim_plan((int)sim_below(all), true, far);
    for (unsigned i = sim_below(4); i > 0; i--)
        sim_plan((int)sim_below(all), false, far);
    for (unsigned i = 0; i < now->doomed; i++)
        sim_plan((int)i, true, 200);
}

void work_make(const struct scenario *s)
{
    struct cvb_settings settings;
    cvb_settings_init(&settings);
    settings.max_total_records = s->total;
    settings.max_per_stage = s->stage;
    settings.max_per_source = s->source;
    settings.payload_size = s->payload;
    settings.header_size = s->headers ? GHOST_HEADER : 0;
    settings.max_stages = s->stages;
    settings.max_sources = s->sources;
    settings.max_pipelines = 1;
    settings.max_handles = (uint32_t)s->starters + !s->tight;
    settings.max_retries = s->retries;
    for (uint32_t i = 0; i < 2 && s->classes[i].bytes; i++)
        settings.classes[settings.class_count++] = s->classes[i];
    world_make(&settings);
}

void work_reset(const struct scenario *scenario, uint64_t seed)
{
    now = scenario;
    sim.scenario = scenario->name;
    sim.hurt = !scenario->unhurt;
    sim_reset(seed);
    sim.sites = scenario->sites;
    world.late_at = scenario->late_at;
    sim.site_deaths = (sim.sites || world.late_at) && sim.hurt ? sim_below(3) : 0;
    world_reset();
    world_forget_sleepers(!sim_below(3));
    ghost_reset();
    world.positions = scenario->positions;
    world.retires = scenario->retires;
    names_reset();
    position_reset(sim.hurt);
    watch_reset();
    work_forget_names();
    work_hand_reset();
    memset(process, 0, sizeof process);
}

void work_schedule(const struct scenario *scenario, uint64_t seed)
{
    work_reset(scenario, seed);
    for (int i = 0; i < scenario->starters; i++)
        process[sim_spawn(start)].joining = true;
    for (int i = 0; i < scenario->late; i++)
        sim_spawn(come_late);
    plan_blows();
    sim_run();
    after_all(scenario);
}
