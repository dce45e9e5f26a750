/* main.c - conveyor-bridge-kafka: carries records between a segment and Kafka. */
#include <conveyor/segment.h>
#include <signal.h>

#include "kafka_bridge.h"
#include "signals.h"

static const char details[] =
    "In:  --from kafka://HOST:PORT/TOPIC?group=GROUP   each partition is a source of its own, NAME.PARTITION\n"
    "Out: --to kafka://HOST:PORT/TOPIC                 {source}, {pipeline} and {stage} may stand in it\n\n"
    "In, the group goes on behind what is settled here (--ack settled): if this machine dies, the rest comes again.\n"
    "Out, a record is settled when the brokers have acknowledged it. --check says what is promised.";

static int carry(struct bridge *b)
{
    if (b->check)
        return kafka_bridge_check(b);
    return b->from ? kafka_bridge_in(b) : kafka_bridge_out(b);
}

int main(int argc, char **argv)
{
    struct bridge b;
    signal(SIGPIPE, SIG_IGN);
    int status = bridge_parse(&b, "kafka", details, argc, argv);
    if (status != CLI_GO)
        return status;
    cli_note_signals();
    cli_progress_begin(&b.progress, b.from ? "brought in" : "carried out", b.each_second);
    status = bridge_attach(&b);
    if (!status && b.handle)
        status = carry(&b);
    if (b.handle)
        cvb_detach(b.handle);
    return status;
}
