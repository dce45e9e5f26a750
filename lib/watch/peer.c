/* peer.c - reading who has a seat: whether that process lives, and when it was last in a call. */
#include <conveyor/state.h>
#include <stdio.h>
#include <string.h>

#include "flow/flow.h"
#include "place/stay.h"
#include "sized.h"
#include "system.h"

/* True if the process is stopped: its state in /proc/PID/stat, after the name in brackets, is T or t. */
static bool is_stopped(uint32_t pid)
{
    char path[32], text[256];
    snprintf(path, sizeof path, "/proc/%u/stat", pid);
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = 0;
    const char *end = strrchr(text, ')');
    return end && end[1] == ' ' && (end[2] == 'T' || end[2] == 't');
}

/* The state of the process that has the seat, or an error. If nobody can be asked whether it is dead, it is not. */
static int peer_state(struct cvb_handle *h, uint32_t seat, uint32_t pid)
{
    uint64_t number;
    const int dead = cvb_owner_dead(h, seat, &number);
    if (dead)
        return dead < 0 ? dead : CVB_PEER_DEAD;
    return is_stopped(pid) ? CVB_PEER_STOPPED : CVB_PEER_ALIVE;
}

int cvb_peer_sized(struct cvb_handle *h, uint32_t seat, struct cvb_peer *peer, size_t size)
{
    int error = cvb_handle_reads(h);
    if (error || !peer || seat >= h->segment.settings.max_handles)
        return error ? error : CVB_EINVAL;
    struct cvb_peer found = {0, CVB_PEER_NONE, 0};
    cvb_sized_give(peer, size, &found, sizeof found);
    if (!(cvb_load64_acq(&cvb_seat_at(h, seat)->state) & 1))
        return 0;
    uint32_t pid = cvb_load32_rlx(&cvb_seat_at(h, seat)->pid);
    const uint64_t active = cvb_load64_rlx(&cvb_seat_at(h, seat)->active_ns);
    int before = cvb_guard(), state = peer_state(h, seat, pid);
    cvb_unguard(before);
    if (state < 0)
        return state;
    found = (struct cvb_peer){(int32_t)pid, (uint32_t)state, cvb_age_ns(active, cvb_coarse_ns())};
    cvb_sized_give(peer, size, &found, sizeof found);
    return 0;
}
