/* connect.c - the connection to the server. */
#include <string.h>

#include "login.h"
#include "nats_bridge.h"
#include "text.h"

/* What a failure to connect means, and what to do. The library tells several with one status. */
static const char *meaning(const struct bridge *b, natsStatus s, const char *text)
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
    /* With TLS 1.3 a server that does not like our certificate ends the connection behind the handshake. */
    if (b->tls_ca && s != NATS_NO_SERVER && s != NATS_TIMEOUT)
        return b->tls_cert ? "it ends the TLS connection; it may not know the authority of --tls-cert"
                           : "it ends the TLS connection; it may want a certificate of this bridge: --tls-cert and "
                             "--tls-key";
    return "is nats-server running there?";
}

int nats_bridge_connect(const struct bridge *b, natsConnection **connection)
{
    natsOptions *o = nats_bridge_options(b);
    if (!o)
        return CLI_USAGE;
    natsStatus s = natsConnection_Connect(connection, o);
    natsOptions_Destroy(o);
    if (s == NATS_OK)
        return CLI_DONE;
    const char *more = nats_GetLastError(NULL);
    more = more ? more : "";
    cli_complain("cannot connect to nats://%s: %s (%s%s%s)", b->url.host[0], meaning(b, s, more), natsStatus_GetText(s),
                 *more ? ": " : "", more);
    return CLI_FAILED;
}

bool nats_bridge_connected(natsConnection *c) { return natsConnection_Status(c) == NATS_CONN_STATUS_CONNECTED; }

int nats_bridge_refused(struct bridge *b, natsConnection *c)
{
    const char *text = NULL;
    if (!natsConnection_IsClosed(c))
        return 0;
    natsConnection_GetLastError(c, &text);
    cli_progress_break(&b->progress);
    cli_complain("the server at nats://%s does not let this bridge in any more: %s", b->url.host[0], text ? text : "");
    return BRIDGE_STOPPED;
}
