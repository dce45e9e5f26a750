/* kafka.c - librdkafka's mock cluster as a program, and a client of a few lines for the tests of the bridge.
 *
 * usage: test-kafka mock TOPIC:PARTITIONS...             prints the brokers' addresses, obeys each line of its input
 *        test-kafka produce BROKERS TOPIC PARTITIONS     each line of its input, in turns to the partitions
 *        test-kafka read BROKERS TOPIC PARTITIONS COUNT  prints so many messages, a line each
 *        test-kafka produce-with BROKERS TOPIC           each line: KEY|NAME=VALUE|...|PAYLOAD, to partition 0
 *        test-kafka read-with ...                        as read; each line as produce-with has it
 *        test-kafka option NAME ARGUMENTS...             what the bridge with these arguments makes of an option of
 *                                                        librdkafka
 *        test-kafka topic NAME=VALUE...                  what --check says of a topic with these settings
 *        test-kafka committed BROKERS TOPIC PARTITIONS GROUP   the sum of what the group was told
 */
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kafka_bridge.h"
#include "topic.h"

enum { PARTITIONS_MOST = 64 };

static void set(rd_kafka_conf_t *c, const char *name, const char *value)
{
    char why[300];
    if (rd_kafka_conf_set(c, name, value, why, sizeof why) == RD_KAFKA_CONF_OK)
        return;
    fprintf(stderr, "test-kafka: %s\n", why);
    exit(2);
}

static rd_kafka_t *make(rd_kafka_type_t type, rd_kafka_conf_t *c)
{
    char why[300];
    rd_kafka_t *rk = rd_kafka_new(type, c, why, sizeof why);
    if (rk)
        return rk;
    fprintf(stderr, "test-kafka: %s\n", why);
    exit(2);
}

/* An order to the cluster: "down" and "up" are for all brokers; "topic NAME CODE" is what metadata say of a topic;
 * "errors API CODE..." is what the next requests of that kind are answered. */
static void obey(rd_kafka_mock_cluster_t *cluster, char *line)
{
    char *save, *word = strtok_r(line, " \n", &save), *first = strtok_r(NULL, " \n", &save), *code;
    if (!strcmp(word, "down"))
        rd_kafka_mock_broker_set_down(cluster, -1);
    else if (!strcmp(word, "up"))
        rd_kafka_mock_broker_set_up(cluster, -1);
    while (first && (code = strtok_r(NULL, " \n", &save)))
        if (!strcmp(word, "topic"))
            rd_kafka_mock_topic_set_error(cluster, first, atoi(code));
        else
            rd_kafka_mock_push_request_errors(cluster, (int16_t)atoi(first), 1, atoi(code));
    puts("done");
    fflush(stdout);
}

static int mock(int argc, char **argv)
{
    char name[200], line[4096];
    rd_kafka_conf_t *c = rd_kafka_conf_new();
    set(c, "bootstrap.servers", "127.0.0.1:1"); /* the cluster takes its place */
    set(c, "log_level", "0");
    rd_kafka_t *rk = make(RD_KAFKA_PRODUCER, c);
    rd_kafka_mock_cluster_t *cluster = rd_kafka_mock_cluster_new(rk, 3);
    for (int i = 2; i < argc; i++) {
        const char *colon = strchr(argv[i], ':');
        snprintf(name, sizeof name, "%.*s", (int)(colon - argv[i]), argv[i]);
        rd_kafka_mock_topic_create(cluster, name, atoi(colon + 1), 3);
    }
    puts(rd_kafka_mock_cluster_bootstraps(cluster));
    fflush(stdout);
    while (fgets(line, sizeof line, stdin))
        obey(cluster, line);
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(rk);
    return 0;
}

static int produce(const char *brokers, const char *topic, int partitions)
{
    char line[4096];
    rd_kafka_conf_t *c = rd_kafka_conf_new();
    set(c, "bootstrap.servers", brokers);
    rd_kafka_t *rk = make(RD_KAFKA_PRODUCER, c);
    for (int i = 0; fgets(line, sizeof line, stdin); i++) {
        line[strcspn(line, "\n")] = 0;
        while (rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(i % partitions),
                                 RD_KAFKA_V_VALUE(line, strlen(line)), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                 RD_KAFKA_V_END))
            rd_kafka_poll(rk, 10);
        rd_kafka_poll(rk, 0);
    }
    int error = rd_kafka_flush(rk, 60000) || rd_kafka_outq_len(rk);
    rd_kafka_destroy(rk);
    return error;
}

/* KEY, headers and payload: what stands before a '|' is the key, or a header NAME=VALUE; "|payload" has an empty key.
 */
static int produce_with(const char *brokers, const char *topic)
{
    char line[4096];
    rd_kafka_conf_t *c = rd_kafka_conf_new();
    set(c, "bootstrap.servers", brokers);
    rd_kafka_t *rk = make(RD_KAFKA_PRODUCER, c);
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        rd_kafka_headers_t *headers = rd_kafka_headers_new(4);
        char *at = line, *key = strsep(&at, "|");
        for (char *bar, *equals; (bar = strchr(at, '|')) && (equals = strchr(at, '=')) && equals < bar; at = bar + 1)
            rd_kafka_header_add(headers, at, equals - at, equals + 1, bar - equals - 1);
        rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(0), RD_KAFKA_V_KEY(key, strlen(key)),
                          RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_VALUE(at, strlen(at)),
                          RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
    }
    int error = rd_kafka_flush(rk, 60000) || rd_kafka_outq_len(rk);
    rd_kafka_destroy(rk);
    return error;
}

/* As produce_with reads it; "-" for no key. */
static void print_with(const rd_kafka_message_t *m)
{
    rd_kafka_headers_t *headers = NULL;
    const char *name;
    const void *value;
    size_t size;
    printf("%.*s|", m->key ? (int)m->key_len : 1, m->key ? (const char *)m->key : "-");
    rd_kafka_message_headers(m, &headers);
    for (size_t i = 0; headers && !rd_kafka_header_get_all(headers, i, &name, &value, &size); i++)
        printf("%s=%.*s|", name, (int)size, (const char *)value);
}

static rd_kafka_t *consumer(const char *brokers, const char *group)
{
    rd_kafka_conf_t *c = rd_kafka_conf_new();
    set(c, "bootstrap.servers", brokers);
    set(c, "group.id", group);
    set(c, "auto.offset.reset", "earliest");
    set(c, "enable.auto.commit", "false");
    set(c, "enable.partition.eof", "true");
    return make(RD_KAFKA_CONSUMER, c);
}

static rd_kafka_topic_partition_list_t *all_of(const char *topic, int partitions)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(partitions);
    for (int i = 0; i < partitions; i++)
        rd_kafka_topic_partition_list_add(list, topic, i)->offset = RD_KAFKA_OFFSET_BEGINNING;
    return list;
}

static bool is_all_set(const bool *one, int count)
{
    for (int i = 0; i < count; i++)
        if (!one[i])
            return false;
    return true;
}

/* A message, or that a partition has no more now. */
static void see(const rd_kafka_message_t *m, bool *at_end, bool with, long *count)
{
    if (!m->err || m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
        at_end[m->partition] = m->err;
    if (m->err)
        return;
    if (with)
        print_with(m);
    fwrite(m->payload, 1, m->len, stdout);
    putchar('\n');
    --*count;
}

/* Ends when so many were read, and all that is there. */
static int read_all(const char *brokers, const char *topic, int partitions, long count, bool with)
{
    bool at_end[PARTITIONS_MOST] = {false};
    rd_kafka_t *rk = consumer(brokers, "reader");
    rd_kafka_topic_partition_list_t *list = all_of(topic, partitions);
    rd_kafka_assign(rk, list);
    for (int silent = 0; count > 0 || !is_all_set(at_end, partitions);) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, 100);
        silent = m ? 0 : silent + 1;
        if (m) {
            see(m, at_end, with, &count);
            rd_kafka_message_destroy(m);
        }
        if (silent > 1200)
            return 1;
    }
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_consumer_close(rk);
    rd_kafka_destroy(rk);
    return 0;
}

static int committed(const char *brokers, const char *topic, int partitions, const char *group)
{
    rd_kafka_t *rk = consumer(brokers, group);
    rd_kafka_topic_partition_list_t *list = all_of(topic, partitions);
    long long sum = 0;
    rd_kafka_resp_err_t error = rd_kafka_committed(rk, list, 60000);
    for (int i = 0; i < partitions; i++)
        sum += list->elems[i].offset > 0 ? list->elems[i].offset : 0;
    printf("%lld\n", sum);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(rk);
    return error != 0;
}

static int option(const char *name, int argc, char **argv)
{
    char value[512];
    size_t size = sizeof value;
    struct bridge b;
    argv--; /* the name of a program is wanted */
    int status = bridge_parse(&b, "kafka", "", argc + 1, argv);
    if (status != CLI_GO)
        return status;
    rd_kafka_conf_t *c = kafka_bridge_config(&b);
    if (!c || rd_kafka_conf_get(c, name, value, &size))
        return 2;
    puts(value);
    rd_kafka_conf_destroy(c);
    return 0;
}

static int topic(int argc, char **argv)
{
    struct kafka_topic t = {.name = "t", .partitions = 4, .replicas = 3, .retention_ms = -1};
    for (int i = 2; i < argc; i++) {
        char *equals = strchr(argv[i], '=');
        *equals = 0;
        kafka_topic_set(&t, argv[i], equals + 1);
    }
    return !kafka_topic_say(&t);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (!strcmp(what, "mock"))
        return mock(argc, argv);
    if (!strcmp(what, "topic"))
        return topic(argc, argv);
    if (!strcmp(what, "produce") && argc == 5)
        return produce(argv[2], argv[3], atoi(argv[4]));
    const bool with = !strcmp(what, "read-with");
    if ((with || !strcmp(what, "read")) && argc == 6 && atoi(argv[4]) <= PARTITIONS_MOST)
        return read_all(argv[2], argv[3], atoi(argv[4]), atol(argv[5]), with);
    if (!strcmp(what, "produce-with") && argc == 4)
        return produce_with(argv[2], argv[3]);
    if (!strcmp(what, "option") && argc > 3)
        return option(argv[2], argc - 3, argv + 3);
    if (!strcmp(what, "committed") && argc == 6)
        return committed(argv[2], argv[3], atoi(argv[4]), argv[5]);
    fprintf(stderr, "test-kafka: wrong usage\n");
    return 2;
}
