/* config.c - the client library's options. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kafka_bridge.h"
#include "text.h"

bool kafka_bridge_set(rd_kafka_conf_t *c, const char *name, const char *value)
{
    char why[300];
    if (rd_kafka_conf_set(c, name, value, why, sizeof why) == RD_KAFKA_CONF_OK)
        return true;
    cli_complain("option %s of the Kafka client: %s", name, why);
    return false;
}

/* The library prints to standard error otherwise. What matters is told by those who wait for it. */
static void ignore_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    (void)rk;
    (void)level;
    (void)facility;
    (void)text;
}

static bool set_brokers(const struct bridge *b, rd_kafka_conf_t *c)
{
    char all[BRIDGE_URL_MAX] = "";
    size_t n = 0;
    for (int i = 0; i < b->url.hosts; i++)
        n += (size_t)snprintf(all + n, sizeof all - n, "%s%s", i ? "," : "", b->url.host[i]);
    return kafka_bridge_set(c, "bootstrap.servers", all);
}

static bool set_security(const struct bridge *b, rd_kafka_conf_t *c)
{
    if (!b->tls_ca)
        return true;
    return kafka_bridge_set(c, "security.protocol", "ssl") && kafka_bridge_set(c, "ssl.ca.location", b->tls_ca) &&
           (!b->tls_cert || kafka_bridge_set(c, "ssl.certificate.location", b->tls_cert)) &&
           (!b->tls_key || kafka_bridge_set(c, "ssl.key.location", b->tls_key));
}

/* NAME=VALUE, as on the command line. */
static bool set_text(rd_kafka_conf_t *c, const char *text)
{
    char name[128];
    const char *value = strchr(text, '=') + 1;
    snprintf(name, sizeof name, "%.*s", (int)(value - text - 1), text);
    return kafka_bridge_set(c, name, value);
}

/* A file of NAME=VALUE lines, so that no password stands on a command line: --credentials. */
static bool set_file(rd_kafka_conf_t *c, const char *path)
{
    char line[2048];
    FILE *f = path ? fopen(path, "re") : NULL;
    bool good = !path || f;
    if (!good)
        cli_complain("cannot read --credentials %s", path);
    while (good && f && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\r\n")] = 0;
        if (*line && *line != '#' && strchr(line, '=') > line)
            good = set_text(c, line);
    }
    if (f)
        fclose(f);
    return good;
}

rd_kafka_conf_t *kafka_bridge_config(const struct bridge *b)
{
    rd_kafka_conf_t *c = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(c, ignore_log);
    bool good = set_brokers(b, c) && set_security(b, c) && set_file(c, b->credentials) &&
                kafka_bridge_set(c, "client.id", "conveyor-bridge");
    for (size_t i = 0; good && i < b->options.count; i++)
        good = set_text(c, b->options.item[i]);
    if (good)
        return c;
    rd_kafka_conf_destroy(c);
    return NULL;
}
