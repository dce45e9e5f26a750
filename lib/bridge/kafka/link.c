/* link.c - whether the brokers are there, and what they say if not. */
#include "link.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "signals.h"
#include "text.h"

enum { ASK_MS = 100 };

const char *kafka_link_meaning(const struct bridge *b, rd_kafka_resp_err_t error, const char *text)
{
    if (strstr(text, "certificate verify failed"))
        return "its certificate is unknown to --tls-ca, is out of date, or names another host";
    if (error == RD_KAFKA_RESP_ERR__TRANSPORT && strcasestr(text, "state SSL_HANDSHAKE"))
        return "it does not speak TLS at this port, it seems; without --tls-ca what is sent can be read on its way";
    switch ((int)error) {
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
        return "the broker does not take this user and password (--credentials)";
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
        return "this user may not do that";
    case RD_KAFKA_RESP_ERR__SSL:
        return b->tls_cert ? "the TLS handshake fails; it may not know the authority of --tls-cert"
                           : "the TLS handshake fails; it may want a certificate of this bridge: --tls-cert, --tls-key";
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__RESOLVE:
        return "is a broker running there, and does it want TLS (--tls-ca)?";
    default:
        return NULL;
    }
}

static bool is_outage(rd_kafka_resp_err_t error)
{
    return error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || error == RD_KAFKA_RESP_ERR__TRANSPORT ||
           error == RD_KAFKA_RESP_ERR__RESOLVE;
}

static bool is_forbidden(rd_kafka_resp_err_t error)
{
    return error == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
           error == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED ||
           error == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED;
}

/* A topic that this user may not write to: that is told with the records (--on-refused). */
static bool is_of_records(const struct bridge *b, rd_kafka_resp_err_t error)
{
    return b->to && error == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
}

static void tell(struct kafka_link *l, const char *what)
{
    cli_progress_break(&l->bridge->progress);
    cli_complain("%s kafka://%s: %s%s", what, l->bridge->url.host[0], l->why,
                 l->over ? "" : "; it is tried again until it is");
}

/* A broker that has let this bridge in before may do so again, as when its certificate is renewed. */
static void refused(struct kafka_link *l, rd_kafka_resp_err_t error)
{
    if (l->refused)
        return;
    l->refused = l->down = true;
    l->over = !l->met || is_forbidden(error);
    tell(l, is_forbidden(error) ? "not permitted at" : "not connected to");
}

/* It may be made yet: the library looks for it again and again. */
static void tell_missing(struct kafka_link *l)
{
    if (l->missing)
        return;
    l->missing = true;
    cli_progress_break(&l->bridge->progress);
    cli_complain("there is no topic '%s' at kafka://%s: a bridge makes none; it is looked for until it is there",
                 l->bridge->url.path, l->bridge->url.host[0]);
}

/* The library tells of each broker, and at last that all are down: that one has no reason, so the last one's is told.
 */
void kafka_link_error(struct kafka_link *l, rd_kafka_resp_err_t error, const char *text)
{
    const char *meaning = kafka_link_meaning(l->bridge, error, text);
    if (error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART && l->bridge->from)
        tell_missing(l);
    if (!meaning || (l->down && is_outage(error)) || is_of_records(l->bridge, error))
        return;
    if (error != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || !*l->why)
        snprintf(l->why, sizeof l->why, "%s (%s)", meaning, text);
    if (!is_outage(error))
        refused(l, error);
    else if (error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) { /* else other brokers may be there */
        l->down = true;
        tell(l, "not connected to");
    }
}

/* The statistics that the library gives once a second if they are asked for. */
static void look_at_brokers(struct kafka_link *l, const char *text)
{
    json_t *all = json_loads(text, 0, NULL), *brokers = json_object_get(all, "brokers"), *broker;
    const char *name;
    json_object_foreach(brokers, name, broker)
    {
        const char *state = json_string_value(json_object_get(broker, "state"));
        if (state && !strcmp(state, "UP"))
            kafka_link_up(l);
    }
    json_decref(all);
}

void kafka_link_up(struct kafka_link *l)
{
    l->met = true;
    l->down = l->refused = false;
    l->why[0] = 0;
}

bool kafka_link_ask(struct kafka_link *l, rd_kafka_t *client)
{
    const struct rd_kafka_metadata *all = NULL;
    if (!kafka_link_is_up(l) && !rd_kafka_metadata(client, 0, NULL, &all, ASK_MS)) {
        rd_kafka_metadata_destroy(all);
        kafka_link_up(l);
    }
    return kafka_link_is_up(l);
}

int kafka_link_status(struct kafka_link *l, rd_kafka_t *client, int status)
{
    bool idle = status == CLI_DONE && l->bridge->idle_seconds >= 0 && !cli_signals();
    return idle && !l->met && !kafka_link_ask(l, client) ? bridge_never_connected(l->bridge) : status;
}

bool kafka_link_is_up(const struct kafka_link *l) { return l->met && !l->down; }

void kafka_link_event(struct kafka_link *l, rd_kafka_event_t *event)
{
    if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_ERROR)
        kafka_link_error(l, rd_kafka_event_error(event), rd_kafka_event_error_string(event));
    else if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_STATS)
        look_at_brokers(l, rd_kafka_event_stats(event));
}
