/* connect.c - the connection to the server: made when the server is there, and looked at since.
 *
 * A server that is not there is waited for: a bridge may be started before it. One that is there and does not let this
 * bridge in ends it: that does not mend itself.
 */
#include <conveyor/segment.h>
#include <stdio.h>
#include <string.h>

#include "link.h"
#include "login.h"
#include "metrics.h"
#include "pause.h"
#include "removed.h"
#include "signals.h"
#include "text.h"

#define MILLISECOND INT64_C(1000000)
#define PAUSE_LEAST (250 * MILLISECOND) /* between two tries to connect, doubling */
#define PAUSE_MOST (5000 * MILLISECOND)
#define SLICE (100 * MILLISECOND) /* the longest time until a signal is seen */
enum { ENDINGS_MOST = 2 };        /* a server that ends may end a TLS connection too, but not twice */

/* The tries to connect. */
struct tries {
    struct bridge *bridge;
    natsOptions *options;
    natsConnection *connection;
    struct bridge_pause pause;
    int64_t begun_ns, next_look_ns;
    unsigned endings;   /* how many of the last tries ended in a way that is a refusal if it lasts */
    const char *reason; /* what the last one's failure means */
    char told[500];     /* what was said last */
};

/* Why a server that is there does not take the connection; NULL if it may be away. The library tells several reasons
 * with one status. */
static const char *refusal(const struct bridge *b, natsStatus s, const char *text)
{
    if (s == NATS_SECURE_CONNECTION_WANTED)
        return "it does not speak TLS: leave out --tls-ca, and what is sent can be read on its way";
    if (s == NATS_SECURE_CONNECTION_REQUIRED || (s == NATS_SSL_ERROR && !b->tls_ca))
        return "it wants TLS: give the certificate of its authority with --tls-ca FILE";
    if (s == NATS_NOT_PERMITTED || s == NATS_CONNECTION_AUTH_FAILED || strcasestr(text, "authorization"))
        return b->credentials || b->option_file ? "it does not take this user, password or key"
                                                : "it wants to know who this is: give --credentials FILE";
    if (strcasestr(text, "certificate verify failed") || strstr(text, ":cert=")) /* OpenSSL's, and libnats' own */
        return "its certificate is unknown to --tls-ca, is out of date, or names another host";
    return NULL;
}

/* With TLS 1.3 a server that does not like our certificate ends the connection behind the handshake. */
static const char *ending(const struct bridge *b, natsStatus s)
{
    if (!b->tls_ca || s == NATS_NO_SERVER || s == NATS_TIMEOUT)
        return NULL;
    return b->tls_cert ? "it ends the TLS connection; it may not know the authority of --tls-cert"
                       : "it ends the TLS connection; it may want a certificate of this bridge: --tls-cert and "
                         "--tls-key";
}

/* True if it is of use to try again. Notes the reason. */
static bool is_away(struct tries *t, natsStatus s, const char *text)
{
    t->reason = refusal(t->bridge, s, text);
    if (t->reason)
        return false;
    t->reason = ending(t->bridge, s);
    t->endings = t->reason ? t->endings + 1 : 0;
    if (!t->reason)
        t->reason = "is nats-server running there?";
    return t->endings < ENDINGS_MOST;
}

/* Says why a try failed, once for each reason. */
static void tell_failure(struct tries *t, natsStatus s, const char *text, bool again)
{
    char said[sizeof t->told];
    bool has_both = !strstr(text, natsStatus_GetText(s));
    snprintf(said, sizeof said, "%s (%s%s%s)", t->reason, has_both ? natsStatus_GetText(s) : "",
             has_both && *text ? ": " : "", text);
    if (again && !strcmp(said, t->told))
        return;
    memcpy(t->told, said, sizeof said);
    cli_progress_break(&t->bridge->progress);
    cli_complain("cannot connect to nats://%s: %s%s", t->bridge->url.host[0], said,
                 again ? "; it is tried again until it is there" : "");
}

/* What the library says of its last error, without where in its sources that is: "(conn.c:2088): ". */
static const char *last_error(void)
{
    const char *text = nats_GetLastError(NULL), *behind = text && *text == '(' ? strstr(text, "): ") : NULL;
    return behind ? behind + 3 : text ? text : "";
}

/* True if another try should follow. */
static bool try_once(struct tries *t)
{
    natsStatus s = natsConnection_Connect(&t->connection, t->options);
    if (s == NATS_OK)
        return false;
    const char *text = last_error();
    bool again = is_away(t, s, text) && !t->bridge->check;
    tell_failure(t, s, text, again);
    return again;
}

static void tell_absence(struct bridge *b)
{
    const struct bridge_metric metrics[] = {{"connected", "1 if the server is connected.", 0}};
    cli_progress_tick(&b->progress);
    if (bridge_metrics_due(b))
        bridge_metrics_write(b, metrics, 1);
}

static bool is_removed(struct tries *t) { return cli_is_removed(t->bridge->handle, &t->next_look_ns); }

static bool is_idle(const struct tries *t)
{
    const double most = t->bridge->idle_seconds;
    return most >= 0 && cli_now_ns() - t->begun_ns > (int64_t)(most * 1e9);
}

/* Until the next try. False if the bridge should end. */
static bool wait_a_while(struct tries *t)
{
    for (int64_t until = cli_now_ns() + bridge_pause_ns(&t->pause); cli_now_ns() < until; cli_sleep(SLICE)) {
        tell_absence(t->bridge);
        if (cli_signals() || is_removed(t) || is_idle(t))
            return false;
    }
    return true;
}

int nats_bridge_connect(struct bridge *b, natsConnection **connection)
{
    struct tries t = {.bridge = b,
                      .options = nats_bridge_options(b),
                      .begun_ns = cli_now_ns(),
                      .pause = {PAUSE_LEAST, PAUSE_MOST, 0}};
    if (!t.options)
        return CLI_USAGE;
    bool again;
    while ((again = try_once(&t)) && wait_a_while(&t))
        ;
    natsOptions_Destroy(t.options);
    *connection = t.connection;
    if (t.connection)
        return CLI_DONE;
    if (!again)
        return CLI_FAILED;
    if (is_idle(&t) && !cli_signals())
        return bridge_never_connected(b);
    return bridge_report(b, 0, !cli_signals(), ""); /* a signal, or no segment any more */
}

bool nats_bridge_connected(natsConnection *c) { return natsConnection_Status(c) == NATS_CONN_STATUS_CONNECTED; }

const char *nats_forbidden(natsConnection *c, natsStatus of_request)
{
    const char *said = NULL;
    if (of_request != NATS_TIMEOUT || natsConnection_GetLastError(c, &said) != NATS_NOT_PERMITTED)
        return NULL;
    return said;
}

static int stopped(struct nats_link *l, const char *what, const char *text)
{
    cli_progress_break(&l->bridge->progress);
    cli_complain("the server at nats://%s %s: %s", l->bridge->url.host[0], what, text ? text : "");
    return BRIDGE_STOPPED;
}

static void tell_loss(struct nats_link *l, const char *text)
{
    if (l->told)
        return;
    l->told = true;
    cli_progress_break(&l->bridge->progress);
    cli_complain("the connection to nats://%s is lost%s%s; it is made anew as soon as the server is there",
                 l->bridge->url.host[0], text && *text ? ": " : "", text ? text : "");
}

int nats_link_look(struct nats_link *l)
{
    const char *text = NULL;
    natsStatus s = natsConnection_GetLastError(l->connection, &text);
    if (natsConnection_IsClosed(l->connection)) /* the library gives it up when the server refuses it twice */
        return stopped(l, "does not let this bridge in any more", text);
    if (!nats_bridge_connected(l->connection)) {
        tell_loss(l, s == NATS_OK ? NULL : text);
        return 0;
    }
    l->told = false;
    if (s == NATS_NOT_PERMITTED && text && (l->bridge->from || strstr(text, "Subscription")))
        return stopped(l, "does not permit what this bridge needs", text);
    return 0;
}
