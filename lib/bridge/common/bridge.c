/* bridge.c - what a bridge is told, and the segment that it stands at. */
#include "bridge.h"

#include <conveyor/limits.h>
#include <conveyor/segment.h>
#include <stdio.h>
#include <string.h>

#include "attach.h"
#include "names.h"
#include "removed.h"
#include "signals.h"
#include "text.h"

static bool is_key(const char *text)
{
    return !strcmp(text, "none") || !strcmp(text, "source") || (!strncmp(text, "header:", 7) && text[7]) ||
           (!strncmp(text, "json:", 5) && text[5]);
}

static int check_words(struct bridge *b, const char *scheme)
{
    if (!b->from == !b->to) {
        cli_complain("give either --from URL or --to URL");
        return CLI_USAGE;
    }
    if (!bridge_url_parse(&b->url, b->from ? b->from : b->to, scheme))
        return CLI_USAGE;
    if (b->from && !b->source_name) {
        cli_complain("--source NAME is missing: the records that come in count for it");
        return CLI_USAGE;
    }
    if (strcmp(b->ack, "settled") && strcmp(b->ack, "buffered")) {
        cli_complain("--ack: '%s' is neither settled nor buffered", b->ack);
        return CLI_USAGE;
    }
    if (!b->on_refused)
        b->on_refused = b->from ? "stop" : "dead-letter";
    if (strcmp(b->on_refused, "dead-letter") && strcmp(b->on_refused, "stop")) {
        cli_complain("--on-refused: '%s' is neither dead-letter nor stop", b->on_refused);
        return CLI_USAGE;
    }
    if (b->key && !is_key(b->key)) {
        cli_complain("--key: '%s' is neither none nor source nor header:NAME nor json:NAME", b->key);
        return CLI_USAGE;
    }
    for (size_t i = 0; i < b->headers.count + b->options.count; i++) {
        const char *text = i < b->headers.count ? b->headers.item[i] : b->options.item[i - b->headers.count];
        if (!strchr(text, '=') || *text == '=') {
            cli_complain("--%s: '%s' is not NAME=VALUE", i < b->headers.count ? "header" : "option", text);
            return CLI_USAGE;
        }
    }
    return CLI_GO;
}

int bridge_parse(struct bridge *b, const char *scheme, const char *details, int argc, char **argv)
{
    *b = (struct bridge){.pipeline_name = "default",
                         .ack = "settled",
                         .batch = 256,
                         .window = 4096,
                         .idle_seconds = -1,
                         .drain_seconds = 5};
    const struct cli_option options[] = {
        {"from", CLI_TEXT, "URL", "records come from there", &b->from, 0, 0},
        {"to", CLI_TEXT, "URL", "records go there", &b->to, 0, 0},
        {"stage", CLI_NEED, "NAME", "the stage that they come into, or leave", &b->stage_name, 0, 0},
        {"source", CLI_TEXT, "NAME", "in: the source that they count for", &b->source_name, 0, 0},
        {"pipeline", CLI_TEXT, "NAME", "in: the pipeline that they belong to (default)", &b->pipeline_name, 0, 0},
        {"ack", CLI_TEXT, "WHEN", "in: acknowledge when a record is 'settled' here, or 'buffered' (settled)", &b->ack,
         0, 0},
        {"shared", CLI_FLAG, NULL, "in: others use the consumer too", &b->shared, 0, 0},
        {"create", CLI_FLAG, NULL, "in: make the consumer if it is not there", &b->create, 0, 0},
        {"header", CLI_LIST, "NAME=VALUE", "out: a header for each message; several", &b->headers, 0, 0},
        {"key", CLI_TEXT, "WHAT",
         "out: a message's key: 'none', 'source', 'header:NAME', 'json:NAME' (as the record came)", &b->key, 0, 0},
        {"on-refused", CLI_TEXT, "WHAT",
         "what is refused for good becomes a 'dead-letter', or the bridge ends: 'stop' (in: stop, out: dead-letter)",
         &b->on_refused, 0, 0},
        {"batch", CLI_WHOLE, "N", "take at most N at once (256)", &b->batch, 1, 10000},
        {"window", CLI_WHOLE, "N", "at most N on their way (4096)", &b->window, 1, 1000000},
        {"count", CLI_WHOLE, "N", "end after N records", &b->count, 1, UINT32_MAX},
        {"exit-when-idle", CLI_REAL, "SECONDS", "end after so long without a record", &b->idle_seconds, 0, 1e9},
        {"drain", CLI_REAL, "SECONDS", "at the end wait so long for what is on its way (5)", &b->drain_seconds, 0, 1e6},
        {"wait", CLI_REAL, "SECONDS", "wait so long for a segment (out: and a stage) that is not there yet",
         &b->wait_seconds, 0, 1e9},
        {"credentials", CLI_TEXT, "FILE", "who this is", &b->credentials, 0, 0},
        {"tls-ca", CLI_TEXT, "FILE", "certificates that are trusted; turns TLS on", &b->tls_ca, 0, 0},
        {"tls-cert", CLI_TEXT, "FILE", "this bridge's certificate", &b->tls_cert, 0, 0},
        {"tls-key", CLI_TEXT, "FILE", "its key", &b->tls_key, 0, 0},
        {"option-file", CLI_TEXT, "FILE", "lines of NAME=VALUE for the client library, such as secrets",
         &b->option_file, 0, 0},
        {"option", CLI_LIST, "NAME=VALUE", "for the client library; several", &b->options, 0, 0},
        {"check", CLI_FLAG, NULL, "connect, say what holds and what is not promised, and end", &b->check, 0, 0},
        {"metrics", CLI_TEXT, "FILE", "write the bridge's figures there once a second", &b->metrics, 0, 0},
        {"progress", CLI_FLAG, NULL, "report on standard error once a second", &b->each_second, 0, 0}};
    const struct cli_command self = {"bridge", "SEG --from URL --stage NAME --source NAME | --stage NAME --to URL",
                                     "carry records between a segment and a distributed engine", details, NULL};
    cli_begin("bridge");
    int status = cli_parse(&self, argc, argv, options, sizeof options / sizeof options[0], &b->segment, 1);
    if (status == CLI_GO)
        status = check_words(b, scheme);
    b->buffered = !strcmp(b->ack, "buffered");
    b->stop_on_refused = b->on_refused && !strcmp(b->on_refused, "stop");
    return status;
}

int bridge_segment_failed(struct bridge *b, int error)
{
    cli_progress_break(&b->progress);
    return cli_segment_failed(b->segment, error);
}

void bridge_say_headers(const struct bridge *b)
{
    if (b->settings.header_size)
        printf("holds   keys, headers, times and subjects of messages stay with their records, up to %u bytes\n",
               b->settings.header_size);
    else
        puts("note    records have no headers here: keys, headers and times of messages are not kept; create the "
             "segment with --header-size 512, say, to keep them");
}

int bridge_report(struct bridge *b, int error, bool removed, const char *more)
{
    if (error == BRIDGE_STOPPED)
        return CLI_FAILED;
    if (error)
        return bridge_segment_failed(b, error);
    if (removed) {
        cli_progress_break(&b->progress);
        cli_complain_removed(b->segment);
        return CLI_FAILED;
    }
    cli_progress_end(&b->progress, more);
    return CLI_DONE;
}

int bridge_never_connected(struct bridge *b)
{
    cli_progress_break(&b->progress);
    cli_complain("%s://%s has not answered once in the %g s of --exit-when-idle", b->url.scheme, b->url.host[0],
                 b->idle_seconds);
    return CLI_FAILED;
}

/* Only the library puts into the dead-letter stage: a record goes there from a stage of its own, by one failure. */
static int make_refused_stage(struct bridge *b)
{
    char name[CVB_NAME_MAX + 16];
    snprintf(name, sizeof name, "%s-refused", b->stage_name);
    int error = cvb_stage(b->handle, name, &b->refused_stage);
    if (error)
        return cli_name_failed(b->segment, "stage", "stage", name, error);
    error = cvb_set_max_retries(b->handle, b->refused_stage, 0);
    return error ? bridge_segment_failed(b, error) : 0;
}

/* In: the names that records come with are made. */
static int make_names(struct bridge *b)
{
    int error = cvb_stage(b->handle, b->stage_name, &b->stage);
    if (!error && b->stage == CVB_STAGE_DEAD_LETTER)
        error = CVB_EUNKNOWN;
    if (error)
        return cli_name_failed(b->segment, "stage", "stage", b->stage_name, error);
    error = cvb_source(b->handle, b->source_name, &b->source);
    if (error)
        return cli_name_failed(b->segment, "source", "source", b->source_name, error);
    error = cvb_pipeline(b->handle, b->pipeline_name, &b->pipeline);
    if (error)
        return cli_name_failed(b->segment, "pipeline", "pipeline", b->pipeline_name, error);
    return b->stop_on_refused ? 0 : make_refused_stage(b);
}

int bridge_attach(struct bridge *b)
{
    int64_t until_ns = cli_now_ns() + (int64_t)(b->wait_seconds * 1e9);
    int status = cli_attach_until(b->segment, b->to ? b->stage_name : NULL, NULL, until_ns, &b->handle);
    if (status)
        return status;
    if (!b->handle)
        return bridge_report(b, 0, false, "");
    int error = cvb_settings_of(b->handle, &b->settings);
    if (!error)
        error = cvb_segment_id(b->handle, b->id);
    if (error)
        return bridge_segment_failed(b, error);
    return b->from ? make_names(b) : cli_find_stage(b->handle, b->segment, "--stage", b->stage_name, "", &b->stage);
}
