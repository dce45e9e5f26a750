/* progress.c - producers that open a source and go on where it was, and those who ask how far it has come. */
#include <limits.h>

#include "work.h"

void work_unclaim(int me)
{
    struct process *p = &process[me];
    for (unsigned s = 0; s < POSITION_SOURCES; s++) {
        p->opened[s] = false;
        if (p->claims_until[s] == LONG_MAX)
            p->claims_until[s] = sim_clock();
    }
}

/* Has a process but this one had the source, or tried to get it, at a moment since then? */
static bool others_claim(int me, uint32_t source, long since)
{
    for (int i = 0; i < SIM_FIBERS + 1; i++)
        if (i != me && process[i].claims_until[source] >= since)
            return true;
    return false;
}

bool work_open(int me, uint32_t source)
{
    struct process *p = &process[me];
    const uint32_t id = source;
    uint64_t accepted = 0;
    source = (uint16_t)id;
    if (!world.positions)
        return false;
    work_begin(me);
    watch_call(me, HISTORY_OPEN, 0, 1);
    watch_argument(me, 0, source, NULL);
    const long since = sim_clock();
    p->claims_until[source] = LONG_MAX;
    SIM_LOG("p%d opens source %u", me, source);
    const int error = cvb_source_open(p->handle, id, &accepted);
    SIM_LOG("p%d has opened source %u: %s, %llu", me, source, cvb_error_text(error), (unsigned long long)accepted);
    if (world.retires && error == CVB_EUNKNOWN)
        names_unknown(me, id);
    SIM_CHECK_TOO(!error || (world.retires && error == CVB_EUNKNOWN) ||
                      (error == CVB_EBUSY && !p->opened[source] && others_claim(me, source, since)),
                  "opening a source failed: %s", cvb_error_text(error));
    if (error) {
        p->claims_until[source] = sim_clock();
    } else {
        SIM_CHECK_TOO(accepted + world_stand(source)->base == position_accepted(source),
                      "source %u goes on behind %llu, and accepted is %llu", source, (unsigned long long)accepted,
                      (unsigned long long)position_accepted(source));
        p->opened[source] = true;
        p->opened_id[source] = id;
        p->position[source] = accepted;
    }
    work_end(me, error, 0);
    return !error;
}

/* Another may have it from then on. */
void work_close(int me, uint32_t source)
{
    struct process *p = &process[me];
    work_begin(me);
    watch_call(me, HISTORY_CLOSE, 0, 1);
    watch_argument(me, 0, source, NULL);
    SIM_LOG("p%d closes source %u", me, source);
    p->opened[source] = false;
    const int error = cvb_source_close(p->handle, p->opened_id[source]);
    SIM_CHECK(!error, "closing a source failed: %s", cvb_error_text(error));
    p->claims_until[source] = sim_clock();
    work_end(me, 0, 0);
}

/* A position that was accepted is refused, and nothing else is. */
static void put_again(int me, uint32_t source)
{
    char payload[8] = "";
    const struct cvb_record r = {.payload = payload,
                                 .length = 8,
                                 .source = process[me].opened_id[source],
                                 .position = process[me].position[source]};
    if (!process[me].opened[source] || !r.position)
        return;
    const int error = cvb_buffer_for_stage(process[me].handle, 1, &r);
    SIM_CHECK_TOO(error == CVB_EPOSITION, "a position that was accepted is put again: %s", cvb_error_text(error));
}

/* By a walk for the one source, or by one for all. */
static int ask(int me, uint32_t id, struct cvb_progress *p)
{
    struct cvb_progress all[POSITION_SOURCES];
    if (sim_below(4))
        return cvb_source_progress(process[me].handle, id, p);
    const int error = cvb_progress_all(process[me].handle, all);
    *p = all[(uint16_t)id];
    return error;
}

bool work_progress(int me, uint32_t source)
{
    struct cvb_progress p = {0};
    const uint32_t id = source;
    source = (uint16_t)id;
    work_begin(me);
    sim.bound[me] = 60000;
    if (!sim_below(4))
        put_again(me, source);
    const uint64_t before = position_accepted(source);
    SIM_LOG("p%d asks for the progress of source %u", me, source);
    const int error = ask(me, id, &p);
    if (world.retires && (error == CVB_EUNKNOWN || !names_live(id))) {
        names_unknown(me, id);
        work_end(me, 0, 0);
        return false;
    }
    SIM_CHECK(!error, "progress failed: %s", cvb_error_text(error));
    p.accepted += world_stand(source)->base; /* as the segment counts */
    p.settled += world_stand(source)->base;
    SIM_LOG("p%d was told accepted %llu, settled %llu, live %llu", me, (unsigned long long)p.accepted,
            (unsigned long long)p.settled, (unsigned long long)p.live);
    position_told(source, &p, before);
    work_end(me, 0, 0);
    return p.settled;
}
