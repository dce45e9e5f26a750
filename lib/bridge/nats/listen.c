/* listen.c - messages to a subject, which the library hands over on a thread of its own. */
#include "listen.h"

#include <errno.h>

static void over(void *data) { sem_post(data); }

natsStatus nats_listen(struct nats_listener *l, natsConnection *connection, const char *subject, natsMsgHandler handle,
                       void *data)
{
    sem_init(&l->over, 0, 0);
    natsStatus s = natsConnection_Subscribe(&l->subscription, connection, subject, handle, data);
    if (s != NATS_OK)
        return s;
    s = natsSubscription_SetOnCompleteCB(l->subscription, over, &l->over);
    if (s != NATS_OK) { /* without it nobody says when the thread is out */
        natsSubscription_Destroy(l->subscription);
        l->subscription = NULL;
        return s;
    }
    return natsSubscription_SetPendingLimits(l->subscription, -1, -1);
}

void nats_listen_end(struct nats_listener *l)
{
    if (!l->subscription)
        return;
    natsSubscription_Unsubscribe(l->subscription); /* refused if the connection is closed: then it is over already */
    while (sem_wait(&l->over) && errno == EINTR)
        ;
    natsSubscription_Destroy(l->subscription);
    l->subscription = NULL;
    sem_destroy(&l->over);
}
