/* delivery.c - what a pull request brings. */
#include "delivery.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum nats_delivered nats_delivered(natsMsg *m)
{
    const char *status = NULL, *text = NULL;
    if (natsMsg_GetReply(m))
        return NATS_DELIVERED;
    if (natsMsgHeader_Get(m, "Status", &status) != NATS_OK)
        return NATS_STANDING;
    if (!strcmp(status, "100"))
        return NATS_HEARTBEAT;
    natsMsgHeader_Get(m, "Description", &text);
    bool gone = !strcmp(status, "503") || (text && strstr(text, "Consumer Deleted")); /* 503: nobody is asked there */
    return gone ? NATS_CONSUMER_GONE : NATS_REQUEST_OVER;
}

/* The digits at the beginning. */
static uint64_t number_at(const char *text)
{
    uint64_t number = 0;
    for (; *text >= '0' && *text <= '9'; text++)
        number = 10 * number + (uint64_t)(*text - '0');
    return number;
}

/* $JS.ACK.STREAM.CONSUMER.DELIVERED.IN_STREAM.OF_DELIVERY.TIME.PENDING; newer servers have a domain and an account's
 * hash before the stream, and a token more at the end. */
bool nats_numbers(natsMsg *m, struct nats_numbers *n)
{
    const char *reply = natsMsg_GetReply(m), *token[12];
    unsigned tokens = 0;
    if (!reply || strncmp(reply, "$JS.ACK.", 8))
        return false;
    token[tokens++] = reply;
    for (const char *at = reply; *at && tokens < 12; at++)
        if (*at == '.')
            token[tokens++] = at + 1;
    unsigned shift = tokens >= 11 ? 2 : 0;
    if (tokens != 9 && tokens < 11)
        return false;
    n->in_stream = number_at(token[5 + shift]);
    n->of_delivery = number_at(token[6 + shift]);
    n->stored_ns = number_at(token[7 + shift]);
    return n->in_stream && n->of_delivery;
}

bool nats_request_rest(natsMsg *m, uint64_t *rest)
{
    const char *text = NULL;
    if (natsMsgHeader_Get(m, "Nats-Pending-Messages", &text) != NATS_OK || !text)
        return false;
    *rest = number_at(text);
    return true;
}

void nats_read_standing(natsMsg *m, struct nats_standing *s)
{
    json_t *all = json_loadb(natsMsg_GetData(m), (size_t)natsMsg_GetDataLength(m), 0, NULL);
    json_t *config = json_object_get(all, "config"), *pending = json_object_get(all, "num_pending");
    if (config && json_is_integer(pending))
        *s = (struct nats_standing){.known = true,
                                    .pending = (uint64_t)json_integer_value(pending),
                                    .ack_wait_ns = json_integer_value(json_object_get(config, "ack_wait")),
                                    .max_ack_pending = json_integer_value(json_object_get(config, "max_ack_pending"))};
    json_decref(all);
}
