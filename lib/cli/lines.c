/* lines.c - whole lines from a descriptor, as they come: one read takes what is there, and every line that it completed
 * can be used at once, in place. */
#include "lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "signals.h"

#define READ_BYTES (256u << 10)
enum { PREFIX = 4 }; /* bytes of a length that stands before a record, the highest first */

int cli_lines_init(struct cli_lines *l, int fd, enum cli_framing framing, size_t longest)
{
    *l = (struct cli_lines){.fd = fd, .longest = longest, .size = READ_BYTES + longest + PREFIX};
    l->prefixed = framing == CLI_PREFIXED;
    l->end_byte = framing == CLI_NUL ? 0 : '\n';
    l->buffer = malloc(l->size);
    return l->buffer ? 0 : ENOMEM;
}

void cli_lines_free(struct cli_lines *l) { free(l->buffer); }

/* The length that stands before the next record; false if it is not there yet. */
static bool prefix(const struct cli_lines *l, uint32_t *length)
{
    const unsigned char *at = (const unsigned char *)l->buffer + l->begin;
    if (l->end - l->begin < PREFIX)
        return false;
    *length = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
    return true;
}

static enum cli_line next_prefixed(struct cli_lines *l, const char **line, size_t *size)
{
    uint32_t length;
    size_t there = l->end - l->begin;
    if (!prefix(l, &length) || (length <= l->longest && there - PREFIX < length))
        return !l->ended ? CLI_LINE_NONE : there ? CLI_LINE_CUT : CLI_LINE_END;
    if (length > l->longest)
        return CLI_LINE_LONG;
    *line = l->buffer + l->begin + PREFIX;
    *size = length;
    l->begin += PREFIX + length;
    l->offset += PREFIX + length;
    l->number++;
    return CLI_LINE;
}

static enum cli_line give(struct cli_lines *l, size_t length, size_t with_newline, const char **line, size_t *size)
{
    *line = l->buffer + l->begin;
    *size = length;
    if (length > l->longest)
        return CLI_LINE_LONG;
    l->begin += with_newline;
    l->offset += with_newline;
    l->scanned = l->begin;
    l->number++;
    return CLI_LINE;
}

enum cli_line cli_lines_next(struct cli_lines *l, const char **line, size_t *length)
{
    if (l->prefixed)
        return next_prefixed(l, line, length);
    const char *newline = memchr(l->buffer + l->scanned, l->end_byte, l->end - l->scanned);
    if (newline) {
        size_t n = (size_t)(newline - (l->buffer + l->begin));
        return give(l, n, n + 1, line, length);
    }
    size_t rest = l->end - l->begin;
    l->scanned = l->end;
    if (rest > l->longest || (l->ended && rest))
        return give(l, rest, rest, line, length);
    return l->ended ? CLI_LINE_END : CLI_LINE_NONE;
}

static void make_room(struct cli_lines *l)
{
    if (l->begin) {
        memmove(l->buffer, l->buffer + l->begin, l->end - l->begin);
        l->end -= l->begin;
        l->scanned -= l->scanned < l->begin ? l->scanned : l->begin;
        l->begin = 0;
    }
}

int cli_lines_fill(struct cli_lines *l, int64_t timeout_ns)
{
    if (l->ended || !cli_wait_readable(l->fd, timeout_ns))
        return 0;
    make_room(l);
    ssize_t n = read(l->fd, l->buffer + l->end, l->size - l->end);
    if (n < 0)
        return errno == EINTR || errno == EAGAIN ? 0 : errno;
    l->end += (size_t)n;
    l->ended = !n;
    return 0;
}

uint64_t cli_lines_measure(struct cli_lines *l, uint64_t most)
{
    uint64_t length = 0;
    uint32_t told;
    if (l->prefixed && prefix(l, &told))
        return told < most ? told : most;
    for (;;) {
        const char *newline = memchr(l->buffer + l->begin, l->end_byte, l->end - l->begin);
        length += newline ? (uint64_t)(newline - (l->buffer + l->begin)) : l->end - l->begin;
        l->begin = l->scanned = l->end;
        if (newline || l->ended || length >= most || cli_signals() || cli_lines_fill(l, -1))
            return length < most ? length : most;
    }
}
