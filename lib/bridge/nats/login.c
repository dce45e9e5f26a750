/* login.c - how a bridge connects: servers, who it is, TLS, and what the client library is told. */
#include "login.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "named.h"
#include "text.h"

enum { LOGIN_BYTES = 1024 };

/* Options that belong together, until all are read. */
struct login {
    natsOptions *options;
    bool secret; /* what is read now may have secrets: a file */
    char user[LOGIN_BYTES], password[LOGIN_BYTES], token[LOGIN_BYTES], nkey[LOGIN_BYTES], seed_file[LOGIN_BYTES];
};

/* The library prints to standard error if nobody else listens. What matters is told by those who wait for it. */
static void ignore_error(natsConnection *c, natsSubscription *s, natsStatus error, void *data)
{
    (void)c;
    (void)s;
    (void)error;
    (void)data;
}

/* Where a word of the login goes; NULL if it is none. */
static char *login_word(struct login *l, const char *name)
{
    const struct {
        const char *name;
        char *word;
    } known[] = {{"user", l->user},
                 {"password", l->password},
                 {"token", l->token},
                 {"nkey", l->nkey},
                 {"nkey_seed_file", l->seed_file}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (!strcmp(name, known[i].name))
            return known[i].word;
    return NULL;
}

static natsStatus set_number(natsOptions *o, const char *name, long number)
{
    return !strcmp(name, "reconnect_wait_ms")  ? natsOptions_SetReconnectWait(o, number)
           : !strcmp(name, "ping_interval_ms") ? natsOptions_SetPingInterval(o, number)
           : !strcmp(name, "max_pings_out")    ? natsOptions_SetMaxPingsOut(o, (int)number)
           : !strcmp(name, "timeout_ms")       ? natsOptions_SetTimeout(o, number)
           : !strcmp(name, "io_buffer_size")   ? natsOptions_SetIOBufSize(o, (int)number)
                                               : NATS_NOT_FOUND;
}

static bool set_login(struct login *l, const char *name, char *word, const char *value)
{
    if (!l->secret) {
        cli_complain("%s does not belong on a command line: give it in --option-file or --credentials", name);
        return false;
    }
    if (snprintf(word, LOGIN_BYTES, "%s", value) < LOGIN_BYTES)
        return true;
    cli_complain("%s is longer than %d bytes", name, LOGIN_BYTES - 1);
    return false;
}

/* An option by its name; false after a complaint. */
static bool set(void *data, const char *name, const char *value)
{
    struct login *l = data;
    char *end, *word = login_word(l, name);
    if (word)
        return set_login(l, name, word, value);
    if (!strcmp(name, "tls_host"))
        return natsOptions_SetExpectedHostname(l->options, value) == NATS_OK;
    long number = strtol(value, &end, 10);
    natsStatus s = *end || end == value ? NATS_INVALID_ARG : set_number(l->options, name, number);
    if (s == NATS_OK)
        return true;
    cli_complain("option %s of the NATS client: %s", name,
                 set_number(l->options, name, 1) == NATS_NOT_FOUND
                     ? "known are reconnect_wait_ms, ping_interval_ms, max_pings_out, timeout_ms, io_buffer_size, "
                       "tls_host, and in files user, password, token, nkey, nkey_seed_file"
                     : "a number is needed");
    return false;
}

static bool good(natsStatus s, const char *what, const char *name)
{
    const char *more = s == NATS_OK ? NULL : nats_GetLastError(NULL);
    if (s != NATS_OK)
        cli_complain("cannot use %s %s: %s%s%s", what, name ? name : "", natsStatus_GetText(s),
                     more && *more ? ": " : "", more ? more : "");
    return s == NATS_OK;
}

/* A file of nsc has a JWT and a key between lines of dashes; any other has NAME=VALUE lines. */
static bool is_from_nsc(const char *path)
{
    char line[256];
    bool is = false;
    FILE *f = fopen(path, "re");
    while (f && !is && fgets(line, sizeof line, f))
        is = strstr(line, "BEGIN NATS USER JWT");
    if (f)
        fclose(f);
    return is;
}

static bool set_credentials(const struct bridge *b, struct login *l)
{
    if (b->credentials && is_from_nsc(b->credentials))
        return good(natsOptions_SetUserCredentialsFromFiles(l->options, b->credentials, NULL), "--credentials",
                    b->credentials);
    l->secret = true;
    bool read = bridge_read_options(b->credentials, "credentials", set, l) &&
                bridge_read_options(b->option_file, "option-file", set, l);
    l->secret = false;
    return read && bridge_each_option(&b->options, set, l);
}

static bool set_login_words(const struct login *l)
{
    natsOptions *o = l->options;
    return (!*l->user || good(natsOptions_SetUserInfo(o, l->user, l->password), "user", l->user)) &&
           (!*l->token || good(natsOptions_SetToken(o, l->token), "token", "")) &&
           (!*l->nkey || good(natsOptions_SetNKeyFromSeed(o, l->nkey, l->seed_file), "nkey_seed_file", l->seed_file));
}

static bool set_servers(const struct bridge *b, natsOptions *o)
{
    char url[BRIDGE_HOSTS_MAX][300];
    const char *urls[BRIDGE_HOSTS_MAX];
    for (int i = 0; i < b->url.hosts; i++) {
        snprintf(url[i], sizeof url[i], "%s://%s", b->tls_ca ? "tls" : "nats", b->url.host[i]);
        urls[i] = url[i];
    }
    return good(natsOptions_SetServers(o, urls, b->url.hosts), "the servers", b->url.host[0]);
}

static bool set_tls(const struct bridge *b, natsOptions *o)
{
    const char *key = b->tls_key ? b->tls_key : b->tls_cert;
    return (!b->tls_ca || (good(natsOptions_SetSecure(o, true), "TLS", "") &&
                           good(natsOptions_LoadCATrustedCertificates(o, b->tls_ca), "--tls-ca", b->tls_ca))) &&
           (!b->tls_cert || good(natsOptions_LoadCertificatesChain(o, b->tls_cert, key), "--tls-cert", b->tls_cert));
}

static natsStatus set_others(const struct bridge *b, natsOptions *o)
{
    char name[128];
    snprintf(name, sizeof name, "conveyor-bridge %s %s", b->segment, b->stage_name);
    natsStatus s = natsOptions_SetName(o, name);
    if (s == NATS_OK)
        s = natsOptions_SetMaxReconnect(o, -1);
    if (s == NATS_OK)
        s = natsOptions_SetReconnectWait(o, 250);
    if (s == NATS_OK)
        s = natsOptions_SetFailRequestsOnDisconnect(o, true); /* their answers would not come by another connection */
    if (s == NATS_OK)
        s = natsOptions_SetErrorHandler(o, ignore_error, NULL);
    return s;
}

natsOptions *nats_bridge_options(const struct bridge *b)
{
    struct login l = {0};
    if (good(natsOptions_Create(&l.options), "libnats", "") && set_servers(b, l.options) &&
        good(set_others(b, l.options), "libnats", "") && set_tls(b, l.options) && set_credentials(b, &l) &&
        set_login_words(&l))
        return l.options;
    natsOptions_Destroy(l.options);
    return NULL;
}
