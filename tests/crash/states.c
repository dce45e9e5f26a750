/* states.c - the starting states. Each is built by the public functions, by a peer that stays alive and idle. */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crash.h"

/* Puts n records as one batch and enters them into the ledger; returns how many went in. */
int put_some(struct world *w, struct cvb_handle *h, unsigned stage, unsigned source, unsigned n)
{
    char bytes[16][RECORD_BYTES];
    struct cvb_record r[16];
    for (unsigned i = 0; i < n; i++)
        r[i] = record_of(bytes[i], w->next_id + i, source);
    int put = cvb_buffer_batch_for_stage(h, stage, r, n, NULL);
    for (int i = 0; i < put; i++)
        ledger_add(w, w->next_id + (unsigned)i, stage, source);
    w->next_id += n;
    return put;
}

int lease_some(struct world *w, struct cvb_handle *h, unsigned stage, unsigned n, enum owner owner, struct cvb_lease *l)
{
    int got = cvb_get_batch(h, stage, l, n);
    for (int i = 0; i < got; i++) {
        struct known *k = ledger_find(w, id_of(&l[i]));
        k->owner = (uint8_t)owner;
        k->retry = (uint8_t)l[i].retry_count;
    }
    return got;
}

static void take_away(struct world *w, struct cvb_handle *h, unsigned stage, unsigned n)
{
    struct cvb_lease l[16];
    int got = lease_some(w, h, stage, n, GONE, l);
    if (got > 0)
        cvb_ack(h, l, (size_t)got);
}

static void empty(struct world *w, struct cvb_handle *h)
{
    (void)w;
    (void)h;
}

static void one(struct world *w, struct cvb_handle *h) { put_some(w, h, STAGE_A, 0, 1); }

static void full_less_one(struct world *w, struct cvb_handle *h)
{
    put_some(w, h, STAGE_A, 1, 5);
    put_some(w, h, STAGE_A, 2, 4);
    put_some(w, h, STAGE_B, 3, 6);
}

static void full(struct world *w, struct cvb_handle *h)
{
    put_some(w, h, STAGE_A, 1, 5);
    put_some(w, h, STAGE_A, 2, 5);
    put_some(w, h, STAGE_B, 3, 6);
}

/* The rings have 64 places: the records lie on both sides of the end. */
static void wrapped(struct world *w, struct cvb_handle *h)
{
    unsigned known = w->known_count;
    for (unsigned i = 0; i < 62; i++) {
        put_some(w, h, STAGE_A, 0, 1);
        take_away(w, h, STAGE_A, 1);
        put_some(w, h, STAGE_B, 0, 1);
        take_away(w, h, STAGE_B, 1);
        w->known_count = known;
    }
    for (unsigned i = 0; i < 3; i++)
        put_some(w, h, STAGE_A, 1, 1);
    put_some(w, h, STAGE_A, 2, 4);
}

static void source_limit(struct world *w, struct cvb_handle *h)
{
    put_some(w, h, STAGE_A, 0, 4);
    put_some(w, h, STAGE_A, 0, 3);
}

static void stage_limit(struct world *w, struct cvb_handle *h)
{
    for (unsigned i = 0; i < 3; i++)
        put_some(w, h, STAGE_A, 2, 1);
    put_some(w, h, STAGE_A, 1, 7);
}

static void total_limit(struct world *w, struct cvb_handle *h)
{
    put_some(w, h, STAGE_A, 1, 6);
    put_some(w, h, STAGE_B, 2, 6);
    put_some(w, h, STAGE_C, 3, 4);
}

static void next_stage_full(struct world *w, struct cvb_handle *h)
{
    put_some(w, h, STAGE_A, 0, 4);
    put_some(w, h, STAGE_B, 2, 5);
    put_some(w, h, STAGE_B, 3, 4);
}

static void split_head(struct world *w, struct cvb_handle *h)
{
    put_some(w, h, STAGE_A, 0, 4);
    put_some(w, h, STAGE_A, 0, 1);
    put_some(w, h, STAGE_A, 1, 2);
    take_away(w, h, STAGE_A, 1);
}

static void idle_units(struct world *w, struct cvb_handle *h)
{
    put_some(w, h, STAGE_A, 0, 4);
    put_some(w, h, STAGE_A, 0, 1);
    put_some(w, h, STAGE_A, 1, 3);
    put_some(w, h, STAGE_B, 2, 4);
    take_away(w, h, STAGE_A, 8);
    take_away(w, h, STAGE_B, 4);
    put_some(w, h, STAGE_A, 3, 2);
}

/* Leases of n records that failed, each to be tried again in a moment, which is over soon. */
static void put_off(struct world *w, struct cvb_handle *h, unsigned n)
{
    struct cvb_lease l[16];
    int got = lease_some(w, h, STAGE_A, n, QUEUED, l);
    for (int i = 0; i < got; i++)
        ledger_find(w, id_of(&l[i]))->retry++;
    cvb_return_after(h, l, got > 0 ? (size_t)got : 0, SOON_MS);
}

static void put_off_some(struct world *w, struct cvb_handle *h)
{
    put_some(w, h, STAGE_A, POSITIONED, 4);
    put_some(w, h, STAGE_A, 0, 3);
    put_off(w, h, 2);
    put_off(w, h, 2);
    put_off(w, h, 1);
    usleep(2000 * SOON_MS);
}

/* A process that will end with records queued, leased, a part of a unit leased, and reserved. */
static bool live(struct world *w, struct cvb_handle *h)
{
    static struct cvb_lease l[4];
    static struct cvb_slot s[2];
    put_some(w, h, STAGE_A, 1, 1);
    put_some(w, h, STAGE_A, 2, 4);
    lease_some(w, h, STAGE_A, 1, OF_DEAD, l);
    lease_some(w, h, STAGE_A, 2, OF_DEAD, l);
    return cvb_reserve(h, STAGE_A, &(struct cvb_record){.length = 20, .source = 1}, s, 2, NULL) == 2;
}

/* Attaches and dies when `until` is closed; the first one leaves things behind. */
static void live_and_die(struct world *w, bool first, int ready, int until)
{
    struct cvb_handle *h;
    char c = 0;
    bool fine = !cvb_attach(w->segment, &h) && (!first || live(w, h));
    if (write(ready, &c, fine) == 1 && read(until, &c, 1))
        _exit(1);
    _exit(0);
}

/* So many peers live at once, and die at once. */
void make_dead_peers(struct world *w, unsigned count)
{
    int ready[2], until[2];
    char c;
    if (!count || pipe(ready) || pipe(until))
        return;
    for (unsigned i = 0; i < count; i++) {
        if (!fork()) {
            close(ready[0]);
            close(until[1]);
            live_and_die(w, !i, ready[1], until[0]);
        }
        if (read(ready[0], &c, 1) != 1)
            break;
    }
    close(until[0]);
    close(until[1]);
    close(ready[0]);
    close(ready[1]);
    for (unsigned i = 0; i < count; i++)
        wait(NULL);
}

const struct start starts[] = {
    {"empty", empty, 0, false, true, 0},
    {"one record", one, 0, false, false, 0},
    {"full less one", full_less_one, 0, false, false, 0},
    {"full", full, 0, false, true, 0},
    {"wrapped ring", wrapped, 0, false, false, 0},
    {"source limit", source_limit, 0, false, false, 0},
    {"stage limit", stage_limit, 0, false, false, 0},
    {"total limit", total_limit, 0, false, false, 0},
    {"next stage full", next_stage_full, 0, false, false, 0},
    {"split head", split_head, 0, false, false, 0},
    {"idle units", idle_units, 0, false, false, 0},
    {"dead peer", empty, 1, false, false, 0},
    {"dead peers", empty, SEATS, false, true, 0},
    {"wrong hints", wrapped, 0, true, false, 0},
    {"headers", split_head, 0, false, false, CELLS},
    {"put off", put_off_some, 0, false, false, SWEEPS},
};
const unsigned start_count = sizeof starts / sizeof *starts;
