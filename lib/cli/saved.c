/* saved.c - reads a file of 'record --all'. Nothing in it is trusted. */
#include "saved.h"

#include <conveyor/crash.h>
#include <conveyor/segment.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "flow.h"
#include "names.h"
#include "options.h"
#include "text.h"

enum { LINE = 400, TAIL = 40 }; /* longer than any line before a payload, and than the last line */

/* The file as it is read. */
struct reading {
    struct cli_saved *s;
    uint32_t stage; /* whose records come */
    uint64_t left;  /* of them */
};

static int wrong(const struct reading *r)
{
    cli_complain("'%s': what follows record %zu is not as 'conveyor record --all' of this version writes it; nothing "
                 "was put",
                 r->s->path, r->s->count);
    return CLI_FAILED;
}

static int failed(const struct reading *r, int error)
{
    return error == CVB_ENAME ? wrong(r) : cli_segment_failed(r->s->segment, error);
}

int cli_saved_look(struct cvb_handle *handle, const char *segment, struct cli_snapshot *seen)
{
    int freed;
    while ((freed = cvb_recover(handle)) > 0)
        ;
    return freed < 0 ? freed : cli_snapshot_whole(handle, segment, seen);
}

uint64_t cli_saved_hash(const void *payload, size_t length, const void *header, size_t header_length)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    for (size_t i = 0; i < length + header_length; i++) {
        const unsigned char *from = i < length ? payload : header;
        hash = (hash ^ from[i < length ? i : i - length]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

struct cli_saved_record *cli_saved_add(struct cli_saved *s)
{
    if (s->count == s->room) {
        size_t room = s->room ? 2 * s->room : 1024;
        struct cli_saved_record *more = room < UINT32_MAX ? realloc(s->record, room * sizeof *more) : NULL;
        if (!more)
            return NULL;
        s->record = more;
        s->room = room;
    }
    s->record[s->count] = (struct cli_saved_record){0};
    return &s->record[s->count++];
}

/* The next of the fields that tabs part; "" if there is none. */
static const char *field(char **rest)
{
    const char *text = strsep(rest, "\t");
    return text ? text : "";
}

static bool whole(char **rest, uint64_t most, uint64_t *value) { return cli_whole(field(rest), 0, most, value); }

static bool whole32(char **rest, uint32_t *value)
{
    uint64_t n = 0;
    bool good = whole(rest, UINT32_MAX, &n);
    *value = (uint32_t)n;
    return good;
}

static bool line(FILE *file, char text[LINE])
{
    char *end = fgets(text, LINE, file) ? strchr(text, '\n') : NULL;
    if (end)
        *end = 0;
    return end;
}

/* The stage of that name, which is made. */
static int find_stage(struct reading *r, const char *name, uint32_t *id)
{
    return cli_is_name(name) ? cli_make_stage(r->s->handle, r->s->segment, "all", name, id) : wrong(r);
}

static int read_source(struct reading *r, char *rest)
{
    uint32_t id;
    uint64_t accepted;
    const char *name = field(&rest);
    if (!whole(&rest, INT64_MAX, &accepted) || rest)
        return wrong(r);
    int error = cvb_source(r->s->handle, name, &id);
    if (error)
        return failed(r, error);
    r->s->accepted[cvb_source_place(id)] = accepted;
    return 0;
}

static int read_stage(struct reading *r, char *rest)
{
    const char *name = field(&rest);
    return whole(&rest, UINT32_MAX, &r->left) && !rest ? find_stage(r, name, &r->stage) : wrong(r);
}

static int too_long(const struct reading *r, const struct cli_saved_record *x)
{
    const struct cvb_settings *s = &r->s->settings;
    const bool payload = x->length > s->payload_size;
    cli_complain("record %zu of '%s' has %u bytes%s, and a record of segment '%s' has at most %u: make the segment "
                 "anew with a larger --%s-size; nothing was put",
                 r->s->count, r->s->path, payload ? x->length : x->header_length, payload ? "" : " of header",
                 r->s->segment, payload ? s->payload_size : s->header_size, payload ? "payload" : "header");
    return CLI_FAILED;
}

/* Payload and header, with the newline that ends them. */
static int read_bytes(struct reading *r, struct cli_saved_record *x)
{
    const struct cvb_settings *s = &r->s->settings;
    FILE *file = r->s->file;
    if (x->length > s->payload_size || x->header_length > s->header_size)
        return too_long(r, x);
    x->offset = (uint64_t)ftello(file);
    const size_t size = (size_t)x->length + x->header_length;
    if (fread(r->s->bytes, 1, size, file) != size || getc(file) != '\n')
        return wrong(r);
    x->hash = cli_saved_hash(r->s->bytes, x->length, r->s->bytes + x->length, x->header_length);
    return 0;
}

static int read_record(struct reading *r, char *rest)
{
    uint64_t time_us;
    struct cli_saved_record *x = cli_saved_add(r->s);
    const char *source = field(&rest), *pipeline = field(&rest), *origin = field(&rest);
    if (!x)
        return failed(r, CVB_ESYSTEM);
    if (!whole32(&rest, &x->retries) || !whole(&rest, INT64_MAX, &x->position) ||
        !whole(&rest, UINT64_MAX / 1000, &time_us) || !whole32(&rest, &x->length) ||
        !whole32(&rest, &x->header_length) || rest)
        return wrong(r);
    int error = cvb_source(r->s->handle, source, &x->source);
    if (!error)
        error = cvb_pipeline(r->s->handle, pipeline, &x->pipeline);
    if (error)
        return failed(r, error);
    x->dead = r->stage == CVB_STAGE_DEAD_LETTER;
    x->stage = r->stage;
    int status = x->dead ? find_stage(r, origin, &x->stage) : 0;
    r->left--;
    return status ? status : x->stage == CVB_STAGE_DEAD_LETTER ? wrong(r) : read_bytes(r, x);
}

static int read_all(struct reading *r)
{
    char text[LINE];
    int status = 0;
    while (!status) {
        char *rest = text;
        uint64_t records;
        if (!line(r->s->file, text))
            return wrong(r);
        if (r->left) {
            status = read_record(r, rest);
            continue;
        }
        const char *kind = field(&rest);
        if (!strcmp(kind, "end"))
            return whole(&rest, UINT64_MAX, &records) && !rest && records == r->s->count ? 0 : wrong(r);
        status = !strcmp(kind, "source")  ? read_source(r, rest)
                 : !strcmp(kind, "stage") ? read_stage(r, rest)
                                          : wrong(r);
    }
    return status;
}

/* True if the last line is the one that a whole file ends with. */
static bool is_whole(FILE *file)
{
    char tail[TAIL + 1];
    if (fseeko(file, -TAIL, SEEK_END) && fseeko(file, 0, SEEK_SET))
        return false;
    size_t size = fread(tail, 1, TAIL, file);
    if (!size || tail[size - 1] != '\n')
        return false;
    tail[size - 1] = 0;
    const char *last = memrchr(tail, '\n', size - 1);
    return last && !strncmp(last + 1, "end\t", 4) && !fseeko(file, 0, SEEK_SET);
}

static int open_file(struct cli_saved *s)
{
    char text[LINE];
    struct stat st;
    s->file = fopen(s->path, "re");
    if (!s->file || fstat(fileno(s->file), &st) || (!S_ISREG(st.st_mode) && (errno = EINVAL))) {
        cli_complain("cannot read '%s': %s", s->path, errno == EINVAL ? "it is not a file" : strerror(errno));
        return CLI_FAILED;
    }
    if (!line(s->file, text) || strcmp(text, CLI_SAVED_FIRST)) {
        cli_complain("'%s' is not a file that 'conveyor record --all' of this version has written", s->path);
        return CLI_FAILED;
    }
    if (!is_whole(s->file) || !line(s->file, text)) {
        cli_complain("'%s' is not whole: its last line is missing; nothing was put", s->path);
        return CLI_FAILED;
    }
    return 0;
}

int cli_saved_open(struct cli_saved *s)
{
    struct reading r = {.s = s};
    int status = open_file(s), error = status ? 0 : cvb_settings_of(s->handle, &s->settings);
    if (status || error)
        return status ? status : failed(&r, error);
    s->accepted = calloc(s->settings.max_sources, sizeof *s->accepted);
    s->bytes = malloc((size_t)s->settings.payload_size + s->settings.header_size + 1);
    return s->accepted && s->bytes ? read_all(&r) : failed(&r, CVB_ESYSTEM);
}

void cli_saved_close(struct cli_saved *s)
{
    if (s->file)
        fclose(s->file);
    free(s->record);
    free(s->accepted);
    free(s->bytes);
    free(s->chain);
}

bool cli_saved_bytes(const struct cli_saved *s, const struct cli_saved_record *r, char *bytes)
{
    const size_t size = (size_t)r->length + r->header_length;
    for (size_t done = 0; done < size;) {
        ssize_t n = pread(fileno(s->file), bytes + done, size - done, (off_t)(r->offset + done));
        if (n <= 0)
            return false;
        done += (size_t)n;
    }
    return true;
}

bool cli_saved_index(struct cli_saved *s)
{
    for (s->chains = 16; s->chains < s->count;)
        s->chains *= 2;
    s->chain = calloc(s->chains, sizeof *s->chain);
    for (size_t i = s->count; s->chain && i--;) {
        uint32_t *first = &s->chain[s->record[i].hash & (s->chains - 1)];
        s->record[i].next = *first;
        *first = (uint32_t)i + 1;
    }
    return s->chain;
}

/* A dead letter of the file may wait in its stage still, because the replay that put it there was killed. */
static bool is_like(const struct cli_saved_record *r, const struct cvb_lease *lease, uint64_t hash)
{
    return r->hash == hash && !r->there && r->stage == lease->origin &&
           (r->dead || lease->stage != CVB_STAGE_DEAD_LETTER) && r->source == lease->source &&
           r->pipeline == lease->pipeline && r->position == lease->position && r->length == lease->length &&
           r->header_length == lease->header_length;
}

struct cli_saved_record *cli_saved_find(const struct cli_saved *s, const struct cvb_lease *lease)
{
    const uint64_t hash = cli_saved_hash(lease->payload, lease->length, lease->header, lease->header_length);
    for (uint32_t at = s->chain[hash & (s->chains - 1)]; at; at = s->record[at - 1].next)
        if (is_like(&s->record[at - 1], lease, hash))
            return &s->record[at - 1];
    return NULL;
}
