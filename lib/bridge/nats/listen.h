/* listen.h - messages to a subject, which the library hands over on a thread of its own. */
#ifndef CONVEYOR_BRIDGE_NATS_LISTEN_H
#define CONVEYOR_BRIDGE_NATS_LISTEN_H

#include <nats/nats.h>
#include <semaphore.h>

struct nats_listener {
    natsSubscription *subscription; /* NULL: it does not listen */
    sem_t over;                     /* the thread has left `handle` for good */
};

/* Calls handle(..., message, data) for each message, on the library's thread. What `data` points to may be changed
 * before and after it listens only, or must be made for several threads. */
natsStatus nats_listen(struct nats_listener *listener, natsConnection *connection, const char *subject,
                       natsMsgHandler handle, void *data);

/* Returns when the thread is out of `handle` and does not come again. */
void nats_listen_end(struct nats_listener *listener);

#endif
