/* window.c - the records that are on their way out. */
#include "window.h"

#include <conveyor/flow.h>
#include <conveyor/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "removed.h"
#include "signals.h"
#include "text.h"

#define MILLISECOND INT64_C(1000000)
#define BACKOFF_LEAST (250 * MILLISECOND) /* after a refusal, doubling */
#define BACKOFF_MOST (5000 * MILLISECOND)
#define TELL_AGAIN (60000 * MILLISECOND) /* no earlier is the same trouble told twice */
#define DUE_SLICE (20 * MILLISECOND)     /* between looks for what must be sent again */
#define ASK_MOST (160 * MILLISECOND)     /* the same where the engine goes on to take nothing, doubling */

bool bridge_window_begin(struct bridge_window *w, struct bridge *b, void (*send)(void *, unsigned, int64_t),
                         void *sender)
{
    *w = (struct bridge_window){.bridge = b,
                                .send = send,
                                .sender = sender,
                                .burst = b->window,
                                .last_record_ns = cli_now_ns(),
                                .ask = {DUE_SLICE, ASK_MOST, 0}};
    w->slots = calloc(b->window, sizeof *w->slots);
    w->free_slots = calloc(b->window, sizeof *w->free_slots);
    w->sent = calloc(b->batch, sizeof *w->sent);
    w->acked = calloc(b->window, sizeof *w->acked);
    w->refused = calloc(b->window, sizeof *w->refused);
    w->taken = calloc(b->batch, sizeof *w->taken);
    if (!w->slots || !w->free_slots || !w->sent || !w->acked || !w->refused || !w->taken)
        return false;
    for (unsigned i = 0; i < b->window; i++)
        w->free_slots[w->free_count++] = b->window - 1 - i;
    return true;
}

void bridge_window_end(struct bridge_window *w)
{
    free(w->slots);
    free(w->free_slots);
    free(w->sent);
    free(w->acked);
    free(w->refused);
    free(w->taken);
}

static void free_slot(struct bridge_window *w, unsigned slot)
{
    w->slots[slot].used = false;
    w->free_slots[w->free_count++] = slot;
    w->on_their_way--;
}

void bridge_window_stored(struct bridge_window *w, unsigned slot)
{
    w->trouble[0] = 0;
    w->burst += w->burst < w->bridge->window;
    bridge_pause_ends(&w->ask);
    w->acked[w->acked_count++] = w->slots[slot].lease;
    free_slot(w, slot);
}

/* Where nothing becomes a dead letter, a record that is refused would come again at once, and so for ever. */
static bool stops_at_refusal(const struct bridge *b)
{
    return b->stop_on_refused || b->stage == CVB_STAGE_DEAD_LETTER ||
           cvb_max_retries_of(b->handle, b->stage) == CVB_RETRIES_NEVER;
}

void bridge_window_refuse(struct bridge_window *w, unsigned slot, const char *why)
{
    w->stopped |= stops_at_refusal(w->bridge);
    if (strcmp(w->refusal, why)) {
        cli_progress_break(&w->bridge->progress);
        cli_complain("a record of %u bytes is refused for good: %s%s", w->slots[slot].lease.length, why,
                     w->stopped ? "; it stays in its stage, and the bridge ends" : "");
    }
    snprintf(w->refusal, sizeof w->refusal, "%s", why);
    w->trouble[0] = 0;
    w->refused[w->refused_count++] = w->slots[slot].lease;
    free_slot(w, slot);
}

/* A stream that is full takes a record now and then: that it is, is told once in a while. */
static void tell_trouble(struct bridge_window *w, int64_t now)
{
    if (!strcmp(w->told, w->trouble) && now < w->tell_again_ns)
        return;
    memcpy(w->told, w->trouble, sizeof w->told);
    w->tell_again_ns = now + TELL_AGAIN;
    cli_progress_break(&w->bridge->progress);
    cli_complain("not taken now: %s; it is tried again until it is", w->told);
}

void bridge_window_later(struct bridge_window *w, unsigned slot, int64_t now, const char *why)
{
    struct bridge_slot *s = &w->slots[slot];
    snprintf(w->trouble, sizeof w->trouble, "%s", why);
    tell_trouble(w, now);
    w->burst = 1;
    s->backoff_ns = s->backoff_ns ? s->backoff_ns * 2 : BACKOFF_LEAST;
    s->backoff_ns = s->backoff_ns < BACKOFF_MOST ? s->backoff_ns : BACKOFF_MOST;
    s->due_ns = now + s->backoff_ns;
}

int bridge_window_settle(struct bridge_window *w)
{
    int error = w->acked_count ? cvb_ack(w->bridge->handle, w->acked, w->acked_count) : 0;
    if (!error)
        w->done += w->acked_count;
    w->bridge->progress.records = w->done;
    w->acked_count = 0;
    if (!error && w->refused_count)
        error = (w->stopped ? cvb_release : cvb_return_to_buffer)(w->bridge->handle, w->refused, w->refused_count);
    w->refused_count = 0;
    return error;
}

size_t bridge_window_room(const struct bridge_window *w)
{
    size_t most = w->free_count < w->bridge->batch ? w->free_count : w->bridge->batch;
    uint64_t left = w->bridge->count ? w->bridge->count - w->done - w->on_their_way : most;
    return *w->trouble ? 0 : left < most ? (size_t)left : most;
}

static void send(struct bridge_window *w, unsigned slot, int64_t now)
{
    w->slots[slot].sends++;
    w->send(w->sender, slot, now);
}

int bridge_window_send_new(struct bridge_window *w, int64_t now)
{
    size_t want = bridge_window_room(w);
    int n = want ? cvb_get_batch(w->bridge->handle, w->bridge->stage, w->taken, want) : 0;
    for (int i = 0; i < n; i++) {
        unsigned slot = w->sent[i] = w->free_slots[--w->free_count];
        struct bridge_slot *s = &w->slots[slot];
        *s = (struct bridge_slot){w->taken[i], INT64_MAX, 0, s->sends + 1, s->sends, true};
        w->on_their_way++;
    }
    for (int i = 0; i < n; i++)
        send(w, w->sent[i], now);
    if (n > 0)
        w->last_record_ns = now;
    return n;
}

void bridge_window_send_due(struct bridge_window *w, int64_t now)
{
    if (now < w->next_due_ns || !w->on_their_way)
        return;
    w->next_due_ns = now + (*w->trouble ? bridge_pause_ns(&w->ask) : DUE_SLICE);
    unsigned left = w->burst;
    for (unsigned n = w->bridge->window; n && left; n--) {
        unsigned slot = w->next_due;
        w->next_due = slot + 1 < w->bridge->window ? slot + 1 : 0;
        if (w->slots[slot].used && w->slots[slot].due_ns <= now) {
            w->repeated++;
            left--;
            send(w, slot, now);
        }
    }
}

bool bridge_window_is_over(struct bridge_window *w, int64_t now)
{
    const struct bridge *b = w->bridge;
    w->removed |= cli_is_removed(b->handle, &w->next_look_ns);
    return cli_signals() || w->removed || w->stopped || (b->count && w->done >= b->count) ||
           (b->idle_seconds >= 0 && !w->on_their_way && now - w->last_record_ns > (int64_t)(b->idle_seconds * 1e9));
}

int bridge_window_give_back(struct bridge_window *w)
{
    int error = 0;
    for (unsigned i = 0; !error && i < w->bridge->window; i++)
        if (w->slots[i].used)
            error = cvb_release(w->bridge->handle, &w->slots[i].lease, 1);
    return error;
}

int bridge_window_report(struct bridge_window *w, int error)
{
    char more[120] = "";
    if (w->on_their_way || w->repeated)
        snprintf(more, sizeof more, ", %u given back, %llu sent again", w->on_their_way,
                 (unsigned long long)w->repeated);
    int status = bridge_report(w->bridge, error, w->removed, more);
    return w->stopped ? CLI_FAILED : status;
}
