/* once.c - a sink that writes each record once, although a record that was written may come again: a sink that is
 * killed between the write and the ack has it in its file, and the buffer delivers it once more. The key is source and
 * position, which stay with a record wherever it goes. Its file is its memory: each line is SOURCE, POSITION and the
 * payload, with tabs between, and when it starts it reads which are there. (A database would have a unique key.)
 * usage: once SEGMENT STAGE FILE, until SIGTERM or SIGINT; says how many were there already. One at a time a file. */
#include <conveyor/buffer.h>
#include <search.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BATCH 32
#define SLICE_NS INT64_C(100000000) /* how late a signal may be noticed */

/* The key of a record. Those whose position is settled by cvb_source_progress never come again, and may be dropped. */
struct key {
    char source[CVB_NAME_MAX + 1];
    uint64_t position;
};

struct sink {
    struct cvb_handle *buffer;
    uint32_t stage;
    FILE *file;
    void *seen; /* a tree of keys */
    unsigned long written, doubles;
};

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
    (void)number;
    stop = 1;
}

static int compare(const void *one, const void *other)
{
    const struct key *a = one, *b = other;
    return a->position != b->position ? (a->position < b->position ? -1 : 1) : strcmp(a->source, b->source);
}

/* 1 if it is new, 0 if it was seen before. */
static int is_new(struct sink *s, const struct key *key)
{
    struct key *kept = malloc(sizeof *kept);
    if (!kept)
        return CVB_ESYSTEM;
    *kept = *key;
    struct key **found = tsearch(kept, &s->seen, compare);
    int own = found && *found == kept;
    if (!own)
        free(kept);
    return found ? own : CVB_ESYSTEM;
}

static int remember_line(struct sink *s, const char *line)
{
    struct key key = {.position = 0};
    const size_t length = strcspn(line, "\t");
    if (!length || length > CVB_NAME_MAX || line[length] != '\t')
        return CVB_EINVAL; /* not a file of this sink */
    memcpy(key.source, line, length);
    key.position = strtoull(line + length, NULL, 10);
    return is_new(s, &key);
}

/* Reads what is in the file, and cuts off a last line that a kill has left unfinished. */
static int remember(struct sink *s)
{
    char *line = NULL;
    size_t size = 0;
    int error = 0;
    long end = 0;
    while (error >= 0 && getline(&line, &size, s->file) > 0 && strchr(line, '\n')) {
        error = remember_line(s, line);
        end = ftell(s->file);
    }
    free(line);
    if (error < 0)
        return error;
    return fseek(s->file, end, SEEK_SET) || ftruncate(fileno(s->file), end) ? CVB_ESYSTEM : 0;
}

/* A record without a position has no key: it is always written. */
static int write_new(struct sink *s, const struct cvb_lease *lease)
{
    struct key key = {.position = lease->position};
    int error = cvb_source_name(s->buffer, lease->source, key.source);
    int fresh = error || !key.position ? error == 0 : is_new(s, &key);
    if (error || fresh < 0)
        return error ? error : fresh;
    if (fresh)
        fprintf(s->file, "%s\t%llu\t%.*s\n", key.source, (unsigned long long)key.position, (int)lease->length,
                (const char *)lease->payload);
    s->written += fresh != 0;
    s->doubles += fresh == 0;
    return 0;
}

static int run(struct sink *s)
{
    struct cvb_lease leases[BATCH];
    while (!stop) {
        int n = cvb_get_wait(s->buffer, s->stage, leases, BATCH, SLICE_NS), error = n < 0 ? n : 0;
        for (int i = 0; i < n && !error; i++)
            error = write_new(s, &leases[i]);
        if (!error && fflush(s->file))
            error = CVB_ESYSTEM;
        if (!error)
            error = cvb_ack(s->buffer, leases, (size_t)n); /* only now that it is written */
        if (error && error != CVB_ETIMEDOUT)
            return error;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct sink s = {.file = argc == 4 ? fopen(argv[3], "a+") : NULL};
    if (!s.file)
        return 2;
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    int error = cvb_attach(argv[1], &s.buffer);
    if (!error) {
        error = cvb_stage(s.buffer, argv[2], &s.stage);
        if (!error)
            error = remember(&s);
        if (!error)
            error = run(&s);
        cvb_detach(s.buffer);
    }
    tdestroy(s.seen, free);
    fclose(s.file);
    printf("wrote %lu records, left out %lu that were there already\n", s.written, s.doubles);
    if (error)
        fprintf(stderr, "once: %s\n", cvb_error_text(error));
    return error != 0;
}
