/* connect.c - the connection to the server. */
#include <stdio.h>
#include <string.h>

#include "nats_bridge.h"
#include "text.h"

/* The library prints to standard error if nobody else listens. What matters is told by those who wait for it. */
static void ignore_error(natsConnection *c, natsSubscription *s, natsStatus error, void *data)
{
    (void)c;
    (void)s;
    (void)error;
    (void)data;
}

static natsStatus add_servers(const struct bridge *b, natsOptions *o)
{
    char url[BRIDGE_HOSTS_MAX][300];
    const char *urls[BRIDGE_HOSTS_MAX];
    for (int i = 0; i < b->url.hosts; i++) {
        snprintf(url[i], sizeof url[i], "%s://%s", b->tls_ca ? "tls" : "nats", b->url.host[i]);
        urls[i] = url[i];
    }
    return natsOptions_SetServers(o, urls, b->url.hosts);
}

static natsStatus add_security(const struct bridge *b, natsOptions *o)
{
    natsStatus s = NATS_OK;
    if (b->credentials)
        s = natsOptions_SetUserCredentialsFromFiles(o, b->credentials, NULL);
    if (s == NATS_OK && b->tls_ca)
        s = natsOptions_LoadCATrustedCertificates(o, b->tls_ca);
    if (s == NATS_OK && b->tls_cert)
        s = natsOptions_LoadCertificatesChain(o, b->tls_cert, b->tls_key ? b->tls_key : b->tls_cert);
    return s;
}

/* Options of the library by name; false after a complaint. */
static bool add_option(natsOptions *o, const char *text)
{
    char name[64], *value = strchr(text, '=') + 1;
    snprintf(name, sizeof name, "%.*s", (int)(value - text - 1), text);
    long number = strtol(value, NULL, 10);
    natsStatus s = !strcmp(name, "reconnect_wait_ms")  ? natsOptions_SetReconnectWait(o, number)
                   : !strcmp(name, "ping_interval_ms") ? natsOptions_SetPingInterval(o, number)
                   : !strcmp(name, "max_pings_out")    ? natsOptions_SetMaxPingsOut(o, (int)number)
                   : !strcmp(name, "timeout_ms")       ? natsOptions_SetTimeout(o, number)
                   : !strcmp(name, "io_buffer_size")   ? natsOptions_SetIOBufSize(o, (int)number)
                   : !strcmp(name, "token")            ? NATS_INVALID_ARG
                                                       : NATS_NOT_FOUND;
    if (s == NATS_OK)
        return true;
    cli_complain("--option %s: %s", name,
                 s == NATS_NOT_FOUND ? "known are reconnect_wait_ms, ping_interval_ms, max_pings_out, timeout_ms and "
                                       "io_buffer_size"
                                     : natsStatus_GetText(s));
    return false;
}

static natsStatus fill(const struct bridge *b, natsOptions *o, const char *name)
{
    natsStatus s = add_servers(b, o);
    if (s == NATS_OK)
        s = add_security(b, o);
    if (s == NATS_OK)
        s = natsOptions_SetName(o, name);
    if (s == NATS_OK)
        s = natsOptions_SetMaxReconnect(o, -1);
    if (s == NATS_OK)
        s = natsOptions_SetReconnectWait(o, 250);
    if (s == NATS_OK)
        s = natsOptions_SetErrorHandler(o, ignore_error, NULL);
    return s;
}

int nats_bridge_connect(const struct bridge *b, natsConnection **connection)
{
    natsOptions *o = NULL;
    char name[128];
    snprintf(name, sizeof name, "conveyor-bridge %s %s", b->segment, b->stage_name);
    natsStatus s = natsOptions_Create(&o);
    if (s == NATS_OK)
        s = fill(b, o, name);
    for (size_t i = 0; s == NATS_OK && i < b->options.count; i++)
        if (!add_option(o, b->options.item[i])) {
            natsOptions_Destroy(o);
            return CLI_USAGE;
        }
    if (s == NATS_OK)
        s = natsConnection_Connect(connection, o);
    natsOptions_Destroy(o);
    if (s == NATS_OK)
        return CLI_DONE;
    const char *more = nats_GetLastError(NULL);
    cli_complain("cannot connect to nats://%s: %s%s%s; is nats-server running there, and are the credentials right?",
                 b->url.host[0], natsStatus_GetText(s), more && *more ? ": " : "", more && *more ? more : "");
    return CLI_FAILED;
}

bool nats_bridge_connected(natsConnection *c) { return natsConnection_Status(c) == NATS_CONN_STATUS_CONNECTED; }
