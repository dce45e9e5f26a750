/* main.c - conveyor-bridge-nats: carries records between a segment and NATS JetStream. */
#include <conveyor/segment.h>
#include <signal.h>

#include "nats_bridge.h"
#include "signals.h"
#include "target.h"
#include "text.h"

static const char details[] =
    "In:  --from nats://HOST:PORT/STREAM/CONSUMER   a durable pull consumer with AckAll (AckExplicit with --shared)\n"
    "Out: --to nats://HOST:PORT/SUBJECT             {source}, {pipeline} and {stage} may stand in it\n\n"
    "In, a message is acknowledged when its record is settled here (--ack settled): if this machine dies, it comes\n"
    "again. Out, a record is settled when the stream has acknowledged it. --check says what is promised.";

/* Wrong usage is told before a server is waited for, and so is a source that is taken. */
static int check_path(struct bridge *b)
{
    struct nats_consumer consumer;
    struct bridge_target target;
    if (b->from)
        return nats_consumer_find(&consumer, b);
    return nats_target_begin(&target, b) ? CLI_DONE : CLI_USAGE;
}

static int carry(struct bridge *b, natsConnection **connection)
{
    uint64_t accepted = 0;
    int status = check_path(b);
    if (!status && b->from && !b->check)
        status = nats_bridge_open_source(b, &accepted);
    if (!status)
        status = nats_bridge_connect(b, connection);
    if (status || !*connection)
        return status;
    if (b->check)
        return nats_bridge_check(b, *connection);
    return b->from ? nats_bridge_in(b, *connection, accepted) : nats_bridge_out(b, *connection);
}

int main(int argc, char **argv)
{
    struct bridge b;
    natsConnection *connection = NULL;
    signal(SIGPIPE, SIG_IGN);
    int status = bridge_parse(&b, "nats", details, argc, argv);
    if (status != CLI_GO)
        return status;
    if (b.key) {
        cli_complain("--key: a message of NATS has no key; {source} may stand in the subject");
        return CLI_USAGE;
    }
    cli_note_signals();
    cli_progress_begin(&b.progress, b.from ? "brought in" : "carried out", b.each_second);
    status = bridge_attach(&b);
    if (!status && b.handle)
        status = carry(&b, &connection);
    natsConnection_Destroy(connection);
    nats_Close();
    if (b.handle)
        cvb_detach(b.handle);
    return status;
}
