/* config.c - the client library's options. */
#include <stdio.h>

#include "kafka_bridge.h"
#include "named.h"
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

static bool set(void *config, const char *name, const char *value) { return kafka_bridge_set(config, name, value); }

rd_kafka_conf_t *kafka_bridge_config(const struct bridge *b)
{
    rd_kafka_conf_t *c = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(c, ignore_log);
    if (kafka_bridge_set(c, "client.id", "conveyor-bridge") && set_brokers(b, c) && set_security(b, c) &&
        (!b->metrics || kafka_bridge_set(c, "statistics.interval.ms", "1000")) &&
        bridge_read_options(b->credentials, "credentials", set, c) &&
        bridge_read_options(b->option_file, "option-file", set, c) && bridge_each_option(&b->options, set, c))
        return c;
    rd_kafka_conf_destroy(c);
    return NULL;
}
