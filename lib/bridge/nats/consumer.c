/* consumer.c - the consumer of a stream that a bridge reads from: found, checked, made only if told to. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nats_bridge.h"
#include "text.h"

bool nats_consumer_of(const struct bridge *b, struct nats_consumer *c)
{
    const char *slash = strchr(b->url.path, '/');
    size_t n = slash ? (size_t)(slash - b->url.path) : 0;
    if (!n || n >= sizeof c->stream || !slash[1] || strchr(slash + 1, '/') || strlen(slash + 1) >= sizeof c->name ||
        strpbrk(b->url.path, " .*>")) {
        cli_complain("--from must end with /STREAM/CONSUMER: '/%s'", b->url.path);
        return false;
    }
    snprintf(c->stream, sizeof c->stream, "%.*s", (int)n, b->url.path);
    snprintf(c->name, sizeof c->name, "%s", slash + 1);
    return true;
}

static jsConsumerInfo *failed(const struct nats_consumer *c, const char *what, natsStatus s, jsErrCode code)
{
    const char *more = nats_GetLastError(NULL);
    cli_complain("%s consumer '%s' of stream '%s': %s%s%s%s", what, c->name, c->stream, natsStatus_GetText(s),
                 more && *more ? ": " : "", more ? more : "",
                 code == JSConsumerNotFoundErr ? "; --create makes it"
                 : code == JSStreamNotFoundErr ? "; a bridge makes no stream: make it first"
                                               : "");
    return NULL;
}

/* A work queue takes no acknowledgement of several messages at once. */
static bool is_work_queue(const struct nats_consumer *c)
{
    jsStreamInfo *info = NULL;
    bool is = js_GetStreamInfo(&info, c->js, c->stream, NULL, NULL) == NATS_OK &&
              info->Config->Retention == js_WorkQueuePolicy;
    jsStreamInfo_Destroy(info);
    return is;
}

/* A work queue has only what is not acknowledged, and takes no consumer that begins elsewhere. */
static void begin_at(jsConsumerConfig *config, uint64_t sequence, bool work_queue)
{
    config->DeliverPolicy = work_queue ? js_DeliverAll : js_DeliverByStartSequence;
    config->OptStartSeq = work_queue ? 0 : sequence;
    config->OptStartTime = 0;
}

static jsConsumerInfo *make(const struct bridge *b, struct nats_consumer *c, uint64_t settled)
{
    jsConsumerInfo *info = NULL;
    jsConsumerConfig config;
    jsErrCode code = 0;
    bool work_queue = is_work_queue(c);
    jsConsumerConfig_Init(&config);
    config.Durable = c->name;
    config.AckPolicy = b->shared || work_queue ? js_AckExplicit : js_AckAll;
    config.MaxAckPending = (int64_t)b->settings.max_per_source + 2 * (int64_t)b->batch;
    config.MaxDeliver = -1;
    if (settled && !b->shared) /* one that was lost, for instance between the two steps of nats_consumer_rewind */
        begin_at(&config, settled + 1, work_queue);
    natsStatus s = js_AddConsumer(&info, c->js, c->stream, &config, NULL, &code);
    return s == NATS_OK ? info : failed(c, "cannot make", s, code);
}

/* False after a complaint if the bridge would lose or misread with such a consumer. */
static bool fits(const struct bridge *b, const struct nats_consumer *c, const jsConsumerInfo *info)
{
    jsAckPolicy policy = info->Config->AckPolicy;
    if (info->Config->DeliverSubject && *info->Config->DeliverSubject)
        cli_complain("consumer '%s' pushes to a subject: a pull consumer is needed", c->name);
    else if (policy == js_AckNone || (b->shared && policy != js_AckExplicit))
        cli_complain("consumer '%s' has the ack policy %s: %s is needed", c->name,
                     policy == js_AckNone ? "none" : "all", b->shared ? "explicit, with --shared," : "all or explicit");
    else
        return true;
    return false;
}

jsConsumerInfo *nats_consumer_open(const struct bridge *b, struct nats_consumer *c, uint64_t settled)
{
    jsConsumerInfo *info = NULL;
    jsErrCode code = 0;
    natsStatus s = js_GetConsumerInfo(&info, c->js, c->stream, c->name, NULL, &code);
    if (s != NATS_OK && code == JSConsumerNotFoundErr && b->create)
        info = make(b, c, settled);
    else if (s != NATS_OK)
        info = failed(c, "cannot use", s, code);
    if (info && !fits(b, c, info)) {
        jsConsumerInfo_Destroy(info);
        return NULL;
    }
    return info;
}

int nats_consumer_rewind(struct nats_consumer *c)
{
    jsConsumerInfo *info = NULL, *anew = NULL;
    jsErrCode code = 0;
    natsStatus s = js_GetConsumerInfo(&info, c->js, c->stream, c->name, NULL, &code);
    if (s == NATS_OK && info->Delivered.Stream > info->AckFloor.Stream) {
        begin_at(info->Config, info->AckFloor.Stream + 1, is_work_queue(c));
        s = js_DeleteConsumer(c->js, c->stream, c->name, NULL, &code);
        if (s == NATS_OK)
            s = js_AddConsumer(&anew, c->js, c->stream, info->Config, NULL, &code);
    }
    if (s != NATS_OK)
        failed(c, "cannot rewind", s, code);
    jsConsumerInfo_Destroy(anew);
    jsConsumerInfo_Destroy(info);
    return s == NATS_OK ? CLI_DONE : CLI_FAILED;
}
