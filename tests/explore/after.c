/* after.c - the process that comes after all others are dead or gone. */
#include <string.h>

#include "work.h"

enum { TIME_OVER = 100000 }; /* steps: two seconds */

static void audit(uint32_t queued, const char *when)
{
    struct cvb_audit a;
    sim.alone_after = 0;
    sim.bound[SIM_AFTER] = 60000;
    int error = cvb_audit(process[SIM_AFTER].handle, &a);
    SIM_CHECK(!error, "the audit %s failed: %s", when, cvb_error_text(error));
    SIM_CHECK(a.exact, "the audit %s is not exact", when);
    SIM_CHECK(!a.problems, "the audit %s found %u problems: %s", when, a.problems, a.first_problem);
    SIM_CHECK(a.leased == 0 && a.reserved == 0, "the audit %s found %u leased, %u reserved", when, a.leased,
              a.reserved);
    if (queued != UINT32_MAX)
        SIM_CHECK(a.queued == queued, "the audit %s found %u queued, not %u", when, a.queued, queued);
}

static void join_alone(void)
{
    sim.alone_after = 0;
    sim.bound[SIM_AFTER] = 20000;
    SIM_LOG("the process after all attaches");
    watch_call(SIM_AFTER, HISTORY_ATTACH, 0, 0);
    int error = cvb_attach("explored", &process[SIM_AFTER].handle);
    SIM_CHECK(!error, "attach after all failed: %s", cvb_error_text(error));
    watch_ended(SIM_AFTER, 0, 0);
    process[SIM_AFTER].held = 0;
    for (uint32_t s = 0; s < world.settings.max_handles; s++)
        SIM_CHECK_TOO(!(world_seat(s)->state & 1) || s == process[SIM_AFTER].handle->seat, "seat %u was not recovered",
                      s);
}

static void drain(void)
{
    struct process *p = &process[SIM_AFTER];
    sim.skipped += TIME_OVER; /* what is delayed is due */
    for (uint32_t stage = world.settings.max_stages; stage-- > 0;)
        for (;;) {
            int n = 1 + (int)sim_below(4), which[GHOST_BATCH] = {0, 1, 2, 3};
            if (!work_get(SIM_AFTER, stage, n))
                break;
            work_settle(SIM_AFTER, GHOST_ACK, which, p->held, 0);
        }
}

static uint32_t limit_of(uint32_t counter) { return (uint32_t)world.limit[counter]; }

static bool paused(uint32_t used, uint32_t limit)
{
    double high = limit * world.settings.backpressure_threshold;
    return used >= high;
}

/* What the state functions and the flags say when nobody else is at work, with these records by stage and source. */
static void check_state(const uint32_t *stages, const uint32_t *sources, uint32_t all)
{
    const struct cvb_settings *s = &world.settings;
    struct cvb_handle *h = process[SIM_AFTER].handle;
    sim.alone_after = 0;
    SIM_CHECK(cvb_total_buffered(h) == all, "the total is said to be %lld, not %u", (long long)cvb_total_buffered(h),
              all);
    for (uint32_t i = 1; i < s->max_stages; i++)
        SIM_CHECK(cvb_stage_size(h, i) == stages[i], "stage %u is said to hold %lld, not %u", i,
                  (long long)cvb_stage_size(h, i), stages[i]);
    for (uint32_t i = 0; i < s->max_sources; i++) {
        const uint32_t limit = limit_of(1 + s->max_stages + i), most = limit_of(CVB_COUNTER_TOTAL);
        int64_t own = (int64_t)limit - sources[i], total = (int64_t)most - all;
        int64_t credits = cvb_available_credits(h, world_id(i));
        SIM_CHECK(credits == (own < total ? own : total), "source %u is said to have %lld credits of %lld, %lld", i,
                  (long long)credits, (long long)own, (long long)total);
        bool pause = paused(sources[i], limit) || paused(all, most);
        SIM_CHECK(cvb_should_backpressure(h, world_id(i)) == pause,
                  "source %u with %u of %u records, %u of %u in all: pause %d", i, sources[i], limit, all, most,
                  !pause);
    }
}

/* Puts until each limit refuses, and no earlier. */
static void fill(void)
{
    const struct cvb_settings *s = &world.settings;
    uint32_t stages[16] = {0}, sources[16] = {0}, all = 0;
    for (uint32_t stage = 1; stage < s->max_stages; stage++)
        for (uint32_t source = 0; source < s->max_sources; source++)
            for (;;) {
                const uint32_t id = world_id(source);
                int why, put = work_put(SIM_AFTER, stage, &id, 1, &why);
                bool room = stages[stage] < limit_of(1 + stage) && all < limit_of(CVB_COUNTER_TOTAL) &&
                            sources[source] < limit_of(1 + s->max_stages + source);
                SIM_CHECK(room == (put == 1) || (!put && why == CVB_EMEMORY_FULL && s->class_count > 1),
                          "filling stage %u from source %u: %s at %u, %u, %u records", stage, source,
                          cvb_error_text(why), stages[stage], sources[source], all);
                if (!put)
                    break;
                stages[stage]++;
                sources[source]++;
                all++;
            }
    audit(all, "of the full segment");
    check_state(stages, sources, all);
}

static void check_progress(void)
{
    struct cvb_progress p;
    for (uint32_t i = 0; world.positions && i < world.settings.max_sources; i++) {
        sim.alone_after = 0;
        int error = cvb_source_progress(process[SIM_AFTER].handle, world_id(i), &p);
        SIM_CHECK(!error, "progress after all failed: %s", cvb_error_text(error));
        p.accepted += world_stand(i)->base; /* as the segment counts */
        p.settled += world_stand(i)->base;
        position_exact(i, &p);
    }
}

static void check_empty(void)
{
    for (uint32_t i = 0; i < world.counters; i++)
        SIM_CHECK(i == 1 || world.used[i] == world.idle[i],
                  "counter %u says %lld when all is drained, and %lld wait in idle units", i, (long long)world.used[i],
                  (long long)world.idle[i]);
}

void after_all(const struct scenario *scenario)
{
    (void)scenario;
    join_alone();
    if (!sim.histories_only)
        audit(UINT32_MAX, "after recovery");
    names_fill(SIM_AFTER);
    check_progress();
    work_lift_all(SIM_AFTER);
    drain();
    check_progress();
    watch_check();
    if (sim.histories_only)
        return;
    ghost_check_end();
    audit(0, "of the drained segment");
    check_empty();
    const uint32_t none[16] = {0};
    check_state(none, none, 0);
    world_check_hints();
    fill();
    drain();
    ghost_check_end();
    check_empty();
    names_end(SIM_AFTER);
}
