/* position.c - the oracle of positions: it sees each change of a unit's word, and knows from the units alone which
 * positions are live at each step.
 *
 * A position is accepted when its unit goes from reserved to queued. It is gone when the unit that holds it goes from
 * leased to idle or free; but for a forward with a new payload, where the new unit takes it over when it is queued.
 * What leaves a unit that stays is on its way to another one: still live.
 */
#include "position.h"

#include <string.h>

enum { SURVEY_STEPS = 256 }; /* of a long one */
enum fate { NEVER, LIVE, GONE };
static enum fate fate[POSITION_SOURCES][POSITION_MOST];
static uint64_t accepted[POSITION_SOURCES], published[POSITION_SOURCES];
static struct holding {
    unsigned state, n;
    bool replaced; /* another unit holds its positions by now */
    uint32_t source;
    uint64_t position[CVB_UNIT_MEMBERS];
} holding[WORLD_UNITS];
static unsigned kills_left;

void position_reset(bool hurt)
{
    memset(fate, 0, sizeof fate);
    memset(accepted, 0, sizeof accepted);
    memset(published, 0, sizeof published);
    memset(holding, 0, sizeof holding);
    kills_left = hurt ? sim_below(3) : 0;
}

uint64_t position_next(uint64_t position) { return position + 1 + ((position + 1) % 3 == 0); }
uint64_t position_accepted(uint32_t source) { return accepted[source]; }

static uint64_t lowest_live(uint32_t source)
{
    uint64_t p = 1;
    while (p <= accepted[source] && fate[source][p] != LIVE)
        p++;
    return p <= accepted[source] ? p : UINT64_MAX;
}

static bool is_live(unsigned state) { return state >= CVB_QUEUED; }

static struct holding look_at(uint32_t u)
{
    const struct cvb_unit *unit = world_unit(u);
    struct holding now = {.state = cvb_lo_state(unit->word.lo), .source = unit->source};
    if (!is_live(now.state) || !unit->first)
        return now;
    for (uint32_t mask = cvb_hi_mask(unit->word.hi); mask; mask &= mask - 1) {
        const uint32_t extent = world_member(u, (unsigned)__builtin_ctz(mask))->extent;
        now.position[now.n++] = unit->first + (extent >> CVB_LENGTH_BITS);
    }
    for (unsigned i = 0; i < now.n; i++) {
        SIM_CHECK(now.source < POSITION_SOURCES && now.position[i] < POSITION_MOST, "unit %u has position %llu", u,
                  (unsigned long long)now.position[i]);
        SIM_CHECK_TOO(!i || now.position[i] > now.position[i - 1], "the positions of unit %u do not grow", u);
    }
    return now;
}

static void accept(const struct holding *h)
{
    const uint64_t base = world_stand(h->source)->base; /* that of the place's name */
    for (unsigned i = 0; i < h->n; i++) {
        const uint64_t p = h->position[i];
        SIM_CHECK_TOO(fate[h->source][p] == NEVER, "position %llu of source %u came twice", (unsigned long long)p,
                      h->source);
        SIM_CHECK_TOO(p - base == position_next(accepted[h->source] - base),
                      "position %llu of source %u came after %llu", (unsigned long long)p, h->source,
                      (unsigned long long)accepted[h->source]);
        fate[h->source][p] = LIVE;
        accepted[h->source] = p;
    }
}

static void expect_live(uint32_t u, const struct holding *h)
{
    for (unsigned i = 0; i < h->n; i++)
        SIM_CHECK_TOO(fate[h->source][h->position[i]] == LIVE,
                      "unit %u has position %llu of source %u, which is not live", u,
                      (unsigned long long)h->position[i], h->source);
}

/* Unit u is queued in the place of the lease that held its positions. */
static void take_over(uint32_t u, const struct holding *h)
{
    for (uint32_t a = 0; h->n && a < world.geometry.unit_count; a++)
        if (a != u && holding[a].state == CVB_LEASED && holding[a].n && holding[a].source == h->source &&
            holding[a].position[0] == h->position[0])
            holding[a].n = 0, holding[a].replaced = true;
}

static void settle(const struct holding *h)
{
    for (unsigned i = 0; i < h->n; i++) {
        SIM_CHECK_TOO(fate[h->source][h->position[i]] == LIVE, "position %llu of source %u was settled twice",
                      (unsigned long long)h->position[i], h->source);
        fate[h->source][h->position[i]] = GONE;
    }
}

void position_unit(uint32_t u)
{
    struct holding *was = &holding[u], now = look_at(u);
    if (is_live(was->state) && !is_live(now.state)) {
        settle(was);
        if (was->n)
            position_hot();
    } else if (was->state == CVB_RES && is_live(now.state))
        accept(&now);
    else if (was->replaced && now.state == CVB_LEASED)
        now.replaced = true, now.n = 0;
    if (is_live(now.state) && was->state == CVB_HELD && now.state == CVB_QUEUED)
        take_over(u, &now);
    expect_live(u, &now);
    *was = now;
}

void position_published(uint32_t source)
{
    const uint64_t settled = world_stand(source)->settled;
    if (source >= POSITION_SOURCES || settled == published[source])
        return;
    SIM_CHECK_TOO(settled > published[source], "settled of source %u went back", source);
    SIM_CHECK_TOO(settled < lowest_live(source), "settled of source %u is %llu, and %llu is live", source,
                  (unsigned long long)settled, (unsigned long long)lowest_live(source));
    SIM_CHECK_TOO(settled <= accepted[source], "settled of source %u is %llu, and accepted %llu", source,
                  (unsigned long long)settled, (unsigned long long)accepted[source]);
    published[source] = settled;
}

/* A likely stop, and a death or two, where being late is dangerous. */
void position_hot(void)
{
    if (sim.current >= SIM_FIBERS)
        return;
    if (!sim_below(5))
        sim_plan(sim.current, false, 1 + sim_below(4));
    else if (kills_left && !sim_below(12)) {
        kills_left--;
        sim_plan(sim.current, true, 1 + sim_below(4));
    }
}

/* A survey has begun, which mostly reads: a likely stop anywhere in it, while others move what it looks at. */
void position_survey(void)
{
    if (sim.current < SIM_FIBERS && sim_below(3))
        sim_plan(sim.current, false, 1 + sim_below(SURVEY_STEPS));
}

void position_told(uint32_t source, const struct cvb_progress *p, uint64_t accepted_before)
{
    SIM_CHECK_TOO(p->accepted >= accepted_before, "accepted of source %u is said to be %llu, and was %llu before",
                  source, (unsigned long long)p->accepted, (unsigned long long)accepted_before);
    SIM_CHECK_TOO(p->accepted <= accepted[source], "accepted of source %u is said to be %llu, and is %llu", source,
                  (unsigned long long)p->accepted, (unsigned long long)accepted[source]);
    SIM_CHECK_TOO(p->settled < lowest_live(source) && p->settled <= p->accepted,
                  "settled of source %u is said to be %llu", source, (unsigned long long)p->settled);
}

void position_exact(uint32_t source, const struct cvb_progress *p)
{
    uint64_t live = 0, best = 0;
    for (uint64_t i = 1; i <= accepted[source]; i++) {
        live += fate[source][i] == LIVE;
        if (!live && fate[source][i] == GONE)
            best = i;
    }
    SIM_CHECK_TOO(p->accepted == accepted[source] && p->live == live && p->settled >= best,
                  "source %u when all is quiet: accepted %llu of %llu, live %llu of %llu, settled %llu of %llu", source,
                  (unsigned long long)p->accepted, (unsigned long long)accepted[source], (unsigned long long)p->live,
                  (unsigned long long)live, (unsigned long long)p->settled, (unsigned long long)best);
}
