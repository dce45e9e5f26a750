/* answer.h - what a stream says to a message that was published to it. */
#ifndef CONVEYOR_BRIDGE_NATS_ANSWER_H
#define CONVEYOR_BRIDGE_NATS_ANSWER_H

#include <nats/nats.h>
#include <urcu/wfcqueue.h>

enum nats_answer {
    NATS_STORED,  /* or it was there already */
    NATS_LATER,   /* not now: the stream is full, has no leader, ... */
    NATS_REFUSED, /* never */
    NATS_NOBODY   /* no stream takes the subject */
};

/* On its way from the library's thread to the loop. */
struct nats_answered {
    struct cds_wfcq_node node;
    unsigned slot, attempt;
    enum nats_answer answer;
    char text[120]; /* the server's words, if it was not stored */
};

/* Of a message to INBOX.SLOT.ATTEMPT; NULL if it is none, or without memory. The caller frees it. */
struct nats_answered *nats_answer_of(natsMsg *message);

#endif
