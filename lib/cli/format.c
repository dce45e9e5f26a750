/* format.c - what is written of each record. */
#include "format.h"

#include <conveyor/state.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "command.h"
#include "text.h"

static const struct {
    const char *name;
    enum cli_piece_kind kind;
} fields[] = {{"payload", CLI_PAYLOAD},   {"length", CLI_LENGTH}, {"source", CLI_SOURCE},
              {"pipeline", CLI_PIPELINE}, {"stage", CLI_STAGE},   {"retries", CLI_RETRIES},
              {"position", CLI_POSITION}, {"time", CLI_TIME}};
enum { FIELDS = sizeof fields / sizeof fields[0] };

static bool add(struct cli_format *f, enum cli_piece_kind kind, const char *text, size_t length)
{
    if (f->count == CLI_PIECES)
        return false;
    f->piece[f->count].kind = kind;
    f->piece[f->count].text = text;
    f->piece[f->count++].length = length;
    return true;
}

void cli_format_lines(struct cli_format *f)
{
    *f = (struct cli_format){.lines = true};
    add(f, CLI_PAYLOAD, NULL, 0);
    add(f, CLI_TEXT_PIECE, "\n", 1);
}

void cli_format_nul(struct cli_format *f)
{
    *f = (struct cli_format){0};
    add(f, CLI_PAYLOAD, NULL, 0);
    add(f, CLI_TEXT_PIECE, "\0", 1);
}

void cli_format_prefixed(struct cli_format *f)
{
    *f = (struct cli_format){0};
    add(f, CLI_PREFIX, NULL, 0);
    add(f, CLI_PAYLOAD, NULL, 0);
}

static int unknown_field(const char *text, size_t length)
{
    cli_complain("--format: '%.*s' is no field: there are {payload}, {length}, {source}, {pipeline}, {stage}, "
                 "{retries}, {position} and {time}; a brace itself is \\{",
                 (int)length, text);
    return CLI_USAGE;
}

/* The field at *at, which is behind its brace then. */
static int parse_field(struct cli_format *f, const char **at)
{
    size_t length = strcspn(*at, "}");
    for (int i = 0; i < FIELDS; i++) {
        if ((*at)[length] != '}' || length - 1 != strlen(fields[i].name) || memcmp(*at + 1, fields[i].name, length - 1))
            continue;
        *at += length + 1;
        return add(f, fields[i].kind, NULL, 0) ? 0 : unknown_field("too many", 8);
    }
    return unknown_field(*at, length + ((*at)[length] == '}'));
}

/* The byte behind a backslash. */
static char escaped(char c) { return c == 'n' ? '\n' : c == 't' ? '\t' : c == '0' ? 0 : c; }

int cli_format_parse(struct cli_format *f, const char *text)
{
    *f = (struct cli_format){.texts = malloc(strlen(text) + 1)};
    char *to = f->texts;
    int status = to ? 0 : CLI_FAILED;
    for (const char *at = text; !status && *at;) {
        if (*at == '{') {
            status = parse_field(f, &at);
            continue;
        }
        char *begin = to;
        while (*at && *at != '{') {
            bool is_escape = *at == '\\' && at[1];
            *to++ = is_escape ? escaped(at[1]) : *at;
            at += is_escape ? 2 : 1;
        }
        if (!add(f, CLI_TEXT_PIECE, begin, (size_t)(to - begin)))
            status = unknown_field("too many", 8);
    }
    f->lines = f->count && to && to > f->texts && to[-1] == '\n' && f->piece[f->count - 1].kind == CLI_TEXT_PIECE;
    return status;
}

void cli_format_free(struct cli_format *f) { free(f->texts); }

/* The text of a field that is neither text nor payload; its length. */
static size_t field(const struct cli_format *f, enum cli_piece_kind kind, const struct cvb_lease *lease, char *to)
{
    uint32_t n = lease->length;
    to[0] = 0;
    switch (kind) {
    case CLI_PREFIX:
        for (int i = 0; i < 4; i++)
            to[i] = (char)(n >> (24 - 8 * i));
        return 4;
    case CLI_SOURCE:
        cvb_source_name(f->handle, lease->source, to);
        break;
    case CLI_PIPELINE:
        cvb_pipeline_name(f->handle, lease->pipeline, to);
        break;
    case CLI_STAGE:
        cvb_stage_name(f->handle, lease->stage, to);
        break;
    case CLI_POSITION:
        snprintf(to, CLI_PIECE_BYTES, "%llu", (unsigned long long)lease->position);
        break;
    case CLI_TIME:
        snprintf(to, CLI_PIECE_BYTES, "%llu.%03llu", (unsigned long long)(lease->buffered_at_ns / 1000000000),
                 (unsigned long long)(lease->buffered_at_ns / 1000000 % 1000));
        break;
    default:
        snprintf(to, CLI_PIECE_BYTES, "%u", kind == CLI_RETRIES ? lease->retry_count : n);
    }
    return strlen(to);
}

size_t cli_format_record(const struct cli_format *f, const struct cvb_lease *lease, struct iovec *v, char *scratch)
{
    size_t bytes = 0;
    for (size_t i = 0; i < f->count; i++) {
        char *to = scratch + i * CLI_PIECE_BYTES;
        if (f->piece[i].kind == CLI_TEXT_PIECE)
            v[i] = (struct iovec){(void *)(uintptr_t)f->piece[i].text, f->piece[i].length};
        else if (f->piece[i].kind == CLI_PAYLOAD)
            v[i] = (struct iovec){(void *)(uintptr_t)lease->payload, lease->length};
        else
            v[i] = (struct iovec){to, field(f, f->piece[i].kind, lease, to)};
        bytes += v[i].iov_len;
    }
    return bytes;
}
