/* evict.c - ends a consumer that hangs; its leases are delivered again.
 *
 * No time takes a lease away by itself, because a consumer that is slow and one that hangs look the same to the
 * library. This is the decision of an operator, or of a timer that they set up. The process is named by its seat and
 * its pid; it is opened as a pidfd, and only then its seat, its user and its mappings are looked at: so it is that
 * process that is killed, and not one that has got its number since.
 */
#include <conveyor/segment.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "options.h"
#include "process.h"
#include "signals.h"
#include "snapshot.h"
#include "text.h"
#include "units.h"
#include "word.h"

#define LOOK_NS INT64_C(200000000) /* from one look at the handles to the next */

struct evict {
    const char *segment;
    uint32_t pid;      /* 0: not given */
    double hung_after; /* seconds; 0: not given */
    bool dry_run;
    struct cvb_handle *handle;
    unsigned ended; /* how many processes were, or would be */
    unsigned left;  /* how many ended by themselves, just then */
};

static bool is_there(const struct cli_peer *p)
{
    return p->peer.state == CVB_PEER_ALIVE || p->peer.state == CVB_PEER_STOPPED;
}

/* True if the process has its seat still. */
static bool has_seat(const struct evict *e, const struct cli_peer *p)
{
    struct cli_peer now = {0};
    return !cvb_peer(e->handle, p->seat, &now.peer) && now.peer.pid == p->peer.pid && is_there(&now);
}

/* It was left alone. If it has left the segment meanwhile that is the reason, whatever else was seen; and then nothing
 * is left to do, unless it is the one that --pid names. */
static int leave_alone(struct evict *e, const struct cli_peer *p, const char *why)
{
    const bool left = !has_seat(e, p);
    if (left && !e->pid) {
        e->left++;
        printf("process %d has left the segment meanwhile\n", (int)p->peer.pid);
        return cli_close_output();
    }
    cli_complain("process %d %s: it was left alone", (int)p->peer.pid, left ? "has left the segment meanwhile" : why);
    return CLI_FAILED;
}

/* Why the process, whose pidfd is at hand, must not be ended; NULL if it may. */
static const char *objection(const struct evict *e, const struct cli_peer *p)
{
    if (!has_seat(e, p))
        return "has left the segment meanwhile";
    if (!cli_process_own(p->peer.pid))
        return "belongs to another user, and only they or root may end it";
    if (!cli_process_maps(p->peer.pid, e->segment))
        return "does not have the segment mapped, so it is another one of that number (the right one may be in another "
               "pid namespace)";
    return NULL;
}

static int tell(struct evict *e, const struct cli_peer *p, unsigned records, const char *command)
{
    e->ended++;
    printf("process %d (%s), whose last call was %.1f s ago, %s: %u record%s that it held %s\n", (int)p->peer.pid,
           command, (double)p->peer.idle_ns / 1e9, e->dry_run ? "would be ended" : "was ended", records, cli_s(records),
           e->dry_run     ? "would be delivered again"
           : records == 1 ? "is delivered again"
                          : "are delivered again");
    return cli_close_output();
}

static int end_open(struct evict *e, const struct cli_peer *p, unsigned records, int pidfd)
{
    char command[32];
    const char *no = objection(e, p);
    if (no)
        return leave_alone(e, p, no);
    if (!*cli_process_command(p->peer.pid, command, sizeof command))
        snprintf(command, sizeof command, "?");
    const int reason = e->dry_run ? 0 : cli_process_kill(pidfd);
    if (!reason)
        return tell(e, p, records, command);
    if (!has_seat(e, p))
        return leave_alone(e, p, "");
    cli_complain("cannot end process %d (%s): %s", (int)p->peer.pid, command, strerror(reason));
    return CLI_FAILED;
}

/* Records that a process holds, with all of its handles. */
static unsigned held_by(const struct cli_snapshot *s, pid_t pid)
{
    unsigned n = 0;
    for (size_t i = 0; i < s->peer_count; i++)
        if (s->peers[i].peer.pid == pid)
            n += s->peers[i].holds.leased + s->peers[i].holds.reserved;
    return n;
}

static int end(struct evict *e, const struct cli_snapshot *s, const struct cli_peer *p)
{
    const int pidfd = cli_process_open(p->peer.pid);
    char why[100] = "does not run in this pid namespace";
    if (pidfd < 0 && errno != ESRCH)
        snprintf(why, sizeof why, "cannot be opened (%s)", strerror(errno));
    if (pidfd < 0)
        return leave_alone(e, p, why);
    int status = end_open(e, p, held_by(s, p->peer.pid), pidfd);
    close(pidfd);
    return status;
}

/* The one that --pid names. */
static int evict_one(struct evict *e)
{
    struct cli_snapshot s;
    int error = cli_snapshot_take(e->handle, &s), status = CLI_GO;
    if (error)
        return cli_segment_failed(e->segment, error);
    for (size_t i = 0; i < s.peer_count && status == CLI_GO; i++)
        if (is_there(&s.peers[i]) && s.peers[i].peer.pid == (int32_t)e->pid)
            status = end(e, &s, &s.peers[i]);
    cli_snapshot_free(&s);
    if (status != CLI_GO)
        return status;
    char word[CLI_WORD_BYTES];
    cli_complain("process %u has no handle of segment '%s': 'conveyor stat %s' shows those that have", e->pid,
                 e->segment, cli_segment_word(e->segment, word));
    return CLI_FAILED;
}

/* The same handle at the first look, or NULL. */
static const struct cli_peer *as_it_was(const struct cli_snapshot *first, const struct cli_peer *now)
{
    for (size_t i = 0; i < first->peer_count; i++)
        if (first->peers[i].seat == now->seat && first->peers[i].peer.pid == now->peer.pid)
            return &first->peers[i];
    return NULL;
}

/* True if the process held leases at both looks, and no count of any of its handles has grown since the first. */
static bool hangs(const struct cli_snapshot *first, const struct cli_snapshot *now, pid_t pid)
{
    bool holds = false;
    for (size_t i = 0; i < now->peer_count; i++) {
        const struct cli_peer *p = &now->peers[i], *was = as_it_was(first, p);
        if (p->peer.pid != pid)
            continue;
        if (!is_there(p) || !was || memcmp(&was->counts, &p->counts, sizeof p->counts) != 0)
            return false;
        holds |= was->holds.leased && p->holds.leased;
    }
    return holds;
}

/* True if an earlier handle is of the same process. */
static bool is_further(const struct cli_snapshot *s, size_t peer)
{
    for (size_t i = 0; i < peer; i++)
        if (s->peers[i].peer.pid == s->peers[peer].peer.pid)
            return true;
    return false;
}

/* Each that hangs, also if another one could not be ended. */
static int evict_hung(struct evict *e, const struct cli_snapshot *first, const struct cli_snapshot *now)
{
    int status = CLI_DONE;
    for (size_t i = 0; i < now->peer_count; i++)
        if (!is_further(now, i) && hangs(first, now, now->peers[i].peer.pid) && end(e, now, &now->peers[i]))
            status = CLI_FAILED;
    if (status || e->ended || e->left)
        return status;
    printf("no process held records and did nothing for %g seconds\n", e->hung_after);
    return cli_close_output();
}

/* Watches so long: who holds records all the time, and settles and takes none, hangs. */
static int watch(struct evict *e)
{
    struct cli_snapshot first, now;
    int error = cli_snapshot_take(e->handle, &first), status = CLI_FAILED;
    if (error)
        return cli_segment_failed(e->segment, error);
    int64_t end_ns = cli_now_ns() + (int64_t)(e->hung_after * 1e9), left;
    while ((left = end_ns - cli_now_ns()) > 0 && !cli_signals())
        cli_sleep(left < LOOK_NS ? left : LOOK_NS);
    error = cli_snapshot_take(e->handle, &now);
    if (error) {
        cli_snapshot_free(&first);
        return cli_segment_failed(e->segment, error);
    }
    if (cli_signals())
        cli_complain("stopped by a signal: no process was ended");
    else
        status = evict_hung(e, &first, &now);
    cli_snapshot_free(&first);
    cli_snapshot_free(&now);
    return status;
}

/* Attaching recovers the dead, so that their leases are back before this command ends. */
static int recover(const char *segment)
{
    struct cvb_handle *handle;
    int status = cli_attach(segment, &handle);
    if (!status)
        cvb_detach(handle);
    return status;
}

static int run(const struct cli_command *self, int argc, char **argv)
{
    struct evict e = {0};
    const struct cli_option options[] = {
        {"pid", CLI_WHOLE, "PID", "the process to end", &e.pid, 1, INT32_MAX},
        {"hung-after", CLI_REAL, "SECONDS", "each that holds records and does nothing for so long", &e.hung_after, 0.01,
         1e6},
        {"dry-run", CLI_FLAG, NULL, "end none, and say which would be", &e.dry_run, 0, 0}};
    int status = cli_parse(self, argc, argv, options, sizeof options / sizeof options[0], &e.segment, 1);
    if (status != CLI_GO)
        return status;
    if (!e.pid == !(e.hung_after > 0)) {
        cli_complain("one of --pid and --hung-after must be given; see 'conveyor evict --help'");
        return CLI_USAGE;
    }
    cli_note_signals();
    int error = cvb_observe(e.segment, &e.handle);
    if (error)
        return cli_segment_failed(e.segment, error);
    status = e.pid ? evict_one(&e) : watch(&e);
    cvb_detach(e.handle);
    const int recovered = (e.ended || e.left) && !e.dry_run ? recover(e.segment) : CLI_DONE;
    return status ? status : recovered;
}

const struct cli_command cli_evict = {"evict", "SEG --pid PID | --hung-after SECONDS [--dry-run]",
                                      "end a consumer that hangs",
                                      "The process gets SIGKILL, and what it had leased is delivered to others before "
                                      "this ends: each record has one retry\n"
                                      "more, as after any death. It must be yours, unless you are root, and must have "
                                      "the segment mapped: one that has got\n"
                                      "its number since is not touched. --hung-after watches for that time, and ends "
                                      "each process that holds leases all the\n"
                                      "while and neither settles nor takes a record. A consumer that may take long for "
                                      "one record looks the same: choose a\n"
                                      "longer time than that.",
                                      run};
