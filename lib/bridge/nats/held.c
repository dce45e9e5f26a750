/* held.c - messages that a bridge has been given and not acknowledged. */
#include "held.h"

#include <stdlib.h>

static bool grow(struct nats_line *l)
{
    size_t size = l->size ? 2 * l->size : 256;
    struct nats_held *place = calloc(size, sizeof *place);
    if (!place)
        return false;
    for (size_t i = 0; i < l->count; i++)
        place[i] = *nats_line_at(l, i);
    free(l->place);
    l->place = place;
    l->size = size;
    l->first = 0;
    return true;
}

bool nats_line_add(struct nats_line *l, struct nats_held held)
{
    if (l->count == l->size && !grow(l))
        return false;
    *nats_line_at(l, l->count++) = held;
    return true;
}

void nats_line_drop(struct nats_line *l, size_t count)
{
    for (; count && l->count; count--) {
        struct nats_held *h = nats_line_at(l, 0);
        natsMsg_Destroy(h->message);
        free(h->reply);
        l->first = (l->first + 1) & (l->size - 1);
        l->count--;
    }
}

void nats_line_free(struct nats_line *l)
{
    nats_line_drop(l, l->count);
    free(l->place);
    *l = (struct nats_line){0};
}

void nats_spent_add(struct nats_spent *s, natsMsg *m)
{
    s->message[s->count++] = m;
    s->bytes += (size_t)natsMsg_GetDataLength(m);
    if (s->count == NATS_SPENT_MOST || s->bytes >= NATS_SPENT_BYTES)
        nats_spent_free(s);
}

void nats_spent_free(struct nats_spent *s)
{
    for (size_t i = 0; i < s->count; i++)
        natsMsg_Destroy(s->message[i]);
    s->count = s->bytes = 0;
}
