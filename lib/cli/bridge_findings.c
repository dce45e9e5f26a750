/* bridge_findings.c - what the doctor has to say of bridges (--bridge FILE).
 *
 * A figure that a bridge does not write is NAN, which is neither above nor below anything.
 */
#include <stdio.h>
#include <string.h>

#include "findings.h"

static struct cli_finding *add(struct cli_findings *f, const struct cli_bridge *b, const char *code,
                               enum cli_severity severity)
{
    return cli_finding_add(f, code, severity, "bridge", b->stage);
}

/* "the bridge into stage 'filter'" */
static const char *name_of(const struct cli_bridge *b, char *text, size_t size)
{
    snprintf(text, size, "the bridge %s stage '%s'", strcmp(b->direction, "in") ? "out of" : "into", b->stage);
    return text;
}

static void look_at_silence(struct cli_findings *f, const struct cli_bridge *b, const char *name)
{
    struct cli_finding *x = add(f, b, "bridge-silent", CLI_PROBLEM);
    cli_finding_tell(x, "%s wrote its figures last %.0f s ago, and does so each second while it runs", name,
                     b->age_seconds);
    cli_finding_advise(x, "start it again; its last words on standard error say why it ended");
}

static void look_at_connection(struct cli_findings *f, const struct cli_bridge *b, const char *name)
{
    struct cli_finding *x;
    if (b->now.connected == 0) {
        x = add(f, b, "bridge-not-connected", CLI_PROBLEM);
        cli_finding_tell(x, "%s is not connected to its server", name);
        cli_finding_advise(x, "see whether the server runs; 'conveyor bridge' with --check says why it is not let in");
    } else if (b->was.blocked == 1 && b->now.blocked == 1) {
        x = add(f, b, "bridge-blocked", CLI_WARNING);
        cli_finding_tell(x, "the server takes nothing from %s, which has %.0f records on their way", name,
                         b->now.on_their_way);
        cli_finding_advise(x, "see its words on standard error: the stream may be full, or be without a leader");
    }
}

static void look_at_lag(struct cli_findings *f, const struct cli_bridge *b, const char *name, const char *word)
{
    if (!(b->now.lag > b->was.lag) || !(b->was.lag > 0))
        return;
    struct cli_finding *x = add(f, b, "bridge-lag-grows", CLI_WARNING);
    cli_finding_tell(x, "the lag of %s grew from %.0f to %.0f messages within %.1f s", name, b->was.lag, b->now.lag,
                     b->apart_seconds);
    cli_finding_advise(
        x, "if it lasts, see with 'conveyor stat %s' where records wait: that stage needs more consumers", word);
}

static void look_at_acknowledgement(struct cli_findings *f, const struct cli_bridge *b, const char *name,
                                    uint32_t max_per_source)
{
    const struct cli_bridge_figures *n = &b->now;
    struct cli_finding *x;
    if (n->unsettled_seconds > n->ack_wait_seconds) {
        x = add(f, b, "bridge-ack-wait", CLI_WARNING);
        cli_finding_tell(x,
                         "a record of %s is here for %.1f s, longer than the consumer's ack_wait of %.1f s: if the "
                         "bridge is away for so long, the server gives all that is unsettled again",
                         name, n->unsettled_seconds, n->ack_wait_seconds);
        cli_finding_advise(x, "give the consumer an ack_wait longer than records take here");
    }
    if (n->max_ack_pending > 0 && n->max_ack_pending < max_per_source &&
        n->unsettled + n->waiting >= n->max_ack_pending) {
        x = add(f, b, "bridge-max-ack-pending", CLI_WARNING);
        cli_finding_tell(x,
                         "%s has the %.0f messages without acknowledgement that the consumer's max_ack_pending allows: "
                         "no more come until some are settled, though its source may have %u records here",
                         name, n->max_ack_pending, max_per_source);
        cli_finding_advise(x, "give the consumer a max_ack_pending of %u and two batches", max_per_source);
    }
}

void cli_findings_of_bridges(struct cli_findings *f, const char *word, const struct cli_looks *l)
{
    char name[64 + CVB_NAME_MAX];
    for (size_t i = 0; i < l->bridges.count; i++) {
        const struct cli_bridge *b = &l->bridges.bridge[i];
        name_of(b, name, sizeof name);
        if (cli_bridge_is_silent(b)) { /* what it wrote then says nothing of now */
            look_at_silence(f, b, name);
            continue;
        }
        look_at_connection(f, b, name);
        look_at_lag(f, b, name, word);
        look_at_acknowledgement(f, b, name, l->now.settings.max_per_source);
    }
}
