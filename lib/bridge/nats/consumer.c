/* consumer.c - the consumer of a stream that a bridge reads from: found, checked, made only if told to. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nats_bridge.h"
#include "text.h"

static bool split_path(const char *path, struct nats_consumer *c)
{
    const char *slash = strchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 0;
    if (!n || n >= sizeof c->stream || !slash[1] || strchr(slash + 1, '/') || strlen(slash + 1) >= sizeof c->name ||
        strpbrk(path, " .*>"))
        return false;
    snprintf(c->stream, sizeof c->stream, "%.*s", (int)n, path);
    snprintf(c->name, sizeof c->name, "%s", slash + 1);
    return true;
}

int nats_consumer_find(struct nats_consumer *c, struct bridge *b)
{
    *c = (struct nats_consumer){.bridge = b};
    if (split_path(b->url.path, c))
        return CLI_DONE;
    cli_complain("--from must end with /STREAM/CONSUMER: '/%s'", b->url.path);
    return CLI_USAGE;
}

int nats_consumer_begin(struct nats_consumer *c, struct bridge *b, natsConnection *connection)
{
    int status = nats_consumer_find(c, b);
    if (status)
        return status;
    c->connection = connection;
    natsStatus s = natsConnection_JetStream(&c->js, connection, NULL);
    if (s != NATS_OK)
        cli_complain("no JetStream: %s", natsStatus_GetText(s));
    return s == NATS_OK ? CLI_DONE : CLI_FAILED;
}

void nats_consumer_end(struct nats_consumer *c)
{
    jsConsumerInfo_Destroy(c->gone);
    jsCtx_Destroy(c->js);
}

/* True if no answer came, or the server cannot do it now: asked again it may. */
static bool is_outage(natsStatus s, jsErrCode code)
{
    switch ((int)code) {
    case 0:
        return s == NATS_TIMEOUT || s == NATS_NO_RESPONDERS || s == NATS_CONNECTION_DISCONNECTED ||
               s == NATS_CONNECTION_CLOSED || s == NATS_STALE_CONNECTION || s == NATS_IO_ERROR;
    case JSClusterNoPeersErr:
    case JSClusterNotAvailErr:
    case JSClusterNotLeaderErr:
    case JSInsufficientResourcesErr:
    case JSNotEnabledErr: /* as it starts and ends */
    case JSStreamOfflineErr:
    case JSConsumerOfflineErr:
        return true;
    default:
        return false;
    }
}

/* Says why not; an outage is told once, until it is over. NATS_AGAIN or BRIDGE_STOPPED. */
static int failed(struct nats_consumer *c, const char *what, natsStatus s, jsErrCode code)
{
    const char *refusal = nats_forbidden(c->connection, s), *more = refusal ? refusal : nats_GetLastError(NULL);
    bool outage = !refusal && is_outage(s, code), again = outage && !c->bridge->check;
    if (!again || !c->told) {
        cli_progress_break(&c->bridge->progress);
        cli_complain("%s consumer '%s' of stream '%s': %s%s%s%s", what, c->name, c->stream, natsStatus_GetText(s),
                     more && *more ? ": " : "", more ? more : "",
                     again                           ? "; it is tried again until the server answers"
                     : code == JSConsumerNotFoundErr ? "; --create makes it"
                     : code == JSStreamNotFoundErr   ? "; a bridge makes no stream: make it first"
                                                     : "");
    }
    c->told |= again;
    return outage ? NATS_AGAIN : BRIDGE_STOPPED;
}

/* A work queue takes no acknowledgement of several messages at once, and has only what is not acknowledged: it takes no
 * consumer that begins elsewhere. */
static natsStatus look_at_stream(struct nats_consumer *c, jsErrCode *code)
{
    jsStreamInfo *info = NULL;
    natsStatus s = js_GetStreamInfo(&info, c->js, c->stream, NULL, code);
    if (s == NATS_OK)
        c->work_queue = info->Config->Retention == js_WorkQueuePolicy;
    jsStreamInfo_Destroy(info);
    return s;
}

static void begin_at(const struct nats_consumer *c, jsConsumerConfig *config, uint64_t sequence)
{
    config->DeliverPolicy = c->work_queue ? js_DeliverAll : js_DeliverByStartSequence;
    config->OptStartSeq = c->work_queue ? 0 : sequence;
    config->OptStartTime = 0;
}

static natsStatus make(struct nats_consumer *c, uint64_t settled, jsConsumerInfo **info, jsErrCode *code)
{
    const struct bridge *b = c->bridge;
    jsConsumerConfig config;
    jsConsumerConfig_Init(&config);
    config.Durable = c->name;
    config.AckPolicy = b->shared || c->work_queue ? js_AckExplicit : js_AckAll;
    config.MaxAckPending = (int64_t)b->settings.max_per_source + 2 * (int64_t)b->batch;
    config.MaxDeliver = -1;
    if (settled && !b->shared) /* one that was lost, as when a bridge was killed within nats_consumer_rewind */
        begin_at(c, &config, settled + 1);
    return js_AddConsumer(info, c->js, c->stream, &config, NULL, code);
}

/* False after a complaint if the bridge would lose or misread with such a consumer. */
static bool fits(const struct nats_consumer *c, const jsConsumerInfo *info)
{
    const bool shared = c->bridge->shared;
    jsAckPolicy policy = info->Config->AckPolicy;
    if (info->Config->DeliverSubject && *info->Config->DeliverSubject)
        cli_complain("consumer '%s' pushes to a subject: a pull consumer is needed", c->name);
    else if (policy == js_AckNone || (shared && policy != js_AckExplicit))
        cli_complain("consumer '%s' has the ack policy %s: %s is needed", c->name,
                     policy == js_AckNone ? "none" : "all", shared ? "explicit, with --shared," : "all or explicit");
    else
        return true;
    return false;
}

int nats_consumer_open(struct nats_consumer *c, uint64_t settled, jsConsumerInfo **info)
{
    jsErrCode code = 0;
    const char *what = "cannot use";
    *info = NULL;
    natsStatus s = look_at_stream(c, &code);
    if (s == NATS_OK)
        s = js_GetConsumerInfo(info, c->js, c->stream, c->name, NULL, &code);
    if (s != NATS_OK && code == JSConsumerNotFoundErr && c->bridge->create) {
        what = "cannot make";
        code = 0;
        s = make(c, settled, info, &code);
    }
    if (s != NATS_OK)
        return failed(c, what, s, code);
    c->told = false;
    if (fits(c, *info))
        return CLI_DONE;
    jsConsumerInfo_Destroy(*info);
    *info = NULL;
    return BRIDGE_STOPPED;
}

/* Looks whether it is there; if it has been given what is not acknowledged, it is deleted, and `gone` is what it was.
 * One that is not there, because an earlier try came so far, is as good. */
static natsStatus remove_if_ahead(struct nats_consumer *c, jsErrCode *code)
{
    jsConsumerInfo *info = NULL;
    natsStatus s = js_GetConsumerInfo(&info, c->js, c->stream, c->name, NULL, code);
    if (s == NATS_OK) {
        jsConsumerInfo_Destroy(c->gone);
        bool ahead = !c->bridge->shared && info->Delivered.Stream > info->AckFloor.Stream;
        c->gone = ahead ? info : NULL;
        if (!ahead) {
            jsConsumerInfo_Destroy(info);
            return s;
        }
        s = js_DeleteConsumer(c->js, c->stream, c->name, NULL, code);
    }
    return c->gone && *code == JSConsumerNotFoundErr ? NATS_OK : s;
}

int nats_consumer_rewind(struct nats_consumer *c)
{
    jsConsumerInfo *anew = NULL;
    jsErrCode code = 0;
    natsStatus s = remove_if_ahead(c, &code);
    if (s == NATS_OK && c->gone) {
        begin_at(c, c->gone->Config, c->gone->AckFloor.Stream + 1);
        code = 0;
        s = js_AddConsumer(&anew, c->js, c->stream, c->gone->Config, NULL, &code);
        jsConsumerInfo_Destroy(anew);
    }
    if (s != NATS_OK)
        return failed(c, "cannot rewind", s, code);
    jsConsumerInfo_Destroy(c->gone);
    c->gone = NULL;
    c->told = false;
    return CLI_DONE;
}
