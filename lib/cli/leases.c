/* leases.c - who holds records, how many and for how long. */
#include <conveyor/segment.h>
#include <conveyor/state.h>
#include <stdio.h>
#include <stdlib.h>

#include "json.h"
#include "options.h"
#include "snapshot.h"
#include "text.h"

/* What each handle has leased of each stage: max_handles numbers for each stage of the snapshot. */
struct leases {
    const char *segment;
    struct cli_snapshot s;
    uint32_t *of;
};

static uint32_t leased(const struct leases *l, size_t stage, const struct cli_peer *p)
{
    return l->of[stage * l->s.settings.max_handles + p->seat];
}

static double seconds(uint64_t ns) { return (double)ns / 1e9; }

/* The handle's leases, stage by stage. */
static json_t *by_stage(const struct leases *l, const struct cli_peer *p)
{
    json_t *array = json_array();
    for (size_t i = 0; i < l->s.stage_count; i++)
        if (leased(l, i, p))
            json_array_append_new(array, json_pack("{s:o,s:I}", "name", cli_json_text(l->s.stages[i].name), "leased",
                                                   (json_int_t)leased(l, i, p)));
    return array;
}

static int print_json(const struct leases *l)
{
    json_t *holders = json_array();
    for (size_t i = 0; i < l->s.peer_count; i++) {
        const struct cli_peer *p = &l->s.peers[i];
        if (p->holds.leased)
            json_array_append_new(holders,
                                  json_pack("{s:I,s:o,s:s,s:I,s:o,s:I,s:I}", "pid", (json_int_t)p->peer.pid, "command",
                                            cli_json_text(p->command), "state", cli_state_name(p->peer.state), "leased",
                                            (json_int_t)p->holds.leased, "stages", by_stage(l, p), "oldest_lease_ms",
                                            (json_int_t)(p->age.lease_ns / 1000000), "idle_ms",
                                            (json_int_t)(p->peer.idle_ns / 1000000)));
    }
    return cli_json_print(
        json_pack("{s:i,s:o,s:o}", "version", 1, "segment", cli_json_text(l->segment), "leases", holders));
}

static int print_table(const struct leases *l)
{
    printf("%-10s %-16s %-8s %8s %11s %11s  %s\n", "PID", "command", "state", "leased", "oldest", "idle", "stage");
    for (size_t i = 0; i < l->s.peer_count; i++) {
        const struct cli_peer *p = &l->s.peers[i];
        for (size_t k = 0; k < l->s.stage_count; k++)
            if (leased(l, k, p))
                printf("%-10d %-16s %-8s %8u %9.1f s %9.1f s  %s\n", (int)p->peer.pid, *p->command ? p->command : "-",
                       cli_state_name(p->peer.state), leased(l, k, p), seconds(p->age.lease_ns),
                       seconds(p->peer.idle_ns), l->s.stages[k].name);
    }
    return cli_close_output();
}

/* 0 or an error. */
static int look(struct cvb_handle *handle, struct leases *l)
{
    int error = cli_snapshot_take(handle, &l->s);
    if (error)
        return error;
    cli_snapshot_commands(&l->s, l->segment);
    l->of = calloc(l->s.stage_count * l->s.settings.max_handles, sizeof *l->of);
    error = l->of ? 0 : CVB_ESYSTEM;
    for (size_t i = 0; !error && i < l->s.stage_count; i++)
        error = cvb_leased_by(handle, l->s.stages[i].id, l->of + i * l->s.settings.max_handles);
    return error;
}

static int run(const struct cli_command *self, int argc, char **argv)
{
    bool json = false;
    const char *segment;
    const struct cli_option options[] = {{"json", CLI_FLAG, NULL, "as one JSON object", &json, 0, 0}};
    int status = cli_parse(self, argc, argv, options, sizeof options / sizeof options[0], &segment, 1);
    struct cvb_handle *handle;
    struct leases l = {0};
    if (status != CLI_GO || (status = cli_observe(segment, &handle)))
        return status;
    l.segment = segment;
    int error = look(handle, &l);
    cvb_detach(handle);
    status = error ? cli_segment_failed(segment, error) : json ? print_json(&l) : print_table(&l);
    free(l.of);
    cli_snapshot_free(&l.s);
    return status;
}

const struct cli_command cli_leases = {
    "leases", "SEG [--json]", "show who holds how many records for how long",
    "oldest is the time since the process leased the oldest record that it holds; idle, the time since its last call.\n"
    "One that has records of several stages has a line for each.\n"
    "It takes no handle, and needs permission to read only.",
    run};
