/* names.c - names of sources that are given and retired while records of them come and go.
 *
 * The oracle knows from the places' words alone which id is whose: no id ever gets a second name, no two places have
 * the same name, and whoever has a record in the buffer, or a reservation, keeps the name.
 */
#include <conveyor/progress.h>
#include <stdlib.h>
#include <string.h>

#include "place/named.h"
#include "work.h"

enum { GENERATIONS = 256, PLACES = 4 };
static const char *const names[NAMES] = {"ant", "bee", "cat", "dog"};
/* By place and generation: the name that has or had the id, and one; 0: none yet. */
static int owner[PLACES][GENERATIONS];
static bool gone[PLACES][GENERATIONS];
static unsigned before[WORLD_UNITS];

static struct cvb_pair *named_at(uint32_t place)
{
    struct cvb_flag *flags = (struct cvb_flag *)(void *)(world.base + world.geometry.flags);
    return &flags[3 + 2 * world.settings.max_stages + place].named;
}

static char *text_at(uint32_t slot) { return world.base + world.geometry.names[CVB_KIND_SOURCE] + slot * 64; }

static bool has_name(uint32_t place)
{
    const enum cvb_named state = cvb_named_state(*named_at(place));
    return state == CVB_NAMED_LIVE || state == CVB_NAMED_RETIRING;
}

uint32_t world_id(uint32_t place) { return (uint32_t)named_at(place)->lo; }

bool names_live(uint32_t id) { return has_name(cvb_place_of(id)) && world_id(cvb_place_of(id)) == id; }

/* Each place has a name from the beginning. */
void names_make(char *base)
{
    const struct cvb_geometry *g = &world.geometry;
    struct cvb_flag *flags = (struct cvb_flag *)(void *)(base + g->flags);
    struct cvb_pair *writers = (struct cvb_pair *)(void *)(base + g->references[CVB_KIND_SOURCE]);
    for (uint32_t i = 0; i < world.settings.max_sources; i++) {
        flags[3 + 2 * world.settings.max_stages + i].named = (struct cvb_pair){i, CVB_NAMED_CHANGE | i};
        writers[i] = (struct cvb_pair){cvb_written_lo(1, CVB_WRITTEN_DONE), cvb_writer(0, 0, i)};
        strcpy(base + g->names[CVB_KIND_SOURCE] + i * 64, names[i % NAMES]);
    }
}

void names_reset(void)
{
    memset(owner, 0, sizeof owner);
    memset(gone, 0, sizeof gone);
    memset(before, 0, sizeof before);
    for (uint32_t i = 0; world.retires && i < world.settings.max_sources; i++)
        owner[i][0] = 1 + (int)i;
}

static int name_at(uint32_t place)
{
    const char *text = text_at(cvb_named_slot(named_at(place)->hi));
    for (int i = 0; i < NAMES; i++)
        if (!strcmp(text, names[i]))
            return i;
    sim_fail("a place has a name that nobody gave it");
    return 0;
}

/* No live record is of a place without a name; and no reservation, of a process that lives. */
static void check_unused(uint32_t place)
{
    for (uint32_t u = 0; u < world.geometry.unit_count; u++)
        SIM_CHECK(cvb_lo_state(world_unit(u)->word.lo) < CVB_QUEUED || !cvb_hi_mask(world_unit(u)->word.hi) ||
                      world_unit(u)->source != place,
                  "a name is retired though unit %u has a record of it", u);
    for (int i = 0; i < sim.count; i++)
        for (int k = 0; k < process[i].slots && !sim.fiber[i].killed; k++)
            SIM_CHECK(process[i].slot_source[k] != world_id(place), "a name is retired though p%d has reserved for it",
                      i);
    for (int i = 0; place < POSITION_SOURCES && i < sim.count; i++)
        SIM_CHECK(!process[i].opened[place] || process[i].opened_id[place] != world_id(place) || sim.fiber[i].killed,
                  "a name is retired though p%d has opened it", i);
}

/* A likely stop or death where being late is dangerous: soon after a place was marked, or is to be cleared. */
static void hot(uint32_t place)
{
    const enum cvb_named state = cvb_named_state(*named_at(place));
    if (sim.current < SIM_FIBERS && (state == CVB_NAMED_RETIRING || state == CVB_NAMED_CLEARING) && !sim_below(3))
        sim_plan(sim.current, sim.hurt && !sim_below(5), 1 + sim_below(sim_below(2) ? 16 : 300));
}

/* A likely stop between a naming and its completion. */
void names_announced(void)
{
    if (sim.current < SIM_FIBERS && !sim_below(3))
        sim_plan(sim.current, sim.hurt && !sim_below(3), 1 + sim_below(6));
}

void names_written(uint32_t place)
{
    hot(place);
    const uint32_t generation = world_id(place) >> CVB_GENERATION_SHIFT;
    SIM_CHECK(generation < GENERATIONS, "place %u has id %u", place, world_id(place));
    if (!has_name(place)) {
        gone[place][generation] |= cvb_named_state(*named_at(place)) == CVB_NAMED_CLEARING;
        check_unused(place);
        return;
    }
    SIM_CHECK(!gone[place][generation], "id %u is given again", world_id(place));
    const int name = name_at(place);
    int *whose = &owner[place][generation];
    SIM_CHECK(!*whose || *whose == name + 1, "id %u is of %s, and was of %s", world_id(place), names[name],
              names[*whose - 1]);
    *whose = name + 1;
    for (uint32_t other = 0; other < world.settings.max_sources; other++)
        SIM_CHECK(other == place || !has_name(other) || name_at(other) != name, "places %u and %u are both %s", place,
                  other, names[name]);
}

/* Positions begin anew between two names, and not in the life of one. */
void names_base_written(uint32_t place)
{
    SIM_CHECK(cvb_named_state(*named_at(place)) == CVB_NAMED_CLEARING,
              "the base of place %u is changed, which has id %u", place, world_id(place));
}

/* A name's bytes change only where no place shows them. */
void names_text_written(void)
{
    for (uint32_t place = 0; place < world.settings.max_sources; place++)
        if (has_name(place))
            SIM_CHECK(owner[place][world_id(place) >> CVB_GENERATION_SHIFT] == name_at(place) + 1,
                      "the name of place %u is written over", place);
}

/* A record that is put enters under the id that its process was told. */
void names_unit(uint32_t u)
{
    const struct cvb_unit *unit = world_unit(u);
    const unsigned state = cvb_lo_state(unit->word.lo);
    if (state >= CVB_QUEUED && cvb_hi_mask(unit->word.hi)) {
        SIM_CHECK(has_name(unit->source), "unit %u has a record of place %u, which has no name", u, unit->source);
        SIM_CHECK(before[u] != CVB_RES || process[sim.current].putting[unit->source] == world_id(unit->source),
                  "p%d puts under id %u, and the place has id %u", sim.current,
                  process[sim.current].putting[unit->source], world_id(unit->source));
    }
    before[u] = state;
}

/* An id that the process has been told, good or stale. False if there is none. */
bool names_choose(int me, uint32_t *id)
{
    const unsigned first = sim_below(NAMES);
    for (unsigned i = 0; i < NAMES; i++) {
        const unsigned n = (first + i) % NAMES;
        if (process[me].knows[n]) {
            *id = process[me].name_id[n];
            return true;
        }
    }
    return false;
}

/* A call said EUNKNOWN of this id. */
void names_unknown(int me, uint32_t id)
{
    SIM_CHECK_TOO(!names_live(id), "id %u is said to be unknown, and is not", id);
    for (unsigned n = 0; n < NAMES; n++)
        if (process[me].knows[n] && process[me].name_id[n] == id && sim_below(2))
            process[me].knows[n] = false; /* or it tries again */
}

bool work_named(int me) { return names_ask(me, sim_below(NAMES)); }

/* Asks for the id of name number n. */
bool names_ask(int me, unsigned n)
{
    struct process *p = &process[me];
    uint32_t id = 0;
    work_begin(me);
    SIM_LOG("p%d asks for the id of %s", me, names[n]);
    const int error = cvb_source(p->handle, names[n], &id);
    SIM_LOG("p%d was told %u: %s", me, id, cvb_error_text(error));
    SIM_CHECK(!error || error == CVB_ENAMES, "a name failed: %s", cvb_error_text(error));
    if (!error) {
        SIM_CHECK(cvb_place_of(id) < world.settings.max_sources &&
                      owner[cvb_place_of(id)][id >> CVB_GENERATION_SHIFT] == (int)n + 1,
                  "%s is said to be id %u", names[n], id);
        p->name_id[n] = id;
        p->knows[n] = true;
    }
    work_end(me, 0, 0);
    return !error;
}

bool work_retire(int me)
{
    uint32_t id;
    if (!names_choose(me, &id))
        return false;
    if (me < SIM_FIBERS && !sim_below(3))
        sim_plan(me, sim.hurt && sim_below(2), sim_below(2) ? 40 : 200);
    return names_retire(me, id);
}

bool names_retire(int me, uint32_t id)
{
    char text[CVB_NAME_MAX + 1];
    work_begin(me);
    SIM_LOG("p%d retires %u", me, id);
    const int error = cvb_source_retire(process[me].handle, id);
    SIM_LOG("p%d has retired %u: %s", me, id, cvb_error_text(error));
    SIM_CHECK(!error || error == CVB_EBUSY || error == CVB_EUNKNOWN, "retiring failed: %s", cvb_error_text(error));
    if (error != CVB_EBUSY) {
        SIM_CHECK(!names_live(id), "id %u was retired, and lives", id);
        SIM_CHECK(cvb_source_name(process[me].handle, id, text) == CVB_EUNKNOWN, "id %u has a name still", id);
        names_unknown(me, id);
    }
    work_end(me, 0, 0);
    return !error;
}

/* All places get names, so that all can be used. */
void names_fill(int me)
{
    for (unsigned n = 0; world.retires && n < NAMES; n++) {
        uint32_t id;
        work_begin(me);
        const int error = cvb_source(process[me].handle, names[n], &id);
        SIM_CHECK(!error || error == CVB_ENAMES, "a name failed: %s", cvb_error_text(error));
        work_end(me, 0, 0);
    }
    for (uint32_t i = 0; world.retires && i < world.settings.max_sources; i++)
        SIM_CHECK(names_live(world_id(i)), "place %u stays empty", i);
}

/* Nothing is left of a name that was retired. */
static void check_anew(struct cvb_handle *h, uint32_t id)
{
    struct cvb_counts c, none = {0};
    struct cvb_progress p = {0};
    SIM_CHECK(!cvb_source_counts(h, id, &c) && !memcmp(&c, &none, sizeof c), "id %u has counts already", id);
    SIM_CHECK(!cvb_source_progress(h, id, &p) && !p.accepted && !p.settled && !p.live, "id %u has accepted %llu", id,
              (unsigned long long)p.accepted);
}

/* When nobody else is at work, and all is settled, each name can be retired, at once. */
void names_end(int me)
{
    struct cvb_handle *h = process[me].handle;
    for (uint32_t i = 0; world.retires && i < world.settings.max_sources; i++) {
        const uint32_t id = world_id(i);
        uint32_t next;
        work_begin(me);
        sim.bound[me] = 60000;
        const int error = cvb_source_retire(h, id);
        SIM_CHECK(!error, "id %u can't be retired: %s", id, cvb_error_text(error));
        SIM_CHECK(cvb_source_retire(h, id) == CVB_EUNKNOWN, "id %u is retired twice", id);
        for (unsigned n = 0; n < NAMES; n++)
            SIM_CHECK(!cvb_source(h, names[n], &next) || n, "no place for a name");
        SIM_CHECK(names_live(world_id(i)) && world_id(i) != id, "place %u was not given again", i);
        check_anew(h, world_id(i));
        work_end(me, 0, 0);
    }
}
