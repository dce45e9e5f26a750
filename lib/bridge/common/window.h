/* window.h - the records that are on their way out: leased, given to the engine, and not acknowledged by it. */
#ifndef CONVEYOR_BRIDGE_WINDOW_H
#define CONVEYOR_BRIDGE_WINDOW_H

#include "bridge.h"
#include "pause.h"

enum { BRIDGE_TROUBLE_MAX = 160 };

struct bridge_slot {
    struct cvb_lease lease;
    int64_t due_ns, backoff_ns; /* when it is sent again; INT64_MAX: when the engine says how it ended */
    unsigned first_send, sends; /* of this lease, and the last one: they grow for ever, so no answer is taken for
                                   another lease's */
    bool used;
};

struct bridge_window {
    struct bridge *bridge;
    struct bridge_slot *slots; /* bridge->window of them */
    unsigned *free_slots, *sent, free_count, on_their_way;
    struct cvb_lease *acked, *refused, *taken;
    unsigned acked_count, refused_count;
    unsigned burst; /* so many may be sent again at once: 1 after a refusal, and one more for each that is stored */
    struct bridge_pause ask; /* between looks for those, while the engine takes nothing */
    unsigned next_due;       /* the slot at which the next look for those begins */
    int64_t next_due_ns, last_record_ns, next_look_ns;
    uint64_t done, repeated;
    bool removed, stopped;            /* stopped: a record was refused, and the bridge ends by it */
    char trouble[BRIDGE_TROUBLE_MAX]; /* why the engine takes nothing now; "" if it does */
    char told[BRIDGE_TROUBLE_MAX];    /* the trouble that was told last */
    int64_t tell_again_ns;            /* until then it is not told again */
    char refusal[BRIDGE_TROUBLE_MAX]; /* why it refused a record last; "" if it did not */
    /* How a slot's record is sent: by bridge_window_later or bridge_window_refuse if it could not be. */
    void (*send)(void *sender, unsigned slot, int64_t now);
    void *sender;
};

/* False without memory. */
bool bridge_window_begin(struct bridge_window *window, struct bridge *bridge,
                         void (*send)(void *sender, unsigned slot, int64_t now), void *sender);
void bridge_window_end(struct bridge_window *window);

/* How a record ended, or that it is sent again. */
void bridge_window_stored(struct bridge_window *window, unsigned slot);
void bridge_window_refuse(struct bridge_window *window, unsigned slot, const char *why);
void bridge_window_later(struct bridge_window *window, unsigned slot, int64_t now, const char *why);

/* Acks what was stored, returns what was refused, untried if the bridge ends by it: 0 or an error. */
int bridge_window_settle(struct bridge_window *window);

/* How many records more may be leased now. While the engine does not take what it was given, none. */
size_t bridge_window_room(const struct bridge_window *window);

/* Leases records and sends them: how many, or an error. */
int bridge_window_send_new(struct bridge_window *window, int64_t now);

/* Sends again what is due. An engine that is full is asked by one record, not by all that it has refused: where one is
 * stored, two follow, and so on. */
void bridge_window_send_due(struct bridge_window *window, int64_t now);

/* True if the bridge should end. */
bool bridge_window_is_over(struct bridge_window *window, int64_t now);

/* What is still on its way goes back untried: 0 or an error. */
int bridge_window_give_back(struct bridge_window *window);

/* The last line, or what went wrong; the exit status. */
int bridge_window_report(struct bridge_window *window, int error);

#endif
