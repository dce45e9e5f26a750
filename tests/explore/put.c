/* put.c - records go in: copied, or reserved and written in place. */
#include <string.h>

#include "work.h"

/* The most steps of its own that a refused put makes, whatever others do meanwhile: 8 looks, each over all lists, and a
 * pass of recovery. */
enum { REFUSED_MOST = 25000 };

static long own_steps(int me) { return me < SIM_FIBERS ? sim.fiber[me].steps : 0; }

/* The position of a record that is about to be put, behind those in `last`; 0 if the process has not opened its source.
 */
static uint64_t position_of(const struct process *p, uint64_t *last, uint32_t source, int id)
{
    const uint32_t id_of_source = source;
    source = (uint16_t)source;
    if (!world.positions || !p->opened[source] || p->opened_id[source] != id_of_source)
        return 0;
    last[source] = position_next(last[source]);
    ghost_position(id, last[source]);
    return last[source];
}

/* The next positions are above those that were put. */
static void note_positions(int me, const struct cvb_record *record, const uint32_t *sources, int done)
{
    for (int i = 0; i < done; i++)
        if (record[i].position)
            process[me].position[(uint16_t)sources[i]] = record[i].position;
}

int work_put(int me, uint32_t stage, const uint32_t *sources, int n, int *why)
{
    struct cvb_record record[GHOST_BATCH];
    char payload[GHOST_BATCH][GHOST_PAYLOAD], header[GHOST_BATCH][GHOST_HEADER];
    int id[GHOST_BATCH];
    uint64_t position[POSITION_SOURCES];
    *why = 0;
    work_begin(me);
    memcpy(position, process[me].position, sizeof position);
    for (int i = 0; i < n; i++) {
        id[i] = ghost_new(me, stage, sources[i], i ? id[0] : -1);
        record[i] = (struct cvb_record){.payload = payload[i],
                                        .length = ghost_write(id[i], payload[i]),
                                        .source = sources[i],
                                        .header = header[i],
                                        .header_length = ghost_header(id[i], header[i])};
        record[i].position = position_of(&process[me], position, sources[i], id[i]);
        process[me].putting[(uint16_t)sources[i]] = sources[i];
    }
    watch_call(me, HISTORY_PUT, stage, n);
    for (int i = 0; i < n; i++)
        watch_argument(me, stage, sources[i], payload[i]);
    SIM_LOG("p%d puts records %d to %d into stage %u, the first of source %u", me, id[0], id[n - 1], stage, sources[0]);
    const long before = own_steps(me);
    int done;
    if (n == 1) {
        *why = cvb_buffer_for_stage(process[me].handle, stage, record);
        done = !*why;
    } else {
        done = cvb_buffer_batch_for_stage(process[me].handle, stage, record, (size_t)n, why);
    }
    SIM_LOG("p%d has put %d of %d, %s", me, done, n, cvb_error_text(*why));
    if (done == CVB_EUNKNOWN || (world.retires && *why == CVB_EUNKNOWN)) {
        done = done < 0 ? 0 : done;
        names_unknown(me, sources[done]);
        note_positions(me, record, sources, done);
        ghost_put_ended(id, n, done);
        work_end(me, done, *why);
        return done;
    }
    SIM_CHECK(done >= 0, "a put failed: %s", cvb_error_text(done));
    SIM_CHECK((done < n) == (*why != 0), "a put of %d did %d and says %d", n, done, *why);
    if (done < n)
        work_check_refusal(me, *why, stage, sources[done], record[done].length);
    SIM_CHECK_TOO(done || own_steps(me) - before < REFUSED_MOST, "a refused put took %ld steps of its own",
                  own_steps(me) - before);
    note_positions(me, record, sources, done);
    ghost_put_ended(id, n, done);
    work_end(me, done, *why);
    return done;
}

bool work_reserve(int me, uint32_t stage, uint32_t source, int n)
{
    struct process *p = &process[me];
    int room = GHOST_BATCH - p->slots, why = 0;
    n = n < room ? n : room;
    if (!n)
        return false;
    work_begin(me);
    struct cvb_record shape = {
        .length = world.settings.payload_size, .source = source, .header_length = world.settings.header_size};
    watch_call(me, HISTORY_RESERVE, stage, n);
    for (int i = 0; i < n; i++)
        watch_argument(me, stage, source, NULL);
    SIM_LOG("p%d reserves %d in stage %u for source %u", me, n, stage, source);
    int got = cvb_reserve(p->handle, stage, &shape, &p->slot[p->slots], (size_t)n, &why);
    SIM_LOG("p%d has reserved %d of %d, %s", me, got, n, cvb_error_text(why));
    if (got == CVB_EUNKNOWN || (world.retires && why == CVB_EUNKNOWN)) {
        got = got < 0 ? 0 : got;
        names_unknown(me, source);
        why = 0;
        n = got;
    }
    SIM_CHECK(got >= 0, "reserving failed: %s", cvb_error_text(got));
    SIM_CHECK((got < n) == (why != 0), "reserving %d did %d and says %d", n, got, why);
    if (got < n)
        work_check_refusal(me, why, stage, source, shape.length);
    for (int i = p->slots; i < p->slots + got; i++) {
        p->slot_stage[i] = stage;
        p->slot_source[i] = source;
    }
    p->slots += got;
    work_end(me, got, why);
    return got;
}

/* Takes some of the process's slots, in any order, out of its list. */
static int choose(struct process *p, struct cvb_slot *slot, uint32_t *stage, uint32_t *source)
{
    int n = 0, all = 1 + (int)sim_below((unsigned)p->slots);
    while (n < all) {
        int i = sim_below(2) ? 0 : (int)sim_below((unsigned)p->slots);
        slot[n] = p->slot[i];
        stage[n] = p->slot_stage[i];
        source[n++] = p->slot_source[i];
        p->slots--;
        memmove(&p->slot[i], &p->slot[i + 1], sizeof p->slot[0] * (size_t)(p->slots - i));
        memmove(&p->slot_stage[i], &p->slot_stage[i + 1], sizeof p->slot_stage[0] * (size_t)(p->slots - i));
        memmove(&p->slot_source[i], &p->slot_source[i + 1], sizeof p->slot_source[0] * (size_t)(p->slots - i));
    }
    return n;
}

bool work_publish(int me)
{
    struct process *p = &process[me];
    struct cvb_slot slot[GHOST_BATCH];
    uint32_t stage[GHOST_BATCH], source[GHOST_BATCH];
    int id[GHOST_BATCH];
    if (!p->slots)
        return false;
    int n = choose(p, slot, stage, source);
    work_begin(me);
    watch_call(me, HISTORY_PUBLISH, 0, n);
    for (int i = 0; i < n; i++) {
        char payload[GHOST_PAYLOAD], header[GHOST_HEADER];
        id[i] = ghost_new(me, stage[i], source[i], -1);
        p->putting[(uint16_t)source[i]] = source[i];
        slot[i].length = ghost_write(id[i], payload);
        slot[i].position = position_of(p, p->position, source[i], id[i]);
        slot[i].header_length = ghost_header(id[i], header);
        if (slot[i].header_length)
            memcpy(slot[i].header, header, slot[i].header_length);
        watch_argument(me, stage[i], source[i], payload);
        memcpy(slot[i].payload, payload, 4);
        sim_point("write payload", NULL, __builtin_return_address(0));
        memcpy((char *)slot[i].payload + 4, payload + 4, slot[i].length - 4);
        SIM_LOG("p%d publishes record %d, unit %u member %u", me, id[i], slot[i].place.unit, slot[i].place.member);
    }
    int error = cvb_publish(p->handle, slot, (size_t)n);
    SIM_LOG("p%d has published %d: %s", me, n, cvb_error_text(error));
    SIM_CHECK(!error, "publishing failed: %s", cvb_error_text(error));
    p->old_slot = slot[0];
    p->has_old_slot = true;
    ghost_put_ended(id, n, n);
    work_end(me, n, 0);
    return true;
}

bool work_cancel(int me)
{
    struct process *p = &process[me];
    struct cvb_slot slot[GHOST_BATCH];
    uint32_t stage[GHOST_BATCH], source[GHOST_BATCH];
    if (!p->slots)
        return false;
    int n = choose(p, slot, stage, source);
    work_begin(me);
    watch_call(me, HISTORY_CANCEL, 0, n);
    for (int i = 0; i < n; i++)
        watch_argument(me, stage[i], source[i], NULL);
    int error = cvb_cancel(p->handle, slot, (size_t)n);
    SIM_LOG("p%d has canceled %d: %s", me, n, cvb_error_text(error));
    SIM_CHECK(!error, "canceling failed: %s", cvb_error_text(error));
    p->old_slot = slot[0];
    p->has_old_slot = true;
    work_end(me, n, 0);
    return true;
}

/* A slot that was published or canceled is refused. */
bool work_stale_slot(int me)
{
    struct process *p = &process[me];
    if (!p->has_old_slot)
        return false;
    work_begin(me);
    int error = sim_below(2) ? cvb_publish(p->handle, &p->old_slot, 1) : cvb_cancel(p->handle, &p->old_slot, 1);
    SIM_CHECK(error == CVB_ESETTLED || error == CVB_EFOREIGN, "a slot that was published serves again: %s",
              cvb_error_text(error));
    work_end(me, 0, 0);
    return true;
}
