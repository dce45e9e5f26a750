/* rm.c - removes a segment's name, and says what went with it. */
#include <conveyor/segment.h>
#include <stdio.h>

#include "options.h"
#include "snapshot.h"
#include "system.h"
#include "text.h"

enum { NAMED = 5 }; /* pids that are written out */

struct what {
    bool seen; /* the rest is known */
    uint32_t records;
    size_t users; /* processes that are attached, without those that are dead */
    char pids[128];
};

/* True if an earlier handle is of the same process. */
static bool is_counted(const struct cli_snapshot *s, size_t peer)
{
    for (size_t i = 0; i < peer; i++)
        if (s->peers[i].peer.pid == s->peers[peer].peer.pid && s->peers[i].peer.state != CVB_PEER_DEAD)
            return true;
    return false;
}

static void count_users(struct what *w, const struct cli_snapshot *s)
{
    size_t used = 0;
    for (size_t i = 0; i < s->peer_count; i++) {
        if (s->peers[i].peer.state == CVB_PEER_DEAD || is_counted(s, i) || ++w->users > NAMED)
            continue;
        used += (size_t)snprintf(w->pids + used, sizeof w->pids - used, "%s%d", used ? ", " : "",
                                 (int)s->peers[i].peer.pid);
    }
    if (w->users > NAMED)
        snprintf(w->pids + used, sizeof w->pids - used, " and %zu more", w->users - NAMED);
}

static int look(const char *segment, struct what *w)
{
    struct cvb_handle *handle;
    struct cli_snapshot s;
    int error = cvb_observe(segment, &handle);
    if (error)
        return error;
    error = cli_snapshot_take(handle, &s);
    cvb_detach(handle);
    if (error)
        return error;
    w->seen = true;
    w->records = s.buffered;
    count_users(w, &s);
    cli_snapshot_free(&s);
    return 0;
}

static int refuse(const char *segment, const struct what *w)
{
    cli_complain("segment '%s' is in use by %s %s, and %u %s in it: end %s, or use --force", segment,
                 w->users == 1 ? "process" : "processes", w->pids, w->records,
                 w->records == 1 ? "record is" : "records are", w->users == 1 ? "it" : "them");
    return CLI_FAILED;
}

/* True of a segment that is there and cannot be looked into: another version's, a damaged one, one with all seats
 * taken, or any where the system refuses handles. */
static bool is_unreadable(const char *segment, int error)
{
    return error == CVB_ETRUNCATED || error == CVB_EVERSION || error == CVB_ELAYOUT || error == CVB_ECORRUPT ||
           error == CVB_EHANDLES || (error == CVB_EUNSUPPORTED && cli_is_file(segment));
}

static int refuse_unseen(const char *segment, int error)
{
    cli_complain(
        "segment '%s' cannot be looked into (%s): who uses it, and what is in it, is not known; --force removes "
        "it all the same",
        segment, cvb_error_text(error));
    return CLI_FAILED;
}

static int remove_it(const char *segment, const struct what *w)
{
    int error = cvb_unlink(segment);
    if (error)
        return cli_segment_failed(segment, error);
    printf("removed segment '%s'", segment);
    if (w->seen && w->records)
        printf(": %u %s in it", w->records, w->records == 1 ? "record was" : "records were");
    if (w->users)
        printf("; %s %s still %s it: its memory is free when %s ended", w->users == 1 ? "process" : "processes",
               w->pids, w->users == 1 ? "uses" : "use", w->users == 1 ? "it has" : "they have");
    putchar('\n');
    return cli_close_output();
}

static int run(const struct cli_command *self, int argc, char **argv)
{
    const char *segment;
    bool force = false;
    struct what w = {0};
    const struct cli_option options[] = {
        {"force", CLI_FLAG, NULL, "also if processes use it, or if it cannot be looked into", &force, 0, 0}};
    int status = cli_parse(self, argc, argv, options, sizeof options / sizeof options[0], &segment, 1);
    if (status != CLI_GO)
        return status;
    int error = look(segment, &w);
    if (error == CVB_ENAME || error == CVB_ENOENT || error == CVB_EMAGIC ||
        (error && !force && !is_unreadable(segment, error)))
        return cli_segment_failed(segment, error);
    if (error && !force)
        return refuse_unseen(segment, error);
    return w.users && !force ? refuse(segment, &w) : remove_it(segment, &w);
}

const struct cli_command cli_rm = {
    "rm", "SEG [--force]", "remove a segment, and the records in it",
    "It says how many records were in it. It is refused while processes use the segment: they would go on with a\n"
    "segment that nobody else can join, and end when they notice. With --force the name is gone at once, and the\n"
    "memory is free when the last of them has left. A file that is no segment is not removed.",
    run};
