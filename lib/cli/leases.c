/* leases.c - who holds records, how many and for how long. */
#include <conveyor/segment.h>
#include <stdio.h>

#include "json.h"
#include "options.h"
#include "snapshot.h"
#include "text.h"

static double seconds(uint64_t ns) { return (double)ns / 1e9; }

static int print_json(const char *segment, const struct cli_snapshot *s)
{
    json_t *holders = json_array();
    for (size_t i = 0; i < s->peer_count; i++) {
        const struct cli_peer *p = &s->peers[i];
        if (p->holds.leased)
            json_array_append_new(holders,
                                  json_pack("{s:I,s:o,s:s,s:I,s:I,s:I}", "pid", (json_int_t)p->peer.pid, "command",
                                            cli_json_text(p->command), "state", cli_state_name(p->peer.state), "leased",
                                            (json_int_t)p->holds.leased, "oldest_lease_ms",
                                            (json_int_t)(p->age.lease_ns / 1000000), "idle_ms",
                                            (json_int_t)(p->peer.idle_ns / 1000000)));
    }
    return cli_json_print(
        json_pack("{s:i,s:o,s:o}", "version", 1, "segment", cli_json_text(segment), "leases", holders));
}

static int print_table(const struct cli_snapshot *s)
{
    printf("%-10s %-16s %-8s %8s %11s %11s\n", "PID", "command", "state", "leased", "oldest", "idle");
    for (size_t i = 0; i < s->peer_count; i++) {
        const struct cli_peer *p = &s->peers[i];
        if (p->holds.leased)
            printf("%-10d %-16s %-8s %8u %9.1f s %9.1f s\n", (int)p->peer.pid, *p->command ? p->command : "-",
                   cli_state_name(p->peer.state), p->holds.leased, seconds(p->age.lease_ns), seconds(p->peer.idle_ns));
    }
    return cli_close_output();
}

static int run(const struct cli_command *self, int argc, char **argv)
{
    bool json = false;
    const char *segment;
    const struct cli_option options[] = {{"json", CLI_FLAG, NULL, "as one JSON object", &json, 0, 0}};
    int status = cli_parse(self, argc, argv, options, sizeof options / sizeof options[0], &segment, 1);
    struct cvb_handle *handle;
    struct cli_snapshot s;
    if (status != CLI_GO || (status = cli_observe(segment, &handle)))
        return status;
    int error = cli_snapshot_take(handle, &s);
    cvb_detach(handle);
    if (error)
        return cli_segment_failed(segment, error);
    status = json ? print_json(segment, &s) : print_table(&s);
    cli_snapshot_free(&s);
    return status;
}

const struct cli_command cli_leases = {
    "leases", "SEG [--json]", "show who holds how many records for how long",
    "oldest is the time since the process leased the oldest record that it holds; idle, the time since its last call.\n"
    "It takes no handle, and needs permission to read only.",
    run};
