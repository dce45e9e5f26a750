/* lines.h - whole lines from a descriptor, as they come; or records that are told apart in another way. */
#ifndef CONVEYOR_CLI_LINES_H
#define CONVEYOR_CLI_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What parts records: a newline; a NUL byte; nothing, because each begins with its length in 4 bytes, the highest
 * first. */
enum cli_framing { CLI_LINES, CLI_NUL, CLI_PREFIXED };

struct cli_lines {
    int fd;
    size_t longest; /* bytes of the longest line that is allowed */
    char *buffer;   /* [begin, end) is read and not given out; [begin, scanned) has no newline */
    size_t size, begin, scanned, end;
    uint64_t number; /* lines given out so far */
    uint64_t offset; /* and their bytes, with what ends them or stands before them */
    bool ended, prefixed;
    char end_byte; /* of a line */
};

enum cli_line { CLI_LINE, CLI_LINE_NONE, CLI_LINE_LONG, CLI_LINE_CUT, CLI_LINE_END };

/* 0 or ENOMEM. */
int cli_lines_init(struct cli_lines *l, int fd, enum cli_framing framing, size_t longest);
void cli_lines_free(struct cli_lines *l);

/* The next line that is there, without its newline; it stays where it is until cli_lines_fill. NONE: the rest of it is
 * not there yet; LONG: it is longer than allowed; CUT: the input ends inside of a record with a length; END: there are
 * no more. */
enum cli_line cli_lines_next(struct cli_lines *l, const char **line, size_t *length);

/* Waits for input and reads what is there, for at most timeout_ns (negative: for ever) or until a signal comes. 0, or
 * an errno. */
int cli_lines_fill(struct cli_lines *l, int64_t timeout_ns);

/* Reads on to the end of the line that is too long and returns its length, or `most` if it is at least that. */
uint64_t cli_lines_measure(struct cli_lines *l, uint64_t most);

#endif
