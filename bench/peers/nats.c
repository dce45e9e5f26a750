/* nats.c - NATS JetStream: a stream in memory and a pull consumer with explicit acknowledgement, in a nats-server of
 * the run's own on the loopback interface. A batch is published asynchronously, and is in when the server has confirmed
 * it all; it is asked for by one pull request, and each message is acknowledged. Pull requests are sent by hand, as
 * natsSubscription_Fetch sends them: that of libnats 3.4 writes behind its array when messages of an earlier one wait.
 * Acknowledged messages stay in the stream, as in redis.c. */
#include <nats/nats.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "loop.h"
#include "server.h"

enum {
    WAIT_MS = 10,          /* how often a waiting process looks for the end of the run */
    EXPIRES_S = 60,        /* of a pull request */
    ANSWER_MS = 10000,     /* until the server has answered; the bench ends a run that stands still before */
    ALL_ACKED_TRIES = 1000 /* of 10 ms */
};

struct shared {
    struct peer_server server; /* the first: server.h */
    char url[PEER_SERVER_PATH];
};

struct self {
    natsConnection *connection;
    jsCtx *stream;
    natsSubscription *subscription;
    natsInbox *inbox;
    const struct peer_process *process;
    unsigned asked;        /* messages that are still to come for the last pull request */
    _Atomic(bool) refused; /* a publish; set by a thread of the library */
    uint64_t payload[PEER_WORDS_MAX];
};

static size_t bytes(const struct peer_shape *shape)
{
    (void)shape;
    return sizeof(struct shared);
}

/* Once the server listens it writes its address into a file: {"nats": ["nats://127.0.0.1:PORT"], ...}. */
static bool answers(void *about)
{
    struct shared *s = about;
    char path[2 * PEER_SERVER_PATH], text[512];
    snprintf(path, sizeof path, "%s/nats-server_%d.ports", s->server.folder, (int)s->server.pid);
    FILE *f = fopen(path, "r");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f)
        fclose(f);
    text[n] = 0;
    const char *url = strstr(text, "\"nats://"), *behind = url ? strchr(url + 1, '"') : NULL;
    if (!behind || (size_t)(behind - url) > sizeof s->url)
        return false;
    snprintf(s->url, sizeof s->url, "%.*s", (int)(behind - url - 1), url + 1);
    return true;
}

static int init(void *shared, const struct peer_shape *shape)
{
    struct shared *s = shared;
    (void)shape;
    if (peer_server_open(&s->server))
        return -1;
    const char *const words[] = {
        "nats-server", "-a",  "127.0.0.1",      "-p", "-1", "--ports_file_dir", s->server.folder,
        "-js",         "-sd", s->server.folder, NULL};
    return peer_server_start(&s->server, words, answers, s);
}

static void note_refusal(jsCtx *stream, jsPubAckErr *error, void *self)
{
    (void)stream;
    (void)error;
    atomic_store(&((struct self *)self)->refused, true);
}

PEER_INLINE int put(void *at, uint64_t first, unsigned n, unsigned words)
{
    struct self *s = at;
    jsPubOptions wait;
    if (!peer_has_room(s->process))
        return 0;
    for (unsigned i = 0; i < n; i++) {
        peer_write(s->payload, first + i, words);
        if (js_PublishAsync(s->stream, "work", s->payload, (int)(words * sizeof(uint64_t)), NULL) != NATS_OK)
            return -1;
    }
    jsPubOptions_Init(&wait);
    wait.MaxWait = ANSWER_MS;
    return js_PublishAsyncComplete(s->stream, &wait) == NATS_OK && !atomic_load(&s->refused) ? (int)n : -1;
}

/* A request outlives the run, so that it is over only when all that it asks for has come: nats-server 2.9 does not
 * always tell when one has expired. */
static natsStatus ask(struct self *s, unsigned n)
{
    char text[64];
    snprintf(text, sizeof text, "{\"batch\":%u,\"expires\":%u000000000}", n, (unsigned)EXPIRES_S);
    s->asked = n;
    return natsConnection_PublishRequestString(s->connection, "$JS.API.CONSUMER.MSG.NEXT.work.group", s->inbox, text);
}

static natsStatus acknowledge(struct self *s, natsMsg *m)
{
    return natsConnection_Publish(s->connection, natsMsg_GetReply(m), "+ACK", 4);
}

PEER_INLINE int take_some(void *at, unsigned n, unsigned words, uint64_t *sum, uint64_t *values)
{
    struct self *s = at;
    unsigned got = 0;
    natsStatus status = s->asked ? NATS_OK : ask(s, n);
    while (status == NATS_OK && got < n && s->asked) {
        natsMsg *m = NULL;
        status = natsSubscription_NextMsg(&m, s->subscription, got ? 0 : WAIT_MS);
        if (status != NATS_OK)
            break;
        size_t size = (size_t)natsMsg_GetDataLength(m);
        if (size) {
            memcpy(s->payload, natsMsg_GetData(m), size < sizeof s->payload ? size : sizeof s->payload);
            peer_see(s->payload, words, sum, peer_place(values, got));
            *sum += size - words * sizeof(uint64_t);
            status = acknowledge(s, m);
            got++;
        }
        s->asked = size ? s->asked - 1 : 0;
        natsMsg_Destroy(m);
    }
    return status == NATS_OK || status == NATS_TIMEOUT ? (int)got : -1;
}

/* When the producers are done it waits for what is under way. */
static bool must_come(const struct peer_process *p)
{
    return atomic_load(&p->control->producers_done) == p->shape.producers && peer_on_way(p);
}

PEER_INLINE int take(void *at, unsigned n, unsigned words, uint64_t *sum, uint64_t *values)
{
    int got;
    do
        got = take_some(at, n, words, sum, values);
    while (!got && must_come(((struct self *)at)->process));
    return got;
}

/* Acknowledgements are not confirmed: the server is asked whether it has them all. */
static bool all_acknowledged(struct self *s)
{
    const struct timespec rest = {0, WAIT_MS * 1000000};
    bool all = false;
    for (unsigned i = 0; i < ALL_ACKED_TRIES && !all; i++) {
        jsConsumerInfo *info = NULL;
        if (i)
            nanosleep(&rest, NULL);
        if (js_GetConsumerInfo(&info, s->stream, "work", "group", NULL, NULL) == NATS_OK)
            all = !info->NumAckPending && !info->NumPending;
        jsConsumerInfo_Destroy(info);
    }
    return all;
}

static struct self self;

static natsStatus connect_to(const char *url)
{
    natsOptions *options = NULL;
    natsStatus status = natsOptions_Create(&options);
    if (status == NATS_OK)
        status = natsOptions_SetURL(options, url);
    if (status == NATS_OK)
        status = natsOptions_SetTimeout(options, ANSWER_MS);
    if (status == NATS_OK)
        status = natsConnection_Connect(&self.connection, options);
    natsOptions_Destroy(options);
    return status;
}

/* Both sides make the stream: what is there already stays as it is. */
static natsStatus join(struct peer_process *p)
{
    const char *subject = "work";
    jsStreamConfig config;
    jsOptions options;
    self.process = p;
    jsStreamConfig_Init(&config);
    config.Name = "work";
    config.Subjects = &subject;
    config.SubjectsLen = 1;
    config.Storage = js_MemoryStorage;
    jsOptions_Init(&options);
    options.PublishAsync.ErrHandler = note_refusal;
    options.PublishAsync.ErrHandlerClosure = &self;
    options.Wait = ANSWER_MS;
    natsStatus status = connect_to(((struct shared *)p->shared)->url);
    if (status == NATS_OK)
        status = natsConnection_JetStream(&self.stream, self.connection, &options);
    return status == NATS_OK ? js_AddStream(NULL, self.stream, &config, NULL, NULL) : status;
}

/* All consumers share one on the server. */
static natsStatus listen_to(const struct peer_process *p)
{
    jsConsumerConfig config;
    jsConsumerConfig_Init(&config);
    config.Durable = "group";
    config.AckPolicy = js_AckExplicit;
    config.MaxAckPending = p->shape.capacity + p->shape.batch;
    natsStatus status = js_AddConsumer(NULL, self.stream, "work", &config, NULL, NULL);
    if (status == NATS_OK)
        status = natsInbox_Create(&self.inbox);
    return status == NATS_OK ? natsConnection_SubscribeSync(&self.subscription, self.connection, self.inbox) : status;
}

static void leave(void)
{
    natsSubscription_Destroy(self.subscription);
    natsInbox_Destroy(self.inbox);
    jsCtx_Destroy(self.stream);
    natsConnection_Destroy(self.connection);
}

static int produce(struct peer_process *p)
{
    int error = join(p) == NATS_OK ? peer_produce(p, &self, put) : -1;
    leave();
    return error;
}

static int consume(struct peer_process *p)
{
    int error = join(p) == NATS_OK && listen_to(p) == NATS_OK ? peer_consume(p, &self, take) : -1;
    if (!error && p->shape.consumers == 1 && !all_acknowledged(&self))
        error = -1;
    leave();
    return error;
}

const struct peer peer_nats = {.name = "NATS JetStream",
                               .about = "published asynchronously, pulled, each acknowledged; nats-server on the "
                                        "loopback interface, stream in memory",
                               .server = "nats-server",
                               .bytes = bytes,
                               .init = init,
                               .produce = produce,
                               .consume = consume,
                               .end = peer_server_close,
                               .server_s = peer_server_cpu_s};
