/* save.c - all that a segment holds goes into a file, and stays where it is: 'record --all'.
 *
 * Nothing is leased, so nothing has to be settled: who is killed here has changed nothing. The records are peeked at,
 * which shows those that wait; so nobody else may use the segment, or what is leased meanwhile would be missing. The
 * file gets its name when it is whole and on the disk.
 */
#include <conveyor/segment.h>
#include <conveyor/state.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "options.h"
#include "saved.h"
#include "signals.h"
#include "text.h"
#include "units.h"
#include "word.h"

struct save {
    const char *segment, *path;
    char *part; /* the file's name until it is whole */
    struct cvb_handle *handle;
    struct cli_snapshot seen;
    FILE *file;
    char *bytes;
    size_t size; /* of bytes */
    uint64_t records;
};

static int not_quiet(const char *segment, const struct cli_snapshot *s)
{
    char word[CLI_WORD_BYTES];
    cli_segment_word(segment, word);
    if (s->peer_count)
        cli_complain("process %d%s%s uses segment '%s': end all that use it first ('conveyor stat %s' shows them), "
                     "so that nothing changes while it is saved",
                     (int)s->peers[0].peer.pid, *s->peers[0].command ? ", " : "", s->peers[0].command, segment, word);
    else if (s->total.delayed)
        cli_complain("%u record%s of segment '%s' failed and %s to be tried again later: wait until 'conveyor stat "
                     "%s' shows none that is delayed",
                     s->total.delayed, cli_s(s->total.delayed), segment, s->total.delayed == 1 ? "is" : "are", word);
    else if (s->total.leased || s->total.reserved)
        cli_complain("%u record%s of segment '%s' %s leased or reserved: 'conveyor doctor %s --repair' gives back "
                     "what dead processes hold",
                     s->total.leased + s->total.reserved, cli_s(s->total.leased + s->total.reserved), segment,
                     s->total.leased + s->total.reserved == 1 ? "is" : "are", word);
    else
        return 0;
    return CLI_FAILED;
}

/* What was put, ever. */
static uint64_t accepted_by_all(const struct cli_snapshot *s)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < s->stage_count; i++)
        sum += s->stages[i].counts.accepted + s->stages[i].counts.returned;
    return sum;
}

/* Sees what there is, and that nobody is at work. */
static int look(struct save *s)
{
    int error = cli_saved_look(s->handle, s->segment, &s->seen);
    return error ? cli_segment_failed(s->segment, error) : not_quiet(s->segment, &s->seen);
}

/* Is the segment as it was, so that all of it was seen once? */
static int look_again(struct save *s)
{
    struct cli_snapshot now;
    int error = cli_snapshot_take(s->handle, &now);
    if (error)
        return cli_segment_failed(s->segment, error);
    int status = not_quiet(s->segment, &now);
    if (!status && (accepted_by_all(&now) != accepted_by_all(&s->seen) || now.total.queued != s->records)) {
        cli_complain("segment '%s' changed while it was saved: end all that use it, and save it again", s->segment);
        status = CLI_FAILED;
    }
    cli_snapshot_free(&now);
    return status;
}

static int not_written(struct save *s, int reason)
{
    cli_complain("cannot write '%s': %s; segment '%s' is as it was", s->path, strerror(reason), s->segment);
    return CLI_FAILED;
}

static void write_record(struct save *s, const struct cvb_lease *r)
{
    char source[CVB_NAME_MAX + 1] = "?", pipeline[CVB_NAME_MAX + 1] = "?", origin[CVB_NAME_MAX + 1] = "?";
    cvb_source_name(s->handle, r->source, source);
    cvb_pipeline_name(s->handle, r->pipeline, pipeline);
    cvb_stage_name(s->handle, r->origin, origin);
    fprintf(s->file, "%s\t%s\t%s\t%u\t%llu\t%llu\t%u\t%u\n", source, pipeline, origin, r->retry_count,
            (unsigned long long)r->position, (unsigned long long)(r->buffered_at_ns / 1000), r->length,
            r->header_length);
    fwrite(r->payload, 1, r->length, s->file);
    fwrite(r->header_length ? r->header : "", 1, r->header_length, s->file);
    putc('\n', s->file);
    s->records++;
}

static int write_stage(struct save *s, const struct cli_stage *stage)
{
    struct cvb_cursor cursor = {0};
    struct cvb_lease seen;
    int one;
    fprintf(s->file, "stage\t%s\t%u\n", stage->name, stage->holds.queued);
    while ((one = cvb_peek(s->handle, stage->id, &cursor, &seen, s->bytes, s->size)) > 0 && !ferror(s->file)) {
        if (cli_signals())
            return not_written(s, EINTR);
        write_record(s, &seen);
    }
    return one < 0 ? cli_segment_failed(s->segment, one) : 0;
}

static int write_all(struct save *s)
{
    int status = 0;
    fputs(CLI_SAVED_FIRST "\n", s->file);
    for (size_t i = 0; i < s->seen.source_count; i++)
        fprintf(s->file, "source\t%s\t%llu\n", s->seen.sources[i].name,
                (unsigned long long)s->seen.sources[i].progress.accepted);
    for (size_t i = 0; !status && i < s->seen.stage_count; i++)
        status = write_stage(s, &s->seen.stages[i]);
    fprintf(s->file, "end\t%llu\n", (unsigned long long)s->records);
    return status;
}

/* On the disk, and then under its name: a link does not replace what is there. */
static int finish(struct save *s)
{
    errno = 0;
    if (ferror(s->file) || fflush(s->file) || fsync(fileno(s->file)))
        return not_written(s, errno ? errno : EIO);
    int status = look_again(s);
    return status ? status : link(s->part, s->path) ? not_written(s, errno) : 0;
}

static int save_into_file(struct save *s)
{
    struct cvb_settings *settings = &s->seen.settings;
    s->size = (size_t)settings->payload_size + settings->header_size;
    s->bytes = malloc(s->size + 1);
    if (!s->bytes)
        return cli_segment_failed(s->segment, CVB_ESYSTEM);
    s->file = fopen(s->part, "we");
    int status = s->file ? write_all(s) : not_written(s, errno);
    if (!status)
        status = finish(s);
    if (s->file) {
        fclose(s->file);
        unlink(s->part);
    }
    free(s->bytes);
    return status;
}

static int save(struct save *s)
{
    int status = look(s);
    if (!status && !access(s->path, F_OK))
        status = not_written(s, EEXIST);
    if (!status)
        status = save_into_file(s);
    if (!status)
        fprintf(stderr, "saved %llu record%s of %zu stages; they are in segment '%s' still\n",
                (unsigned long long)s->records, cli_s(s->records), s->seen.stage_count, s->segment);
    cli_snapshot_free(&s->seen);
    return status;
}

int cli_save(const char *segment, const char *path)
{
    struct save s = {.segment = segment, .path = path};
    size_t size = strlen(path) + sizeof ".part";
    int status = cli_attach(segment, &s.handle);
    if (status)
        return status;
    s.part = malloc(size);
    if (s.part) {
        snprintf(s.part, size, "%s.part", path);
        status = save(&s);
    } else {
        status = cli_segment_failed(segment, CVB_ESYSTEM);
    }
    free(s.part);
    cvb_detach(s.handle);
    return status;
}
