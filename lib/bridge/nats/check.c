/* check.c - what holds and what is not promised with the settings of this stream and consumer. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "nats_bridge.h"
#include "text.h"

struct report {
    bool good; /* nothing was found that breaks a promise */
};

/* A line of the report: "holds", "note" or "broken". */
__attribute__((format(printf, 3, 4))) static void say(struct report *r, const char *what, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("%-7s ", what);
    vprintf(format, arguments);
    putchar('\n');
    va_end(arguments);
    r->good &= strcmp(what, "broken") != 0;
}

static void say_stream(struct report *r, const jsStreamConfig *c, bool in)
{
    if (c->Storage == js_MemoryStorage)
        say(r, "broken", "stream '%s' is kept in memory: what it has is lost when its server ends", c->Name);
    else
        say(r, "note",
            "stream '%s' is in files; the server calls fsync every sync_interval (2 minutes by default): what "
            "it acknowledged since may be lost with its machine%s",
            c->Name, c->Replicas > 1 ? ", not with one of its replicas" : ", and there is one replica only");
    if (c->NoAck && !in)
        say(r, "broken", "stream '%s' gives no acknowledgements (no_ack): no record would ever be settled", c->Name);
    if (c->Discard == js_DiscardOld && (c->MaxMsgs > 0 || c->MaxBytes > 0))
        say(r, "broken",
            "stream '%s' drops its oldest messages when it is full (discard old): they may not have been "
            "read yet; with discard new it refuses instead, and the records wait here",
            c->Name);
    else if (c->MaxMsgs > 0 || c->MaxBytes > 0)
        say(r, "holds", "stream '%s' refuses what it has no room for: the records wait here, and their sources pause",
            c->Name);
    if (c->MaxAge > 0)
        say(r, "note", "stream '%s' forgets messages after %lld s, read or not", c->Name,
            (long long)(c->MaxAge / 1000000000));
}

static void say_consumer(struct report *r, const struct bridge *b, const jsConsumerInfo *info, const jsStreamConfig *s)
{
    const jsConsumerConfig *c = info->Config;
    int64_t wanted = (int64_t)b->settings.max_per_source + 2 * (int64_t)b->batch;
    if (!b->shared && s->Retention == js_InterestPolicy)
        say(r, "broken",
            "stream '%s' keeps messages only while a consumer wants them (interest), and this bridge makes "
            "its consumer anew after a restart: use --shared, or another retention",
            s->Name);
    if (c->MaxAckPending > 0 && c->MaxAckPending < wanted)
        say(r, "note",
            "consumer '%s' has max_ack_pending %lld: the buffer is filled to that, not to the %lld of its limit",
            info->Name, (long long)c->MaxAckPending, (long long)wanted);
    if (c->MaxDeliver > 0)
        say(r, "broken",
            "consumer '%s' gives a message up after %lld deliveries (max_deliver): after so many restarts it "
            "is missing",
            info->Name, (long long)c->MaxDeliver);
    say(r, "note", "ack_wait is %lld s; what is held longer is kept by in-progress messages",
        (long long)(c->AckWait / 1000000000));
    if (b->buffered)
        say(r, "broken", "--ack buffered: what is in the segment is lost if this machine dies");
    else
        say(r, "holds",
            "a message is acknowledged when its record is settled here: if this machine dies it comes again");
    if (b->shared)
        say(r, "note", "--shared: after a restart some messages come twice");
    else
        say(r, "holds",
            "after a kill of the bridge, of a worker or of the server none is missing, none twice in the "
            "segment");
}

static jsStreamInfo *stream_of(natsConnection *connection, jsCtx *js, const char *name)
{
    jsStreamInfo *info = NULL;
    jsErrCode code = 0;
    natsStatus s = js_GetStreamInfo(&info, js, name, NULL, &code);
    const char *forbidden = nats_forbidden(connection, s);
    if (s != NATS_OK)
        cli_complain("stream '%s': %s%s", name, forbidden ? forbidden : natsStatus_GetText(s),
                     code == JSStreamNotFoundErr ? "; a bridge makes no stream: make it first" : "");
    return info;
}

static int check_in(struct bridge *b, natsConnection *connection)
{
    struct nats_consumer consumer;
    struct report r = {true};
    jsConsumerInfo *info = NULL;
    jsStreamInfo *stream = NULL;
    int status = nats_consumer_begin(&consumer, b, connection);
    if (!status)
        stream = stream_of(connection, consumer.js, consumer.stream);
    if (stream && !nats_consumer_open(&consumer, 0, &info)) {
        say_stream(&r, stream->Config, true);
        say_consumer(&r, b, info, stream->Config);
        bridge_say_headers(b);
    }
    if (!status)
        status = info && r.good ? CLI_DONE : CLI_FAILED;
    jsConsumerInfo_Destroy(info);
    jsStreamInfo_Destroy(stream);
    nats_consumer_end(&consumer);
    return status;
}

static void say_out(struct report *r, const struct bridge *b, const jsStreamConfig *c)
{
    say_stream(r, c, false);
    if (c->MaxMsgSize > 0 && c->MaxMsgSize < (int)b->settings.payload_size)
        say(r, "note",
            "stream '%s' takes messages of up to %d bytes, and records may have %u: longer ones are refused "
            "(--on-refused)",
            c->Name, c->MaxMsgSize, b->settings.payload_size);
    say(r, "holds",
        "a record is settled when the stream has acknowledged it: none is missing after a kill of the bridge "
        "or of the server");
    say(r, c->Duplicates > 0 ? "holds" : "broken",
        "records with positions come once within the stream's duplicate window of %lld s; those without one may come "
        "twice after a kill",
        (long long)(c->Duplicates / 1000000000));
}

/* One of the subjects that the pattern can become. */
static void subject_of(const char *pattern, char *subject, size_t size)
{
    snprintf(subject, size, "%s", pattern);
    for (char *at; (at = strchr(subject, '{')) && strchr(at, '}');) {
        char *close = strchr(at, '}');
        *at = '*';
        memmove(at + 1, close + 1, strlen(close + 1) + 1);
    }
}

/* The name of the stream that takes the subject; false after a complaint. */
static bool find_stream(natsConnection *connection, jsCtx *js, const char *subject, char *name, size_t size)
{
    jsStreamNamesList *names = NULL;
    jsOptions options;
    jsErrCode code = 0;
    jsOptions_Init(&options);
    options.Stream.Info.SubjectsFilter = subject;
    natsStatus s = js_StreamNames(&names, js, &options, &code);
    const char *forbidden = nats_forbidden(connection, s);
    bool found = s == NATS_OK && names && names->Count;
    if (forbidden)
        cli_complain("cannot look for the stream that takes the subject '%s': %s", subject, forbidden);
    else if (!found)
        cli_complain("no stream takes the subject '%s': a bridge makes no stream, make it first", subject);
    else
        snprintf(name, size, "%s", names->List[0]);
    jsStreamNamesList_Destroy(names);
    return found;
}

static int check_stream_out(const struct bridge *b, natsConnection *connection, jsCtx *js)
{
    struct report r = {true};
    char subject[512], name[256];
    subject_of(b->url.path, subject, sizeof subject);
    if (!find_stream(connection, js, subject, name, sizeof name))
        return CLI_FAILED;
    jsStreamInfo *stream = stream_of(connection, js, name);
    if (!stream)
        return CLI_FAILED;
    say_out(&r, b, stream->Config);
    jsStreamInfo_Destroy(stream);
    return r.good ? CLI_DONE : CLI_FAILED;
}

static int check_out(struct bridge *b, natsConnection *connection)
{
    jsCtx *js = NULL;
    natsStatus s = natsConnection_JetStream(&js, connection, NULL);
    if (s != NATS_OK) {
        cli_complain("no JetStream: %s", natsStatus_GetText(s));
        return CLI_FAILED;
    }
    int status = check_stream_out(b, connection, js);
    jsCtx_Destroy(js);
    return status;
}

int nats_bridge_check(struct bridge *b, natsConnection *connection)
{
    int status = (b->from ? check_in : check_out)(b, connection);
    return status == CLI_DONE ? cli_close_output() : status;
}
