/* name_table.c - `names`: the sources of a segment with their ids, and retiring those that nobody uses. */
#include <conveyor/crash.h>
#include <conveyor/segment.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "attach.h"
#include "json.h"
#include "names.h"
#include "options.h"
#include "snapshot.h"
#include "text.h"
#include "width.h"
#include "word.h"

struct names {
    const char *segment;
    struct cvb_handle *handle;
    struct cli_list retire;
    bool json;
};

/* Why a name is not retired. */
static int refused(const struct names *n, const char *name, int error)
{
    char word[CLI_WORD_BYTES];
    if (error == CVB_EBUSY)
        cli_complain(
            "source '%s' of segment '%s' is in use: it has records, reservations or dead letters, or a process "
            "has opened it for records with positions; 'conveyor names %s' shows how many records",
            name, n->segment, cli_segment_word(n->segment, word));
    else if (error == CVB_EUNKNOWN)
        cli_complain("source '%s' of segment '%s' is retired already", name, n->segment);
    else
        return cli_segment_failed(n->segment, error);
    return CLI_FAILED;
}

static int retire_one(const struct names *n, const char *name)
{
    uint32_t id;
    int status = cli_find_source(n->handle, n->segment, "--retire", name, &id);
    if (status)
        return status;
    int error = cvb_source_retire(n->handle, id);
    if (error)
        return refused(n, name, error);
    printf("source '%s' is retired: id %u is nobody's any more\n", name, id);
    return 0;
}

/* All that can be; the status of the last that could not. */
static int retire_all(struct names *n)
{
    int failed = 0, status = cli_attach(n->segment, &n->handle);
    if (status)
        return status;
    cvb_recover(n->handle); /* what the dead hold keeps no name */
    for (size_t i = 0; i < n->retire.count; i++) {
        status = retire_one(n, n->retire.item[i]);
        failed = status ? status : failed;
    }
    cvb_detach(n->handle);
    status = cli_close_output();
    return failed ? failed : status;
}

static int print_json(const struct names *n, const struct cli_snapshot *s)
{
    json_t *sources = json_array();
    for (size_t i = 0; i < s->source_count; i++) {
        const struct cli_source *o = &s->sources[i];
        json_array_append_new(sources,
                              json_pack("{s:o,s:I,s:I,s:I,s:I}", "name", cli_json_text(o->name), "id",
                                        (json_int_t)o->id, "place", (json_int_t)cvb_source_place(o->id), "buffered",
                                        (json_int_t)o->buffered, "accepted", (json_int_t)o->counts.accepted));
    }
    return cli_json_print(json_pack("{s:i,s:o,s:I,s:I,s:o}", "version", 1, "segment", cli_json_text(n->segment), "used",
                                    (json_int_t)s->source_count, "most", (json_int_t)s->settings.max_sources, "sources",
                                    sources));
}

static int print_table(const struct cli_snapshot *s)
{
    int width = 6;
    for (size_t i = 0; i < s->source_count; i++)
        width = cli_wider(width, s->sources[i].name);
    printf("%-*s %10s %10s %12s\n", width, "source", "id", "buffered", "accepted");
    for (size_t i = 0; i < s->source_count; i++) {
        const struct cli_source *o = &s->sources[i];
        printf("%s%*s %10u %10u %12llu\n", o->name, width - cli_width(o->name), "", o->id, o->buffered,
               (unsigned long long)o->counts.accepted);
    }
    printf("%zu of %u names of sources are in use\n", s->source_count, s->settings.max_sources);
    return cli_close_output();
}

static int show(struct names *n)
{
    struct cli_snapshot s;
    int status = cli_observe(n->segment, &n->handle);
    if (status)
        return status;
    int error = cli_snapshot_take(n->handle, &s);
    cvb_detach(n->handle);
    if (error)
        return cli_segment_failed(n->segment, error);
    status = n->json ? print_json(n, &s) : print_table(&s);
    cli_snapshot_free(&s);
    return status;
}

static int run(const struct cli_command *self, int argc, char **argv)
{
    struct names n = {0};
    const struct cli_option options[] = {
        {"json", CLI_FLAG, NULL, "as one JSON object", &n.json, 0, 0},
        {"retire", CLI_LIST, "NAME", "give up the name of this source; may be given several times", &n.retire, 0, 0}};
    int status = cli_parse(self, argc, argv, options, sizeof options / sizeof options[0], &n.segment, 1);
    if (status != CLI_GO)
        return status;
    return n.retire.count ? retire_all(&n) : show(&n);
}

const struct cli_command cli_names = {
    "names", "SEG [--json] | SEG --retire NAME ...", "show the sources and their ids, or retire those that nobody uses",
    "A segment has room for so many names of sources (--max-sources of create). A retired name makes room for the "
    "next\n"
    "new one; what was counted and set for it goes with it. It is refused while the source has records anywhere, dead\n"
    "letters too, or while a process has it open for records with positions. A process that used the source without\n"
    "records is told that there is no such source, and must ask for the name again: the id is never given again.\n"
    "buffered is without dead letters; accepted are records since the name was given.",
    run};
