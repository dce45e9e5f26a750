/* flow_clock.c - when records were put, by a clock that is never set.
 *
 * A record has the wall clock's time of its put. That clock may have been set since, forward or back, also between two
 * puts. What is wanted is the time from one put to the next: the difference of their wall times, within these bounds.
 *
 * - It is not negative. After a record with an earlier time than the one before (the clock was set back; or a record
 *   that was returned to its stage's end) the next is measured from both, and the smaller distance counts.
 * - It is at most the time from the first of the two puts to now, by the monotonic clock. The first one's age, when it
 *   was taken, was at most what its wall time says, what the segment's age is, and what the machine has been up.
 *
 * So a step of the clock does not show where the records are taken soon after they were put, nor where it says
 * something that cannot be: a put in the future, before the segment was made, or before the machine was started. A step
 * forward within a backlog that is older than the step looks like a pause, and is recorded as one.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "flow.h"
#include "signals.h"

static int64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* How old the segment is: as old as its file, where the kernel tells that (since 6.0), and not older than the machine
 * is up. */
static int64_t segment_age(const char *segment)
{
    char path[300];
    struct statx st;
    int64_t up = clock_ns(CLOCK_BOOTTIME);
    snprintf(path, sizeof path, "/dev/shm/%s", segment);
    if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_BTIME, &st) || !(st.stx_mask & STATX_BTIME))
        return up;
    int64_t age = clock_ns(CLOCK_REALTIME) - ((int64_t)st.stx_btime.tv_sec * 1000000000 + st.stx_btime.tv_nsec);
    return age >= 0 && age < up ? age : up;
}

void cli_flow_clock_begin(struct cli_flow_clock *c, const char *segment)
{
    *c = (struct cli_flow_clock){.oldest_ns = cli_now_ns() - segment_age(segment)};
}

/* From one wall time to another; UINT64_MAX if that is backward. */
static uint64_t distance(uint64_t from, uint64_t to) { return to >= from ? to - from : UINT64_MAX; }

uint64_t cli_flow_clock_next(struct cli_flow_clock *c, const struct cvb_lease *lease, int64_t now_ns, uint64_t wall_ns)
{
    uint64_t put = lease->buffered_at_ns;
    if (c->begun) {
        uint64_t a = distance(c->last_ns, put), b = distance(c->newest_ns, put), gap = a < b ? a : b;
        uint64_t most = now_ns > c->since_ns ? (uint64_t)(now_ns - c->since_ns) : 0;
        c->time_ns += gap == UINT64_MAX ? 0 : gap < most ? gap : most;
    }
    c->begun = true;
    c->last_ns = put;
    c->newest_ns = put > c->newest_ns ? put : c->newest_ns;
    uint64_t age = put < wall_ns ? wall_ns - put : 0, most = (uint64_t)(now_ns - c->oldest_ns);
    c->since_ns = now_ns - (int64_t)(age < most ? age : most);
    return c->time_ns;
}
