/* redis.c - Redis: a stream with a consumer group, in a redis-server of the run's own on a unix socket, without
 * persistence. A batch goes in as one pipeline of XADD, comes out by one XREADGROUP and is acknowledged by one XACK.
 * Acknowledged entries stay in the stream, and none are trimmed: that would cost Redis more. */
#include <hiredis/hiredis.h>
#include <stdio.h>

#include "loop.h"
#include "server.h"

enum { WAIT_MS = 10 }; /* how often a waiting process looks for the end of the run */

struct shared {
    struct peer_server server; /* the first: server.h */
    char socket[PEER_SERVER_PATH];
};

struct self {
    redisContext *redis;
    const struct peer_process *process;
    char name[32];
    uint64_t payload[PEER_WORDS_MAX];
};

static size_t bytes(const struct peer_shape *shape)
{
    (void)shape;
    return sizeof(struct shared);
}

/* NULL if it does not listen. */
static redisContext *connect_to(const struct shared *s)
{
    redisContext *c = redisConnectUnix(s->socket);
    if (c && c->err) {
        redisFree(c);
        c = NULL;
    }
    return c;
}

/* Is the next reply there, and of this type? */
static bool gets(redisContext *c, int type)
{
    redisReply *r = NULL;
    bool is = !redisGetReply(c, (void **)&r) && r && r->type == type;
    freeReplyObject(r);
    return is;
}

/* Once the server listens, the group is made, and the stream with it. */
static bool answers(void *about)
{
    redisContext *c = connect_to(about);
    bool made = c && !redisAppendCommand(c, "XGROUP CREATE work group 0 MKSTREAM") && gets(c, REDIS_REPLY_STATUS);
    if (c)
        redisFree(c);
    return made;
}

static int init(void *shared, const struct peer_shape *shape)
{
    struct shared *s = shared;
    (void)shape;
    if (peer_server_open(&s->server))
        return -1;
    snprintf(s->socket, sizeof s->socket, "%s/socket", s->server.folder);
    const char *const words[] = {"redis-server", "--port", "0",     "--unixsocket",   s->socket, "--save", "",
                                 "--appendonly", "no",     "--dir", s->server.folder, NULL};
    return peer_server_start(&s->server, words, answers, s);
}

PEER_INLINE int put(void *at, uint64_t first, unsigned n, unsigned words)
{
    struct self *s = at;
    const char *command[] = {"XADD", "work", "*", "record", (const char *)s->payload};
    const size_t size[] = {4, 4, 1, 6, words * sizeof(uint64_t)};
    if (!peer_has_room(s->process))
        return 0;
    for (unsigned i = 0; i < n; i++) {
        peer_write(s->payload, first + i, words);
        if (redisAppendCommandArgv(s->redis, 5, command, size))
            return -1;
    }
    for (unsigned i = 0; i < n; i++)
        if (!gets(s->redis, REDIS_REPLY_STRING))
            return -1;
    return (int)n;
}

/* [[stream, [[id, [field, value]], ...]]]: the list of entries, or NULL if there are none. */
static const redisReply *entries_of(const redisReply *r)
{
    return r && r->type == REDIS_REPLY_ARRAY && r->elements == 1 && r->element[0]->elements == 2
               ? r->element[0]->element[1]
               : NULL;
}

static int acknowledge(struct self *s, const redisReply *entries)
{
    const char *command[3 + PEER_BATCH_MAX] = {"XACK", "work", "group"};
    size_t size[3 + PEER_BATCH_MAX] = {4, 4, 5}, n = entries->elements;
    for (size_t i = 0; i < n; i++) {
        command[3 + i] = entries->element[i]->element[0]->str;
        size[3 + i] = entries->element[i]->element[0]->len;
    }
    redisReply *r = redisCommandArgv(s->redis, 3 + (int)n, command, size);
    bool all = r && r->type == REDIS_REPLY_INTEGER && r->integer == (long long)n;
    freeReplyObject(r);
    return all ? (int)n : -1;
}

/* The server sends nothing for a wait that ends without an entry. */
PEER_INLINE int take(void *at, unsigned n, unsigned words, uint64_t *sum, uint64_t *values)
{
    struct self *s = at;
    redisReply *r =
        redisCommand(s->redis, "XREADGROUP GROUP group %s COUNT %u BLOCK %d STREAMS work >", s->name, n, (int)WAIT_MS);
    const redisReply *entries = entries_of(r);
    int got = r && r->type == REDIS_REPLY_NIL ? 0 : -1;
    if (entries && entries->elements <= PEER_BATCH_MAX) {
        for (size_t i = 0; i < entries->elements; i++) {
            const redisReply *value = entries->element[i]->element[1]->element[1];
            peer_see((const uint64_t *)(const void *)value->str, words, sum, peer_place(values, (unsigned)i));
            *sum += value->len - words * sizeof(uint64_t);
        }
        got = acknowledge(s, entries);
    }
    freeReplyObject(r);
    return got;
}

/* True if every entry that was read was acknowledged. */
static bool all_acknowledged(struct self *s)
{
    redisReply *r = redisCommand(s->redis, "XPENDING work group");
    bool all = r && r->type == REDIS_REPLY_ARRAY && r->elements && r->element[0]->type == REDIS_REPLY_INTEGER &&
               !r->element[0]->integer;
    freeReplyObject(r);
    return all;
}

static struct self self;

static int join(struct peer_process *p)
{
    self.process = p;
    self.redis = connect_to(p->shared);
    snprintf(self.name, sizeof self.name, "process-%u", p->index);
    return self.redis ? 0 : -1;
}

static int produce(struct peer_process *p)
{
    int error = join(p) ? -1 : peer_produce(p, &self, put);
    if (self.redis)
        redisFree(self.redis);
    return error;
}

static int consume(struct peer_process *p)
{
    int error = join(p) ? -1 : peer_consume(p, &self, take);
    if (!error && p->shape.consumers == 1 && !all_acknowledged(&self))
        error = -1;
    if (self.redis)
        redisFree(self.redis);
    return error;
}

const struct peer peer_redis = {.name = "Redis streams",
                                .about = "XADD in pipelines, XREADGROUP, XACK; redis-server on a unix socket, "
                                         "without persistence",
                                .server = "redis-server",
                                .bytes = bytes,
                                .init = init,
                                .produce = produce,
                                .consume = consume,
                                .end = peer_server_close,
                                .server_s = peer_server_cpu_s};
