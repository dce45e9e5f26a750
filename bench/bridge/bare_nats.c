/* bare_nats.c - NATS JetStream without a bridge: its C client sends numbered messages, or receives them.
 *
 * out: js_PublishMsgAsync with an id, at most `window` without an answer. in: pull requests of `batch`, AHEAD of them;
 * all are acknowledged at each ACK_AT messages (the consumer has AckAll). */
#include <nats/nats.h>

#include "bare.h"

enum { AHEAD = 8, ACK_AT = 1000, PATIENCE_MS = 30000 };

static int failed(const char *what, natsStatus s)
{
    return s == NATS_OK ? 0 : bare_failed(what, natsStatus_GetText(s));
}

static natsStatus publish(const struct bare *b, jsCtx *js, char *payload, uint64_t number)
{
    char id[BARE_ID_MAX];
    natsMsg *m = NULL;
    tally_number(payload, number);
    bare_id(id, b->name, number);
    natsStatus s = natsMsg_Create(&m, b->name, NULL, payload, (int)b->size);
    if (s == NATS_OK)
        s = natsMsgHeader_Set(m, "Nats-Msg-Id", id);
    if (s == NATS_OK)
        s = js_PublishMsgAsync(js, &m, NULL); /* takes the message over */
    natsMsg_Destroy(m);
    return s;
}

static int send_all(const struct bare *b, natsConnection *c)
{
    struct tally t = {0};
    jsOptions o;
    jsCtx *js = NULL;
    char *payload = calloc(1, b->size);
    jsOptions_Init(&o);
    o.PublishAsync.MaxPending = b->window;
    o.PublishAsync.StallWait = PATIENCE_MS;
    natsStatus s = payload ? natsConnection_JetStream(&js, c, &o) : NATS_NO_MEMORY;
    tally_begin(&t);
    for (; s == NATS_OK && t.count < b->count; tally_message(&t, payload, b->size))
        s = publish(b, js, payload, t.count);
    if (s == NATS_OK)
        s = js_PublishAsyncComplete(js, NULL);
    if (s == NATS_OK)
        tally_print(&t);
    jsCtx_Destroy(js);
    free(payload);
    return failed("publish", s);
}

/* A pull request; its messages come to the inbox. */
static natsStatus ask(const struct bare *b, natsConnection *c, const char *inbox)
{
    char subject[300], text[100];
    int stream = (int)strcspn(b->name, "/");
    snprintf(subject, sizeof subject, "$JS.API.CONSUMER.MSG.NEXT.%.*s.%s", stream, b->name, b->name + stream + 1);
    snprintf(text, sizeof text, "{\"batch\":%u,\"expires\":%lld}", b->batch, PATIENCE_MS * 1000000LL);
    return natsConnection_PublishRequestString(c, subject, inbox, text);
}

static natsStatus receive(const struct bare *b, natsConnection *c, natsSubscription *from, struct tally *t)
{
    natsMsg *m = NULL;
    natsStatus s = natsSubscription_NextMsg(&m, from, PATIENCE_MS);
    if (s != NATS_OK)
        return s;
    tally_message(t, natsMsg_GetData(m), (size_t)natsMsg_GetDataLength(m));
    if (t->count % ACK_AT == 0 || t->count == b->count)
        s = natsConnection_PublishString(c, natsMsg_GetReply(m), "+ACK");
    natsMsg_Destroy(m);
    return s;
}

static int receive_all(const struct bare *b, natsConnection *c)
{
    struct tally t = {0};
    natsInbox *inbox = NULL;
    natsSubscription *from = NULL;
    natsStatus s = natsInbox_Create(&inbox);
    if (s == NATS_OK)
        s = natsConnection_SubscribeSync(&from, c, inbox);
    if (s == NATS_OK)
        s = natsSubscription_SetPendingLimits(from, -1, -1);
    for (int i = 1; s == NATS_OK && i < AHEAD; i++) /* one more with the first message */
        s = ask(b, c, inbox);
    while (s == NATS_OK && t.count < b->count) {
        if (t.count % b->batch == 0)
            s = ask(b, c, inbox);
        if (s == NATS_OK)
            s = receive(b, c, from, &t);
        if (t.count == 1)
            tally_begin(&t);
    }
    if (s == NATS_OK)
        tally_print(&t);
    if (s == NATS_OK)
        s = natsConnection_FlushTimeout(c, PATIENCE_MS);
    natsSubscription_Destroy(from);
    natsInbox_Destroy(inbox);
    return failed("receive", s);
}

int main(int argc, char **argv)
{
    struct bare b;
    char url[300];
    natsConnection *c = NULL;
    if (!bare_parse(&b, argc, argv))
        return 2;
    snprintf(url, sizeof url, "nats://%s", b.servers);
    int error = failed(url, natsConnection_ConnectTo(&c, url));
    if (!error)
        error = b.out ? send_all(&b, c) : receive_all(&b, c);
    natsConnection_Destroy(c);
    nats_Close();
    return error;
}
