/* loop.h - the loop of a bridge on the way out: records are leased, sent, and acked when the engine has them. */
#ifndef CONVEYOR_BRIDGE_LOOP_H
#define CONVEYOR_BRIDGE_LOOP_H

#include "window.h"

struct cvb_notifier;

/* What an engine does for the loop; `self` is its own. */
struct bridge_engine {
    void (*send)(void *self, unsigned slot, int64_t now); /* as bridge_window has it */
    int (*take)(void *self, int64_t now); /* tells the window what the engine has said meanwhile: 0 or an error */
    bool (*takes)(void *self);            /* false while the engine can be given nothing */
    bool (*connected)(void *self);
    void (*let_go)(void *self); /* the engine reads nothing of what is on its way after this; may be NULL */
    int64_t owed_ns;            /* the longest sleep while answers are owed: their wake-up may be left out */
};

struct bridge_loop {
    struct bridge_window window;
    const struct bridge_engine *engine;
    void *self;
    struct cvb_notifier *notifier;
    int epoll, event;
};

/* Makes ready; `event` becomes readable when the engine has something to say. 0, or the exit status after a
 * complaint. */
int bridge_loop_begin(struct bridge_loop *loop, struct bridge *bridge, const struct bridge_engine *engine, void *self,
                      int event);

/* Carries records until the bridge is told to end; the exit status. */
int bridge_loop_run(struct bridge_loop *loop);

/* Also of one that did not begin, if it is all 0. */
void bridge_loop_end(struct bridge_loop *loop);

#endif
