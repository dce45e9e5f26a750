/* directed.c - plays the schedules that are written down (directed.h), one after the other. */
#include "directed.h"

#include <stddef.h>
#include <string.h>

static struct directed now; /* the schedule that is played */
static struct {
    unsigned turn;
    bool begun;
    int times;               /* how often the place was met in this turn */
    const char *access;      /* that the turn's process makes next */
    const void *at;          /* and of what */
    bool ready[SIM_FIBERS];  /* the process has nothing to do */
    const struct turn *does; /* what the process that is woken next shall do; NULL: end */
} play;

static void settle(int me, const struct turn *t, enum ghost_fate fate, uint32_t to)
{
    int which[GHOST_BATCH], n = t->n ? t->n : 1;
    for (int i = 0; i < n; i++)
        which[i] = t->lease + i;
    work_settle(me, fate, which, n, to);
}

static void go_rounds(int me, uint32_t stage, int n)
{
    const int first = 0;
    const uint32_t source = 0;
    int why;
    for (int i = 0; i < n; i++) {
        work_put(me, stage, &source, 1, &why);
        work_get(me, stage, 1);
        work_settle(me, GHOST_ACK, &first, 1, 0);
    }
}

static void perform(int me, const struct turn *t)
{
    const uint32_t stage = t->stage ? t->stage : 1, sources[] = {t->source, t->source};
    const int n = t->n ? t->n : 1;
    int why;
    switch (t->op) {
    case PUT:
        work_put(me, stage, sources, n, &why);
        break;
    case RESERVE:
        work_reserve(me, stage, t->source, n);
        break;
    case CANCEL:
        while (process[me].slots)
            work_cancel(me);
        break;
    case GET_ONE:
    case GET_DEAD:
        work_get(me, t->op == GET_DEAD ? CVB_STAGE_DEAD_LETTER : stage, n);
        break;
    case ACK:
        settle(me, t, GHOST_ACK, 0);
        break;
    case DELAY:
        settle(me, t, GHOST_DELAY, (uint32_t)t->ms);
        break;
    case RETURN:
        settle(me, t, GHOST_RETURN, 0);
        break;
    case FORWARD:
    case REPLACE:
        settle(me, t, t->op == FORWARD ? GHOST_FORWARD : GHOST_REPLACE, stage);
        break;
    case OPEN:
        work_open(me, t->source);
        break;
    case CLOSE:
        work_close(me, t->source);
        break;
    case PROGRESS:
        work_progress(me, t->source);
        break;
    case RECOVER:
        work_recover(me);
        break;
    case HOLD:
        work_hold_if(me, stage, true);
        break;
    case ROUND:
        go_rounds(me, stage, n);
        break;
    case NAMED:
        names_ask(me, t->source);
        break;
    case RETIRE:
        names_retire(me, t->source);
        break;
    default:
        work_join(me);
    }
}

static void life(int me)
{
    if (me < now.in.starters)
        work_join(me);
    for (;;) {
        play.ready[me] = true;
        sim_point("wait", NULL, __builtin_return_address(0));
        if (!play.does)
            return;
        play.ready[me] = false;
        perform(me, play.does);
    }
}

/* Where an address is in an array of the segment: the element's number, and *in the place in it. False: it is not. */
static bool element(const void *at, uint64_t array, size_t size, uint32_t count, uint32_t *i, size_t *in)
{
    const uint64_t o = (uint64_t)((const char *)at - world.base) - array;
    *i = (uint32_t)(o / size);
    *in = (size_t)(o % size);
    return o < (uint64_t)size * count;
}

static bool unit_matches(const struct place *p, uint32_t u)
{
    return (!p->state || cvb_lo_state(world_unit(u)->word.lo) == p->state) &&
           (!p->of || (process[p->of].held && process[p->of].lease[0].place.unit == u));
}

/* Does the place name this address, which belongs to the names of sources? */
static bool of_names(const struct place *p, const void *at)
{
    const struct cvb_geometry *g = &world.geometry;
    const uint32_t sources = world.settings.max_sources, slots = sources + world.settings.max_handles + 1;
    uint32_t i;
    size_t in;
    switch (p->object) {
    case BASE:
        return element(at, g->stands, sizeof(struct cvb_stand), sources, &i, &in) &&
               in == offsetof(struct cvb_stand, base);
    case NAMING:
        return element(at, g->lookout, sizeof(struct cvb_lookout), 1, &i, &in) &&
               in >= offsetof(struct cvb_lookout, naming) && in < offsetof(struct cvb_lookout, dead_moves);
    case DEAD:
        return element(at, g->flags, sizeof(struct cvb_flag), 3 + 2 * world.settings.max_stages + sources, &i, &in) &&
               in == offsetof(struct cvb_flag, dead);
    case WRITER:
        return element(at, g->references[CVB_KIND_SOURCE], sizeof(struct cvb_pair), slots, &i, &in);
    default:
        return element(at, g->names[CVB_KIND_SOURCE], sizeof(struct cvb_name), slots, &i, &in);
    }
}

/* Is this one of the accesses that the place names? */
static bool matches(const struct place *p, const char *access, const void *at)
{
    const struct cvb_geometry *g = &world.geometry;
    const uint32_t root = g->due_first[g->due_levels - 1];
    uint32_t i;
    size_t in;
    if (!access || !at || (access[0] == 'l') != (p->access == LOAD))
        return false;
    switch (p->object) {
    case UNIT:
    case FIRST:
        return element(at, g->units, sizeof(struct cvb_unit), g->unit_count, &i, &in) &&
               (p->object == UNIT ? in < sizeof(struct cvb_pair) : in == offsetof(struct cvb_unit, first)) &&
               unit_matches(p, i);
    case DUE:
        return element(at, g->due, sizeof(uint64_t), g->unit_count, &i, &in) && unit_matches(p, i);
    case JOURNAL:
        return element(at, g->seats, sizeof(struct cvb_seat), world.settings.max_handles, &i, &in) &&
               i == process[p->of].handle->seat && in > offsetof(struct cvb_seat, journal) &&
               in < offsetof(struct cvb_seat, journal) + sizeof(struct cvb_journal);
    case SLOT:
        return element(at, g->rings, sizeof(uint64_t), (uint32_t)((g->cells - g->rings) / sizeof(uint64_t)), &i, &in);
    case NODE:
    case ROOT:
    case BELOW_ROOT:
        return element(at, g->soonest, sizeof(struct cvb_soonest), root + 1, &i, &in) &&
               (p->object == NODE || i == root - (p->object == BELOW_ROOT));
    default:
        return of_names(p, at);
    }
}

/* Has the turn come to its end? Its process has made a step since it was asked last. */
static bool is_over(const struct turn *t)
{
    const struct sim_fiber *f = &sim.fiber[t->who];
    if (t->op == KILL)
        return f->killed;
    if (play.ready[t->who] && (t->to.when == AT_END || t->to.or_end))
        return true;
    if (t->to.when == AT_END)
        return false;
    SIM_CHECK(!play.ready[t->who], "the explorer's schedule \"%s\" does not come to the place of turn %u", now.name,
              play.turn);
    const bool met = t->to.when == BEFORE ? matches(&t->to, f->access, f->at) : matches(&t->to, play.access, play.at);
    return met && ++play.times >= t->to.times;
}

static void begin(const struct turn *t)
{
    play.begun = true;
    play.times = 0;
    play.does = t;
    if (t->op == SLEEP)
        sim.skipped += (long)t->ms * WORLD_MS_STEPS;
    if (t->op == KILL)
        sim.fiber[t->who].kill_at = 0;
}

/* The process that does the next step in the turn that is on. */
static int in_turn(const struct turn *t)
{
    play.access = sim.fiber[t->who].access;
    play.at = sim.fiber[t->who].at;
    return t->who;
}

/* Those that are alive come to their ends. */
static int last_turn(void)
{
    int i = 0;
    play.does = NULL;
    while (sim.fiber[i].done || sim.fiber[i].killed)
        i++;
    return i;
}

static int choose(void)
{
    for (int i = 0; i < sim.count && !play.turn && !play.begun; i++)
        if (!play.ready[i])
            return i; /* it attaches */
    for (; play.turn < now.turns; play.turn++, play.begun = false) {
        const struct turn *t = &now.turn[play.turn];
        const bool on = play.begun;
        if (!on)
            begin(t);
        const bool idle = t->op == SLEEP || (t->op == GO && play.ready[t->who]);
        if (!idle && !(on && is_over(t)))
            return in_turn(t);
    }
    return last_turn();
}

static void play_one(const struct directed *d, uint64_t number)
{
    now = *d;
    now.in.name = "directed";
    now.in.unhurt = true; /* nobody is killed but by a turn */
    now.in.starters = ROLES - now.in.late;
    work_make(&now.in);
    work_reset(&now.in, number);
    SIM_LOG("%s", now.name);
    memset(&play, 0, sizeof play);
    sim.choose = choose;
    for (int i = 0; i < ROLES; i++)
        process[sim_spawn(life)].joining = i < now.in.starters;
    sim_run();
    sim.choose = NULL;
    for (int i = 0; i < ROLES; i++)
        if (!sim.fiber[i].killed)
            sim.killed(i);
    after_all(&now.in);
}

uint64_t directed_explore(uint64_t only)
{
    for (uint64_t n = 1; n <= directed_count; n++)
        if (only == UINT64_MAX || only == n)
            play_one(&directed[n - 1], n);
    return directed_count;
}
