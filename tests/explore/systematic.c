/* systematic.c - all schedules of the smallest scenario that differ from a plain one in two ways.
 *
 * Two producers, two consumers and one that recovers, on rings of two slots. A plain schedule runs them one after the
 * other; in each of these it is left twice, at every step and for every other process, or once and one process is
 * killed, before every step. A seed names a schedule here by its number.
 */
#include <string.h>

#include "work.h"

enum { PRODUCERS = 2, CONSUMERS = 2, ALL = PRODUCERS + CONSUMERS + 1, ORDERS = 6, STEPS_MOST = 2000 };

/* The first of `order` that can run does, until a turn hands over to another. */
static struct {
    int order[SIM_FIBERS], count;
    struct {
        long step;
        int fiber;
    } turn[2]; /* step < 0: none */
    long kill; /* the step before which who would do it is killed; < 0: nobody */
    long step; /* done so far; < 0 while all join, one after the other */
    int last;
} script;
static int joined;

/* Which of the four comes when: p producer, c consumer; those of a kind are alike. The recoverer comes last. */
static const char *const orders[ORDERS] = {"ppcc", "pcpc", "pccp", "cppc", "cpcp", "ccpp"};

static void act(int me)
{
    if (me < PRODUCERS) {
        const uint32_t source = 0;
        int why;
        work_put(me, 1, &source, 1, &why);
    } else if (me < PRODUCERS + CONSUMERS) {
        const int first = 0;
        if (work_get(me, 1, 1))
            work_settle(me, GHOST_ACK, &first, 1, 0);
    } else {
        work_recover(me);
        work_get(me, 1, 1);
    }
}

static void life(int me)
{
    work_join(me);
    sim.fiber[me].steps = 0;
    if (++joined == ALL)
        for (int i = 0; i < ALL; i++)
            sim_pause_until(i, 0, false);
    else
        sim_pause_until(me, 1L << 50, false);
    script.step = joined == ALL ? 0 : -1;
    sim_point("wait", NULL, __builtin_return_address(0));
    act(me); /* and stays alive, doing nothing */
}

static int choose(void)
{
    if (script.step < 0) {
        script.last = 0;
        while (!sim_can_run(script.last))
            script.last++;
        return script.last;
    }
    for (int i = 0; i < 2; i++)
        if (script.turn[i].step == script.step && sim_can_run(script.turn[i].fiber))
            script.last = script.turn[i].fiber;
    for (int i = 0; i < script.count && !sim_can_run(script.last); i++)
        script.last = script.order[i];
    if (script.kill == script.step)
        sim.fiber[script.last].kill_at = 0;
    script.step++;
    return script.last;
}

static void prepare(int order)
{
    int p = 0, c = PRODUCERS;
    memset(&script, 0, sizeof script);
    script.count = ALL;
    script.turn[0].step = script.turn[1].step = script.kill = script.step = -1;
    for (int i = 0; i < ALL - 1; i++)
        script.order[i] = orders[order][i] == 'p' ? p++ : c++;
    script.order[ALL - 1] = ALL - 1;
    script.last = script.order[0];
}

/* Runs the script; how many steps it had. */
static long play(const struct scenario *scenario, uint64_t number)
{
    work_reset(scenario, number);
    sim.hurt = false; /* no blows but the script's */
    joined = 0;
    sim.choose = choose;
    for (int i = 0; i < ALL; i++)
        process[sim_spawn(life)].joining = true;
    sim_run();
    sim.choose = NULL;
    for (int i = 0; i < ALL; i++)
        if (!sim.fiber[i].killed)
            sim.killed(i);
    after_all(scenario);
    return script.step;
}

static bool wanted(uint64_t number, uint64_t only) { return only == UINT64_MAX || number == only; }

/* All with one turn and either another or a death, for one order; counts on from `number`. */
static uint64_t all_of(const struct scenario *scenario, int order, uint64_t number, uint64_t only)
{
    prepare(order);
    long steps = play(scenario, number++);
    for (long a = 0; a < steps; a++)
        for (int x = 0; x < ALL; x++)
            for (long b = 0; b < steps; b++)
                for (int y = -1; y < ALL; y++) { /* y < 0: a death */
                    if ((y >= 0 && b <= a) || !wanted(number++, only))
                        continue;
                    prepare(order);
                    script.turn[0].step = a;
                    script.turn[0].fiber = x;
                    if (y < 0)
                        script.kill = b;
                    else {
                        script.turn[1].step = b;
                        script.turn[1].fiber = y;
                    }
                    play(scenario, number - 1);
                }
    return number;
}

uint64_t systematic_explore(const struct scenario *scenario, uint64_t only)
{
    uint64_t number = 0;
    for (int order = 0; order < ORDERS; order++)
        number = all_of(scenario, order, number, only);
    return number;
}
